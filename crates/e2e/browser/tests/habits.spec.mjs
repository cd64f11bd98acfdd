// What browsers do to an open page, and what people are used to.
import { expect, test } from '../fixture.mjs';
import { cancelOrder, createListing, createPayableOrder } from '../users.mjs';
import { fillSignIn, fillSignUp, isSameDocument, live, markDocument, nav } from '../steps.mjs';

test('a page notices that its connection is dead once it is looked at again', async ({ page, newUser }) => {
  const [seller, buyer] = [await newUser('Mara'), await newUser('Ben')];
  const ticket = await createListing(seller);
  // From some moment nothing passes through the connections that are open, and nothing closes them.
  const open = new Set();
  await page.routeWebSocket('**/live', (socket) => {
    const server = socket.connectToServer();
    open.add(socket);
    socket.onMessage((message) => { if (open.has(socket)) server.send(message); });
    server.onMessage((message) => { if (open.has(socket)) socket.send(message); });
  });
  await page.clock.install();
  await page.goto(`/tickets/${ticket.id}`);
  await markDocument(page);
  await expect(live(page, ticket)).toContainText('For sale');
  await expect.poll(() => open.size).toBe(1);
  open.clear();
  await createPayableOrder(buyer, ticket);
  await expect(live(page, ticket)).toContainText('For sale');

  await page.evaluate(() => { document.dispatchEvent(new Event('visibilitychange')); });
  // No answer arrives: the page gives the connection up, and makes another one.
  await page.clock.fastForward(6_000);
  await page.clock.fastForward(6_000);
  await expect(live(page, ticket)).toContainText('Held');
  expect(await isSameDocument(page)).toBe(true);
});

test('a page gives up a connection that does not open', async ({ page, newUser }) => {
  const [seller, buyer] = [await newUser('Mara'), await newUser('Ben')];
  const ticket = await createListing(seller);
  let attempts = 0;
  await page.routeWebSocket('**/live', (socket) => {
    attempts += 1;
    if (attempts === 1) return new Promise(() => {});
    return socket.connectToServer();
  });
  await page.clock.install();
  await page.goto(`/tickets/${ticket.id}`);
  await markDocument(page);
  await expect.poll(() => attempts).toBe(1);
  await createPayableOrder(buyer, ticket);
  await page.evaluate(() => { dispatchEvent(new Event('online')); });
  await page.clock.fastForward(6_000);
  await page.clock.fastForward(6_000);
  await expect(live(page, ticket)).toContainText('Held');
  expect(attempts).toBe(2);
  expect(await isSameDocument(page)).toBe(true);
});

test('a hold that ended elsewhere leaves the bar once the page is looked at', async ({ newUser }) => {
  const [seller, buyer] = [await newUser('Mara'), await newUser('Ben')];
  const order = await createPayableOrder(buyer, await createListing(seller));
  const { page } = buyer;
  // The page is told of nothing.
  await page.routeWebSocket('**/live', () => {});
  await page.goto('/browse');
  await expect(page.locator('#hold')).toBeVisible();
  await cancelOrder(buyer, order);
  await expect(async () => {
    await page.evaluate(() => { dispatchEvent(new Event('focus')); });
    await expect(page.locator('#hold')).toBeHidden({ timeout: 500 });
  }).toPass();
});

test('a page that comes back from the cache has a new form, and one of yesterday a new day', async ({ page, newUser }) => {
  const ticket = await createListing(await newUser('Mara'));
  await page.goto(`/tickets/${ticket.id}`);
  const key = page.locator('input[name="key"]');
  const former = await key.inputValue();
  await page.evaluate(() => { dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })); });
  await expect(key).not.toHaveValue(former);

  await page.clock.setFixedTime('2099-01-01T22:00:00');
  await page.goto('/browse?when=today');
  await expect(page.getByRole('main').getByRole('search')).toBeVisible();
  await markDocument(page);
  await page.evaluate(() => { dispatchEvent(new Event('focus')); });
  expect(await isSameDocument(page)).toBe(true);
  await page.clock.setFixedTime('2099-01-02T08:00:00');
  await page.evaluate(() => { dispatchEvent(new Event('focus')); });
  await expect.poll(() => isSameDocument(page).catch(() => true)).toBe(false);
});

test('signing in leads back, and keeps what was typed when the session had ended', async ({ newUser }) => {
  const user = await newUser('Olu Former');
  const { page } = user;
  await page.context().clearCookies();
  await page.goto('/browse');
  // A script changes the address of the page, not its links.
  await page.getByLabel('Category').selectOption('theatre');
  await expect(page).toHaveURL(/category=theatre/);
  const address = page.url();
  await nav(page, 'Sign in').click();
  await fillSignIn(page, user);
  await expect(page).toHaveURL(address);

  await page.goto('/account');
  await page.context().clearCookies();
  await page.getByLabel('Display name').fill('Olu Latter');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('main')).toContainText('Your details are saved.');
  await fillSignIn(page, user);
  await expect(page.getByLabel('Display name')).toHaveValue('Olu Latter');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(nav(page, 'Olu Latter')).toBeVisible();
});

test('Back from the page after a sign-in, and a reload, send no form again', async ({ newUser }) => {
  const user = await newUser('Ivy');
  const { page } = user;
  await page.context().clearCookies();
  const posts = [];
  page.on('request', (request) => { if (request.method() === 'POST') posts.push(request.url()); });
  await page.goto('/signin?next=/browse');
  await fillSignIn(page, { ...user, password: 'not the password' });
  await expect(page.getByRole('alert')).toBeFocused();
  await page.reload();
  await expect(page).toHaveURL(/\/signin\?next=/);
  await fillSignIn(page, { ...user, password: 'not that one either' });
  await expect(page.getByRole('alert')).toBeFocused();
  await fillSignIn(page, user);
  await expect(page).toHaveURL(/\/browse$/);
  await page.goBack();
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  expect(posts.length).toBe(3);
});

test('the errors of a form have the focus, and lead to their fields', async ({ page }) => {
  await page.goto('/signup');
  await fillSignUp(page, { email: 'not an address', name: 'Ivy', password: 'short' });
  const errors = page.getByRole('alert');
  await expect(errors).toBeFocused();
  await expect(errors.getByRole('link')).toHaveText(['Email', 'Password']);
  await errors.getByRole('link', { name: 'Password' }).click();
  await expect(page.getByLabel('Password')).toBeFocused();
});

test('Back undoes a filter', async ({ page }) => {
  await page.goto('/browse');
  await page.getByLabel('Seats together').selectOption('2');
  await expect(page).toHaveURL(/quantity=2/);
  await expect(page.getByRole('link', { name: 'Remove filter: Seats together: 2' })).toBeVisible();
  await page.goBack();
  await expect(page).not.toHaveURL(/quantity/);
  await expect(page.getByLabel('Seats together')).toHaveValue('');
});

test('a date is a filter once its year is typed', async ({ page }) => {
  await page.goto('/browse');
  const from = page.locator('input[name="from"]');
  const change = (date) => from.evaluate((input, value) => {
    input.value = value;
    input.dispatchEvent(new Event('change', { bubbles: true }));
  }, date);
  const asked = [];
  page.on('request', (request) => { if (request.url().includes('from=0')) asked.push(request.url()); });
  for (const year of ['0002', '0020', '0209', '2099']) {
    await change(`${year}-05-01`);
    // Each is a filter of its own if it has been still for that long.
    await page.waitForTimeout(300);
  }
  await expect(page).toHaveURL(/from=2099-05-01/);
  expect(asked).toEqual([]);
  await page.goBack();
  await expect(page).not.toHaveURL(/from=/);
});

test('the filters are open on a wide screen, also for the keyboard', async ({ page }) => {
  await page.goto('/browse');
  await expect(page.getByText('Filters', { exact: true })).toBeHidden();
  await page.getByRole('main').getByRole('button', { name: 'Search' }).focus();
  await page.keyboard.press('Tab');
  await expect(page.getByLabel('Category')).toBeFocused();
  await expect(page.getByLabel('Category')).toBeInViewport();
});

test('a page of another release is opened as a whole', async ({ page }) => {
  await page.goto('/browse');
  // What the script asks for lacks the part that it would replace.
  await page.route('**/browse?**', async (route) => {
    if (route.request().isNavigationRequest()) return route.continue();
    return route.fulfill({ contentType: 'text/html', body: '<main id="another">Another release</main>' });
  });
  await markDocument(page);
  await page.getByLabel('Category').selectOption('theatre');
  await expect.poll(() => isSameDocument(page).catch(() => true)).toBe(false);
  await expect(page).toHaveURL(/category=theatre/);
  await expect(page.getByRole('main').getByRole('search')).toBeVisible();
});
