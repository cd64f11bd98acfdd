// What Lighthouse thinks of the pages that search engines see, and what the first one weighs.
import { get } from 'node:http';

import { BASE_URL } from '../chromium.mjs';
import { expect, test } from '../fixture.mjs';
import { audit, GATED, table } from '../lighthouse.mjs';
import { lists, signUp } from '../people.mjs';

const ENOUGH = 95;
const LIGHT = 150_000;

test('Lighthouse finds next to nothing on home, browse and a ticket', async () => {
  test.setTimeout(300_000);
  const seller = await signUp('Mara');
  let ticket;
  for (let n = 0; n < 6; n += 1) ticket = await lists(seller);
  const reports = await audit(['/', '/browse', `/tickets/${ticket.id}`]);
  console.log(table(reports));
  for (const [path, { scores, faults }] of Object.entries(reports)) {
    for (const category of GATED) {
      expect(scores[category], `${category} of ${path}\n${faults.join('\n')}`).toBeGreaterThanOrEqual(ENOUGH);
    }
  }
});

test('home with all that it loads is light', async ({ page }) => {
  const seller = await signUp('Mara');
  for (let n = 0; n < 6; n += 1) await lists(seller);
  const loaded = new Set();
  page.on('response', (response) => {
    if (response.url().startsWith('http')) loaded.add(response.url());
  });
  await page.goto('/', { waitUntil: 'load' });
  await expect(page.getByRole('article').first()).toBeVisible();

  // Nothing comes from elsewhere.
  expect([...loaded].filter((url) => new URL(url).origin !== BASE_URL)).toEqual([]);
  const weights = await Promise.all([...loaded].map(async (url) => [url, await weight(url)]));
  const total = weights.reduce((sum, [, bytes]) => sum + bytes, 0);
  const all = weights.map(([url, bytes]) => `${bytes} ${url}`).join('\n');
  console.log(`home weighs ${total} bytes\n${all}`);
  expect(total, all).toBeLessThan(LIGHT);
  expect(total, 'a style sheet and a script are among it').toBeGreaterThan(10_000);
});

/** The bytes of a body as they are sent to a browser that takes Brotli; fetch would unpack them. */
const weight = (url) => new Promise((resolve, reject) => {
  const request = get(url, { headers: { 'accept-encoding': 'br' } }, (response) => {
    let bytes = 0;
    response.on('data', (chunk) => { bytes += chunk.length; });
    response.on('end', () => resolve(bytes));
    response.on('error', reject);
  });
  request.on('error', reject);
});
