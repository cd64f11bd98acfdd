// What several tests do in a page, found the way people find it: by its role and its label.
import { PASSWORD } from './people.mjs';

/** Stripe's test cards, which the stand-in for it knows as well. */
export const CARDS = { good: '4242424242424242', declined: '4000000000000002', secured: '4000000000003220' };

/** A link of the navigation at the top. */
export const nav = (page, name) => page.getByRole('banner').getByRole('link', { name });

/** The card of a listing, on pages that show several. */
export const card = (page, title) => page.getByRole('article').filter({ hasText: title });

/** What a page says about a ticket and keeps up to date; also about one that is a card among others. */
export const live = (page, ticket) => page.locator(`[data-live="ticket:${ticket.id}"]`);

/** The message at a field that was not right. */
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

/** Puts a card's numbers into the form of the checkout. */
export const fillCard = async (page, number) => {
  await page.getByLabel('Card number').fill(number);
  await page.getByLabel('Expiry').fill('12 / 34');
  await page.getByLabel('CVC').fill('123');
};

/** The button that pays. */
export const payButton = (page) => page.getByRole('button', { name: /^Pay / });

/** Pays with a card. */
export const pay = async (page, number) => {
  await fillCard(page, number);
  await payButton(page).click();
};

/** The bank's question, in the frame over the page. */
export const bank = (page) => page.frameLocator('dialog iframe');

/** Closes the bank's question unanswered. Escape is for the window that has the focus: the page's, not the frame's. */
export const closeBank = async (page) => {
  await page.getByRole('dialog').click({ position: { x: 4, y: 4 } });
  await page.keyboard.press('Escape');
};

/** Notes that the page is this one, so that it can be told later whether it was ever loaded anew. */
export const mark = (page) => page.evaluate(() => { window.isTheSame = true; });

/** Whether it is still the page that was marked. */
export const isTheSame = (page) => page.evaluate(() => window.isTheSame === true);
