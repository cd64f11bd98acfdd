// Loss and return of the network.
import { expect, test } from '../fixture.mjs';
import { createPayableOrder, cancelOrder, createListing } from '../users.mjs';
import { live, markDocument, isSameDocument } from '../steps.mjs';

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
