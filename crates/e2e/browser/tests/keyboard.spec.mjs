// A purchase by keyboard only.
import { expect, test } from '../fixture.mjs';
import { cancelOrder, createListing, createPayableOrder, signUp, unique } from '../users.mjs';
import { bank, CARDS, nav, payButton, row } from '../steps.mjs';

// More than the number of tab stops of any page.
const STOPS = 80;

/** Presses Tab until the target has the focus, which must be visible. */
const tabTo = async (page, target) => {
  await target.waitFor();
  for (let stop = 0; stop < STOPS; stop += 1) {
    await page.keyboard.press('Tab');
    if (await target.evaluate((element) => element === element.ownerDocument.activeElement)) {
      expect(await isOutlined(target), `the focus on ${target} is visible`).toBe(true);
      return;
    }
  }
  throw new Error(`${target} cannot be reached with Tab`);
};

const isOutlined = (target) => target.evaluate((element) => {
  const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element);
  return (outlineStyle !== 'none' && parseFloat(outlineWidth) > 0) || boxShadow !== 'none';
});

const press = async (page, target) => {
  await tabTo(page, target);
  await page.keyboard.press('Enter');
};

const type = async (page, target, text) => {
  await tabTo(page, target);
  await page.keyboard.type(text);
};

test('from the search to the ticket, with a 3-D Secure challenge', async ({ page }) => {
  const word = unique();
  const [seller, buyer] = [await signUp('Mara'), await signUp('Ben')];
  const ticket = await createListing(seller, { title: `Fidelio ${word}` });

  await page.goto('/');
  // The first tab stop skips the navigation.
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: /skip/i })).toBeFocused();
  await expect(page.getByRole('link', { name: /skip/i })).toBeInViewport();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('main')).toBeFocused();
  await type(page, page.getByRole('main').getByRole('searchbox'), word);
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/browse\?/);
  await press(page, page.getByRole('link', { name: ticket.title }));
  await press(page, row(page, ticket));
  await press(page, page.getByRole('button', { name: 'Buy this ticket' }));

  await type(page, page.getByLabel('Email'), buyer.email);
  await type(page, page.getByLabel('Password'), 'not the right secret');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('alert')).toBeVisible();
  await tabTo(page, page.getByLabel('Email'));
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.type(buyer.email);
  await type(page, page.getByLabel('Password'), 'a long enough secret');
  await page.keyboard.press('Enter');
  // The ticket is held at once.
  await expect(page).toHaveURL(/\/checkout\//);

  await type(page, page.getByLabel('Card number'), CARDS.secured);
  await type(page, page.getByLabel('Expiry'), '12 / 34');
  await type(page, page.getByLabel('CVC'), '123');
  await press(page, payButton(page));
  await expect(page.getByRole('dialog')).toBeVisible();
  await press(page, bank(page).getByRole('button', { name: 'Complete' }));
  await expect(page.getByRole('heading', { name: 'The ticket is yours' })).toBeFocused();

  await press(page, page.getByRole('main').locator('a[href^="/orders/"]').first());
  await expect(page).toHaveURL(/\/orders\//);
  await press(page, nav(page, /^Notifications/));
  await press(page, page.getByRole('button', { name: 'Mark all as read' }));
  await expect(nav(page, /^Notifications/)).toHaveAccessibleName('Notifications');
  await press(page, page.getByRole('button', { name: 'Sign out' }));
  await expect(nav(page, 'Sign in')).toBeVisible();
});

test('an update of the page keeps the focus', async ({ newUser }) => {
  const [seller, buyer] = [await newUser('Mara'), await newUser('Ben')];
  const order = await createPayableOrder(buyer, await createListing(seller));
  await buyer.page.goto(`/orders/${order.id}`);
  // Has no id.
  const link = buyer.page.getByRole('link', { name: 'View the listing' });
  await link.focus();
  await cancelOrder(buyer, order);
  await expect(buyer.page.getByText('Cancelled. You were not charged.').first()).toBeVisible();
  await expect(link).toBeFocused();
});

test('live changes are announced to screen readers', async ({ page, newUser }) => {
  const [seller, buyer] = [await newUser('Mara'), await newUser('Ben')];
  const ticket = await createListing(seller);
  await page.goto(`/tickets/${ticket.id}`);
  const spoken = page.locator('[aria-live="polite"]');
  await expect(spoken).toHaveText('');
  await buyer.page.goto(`/tickets/${ticket.id}`);
  await buyer.page.getByRole('button', { name: 'Buy this ticket' }).click();
  await expect(spoken).toContainText(/held/i);
});
