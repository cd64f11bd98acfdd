// Loss and return of the network.
import { expect, test } from '../fixture.mjs';
import { buyTicket, createPayableOrder, cancelOrder, createListing } from '../users.mjs';
import { fillSignIn, live, markDocument, nav, isSameDocument } from '../steps.mjs';

test('offline page is shown without a network, and leads back', async ({ page, context }) => {
  await page.goto('/');
  // The service worker has cached the offline page.
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => true));
  await context.setOffline(true);
  await page.goto('/browse');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('You are offline');
  await expect(page).toHaveURL('/browse');
  await context.setOffline(false);
  await page.getByRole('main').getByRole('link').first().click();
  await expect(page.getByRole('main').getByRole('search')).toBeVisible();
  await expect(page).toHaveURL('/browse');
});

test('a pass that was bought is shown without a network, until the session ends', async ({ newUser }) => {
  const [seller, buyer] = [await newUser('Mara'), await newUser('Ben')];
  const order = await buyTicket(buyer, await createListing(seller));
  const { page } = buyer;
  const context = page.context();
  const kept = () => page.evaluate(async () => (await (await caches.open('passes')).keys()).length);
  await page.goto(`/orders/${order.id}`);
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => true));
  await expect.poll(kept).toBe(1);

  await context.setOffline(true);
  for (const path of [`/orders/${order.id}/pass`, `/orders/${order.id}`]) {
    await page.goto(path);
    await expect(page.getByRole('heading', { level: 1 })).toHaveText(order.ticket.title);
    await expect(page.getByRole('img', { name: /^QR code/ })).toBeVisible();
  }
  // Any other page leads to it.
  await page.goto('/orders');
  await page.getByRole('main').getByRole('link', { name: order.ticket.title }).click();
  await expect(page.getByRole('img', { name: /^QR code/ })).toBeVisible();

  await context.setOffline(false);
  await page.goto('/orders');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(nav(page, 'Sign in')).toBeVisible();
  await expect.poll(kept).toBe(0);
  await context.setOffline(true);
  await page.goto(`/orders/${order.id}/pass`);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('You are offline');
  await context.setOffline(false);

  // A session that was ended elsewhere takes them along.
  await page.goto('/signin');
  await fillSignIn(page, buyer);
  await expect(nav(page, 'Sign in')).toHaveCount(0);
  await page.goto(`/orders/${order.id}`);
  await expect.poll(kept).toBe(1);
  await context.clearCookies();
  await page.goto('/orders');
  await expect.poll(kept).toBe(0);
});

test('a page that lost its connection catches up', async ({ page, newUser }) => {
  const [seller, buyer] = [await newUser('Mara'), await newUser('Ben')];
  const ticket = await createListing(seller);
  let isOffline = false;
  const sockets = [];
  await page.routeWebSocket('**/live', (socket) => {
    sockets.push(socket);
    if (isOffline) socket.close();
    else socket.connectToServer();
  });
  await page.goto(`/tickets/${ticket.id}`);
  await markDocument(page);
  const order = await createPayableOrder(buyer, ticket);
  await expect(live(page, ticket)).toContainText('Held');

  isOffline = true;
  await sockets.at(-1).close();
  await cancelOrder(buyer, order);
  isOffline = false;
  await expect(live(page, ticket)).toContainText('For sale', { timeout: 30_000 });
  expect(await isSameDocument(page)).toBe(true);
});
