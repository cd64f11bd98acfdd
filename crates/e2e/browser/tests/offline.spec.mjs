// Loss and return of the network.
import vm from 'node:vm';

import { expect, test } from '../fixture.mjs';
import { buyTicket, createPayableOrder, cancelOrder, createListing } from '../users.mjs';
import { CARDS, fillSignIn, isSameDocument, live, markDocument, nav, pay } from '../steps.mjs';

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

test('assets of another release are replaced by those that are kept, and not kept themselves', async ({ page, context }) => {
  await page.goto('/');
  const old = '/assets/style-000000000000.css';
  // The same worker is installed again, as after a deployment.
  await page.evaluate(async (path) => {
    const registration = await navigator.serviceWorker.ready;
    await (await caches.open('offline')).put(path, new Response(''));
    await registration.unregister();
    await navigator.serviceWorker.register('/sw.js');
  }, old);
  await expect.poll(() => page.evaluate(async (path) => !await caches.match(path), old)).toBe(true);
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => true));
  await context.setOffline(true);
  await page.goto('/browse');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('You are offline');
  const size = (path) => page.evaluate(async (asked) => (await (await fetch(asked)).text()).length, path);
  expect(await size(old)).toBeGreaterThan(1_000);
  await context.setOffline(false);
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

  // So it does once the show is over.
  await page.clock.setFixedTime(new Date(Date.parse(order.ticket.startsAt) + 13 * 3_600_000));
  await page.goto('/orders');
  const past = page.getByRole('region', { name: 'Passes of past shows' });
  await past.getByRole('link', { name: order.ticket.title }).click();
  await expect(page.getByRole('img', { name: /^QR code/ })).toBeVisible();
  await page.goto('/orders');
  await expect(past).toBeVisible();
  await expect(page.getByRole('heading', { name: 'Passes saved on this device' })).toBeHidden();

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

test('passes are kept without a visit to the orders: that of a payment, and those of before the sign-in', async ({ page, newUser }) => {
  const [seller, buyer] = [await newUser('Mara'), await newUser('Ben')];
  const earlier = await buyTicket(buyer, await createListing(seller));
  const order = await createPayableOrder(buyer, await createListing(seller));
  // A browser in which this user has never been.
  await page.goto(`/signin?next=/checkout/${order.id}`);
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => true));
  await fillSignIn(page, buyer);
  const isKept = ({ id }) => page.evaluate(async (path) => Boolean(await caches.match(path)), `/orders/${id}/pass`);
  await expect.poll(() => isKept(earlier)).toBe(true);
  await pay(page, CARDS.good);
  await expect(page.getByRole('heading', { level: 1, name: 'The ticket is yours' })).toBeVisible();
  await expect(page.getByRole('link', { name: 'Show pass' })).toBeVisible();
  await expect.poll(() => isKept(order)).toBe(true);

  await page.context().setOffline(true);
  await page.goto('/');
  const passes = page.getByRole('region', { name: 'Passes saved on this device' }).getByRole('link');
  await expect(passes).toHaveCount(2);
  await passes.filter({ hasText: order.ticket.title }).click();
  await expect(page.getByRole('img', { name: /^QR code/ })).toBeVisible();
  await page.context().setOffline(false);
});

test('a kept pass is shown while the session cannot be renewed, and goes once the session has ended', async ({ request }) => {
  const [listeners, kept] = [{}, new Response('kept')];
  let [answer, isKept] = [undefined, true];
  const self = { addEventListener: (name, listener) => { listeners[name] = listener; } };
  const caches = { match: async () => (isKept ? kept : undefined), delete: async () => { isKept = false; } };
  const worker = await (await request.get('/sw.js')).text();
  vm.runInNewContext(worker, { self, caches, fetch: async () => answer, URL, setTimeout });
  const open = async (status, headers = {}) => {
    answer = new Response('present', { status, headers });
    const url = `http://shop/orders/${'0'.repeat(36)}/pass`;
    const shown = await new Promise((respondWith) => {
      listeners.fetch({ request: { method: 'GET', mode: 'navigate', url }, respondWith });
    });
    return shown.clone().text();
  };
  // The account service is not available, too many requests, and the shop is not available.
  for (const status of [401, 429, 503]) expect(await open(status, { 'retry-after': '2' })).toBe('kept');
  expect(isKept).toBe(true);
  expect(await open(401)).toBe('present');
  expect(isKept).toBe(false);
});

test('an error page is not kept as the offline page', async ({ request }) => {
  const worker = await (await request.get('/sw.js')).text();
  const install = async (status) => {
    const [listeners, kept] = [{}, []];
    const self = { addEventListener: (name, listener) => { listeners[name] = listener; }, skipWaiting: async () => {} };
    const cache = { put: async (path) => { kept.push(path); }, addAll: async () => {}, keys: async () => [] };
    const fetch = async () => new Response('', { status });
    vm.runInNewContext(worker, { self, caches: { open: async () => cache }, fetch, URL, setTimeout });
    await new Promise((done) => { listeners.install({ waitUntil: (work) => work.then(done, done) }); });
    return kept;
  };
  expect(await install(200)).toEqual(['/offline']);
  expect(await install(503)).toEqual([]);
});

test('of more passes than are kept, those of the shows that are over longest go first', async ({ newUser }) => {
  const [seller, buyer] = [await newUser('Mara'), await newUser('Ben')];
  const order = await buyTicket(buyer, await createListing(seller));
  const { page } = buyer;
  await page.goto('/orders');
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => true));
  // One for each year.
  await page.evaluate(async () => {
    const passes = await caches.open('passes');
    for (let year = 1900; year < 2005; year += 1) {
      const html = `<h1>Show of ${year}</h1><time datetime="${year}-01-01T20:00:00Z">1 January ${year}</time>`;
      await passes.put(`/orders/${year}/pass`, new Response(html));
    }
  });
  await page.goto(`/orders/${order.id}`);
  const kept = () => page.evaluate(async () => (await (await caches.open('passes')).keys()).map(({ url }) => new URL(url).pathname));
  await expect.poll(async () => (await kept()).length).toBe(100);
  const paths = await kept();
  expect(paths).toContain(`/orders/${order.id}/pass`);
  expect(paths).toContain('/orders/2004/pass');
  expect(paths).not.toContain('/orders/1905/pass');
  expect(paths).toContain('/orders/1906/pass');
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
