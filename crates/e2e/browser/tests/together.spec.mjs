// Several users view the same ticket: each sees the others' actions immediately.
import { expect, test } from '../fixture.mjs';
import { createListing, createShow, showPath } from '../users.mjs';
import { CARDS, isSameDocument, live, liveShow, markDocument, nav, pay } from '../steps.mjs';

// Live updates arrive without a reload.
const AT_ONCE = { timeout: 5_000 };

test('a hold, its cancellation and a sale appear immediately to other users', async ({ page: guest, newUser }) => {
  const [seller, buyer, other] = [await newUser('Mara'), await newUser('Ben'), await newUser('Olu')];
  const ticket = await createListing(seller);
  const others = [guest, seller.page, other.page];
  for (const page of [...others, buyer.page]) {
    await page.goto(`/tickets/${ticket.id}`);
    await expect(live(page, ticket)).toContainText('For sale');
    await markDocument(page);
  }
  // The card of its show in a list is live as well.
  const browsePage = await guest.context().newPage();
  await browsePage.goto(`/browse?q=${encodeURIComponent(ticket.title)}`);
  await expect(liveShow(browsePage, ticket)).toContainText('1 left');
  await markDocument(browsePage);

  const hold = (page) => page.getByRole('button', { name: 'Buy this ticket' });
  await hold(buyer.page).click();
  await expect(buyer.page).toHaveURL(/\/checkout\//);
  for (const page of others) {
    await expect(live(page, ticket)).toContainText(/hold ends in 1[45]:\d\d/, AT_ONCE);
    await expect(hold(page)).toBeHidden();
  }
  await expect(liveShow(browsePage, ticket)).toContainText('No tickets right now', AT_ONCE);
  // The countdown is live.
  const left = live(other.page, ticket).locator('[data-countdown]');
  const before = await left.textContent();
  await expect(left).not.toHaveText(before, AT_ONCE);

  await buyer.page.getByRole('button', { name: 'Release ticket' }).click();
  await expect(buyer.page.getByRole('main')).toContainText('not charged');
  for (const page of others) await expect(live(page, ticket)).toContainText('For sale', AT_ONCE);
  await expect(liveShow(browsePage, ticket)).toContainText('1 left', AT_ONCE);
  await expect(hold(other.page)).toBeVisible();
  for (const page of others) expect(await isSameDocument(page)).toBe(true);

  await hold(other.page).click();
  await expect(other.page).toHaveURL(/\/checkout\//);
  await pay(other.page, CARDS.good);
  await expect(other.page.getByRole('heading', { name: 'The ticket is yours' })).toBeVisible();
  await expect(liveShow(browsePage, ticket)).toContainText('No tickets right now', AT_ONCE);
  expect(await isSameDocument(browsePage)).toBe(true);
  for (const page of [guest, seller.page]) {
    await expect(live(page, ticket)).toContainText('Sold', AT_ONCE);
    expect(await isSameDocument(page)).toBe(true);
  }
  // The seller's notification appears without a reload.
  await expect(nav(seller.page, /^Notifications, 1 unread$/)).toBeVisible(AT_ONCE);
  await nav(seller.page, /^Notifications/).click();
  await expect(seller.page.getByRole('main').getByRole('link', { name: ticket.title })).toContainText('Sold');
});

test('the page of a show follows its tickets', async ({ page: guest, newUser }) => {
  const [seller, buyer] = [await newUser('Mara'), await newUser('Ben')];
  const tickets = await createShow(seller, 3);
  await guest.goto(showPath(tickets[0]));
  await expect(liveShow(guest, tickets[0])).toContainText('3 left');
  await markDocument(guest);
  await buyer.page.goto(`/tickets/${tickets[1].id}`);
  await buyer.page.getByRole('button', { name: 'Buy this ticket' }).click();
  await expect(buyer.page).toHaveURL(/\/checkout\//);
  await expect(live(guest, tickets[1])).toContainText('Held', AT_ONCE);
  await expect(liveShow(guest, tickets[0])).toContainText('2 left', AT_ONCE);
  // A new listing appears by itself.
  const { title, section, row } = tickets[0];
  const added = await createListing(seller, { title, section, row, seat: '99', price: { amount: 1_000, currency: 'EUR' } });
  await expect(live(guest, added)).toContainText('€10.00', AT_ONCE);
  await expect(liveShow(guest, added)).toContainText('€10.00', AT_ONCE);
  expect(await isSameDocument(guest)).toBe(true);
});

test('a second buyer is told that the ticket is held, and is not charged', async ({ newUser }) => {
  const [seller, first, second] = [await newUser('Mara'), await newUser('Ben'), await newUser('Olu')];
  const ticket = await createListing(seller);
  // The second buyer's page has no live connection.
  await second.page.routeWebSocket('**/live', () => {});
  await second.page.goto(`/tickets/${ticket.id}`);
  await first.page.goto(`/tickets/${ticket.id}`);
  await first.page.getByRole('button', { name: 'Buy this ticket' }).click();
  await expect(first.page).toHaveURL(/\/checkout\//);

  await second.page.getByRole('button', { name: 'Buy this ticket' }).click();
  await expect(second.page).not.toHaveURL(/\/checkout\//);
  await expect(second.page.getByRole('main').getByRole('status')).toBeVisible();
  await second.page.goto('/orders');
  await expect(second.page.getByRole('link', { name: ticket.title })).toHaveCount(0);
});

test('two windows share one hold, and paying in one closes the other', async ({ newUser }) => {
  const [seller, buyer] = [await newUser('Mara'), await newUser('Ben')];
  const ticket = await createListing(seller);
  await buyer.page.goto(`/tickets/${ticket.id}`);
  await buyer.page.getByRole('button', { name: 'Buy this ticket' }).click();
  await expect(buyer.page).toHaveURL(/\/checkout\//);
  const twin = await buyer.page.context().newPage();
  await twin.goto(`/tickets/${ticket.id}`);
  await twin.getByRole('main').locator('a[href^="/checkout/"]').click();
  await expect(twin).toHaveURL(buyer.page.url());
  await markDocument(twin);
  const list = await buyer.page.context().newPage();
  await list.goto('/orders');
  await expect(list.getByText('Payment due')).toBeVisible();
  await markDocument(list);
  // Every other page reminds of the hold, counting down, and stops when it is paid.
  const bar = list.getByRole('region', { name: 'Your hold' });
  await expect(bar).toContainText(/^Held for you 1[45]:\d\d · Pay$/);
  await expect(bar.getByRole('link')).toHaveAttribute('href', new URL(buyer.page.url()).pathname);
  const before = await bar.textContent();
  await expect(bar).not.toHaveText(before, AT_ONCE);
  await expect(twin.getByRole('region', { name: 'Your hold' })).toHaveCount(0);

  await pay(buyer.page, CARDS.good);
  await expect(buyer.page.getByRole('heading', { name: 'The ticket is yours' })).toBeVisible();
  await expect(buyer.page.getByRole('heading', { name: 'The ticket is yours' })).toBeFocused();
  await expect(bar).toHaveCount(0, AT_ONCE);
  await expect(twin.getByRole('heading', { name: 'The ticket is yours' })).toBeVisible(AT_ONCE);
  await expect(list.getByText('Payment due')).toBeHidden(AT_ONCE);
  await expect(list.getByRole('main').getByText('Confirmed', { exact: true })).toBeVisible();
  for (const page of [twin, list]) expect(await isSameDocument(page)).toBe(true);
});
