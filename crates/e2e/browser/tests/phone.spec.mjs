// On a phone: everything fits its width and can be tapped.
import { devices } from '@playwright/test';

import { expect, test } from '../fixture.mjs';
import { createListing, createPayableOrder, createShow, createSix, showPath, unique } from '../users.mjs';
import { CARDS, card, live, liveShow, openFilters, pay, payButton, row } from '../steps.mjs';

test.use(devices['Pixel 7']);

/** Expects all passes on paper, and nothing to press. */
const expectPrinted = async (page, codes) => {
  await page.emulateMedia({ media: 'print' });
  for (const code of await codes.all()) await expect(code).toBeVisible();
  await expect(codes).toHaveCount(2);
  await expect(page.getByRole('button')).toHaveCount(0);
  await expect(page.locator('.btn:visible')).toHaveCount(0);
  await page.emulateMedia({ media: null });
};

test('a user buys a ticket on a phone', async ({ newUser }) => {
  const word = unique();
  const [seller, buyer] = [await newUser('Mara'), await newUser('Ben')];
  const ticket = await createListing(seller, { title: `Norma ${word}` });
  const { page } = buyer;
  expect(page.viewportSize().width).toBeLessThan(450);
  await page.goto('/');
  await page.getByRole('main').getByRole('searchbox').fill(word);
  await page.getByRole('main').getByRole('searchbox').press('Enter');
  await card(page, ticket.title).getByRole('link', { name: ticket.title }).tap();
  await row(page, ticket).tap();
  await page.getByRole('button', { name: 'Buy this ticket' }).tap();
  await expect(page).toHaveURL(/\/checkout\//);
  // What is bought comes before the card, also on a narrow phone, and the header has two lines.
  await page.setViewportSize({ width: 390, height: 844 });
  expect((await page.getByRole('banner').boundingBox()).height).toBeLessThan(120);
  const summary = await page.getByRole('complementary', { name: 'Order summary' }).boundingBox();
  expect(summary.y + summary.height).toBeLessThan((await page.getByLabel('Card number').boundingBox()).y);
  await pay(page, CARDS.good);
  await expect(page.getByRole('heading', { name: 'The ticket is yours' })).toBeVisible();
  await page.getByRole('main').locator('a[href^="/orders/"]').first().tap();
  // Large enough to be scanned, and fully on the screen.
  const code = await page.getByRole('main').getByRole('img').boundingBox();
  expect(code.width).toBeGreaterThan(180);
  expect(code.x).toBeGreaterThanOrEqual(0);
  expect(code.x + code.width).toBeLessThanOrEqual(page.viewportSize().width);
});

test('shows, tickets and the button that holds one are on the first screen', async ({ page, newUser }) => {
  const ticket = await createListing(await newUser('Mara'));
  const { page: german } = await newUser('Ben', { locale: 'de-DE' });
  for (const one of [page, german]) {
    await one.setViewportSize({ width: 390, height: 844 });
    for (const address of ['/', '/browse', showPath(ticket), `/tickets/${ticket.id}`]) {
      await one.goto(address);
      expect((await one.getByRole('banner').boundingBox()).height, `the header of ${address} has two lines`).toBeLessThan(120);
      await expect(one.locator('.offers li, .rows li, form[action$="/hold"] button').first()).toBeInViewport();
    }
  }
  // On a phone the account has the only button that signs out.
  await expect(german.getByRole('button', { name: 'Abmelden' })).toBeHidden();
  await german.goto('/account');
  await german.getByRole('button', { name: 'Dieses Gerät abmelden' }).tap();
  await expect(german.getByRole('banner').getByRole('link', { name: 'Anmelden' })).toBeVisible();
});

test('two seats together on a day, under 60 €, are found by their filters', async ({ page, newUser }) => {
  const word = unique();
  const seller = await newUser('Mara');
  const startsAt = new Date(Date.now() + 3 * 86_400_000);
  startsAt.setUTCHours(18, 0, 0, 0);
  const day = startsAt.toISOString().slice(0, 10);
  const list = (create, title, amount, more) => create(seller, {
    title: `${title} ${word}`, startsAt: startsAt.toISOString(), price: { amount, currency: 'EUR' }, ...more,
  });
  const wanted = await list(createSix, 'Norma', 5_500);
  await list(createSix, 'Dear', 6_100);
  await list(createListing, 'Single', 4_000);
  await list(createSix, 'Later', 4_000, { startsAt: new Date(startsAt.getTime() + 2 * 86_400_000).toISOString() });
  await page.goto('/browse');
  await page.getByRole('main').getByRole('searchbox').fill(word);
  await openFilters(page);
  await page.getByLabel('Seats together').selectOption('2');
  // As people type it: no currency is chosen.
  await page.getByLabel('Maximum price').fill('60 €');
  await page.getByLabel('Maximum price').press('Enter');
  await expect(page.getByRole('article')).toHaveCount(2);
  // Whoever sends the form sees what it found, and how many filters are set.
  await expect(page.getByText('Filters (2)', { exact: true })).toBeInViewport();
  await expect(page.getByLabel('Maximum price')).toBeHidden();
  await expect(page.getByRole('article').first()).toBeInViewport();
  await expect(page.getByRole('navigation', { name: 'Days' }).getByRole('link')).toHaveCount(2);
  await page.getByRole('navigation', { name: 'Days' }).locator(`a[href*="from=${day}"]`).tap();
  await expect(page.getByRole('article')).toHaveCount(1);
  await expect(page.getByRole('article')).toContainText('€55.00, 6 left');
  await card(page, wanted.title).getByRole('link', { name: wanted.title }).tap();
  // The filters hold on the page of the show, and the number of seats on that of the listing.
  await expect(page).toHaveURL(/\/shows\/.*quantity=2&max=60.*&currency=EUR$/);
  await live(page, wanted).getByRole('link').tap();
  await expect(page).toHaveURL(/quantity=2/);
  await expect(page.getByRole('radio', { name: /^2 seats together/ })).toBeChecked();
});

test('two people buy two seats together each from one listing of six', async ({ newUser }) => {
  const [seller, ...buyers] = [await newUser('Mara'), await newUser('Ben'), await newUser('Olu')];
  const ticket = await createSix(seller, { title: `Elektra ${unique()}` });
  // A single seat of the same show, which is not what they look for.
  const { title } = ticket;
  const single = await createListing(seller, { title, row: 'G', price: { amount: 5_000, currency: 'EUR' } });
  for (const { page } of buyers) {
    await page.goto(showPath(ticket));
    await expect(liveShow(page, ticket)).toContainText('7 left');
    await openFilters(page);
    await page.getByLabel('Seats together').selectOption('2');
    await expect(row(page, single)).toHaveCount(0);
    await live(page, ticket).getByRole('link').tap();
    await expect(page).toHaveURL(new RegExp(`/tickets/${ticket.id}`));
    await expect(page.getByRole('radio')).toHaveCount(3);
  }
  // Both hold a pair at the same time. Each is told what it costs in all.
  await Promise.all(buyers.map(async ({ page }) => {
    const pair = page.getByRole('radio', { name: /^2 seats together: 2 × €89\.00 = €178\.00$/ });
    await pair.check();
    await page.getByRole('button', { name: 'Buy these seats' }).tap();
    await expect(page).toHaveURL(/\/checkout\//);
    await expect(payButton(page)).toHaveText('Pay €178.00');
  }));
  const bought = [];
  for (const { page } of buyers) {
    const { width } = page.viewportSize();
    await pay(page, CARDS.good);
    await expect(page.getByRole('heading', { name: 'The tickets are yours' })).toBeFocused();
    await page.getByRole('link', { name: 'View your tickets' }).tap();
    await expect(page.getByRole('main')).toContainText('2 × €89.00 = €178.00');
    const codes = page.getByRole('img', { name: /^QR code of your ticket/ });
    await expect(codes).toHaveCount(2);
    const names = await codes.evaluateAll((images) => images.map((image) => image.getAttribute('aria-label').match(/Seat (\d+)/)[1]));
    bought.push(names.map(Number));
    expect(new Set(await codes.locator('path').evaluateAll((paths) => paths.map((path) => path.getAttribute('d')))).size).toBe(2);
    await expectPrinted(page, codes);
    // At the door: one pass fills the width but for the edge of the next, which is a swipe away.
    await page.getByRole('link', { name: 'Show passes' }).tap();
    await expect(codes).toHaveCount(2);
    await expect(codes.first()).toBeInViewport({ ratio: 0.9 });
    const next = codes.last().locator('xpath=ancestor::section');
    await expect(next).toBeInViewport();
    await expect(next).not.toBeInViewport({ ratio: 0.3 });
    await page.getByRole('group', { name: /^Passes/ }).evaluate((passes) => passes.scrollBy({ left: passes.clientWidth }));
    await expect(codes.last()).toBeInViewport({ ratio: 0.9 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    await expectPrinted(page, codes);
    // Some browsers have no full screen.
    const fill = page.locator('#fill').getByRole('button');
    if (await page.evaluate(() => document.fullscreenEnabled)) {
      await fill.tap();
      await expect.poll(() => page.evaluate(() => document.fullscreenElement?.matches('.pass'))).toBe(true);
      await page.evaluate(() => document.exitFullscreen());
    } else {
      await expect(fill).toBeHidden();
    }
  }
  // Each pair is a pair of neighbours that the seller fixed, and nobody has the seat of another.
  for (const [first, second] of bought) {
    expect(second).toBe(first + 1);
    expect(first % 2).toBe(0);
  }
  expect(new Set(bought.flat()).size).toBe(4);
  await seller.page.goto('/selling');
  await expect(card(seller.page, title).filter({ hasText: 'Seats 12 to 17' })).toContainText('4 of 6 sold');
  await buyers[0].page.goto(showPath(ticket));
  await expect(live(buyers[0].page, ticket)).toContainText('2 of 6 seats left (buy 2 together)');
});

test('a user sells four seats of a known show with few inputs', async ({ newUser }) => {
  const [seller, { page }] = [await newUser('Mara'), await newUser('Noor')];
  const ticket = await createListing(seller, { title: `Fidelio ${unique()}` });
  await page.goto('/sell');
  // Six inputs: the show's name, the show, the seats, the price, and the two buttons.
  await page.getByRole('main').getByRole('searchbox').fill(ticket.title);
  await page.getByRole('main').getByRole('link', { name: ticket.title }).tap();
  await page.getByLabel('Seat numbers').fill('12-15');
  await page.getByLabel('Price per seat').fill('42');
  await page.getByRole('button', { name: 'Preview' }).tap();
  await page.getByRole('button', { name: 'List these 4 seats' }).tap();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(ticket.title);
  for (const fact of ['Seats 12 to 15', '€42.00', '4 of 4 seats left']) await expect(page.getByRole('main')).toContainText(fact);
});

test('a user pays with the phone\'s wallet', async ({ newUser }) => {
  const [seller, buyer] = [await newUser('Mara'), await newUser('Ben')];
  const order = await createPayableOrder(buyer, await createListing(seller));
  const { page } = buyer;
  await page.goto(`/checkout/${order.id}`);
  await expect(payButton(page)).toBeEnabled();
  await page.getByRole('button', { name: 'Google Pay' }).tap();
  await expect(page.getByRole('heading', { name: 'The ticket is yours' })).toBeFocused();
  await expect(page.getByRole('button', { name: 'Google Pay' })).toBeHidden();
});

test('a user sells a ticket on a phone', async ({ newUser }) => {
  const { page } = await newUser('Noor');
  const title = `Turandot ${unique()}`;
  await page.goto('/sell/new');
  await page.getByLabel('Title').fill(title);
  await page.getByLabel('Venue').fill('Opera House');
  await page.getByLabel('Date and time').fill('2099-04-02T20:15');
  await page.getByLabel('Price per seat').fill('42,50');
  await page.getByLabel('Currency').selectOption('EUR');
  await page.getByRole('button', { name: 'Preview' }).tap();
  // Going back keeps what was typed.
  await expect(page.getByRole('heading', { name: 'Preview' })).toBeVisible();
  await page.goBack();
  await expect(page.getByLabel('Title')).toHaveValue(title);
  await expect(page.getByLabel('Price per seat')).toHaveValue('42,50');
  await page.getByRole('button', { name: 'Preview' }).tap();
  await page.getByRole('button', { name: 'List this ticket' }).tap();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(title);
  await expect(page.getByRole('main')).toContainText('€42.50');
});

test('the tickets of a show are one line each, and can be tapped', async ({ newUser }) => {
  const [seller, buyer] = [await newUser('Mara'), await newUser('Ben')];
  const tickets = await createShow(seller, 4);
  const { page } = buyer;
  await page.goto(showPath(tickets[0]));
  const width = page.viewportSize().width;
  const rows = page.getByRole('main').locator('[data-live^="ticket:"]');
  await expect(rows).toHaveCount(4);
  for (const box of await Promise.all((await rows.all()).map((element) => element.boundingBox()))) {
    expect(box.x + box.width).toBeLessThanOrEqual(width);
    expect(box.height).toBeGreaterThanOrEqual(44);
    expect(box.height).toBeLessThan(130);
  }
  // The whole row is the link.
  await rows.last().tap();
  await expect(page).toHaveURL(`/tickets/${tickets[0].id}`);
  // A popular show has as many as 200.
  await page.goBack();
  await expect(rows).toHaveCount(4);
  await rows.last().evaluate((one) => { for (let n = 4; n < 200; n += 1) one.after(one.cloneNode(true)); });
  await expect(rows).toHaveCount(200);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
});
