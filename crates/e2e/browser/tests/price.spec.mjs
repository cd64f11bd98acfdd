// The seller changes the price while a user is about to buy.
import { expect, test } from '../fixture.mjs';
import { orderAtOutdatedPrice, cancelOrder, createListing, createPayableOrder, changePriceAndWait } from '../users.mjs';
import { isSameDocument, live, liveShow, markDocument, nav, payButton } from '../steps.mjs';

const hold = (page) => page.getByRole('button', { name: 'Buy this ticket' });

test('an open page shows a new price immediately', async ({ page, newUser }) => {
  const seller = await newUser('Mara');
  const ticket = await createListing(seller);
  await page.goto(`/tickets/${ticket.id}`);
  await expect(live(page, ticket)).toContainText('€89.00');
  await markDocument(page);
  await changePriceAndWait(seller, ticket, 9_500);
  await expect(live(page, ticket)).toContainText('€95.00', { timeout: 5_000 });
  expect(await isSameDocument(page)).toBe(true);
});

test('a ticket cannot be held at a price that was not shown', async ({ newUser }) => {
  const [seller, buyer] = [await newUser('Mara'), await newUser('Ben')];
  const ticket = await createListing(seller);
  // A page without a live connection keeps showing the old price.
  await buyer.page.routeWebSocket('**/live', () => {});
  await buyer.page.goto(`/tickets/${ticket.id}`);
  await changePriceAndWait(seller, ticket, 9_600);
  await hold(buyer.page).click();
  await expect(buyer.page.getByRole('main').getByRole('status')).toContainText('€96.00');
  await expect(buyer.page).not.toHaveURL(/\/checkout\//);

  // Now the new price was shown.
  await hold(buyer.page).click();
  await expect(buyer.page).toHaveURL(/\/checkout\//);
  await expect(payButton(buyer.page)).toHaveText('Pay €96.00');
});

test('a hold at an outdated price is refused, and offered at the new one', async ({ newUser }) => {
  test.skip(!process.env.NATS_PID, 'needs a fleet whose NATS can be suspended');
  const [seller, buyer] = [await newUser('Mara'), await newUser('Ben')];
  const ticket = await createListing(seller);
  const order = await orderAtOutdatedPrice(buyer, seller, ticket, 9_500);
  await buyer.page.goto(`/checkout/${order.id}`);
  const main = buyer.page.getByRole('main');
  await expect(main).toContainText('€95.00');
  await expect(main).toContainText(/not charged/i);
  await expect(payButton(buyer.page)).toBeHidden();
  await main.getByRole('button', { name: 'Hold at €95.00' }).click();
  await expect(buyer.page).not.toHaveURL(`/checkout/${order.id}`);
  await expect(buyer.page).toHaveURL(/\/checkout\//);
  await expect(payButton(buyer.page)).toHaveText('Pay €95.00');
});

test('a watcher is notified when a ticket gets cheaper', async ({ page: guest, newUser }) => {
  const [seller, watcher] = [await newUser('Mara'), await newUser('Ben')];
  const ticket = await createListing(seller);
  await watcher.page.goto(`/tickets/${ticket.id}`);
  await watcher.page.getByRole('button', { name: 'Watch', exact: true }).click();
  await expect(watcher.page.getByRole('button', { name: 'Stop watching' })).toBeVisible();
  await markDocument(watcher.page);
  await changePriceAndWait(seller, ticket, 7_500);
  await expect(nav(watcher.page, 'Notifications, 1 unread')).toBeVisible({ timeout: 5_000 });
  expect(await isSameDocument(watcher.page)).toBe(true);
  await nav(watcher.page, /^Notifications/).click();
  await expect(watcher.page.getByRole('main').getByRole('link', { name: ticket.title })).toContainText('€75.00');
  await watcher.page.goto(`/tickets/${ticket.id}`);
  await watcher.page.getByRole('button', { name: 'Stop watching' }).click();
  await expect(watcher.page.getByRole('button', { name: 'Watch', exact: true })).toBeVisible();

  await guest.goto('/');
  const drops = guest.getByRole('region', { name: 'Price drops' });
  await expect(liveShow(drops, ticket)).toContainText('€89.00');
  await expect(liveShow(drops, ticket)).toContainText('€75.00');
});

test('a watcher is told that a held ticket is free again', async ({ newUser }) => {
  const [seller, buyer, fan] = [await newUser('Mara'), await newUser('Ben'), await newUser('Olu')];
  const ticket = await createListing(seller);
  const order = await createPayableOrder(buyer, ticket);
  await fan.page.goto(`/tickets/${ticket.id}`);
  await fan.page.getByRole('button', { name: 'Watch', exact: true }).click();
  await expect(fan.page.getByRole('button', { name: 'Stop watching' })).toBeVisible();
  await markDocument(fan.page);
  await cancelOrder(buyer, order);
  await expect(nav(fan.page, 'Notifications, 1 unread')).toBeVisible({ timeout: 5_000 });
  expect(await isSameDocument(fan.page)).toBe(true);
  await nav(fan.page, /^Notifications/).click();
  await expect(fan.page.getByRole('main').getByRole('link', { name: ticket.title })).toContainText('Available again');
});
