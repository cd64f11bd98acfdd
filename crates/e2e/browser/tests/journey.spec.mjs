// From a guest to a buyer, and from an empty form to a listing.
import { expect, test } from '../fixture.mjs';
import { createListing, PASSWORD, signUp, unique } from '../users.mjs';
import { card, CARDS, fault, fillSignIn, fillSignUp, live, nav, pay, payButton, row } from '../steps.mjs';

test('a guest finds a ticket, signs up, is declined once, and buys it', async ({ page }) => {
  const word = unique();
  const seller = await signUp('Mara Seller');
  const ticket = await createListing(seller, { title: `The ${word} Sessions` });

  await page.goto('/');
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  for (const section of ['Coming up', 'Just added']) {
    await expect(page.getByRole('heading', { name: section })).toBeVisible();
  }
  await expect(nav(page, 'Sign up')).toBeVisible();
  await expect(nav(page, 'My orders')).toHaveCount(0);

  const search = page.getByRole('main').getByRole('searchbox');
  await search.fill(word);
  await search.press('Enter');
  await expect(page).toHaveURL(/\/browse\?.*q=/);
  await expect(card(page, ticket.title)).toHaveCount(1);
  await expect(card(page, ticket.title)).toContainText('€89.00');
  await page.getByRole('link', { name: ticket.title }).click();

  // The show lists its tickets.
  await expect(page).toHaveURL(/\/shows\/the-.*-lyon-[0-9a-f-]+$/);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(ticket.title);
  await expect(page.getByRole('main')).toContainText('1 left');
  await row(page, ticket).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(ticket.title);
  await expect(live(page, ticket)).toContainText('For sale');
  for (const fact of ['€89.00', '€95.00', 'Opera House', 'Lyon', 'Mara Seller', 'Good view of the stage.']) {
    await expect(page.getByRole('main')).toContainText(fact);
  }

  // Holding leads to the sign-in page, from there to sign-up, and then on with the hold.
  await page.getByRole('button', { name: 'Buy this ticket' }).click();
  await expect(page).toHaveURL(/\/signin\?next=/);
  await page.getByRole('main').getByRole('link', { name: /account|sign up/i }).click();
  await expect(page).toHaveURL(/\/signup\?next=/);
  const email = `ben-${word}@example.com`;
  await fillSignUp(page, { email, name: 'Ben Buyer', password: 'short' });
  const password = page.getByLabel('Password');
  await expect(password).toHaveAttribute('aria-invalid', 'true');
  await expect(await fault(password)).toContainText('8');
  await expect(password).toHaveValue('');
  await expect(page.getByLabel('Email')).toHaveValue(email);
  await expect(page.getByLabel('Display name')).toHaveValue('Ben Buyer');
  await fillSignUp(page, { email, name: 'Ben Buyer' });
  await expect(page).toHaveURL(/\/checkout\//);
  await expect(nav(page, 'Ben Buyer')).toBeVisible();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Checkout');
  await expect(page.locator('[data-countdown]')).toHaveText(/^1[45]:[0-5]\d$/);
  await expect(payButton(page)).toHaveText('Pay €89.00');

  await pay(page, CARDS.declined);
  await expect(page.getByRole('alert').filter({ hasText: /declined/i })).toBeVisible();
  await expect(page.locator('[data-countdown]')).toBeVisible();
  await pay(page, CARDS.good);
  await expect(page.getByRole('heading', { name: 'The ticket is yours' })).toBeFocused();
  await expect(payButton(page)).toBeHidden();

  await page.getByRole('main').locator('a[href^="/orders/"]').first().click();
  await expect(page).toHaveURL(/\/orders\/[0-9a-f-]+$/);
  const main = page.getByRole('main');
  // The events of payments may arrive after those of the order.
  await expect(async () => {
    await page.reload();
    for (const fact of [ticket.title, 'The ticket was held for you', 'declined', 'charged €89.00']) {
      await expect(main).toContainText(fact, { timeout: 1_000 });
    }
  }).toPass({ timeout: 20_000 });
  await expect(main.getByRole('img')).toBeVisible();
  const calendar = await main.getByRole('link', { name: /^Add to calendar$/ }).getAttribute('href');
  const answer = await page.request.get(calendar);
  expect(answer.headers()['content-type']).toContain('text/calendar');
  const event = await answer.text();
  expect(event).toContain('BEGIN:VEVENT');
  expect(event).toContain(word);
  await page.goto(await main.getByRole('link', { name: 'Receipt' }).getAttribute('href'));
  await expect(page.getByRole('main')).toContainText('€89.00');
  await expect(page.getByRole('main')).toContainText(ticket.title);

  await page.goto('/orders');
  await expect(page.getByRole('link', { name: ticket.title })).toBeVisible();

  // There is a notification until it is marked as read.
  await expect(nav(page, /^Notifications, [1-9]\d* unread$/)).toBeVisible();
  await nav(page, /^Notifications/).click();
  await expect(page.getByRole('main').getByRole('link', { name: ticket.title })).toContainText('Paid');
  await page.getByRole('button', { name: 'Mark all as read' }).click();
  await expect(nav(page, 'Notifications')).toHaveAccessibleName('Notifications');

  // Sign out and in again.
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(nav(page, 'Sign in')).toBeVisible();
  await page.goto('/orders');
  await fillSignIn(page, { email, password: 'not the right secret' });
  await expect(page.getByRole('main')).toContainText(/wrong|incorrect|not right|invalid/i);
  await expect(page.getByLabel('Email')).toHaveValue(email);
  await expect(page.getByLabel('Password')).toHaveValue('');
  await fillSignIn(page, { email, password: PASSWORD });
  await expect(page).toHaveURL('/orders');
  await expect(page.getByRole('link', { name: ticket.title })).toBeVisible();
});

test('a seller lists a ticket, is corrected, previews, edits and withdraws it', async ({ newUser }) => {
  const { page } = await newUser('Noor Seller');
  const title = `Tosca ${unique()}`;
  await page.goto('/sell');
  // The show is not known yet.
  await page.getByRole('main').getByRole('searchbox').fill(title);
  await expect(page.getByRole('heading', { name: 'No matching shows' })).toBeVisible();
  await page.getByRole('link', { name: 'Enter the show’s details' }).click();
  await expect(page.getByLabel('Title')).toHaveValue(title);
  await page.getByLabel('Title').fill('');
  await page.getByLabel('Venue').fill('Grachtenzaal');
  await page.getByLabel('City').fill('Amsterdam');
  await page.getByLabel('Date and time').fill('2099-04-02T20:15');
  await page.getByLabel('Time zone').selectOption('Europe/Amsterdam');
  await page.getByLabel('Price per seat').fill('much');
  await page.getByLabel('Currency').selectOption('EUR');
  await page.getByLabel('Face value').fill('45');
  await page.getByLabel('Category').selectOption('Concert');
  await page.getByLabel('Section').fill('Balcony');
  await page.getByLabel('Row').fill('B');
  await page.getByLabel('Seat numbers').fill('18');
  const kept = page.waitForResponse((response) => response.status() === 204
    && response.request().postData()?.includes('premiere'));
  await page.getByLabel('Description').fill('Ravel, Shaw and a premiere.');
  // What is typed is kept while the seller looks at another page.
  await kept;
  await nav(page, 'My listings').click();
  await page.goBack();
  await expect(page.getByLabel('Description')).toHaveValue('Ravel, Shaw and a premiere.');
  await page.getByRole('button', { name: 'Preview' }).click();

  // The error is shown at its field, and the form keeps the input.
  const price = page.getByLabel('Price per seat');
  await expect(price).toHaveAttribute('aria-invalid', 'true');
  await expect(await fault(price)).toBeVisible();
  await expect(price).toHaveValue('much');
  await expect(page.getByLabel('Date and time')).toHaveValue('2099-04-02T20:15');
  await expect(page.getByLabel('Description')).toHaveValue('Ravel, Shaw and a premiere.');
  await price.fill('42.50');
  await page.getByLabel('Title').fill(title);

  await page.getByRole('button', { name: 'Preview' }).click();
  await expect(page.getByRole('heading', { name: 'Preview' })).toBeVisible();
  for (const fact of [title, '€42.50', 'Grachtenzaal, Amsterdam', '20:15', 'row B']) {
    await expect(page.getByRole('main')).toContainText(fact);
  }
  // Reloading and going back post nothing again, and lose nothing.
  await page.reload();
  await expect(page.getByRole('heading', { name: 'Preview' })).toBeVisible();
  await page.goBack();
  await expect(price).toHaveValue('42.50');
  await expect(page.getByLabel('Description')).toHaveValue('Ravel, Shaw and a premiere.');
  await page.goForward();
  await page.getByRole('button', { name: 'List this ticket' }).click();
  await expect(page).toHaveURL(/\/tickets\/[0-9a-f-]+\?done=listed$/);
  await expect(page.getByRole('main')).toContainText('Your listing is live.');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(title);
  await expect(page.getByRole('button', { name: 'Buy this ticket' })).toHaveCount(0);

  await page.getByRole('link', { name: 'Edit' }).click();
  await expect(page.getByLabel('Date and time')).toHaveValue('2099-04-02T20:15');
  await page.getByLabel('Price per seat').fill('40');
  await page.getByRole('button', { name: 'Preview' }).click();
  await page.getByRole('button', { name: /save/i }).click();
  await expect(page).toHaveURL(/\/tickets\/[0-9a-f-]+\?done=changed$/);
  await expect(page.getByRole('main')).toContainText('€40.00');

  await nav(page, 'My listings').click();
  const own = card(page, title);
  await expect(own).toContainText('For sale');
  // "Withdraw…" only opens an explanation with a second button. Both can be reached by keyboard.
  const withdraw = own.getByRole('button', { name: 'Withdraw now' });
  await expect(withdraw).toBeHidden();
  await own.getByText('Withdraw…').focus();
  await page.keyboard.press('Enter');
  await withdraw.click();
  await expect(page.getByRole('main')).toContainText('Withdrawn. Nobody can buy it any more.');
  await expect(card(page, title).getByText('Withdraw…')).toHaveCount(0);
  await expect(card(page, title)).toContainText('You withdrew it.');
});

test('a user changes their name, and signs another device out', async ({ newUser, browser, baseURL }) => {
  const user = await newUser('Olu Former');
  const elsewhere = await browser.newContext();
  const other = await elsewhere.newPage();
  await other.goto(`${baseURL}/signin?next=/account`);
  await fillSignIn(other, user);
  await expect(other).toHaveURL('/account');

  await user.page.goto('/account');
  await user.page.getByLabel('Display name').fill('Olu Latter');
  await user.page.getByRole('button', { name: 'Save' }).click();
  await expect(nav(user.page, 'Olu Latter')).toBeVisible();

  const devices = user.page.getByRole('main').getByRole('listitem');
  await expect(devices).toHaveCount(2);
  const theirs = devices.filter({ hasNotText: '(this device)' });
  await expect(theirs).toContainText('Chrome on');
  await theirs.getByRole('button').click();
  await expect(devices).toHaveCount(1);
  await elsewhere.close();
});

test('a missing page says so and links to others', async ({ page }) => {
  const answer = await page.goto('/nothing/here');
  expect(answer.status()).toBe(404);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await page.getByRole('main').getByRole('link').first().click();
  await expect(page).toHaveURL(/\/(browse)?$/);
});
