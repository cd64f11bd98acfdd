// Holds that expire while their page is open. For a fleet with an ORDER_TTL of about 15 seconds.
import { expect, test } from '../fixture.mjs';
import { createPayableOrder, createListing } from '../users.mjs';
import { bank, CARDS, closeBank, isSameDocument, live, liveShow, markDocument, pay, payButton } from '../steps.mjs';

// The duration of a hold, and the propagation of its expiry.
const OVER = { timeout: 40_000 };

test('a hold expires while its checkout is open, and the ticket is for sale again', async ({ page: guest, newUser }) => {
  const [seller, buyer] = [await newUser('Mara'), await newUser('Ben')];
  const ticket = await createListing(seller);
  await guest.goto(`/tickets/${ticket.id}`);
  await markDocument(guest);
  await buyer.page.goto(`/tickets/${ticket.id}`);
  await buyer.page.getByRole('button', { name: 'Buy this ticket' }).click();
  await expect(buyer.page).toHaveURL(/\/checkout\//);
  await markDocument(buyer.page);
  await expect(buyer.page.locator('[data-countdown]')).toHaveText(/^0:[01]\d$/);
  await expect(live(guest, ticket)).toContainText('Held');

  await expect(buyer.page.getByRole('heading', { name: 'Your hold has ended' })).toBeVisible(OVER);
  await expect(buyer.page.getByRole('main')).toContainText('not charged');
  await expect(payButton(buyer.page)).toBeHidden();
  expect(await isSameDocument(buyer.page)).toBe(true);
  await expect(live(guest, ticket)).toContainText('For sale');
  await expect(guest.getByRole('button', { name: 'Buy this ticket' })).toBeVisible();
  expect(await isSameDocument(guest)).toBe(true);

  // The buyer may try again.
  await buyer.page.getByRole('main').locator(`a[href="/tickets/${ticket.id}"]`).last().click();
  await buyer.page.getByRole('button', { name: 'Buy this ticket' }).click();
  await expect(buyer.page).toHaveURL(/\/checkout\//);
  await pay(buyer.page, CARDS.good);
  await expect(buyer.page.getByRole('heading', { name: 'The ticket is yours' })).toBeVisible();
});

test('an unanswered 3-D Secure challenge expires without an authorization', async ({ newUser }) => {
  const [seller, buyer] = [await newUser('Mara'), await newUser('Ben')];
  const ticket = await createListing(seller);
  const order = await createPayableOrder(buyer, ticket);
  const { page } = buyer;
  await page.goto(`/checkout/${order.id}`);
  await pay(page, CARDS.secured);
  await expect(bank(page).getByRole('button', { name: 'Complete' })).toBeVisible();
  const heading = page.locator('#live').getByRole('heading').first();
  await expect(heading).toHaveText('Your hold has ended', OVER);

  await closeBank(page);
  await expect(page.getByRole('dialog')).toBeHidden();
  await expect(page.getByRole('main')).toContainText('Nothing is set aside on your card, and you were not charged');
  await expect(payButton(page)).toBeHidden();
  await page.goto(`/orders/${order.id}`);
  await expect(page.getByRole('main')).toContainText(/expired/i);
});

test('pages that list shows tell that a hold has expired', async ({ page: browsePage, newUser }) => {
  const [seller, buyer] = [await newUser('Mara'), await newUser('Ben')];
  const ticket = await createListing(seller);
  await browsePage.goto(`/browse?q=${encodeURIComponent(ticket.title)}`);
  await expect(liveShow(browsePage, ticket)).toContainText('1 left');
  await markDocument(browsePage);
  await createPayableOrder(buyer, ticket);
  await expect(liveShow(browsePage, ticket)).toContainText('No tickets right now');
  await expect(liveShow(browsePage, ticket)).toContainText('1 left', OVER);
  expect(await isSameDocument(browsePage)).toBe(true);
});
