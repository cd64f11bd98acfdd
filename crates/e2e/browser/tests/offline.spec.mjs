// When the network is gone, and when it is back.
import { expect, test } from '../fixture.mjs';
import { holdsToPay, letsGo, lists } from '../people.mjs';
import { live, mark, isTheSame } from '../steps.mjs';

test('without a network there is a page that says so, and leads back', async ({ page, context }) => {
  await page.goto('/');
  // Its worker has fetched what it needs for then.
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

test('a page that lost its connection catches up with what it missed', async ({ page, somebody }) => {
  const [seller, buyer] = [await somebody('Mara'), await somebody('Ben')];
  const ticket = await lists(seller);
  let isAway = false;
  const sockets = [];
  await page.routeWebSocket('**/live', (socket) => {
    sockets.push(socket);
    if (isAway) socket.close();
    else socket.connectToServer();
  });
  await page.goto(`/tickets/${ticket.id}`);
  await mark(page);
  const order = await holdsToPay(buyer, ticket);
  await expect(live(page, ticket)).toContainText('Held');

  isAway = true;
  await sockets.at(-1).close();
  await letsGo(buyer, order);
  isAway = false;
  await expect(live(page, ticket)).toContainText('For sale', { timeout: 30_000 });
  expect(await isTheSame(page)).toBe(true);
});
