// On a phone: everything fits its width and can be tapped.
import { devices } from '@playwright/test';

import { expect, test } from '../fixture.mjs';
import { createListing, createPayableOrder, createShow, showPath, unique } from '../users.mjs';
import { CARDS, card, pay, payButton, row } from '../steps.mjs';

test.use(devices['Pixel 7']);

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
  await page.getByRole('button', { name: 'Hold this ticket' }).tap();
  await expect(page).toHaveURL(/\/checkout\//);
  // What is bought comes before the card.
  const summary = await page.getByRole('complementary', { name: 'What you buy' }).boundingBox();
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
  await page.getByLabel('Price', { exact: true }).fill('42,50');
  await page.getByLabel('Currency').selectOption('EUR');
  await page.getByRole('button', { name: 'Preview' }).tap();
  await page.getByRole('button', { name: 'List this ticket' }).tap();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(title);
  await expect(page.getByRole('main')).toContainText('42.50 EUR');
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
});
