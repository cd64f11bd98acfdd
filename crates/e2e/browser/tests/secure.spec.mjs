// 3-D Secure: the challenge is shown in a frame over the checkout.
import { expect, test } from '../fixture.mjs';
import { createPayableOrder, createListing } from '../users.mjs';
import { bank, CARDS, closeBank, pay, payButton } from '../steps.mjs';

test('a failed challenge can be repeated, and a passed one completes the order', async ({ newUser }) => {
  const [seller, buyer] = [await newUser('Mara'), await newUser('Ben')];
  const order = await createPayableOrder(buyer, await createListing(seller));
  const { page } = buyer;
  await page.goto(`/checkout/${order.id}`);

  await pay(page, CARDS.secured);
  await expect(page.getByRole('dialog')).toBeVisible();
  await bank(page).getByRole('button', { name: 'Fail' }).click();
  await expect(page.getByRole('dialog')).toBeHidden();
  await expect(page.getByRole('alert')).toHaveText(/^Your bank did not approve the payment\. You were not charged/);
  await expect(payButton(page)).toBeEnabled();

  await pay(page, CARDS.secured);
  await bank(page).getByRole('button', { name: 'Complete' }).click();
  await expect(page.getByRole('heading', { name: 'The ticket is yours' })).toBeVisible();
  await expect(page.getByRole('dialog')).toBeHidden();
});

test('after closing the challenge the buyer can pay with another card', async ({ newUser }) => {
  const [seller, buyer] = [await newUser('Mara'), await newUser('Ben')];
  const order = await createPayableOrder(buyer, await createListing(seller));
  const { page } = buyer;
  await page.goto(`/checkout/${order.id}`);
  await pay(page, CARDS.secured);
  await expect(bank(page).getByRole('button', { name: 'Complete' })).toBeVisible();
  await closeBank(page);
  await expect(page.getByRole('dialog')).toBeHidden();
  await expect(payButton(page)).toBeEnabled();
  await pay(page, CARDS.good);
  await expect(page.getByRole('heading', { name: 'The ticket is yours' })).toBeVisible();
});
