// Steps that several tests perform in a page. Elements are located by role and label, as users find them.
import { PASSWORD } from './users.mjs';

/** Stripe's test cards, which fakestripe supports too. */
export const CARDS = { good: '4242424242424242', declined: '4000000000000002', secured: '4000000000003220' };

/** Opens the filters of a search, which are closed on a phone. */
export const openFilters = (page) => page.getByText('Filters', { exact: true }).tap();

/** A link of the navigation at the top. */
export const nav = (page, name) => page.getByRole('banner').getByRole('link', { name });

/** The card of a show or of an own listing, on pages that show several. */
export const card = (page, title) => page.getByRole('article').filter({ hasText: title });

/** The live part of a page about a ticket, also its row on the page of its show. */
export const live = (page, ticket) => page.locator(`[data-live="ticket:${ticket.id}"]`);

/** The live part of a page about the show of a ticket: how many tickets are left, and from which price. */
export const liveShow = (page, ticket) => page.locator(`[data-live="show:${ticket.showId}"]`);

/** The link to a ticket on the page of its show. */
export const row = (page, ticket) => page.getByRole('main').locator(`a[href="/tickets/${ticket.id}"]`);

/** The error message of an invalid field. */
export const fault = async (field) => {
  const ids = ((await field.getAttribute('aria-describedby')) ?? '').split(' ');
  return field.page().locator(`#${ids.at(-1)}`);
};

/** Fills the form of /signup that is shown. */
export const fillSignUp = async (page, { email, name, password = PASSWORD }) => {
  await page.getByLabel('Email').fill(email);
  await page.getByLabel('Display name').fill(name);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Create account' }).click();
};

/** Fills the form of /signin that is shown. */
export const fillSignIn = async (page, { email, password = PASSWORD }) => {
  await page.getByLabel('Email').fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('main').getByRole('button', { name: 'Sign in' }).click();
};

/** Fills in the card form of the checkout. */
export const fillCard = async (page, number) => {
  await page.getByLabel('Card number').fill(number);
  await page.getByLabel('Expiry').fill('12 / 34');
  await page.getByLabel('CVC').fill('123');
};

/** The pay button. */
export const payButton = (page) => page.getByRole('button', { name: /^Pay / });

/** Pays with a card. */
export const pay = async (page, number) => {
  await fillCard(page, number);
  await payButton(page).click();
};

/** The 3-D Secure challenge, in the frame over the page. */
export const bank = (page) => page.frameLocator('dialog iframe');

/** Closes the 3-D Secure challenge. Escape goes to the window that has the focus, which must be the page's. */
export const closeBank = async (page) => {
  await page.getByRole('dialog').click({ position: { x: 4, y: 4 } });
  await page.keyboard.press('Escape');
};

/** Marks the loaded document, so that a later reload can be detected. */
export const markDocument = (page) => page.evaluate(() => { window.isMarked = true; });

/** Whether the page has not been reloaded since its document was marked. */
export const isSameDocument = (page) => page.evaluate(() => window.isMarked === true);
