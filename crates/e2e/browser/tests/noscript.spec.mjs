// Without JavaScript everything works except paying, which needs the card network's script.
import { expect, test } from '../fixture.mjs';
import { createListing, createShow, signUp, unique } from '../users.mjs';
import { card, fillSignIn, live, nav, payButton, row } from '../steps.mjs';

test.use({ javaScriptEnabled: false });

test('browse, sign in, hold and cancel', async ({ page }) => {
  const word = unique();
  const [seller, buyer] = [await signUp('Mara'), await signUp('Ben')];
  const ticket = await createListing(seller, { title: `Aida ${word}`, category: 'theatre' });
  await createListing(seller, { title: `Aida ${word} encore`, category: 'concert', price: { amount: 20_000, currency: 'EUR' } });

  await page.goto('/');
  await nav(page, 'Browse').click();
  const form = page.getByRole('main').getByRole('search');
  await form.getByRole('searchbox').fill(word);
  await form.getByRole('button').last().click();
  await expect(page.getByRole('article')).toHaveCount(2);
  await page.getByLabel('Category').selectOption({ label: 'Theatre' });
  await page.getByRole('main').getByRole('search').getByRole('button').last().click();
  await expect(page).toHaveURL(/category=theatre/);
  await expect(page.getByRole('article')).toHaveCount(1);
  await expect(page.getByRole('main').getByRole('searchbox')).toHaveValue(word);

  await card(page, ticket.title).getByRole('link', { name: ticket.title }).click();
  await row(page, ticket).click();
  await page.getByRole('button', { name: 'Buy this ticket' }).click();
  await fillSignIn(page, buyer);
  await expect(page).toHaveURL(/\/checkout\//);
  await expect(page.locator('[data-countdown]')).toHaveText(/^1[45]:\d\d$/);
  await expect(payButton(page)).toHaveCount(0);
  // Playwright ignores the contents of noscript, so this checks the page source.
  expect(await page.content()).toContain('Paying requires JavaScript');

  await page.goto('/orders');
  await page.getByRole('link', { name: ticket.title, exact: true }).click();
  await expect(page.getByRole('main')).toContainText('€89.00');
  await expect(page.getByRole('region', { name: 'Your hold' })).toContainText(/^Held for you 1[45]:\d\d · Pay$/);
  await page.goBack();
  await page.goBack();
  await page.getByRole('button', { name: 'Release ticket' }).click();
  await expect(page.getByRole('main')).toContainText('not charged');
  await expect(page.getByRole('heading', { name: 'You released the ticket' })).toBeFocused();
  await page.goto(`/tickets/${ticket.id}`);
  await expect(live(page, ticket)).toContainText('For sale');

  await page.getByRole('button', { name: 'Watch', exact: true }).click();
  await expect(page.getByRole('button', { name: 'Stop watching' })).toBeVisible();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(nav(page, 'Sign in')).toBeVisible();
});

test('list, edit and withdraw', async ({ newUser }) => {
  const { page } = await newUser('Noor');
  const title = `Rigoletto ${unique()}`;
  await page.goto('/sell');
  await page.getByRole('main').getByRole('searchbox').fill(title);
  await page.getByRole('main').getByRole('button', { name: 'Search' }).click();
  await page.getByRole('link', { name: 'Enter the show’s details' }).click();
  await expect(page.getByLabel('Title')).toHaveValue(title);
  await page.getByLabel('Venue').fill('Opera House');
  await page.getByLabel('Date and time').fill('2099-04-02T20:15');
  await page.getByLabel('Time zone').selectOption('Europe/Paris');
  await page.getByLabel('Price per seat').fill('42.50');
  await page.getByLabel('Currency').selectOption('EUR');
  await page.getByRole('button', { name: 'Preview' }).click();
  await expect(page.getByRole('main')).toContainText('€42.50');
  await page.getByRole('link', { name: 'Edit' }).click();
  await expect(page.getByLabel('Venue')).toHaveValue('Opera House');
  await page.getByRole('button', { name: 'Preview' }).click();
  await page.getByRole('button', { name: 'List this ticket' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(title);

  await page.getByRole('link', { name: 'Edit' }).click();
  await page.getByLabel('Price per seat').fill('41');
  await page.getByRole('button', { name: 'Preview' }).click();
  await page.getByRole('button', { name: /save/i }).click();
  await expect(page.getByRole('main')).toContainText('€41.00');
  await expect(page.getByRole('main').getByRole('status')).toContainText('Your changes are live.');
  await page.getByText('Withdraw…').click();
  await page.getByRole('button', { name: 'Withdraw now' }).click();
  await expect(page.getByRole('main').getByRole('status')).toContainText('Withdrawn.');
  await expect(card(page, title)).toContainText('You withdrew it.');
});

test('sell a second ticket for a known show, and filter its page', async ({ newUser }) => {
  const [seller, other] = [await newUser('Noor'), await newUser('Mara')];
  const [ticket] = await createShow(seller, 3);
  const { page } = other;
  await page.goto('/sell');
  await page.getByRole('main').getByRole('searchbox').fill(ticket.title);
  await page.getByRole('main').getByRole('button', { name: 'Search' }).click();
  await page.getByRole('main').getByRole('link', { name: ticket.title }).click();
  await expect(page.getByRole('main')).toContainText('Stalls: €87.00 to €89.00');
  await page.getByLabel('Section').fill('Stalls');
  await page.getByLabel('Price per seat').fill('60');
  await page.getByLabel('Currency').selectOption('EUR');
  await page.getByRole('button', { name: 'Preview' }).click();
  await expect(page.getByRole('main')).toContainText('Similar seats: €87.00 to €89.00');
  await page.getByRole('button', { name: 'List this ticket' }).click();
  await page.getByRole('link', { name: 'All tickets for this show' }).click();
  await expect(page.getByRole('heading', { name: '4 tickets, cheapest first' })).toBeVisible();
  const rows = page.getByRole('main').locator('[data-live^="ticket:"]');
  await expect(rows.first()).toContainText('€60.00');
  await expect(rows.first()).toContainText('Cheapest in Section Stalls');
  await page.getByLabel('Section').selectOption('Balcony');
  await page.getByRole('button', { name: 'Apply filters' }).click();
  await expect(rows).toHaveCount(1);
  await expect(page.getByRole('heading', { name: '1 of 4 tickets, cheapest first' })).toBeVisible();
});
