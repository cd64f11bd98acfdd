// Takes a screenshot of every page in desktop, tablet and phone size, light and dark: `cargo xtask screenshots`.
// Creates its own users, tickets and orders in the shop at BASE_URL, and writes to the folder OUT.
import { mkdir } from 'node:fs/promises';
import path from 'node:path';

import { chromium, devices } from '@playwright/test';

import { BASE_URL, CHROMIUM, FLAGS } from './chromium.mjs';
import { asViewer, makeWorld, PAGES } from './pages.mjs';

const OUT = path.resolve(process.env.OUT ?? '../../../target/screenshots');

const { defaultBrowserType: _, ...phone } = devices['Pixel 7'];
const SIZES = {
  desktop: { viewport: { width: 1440, height: 900 } },
  tablet: { viewport: { width: 820, height: 1180 } },
  phone: { ...phone, viewport: { width: 390, height: 844 } },
};

const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
const failed = [];
try {
  const world = await makeWorld();
  const pages = PAGES.filter(({ needs }) => !needs || world[needs]);
  for (const [size, options] of Object.entries(SIZES)) {
    await mkdir(path.join(OUT, size), { recursive: true });
    for (const entry of pages) {
      const context = await browser.newContext({
        baseURL: BASE_URL, locale: 'en-GB', ...options, ...(await asViewer(entry, world)),
      });
      const place = path.join(size, entry.name);
      try {
        const page = await context.newPage();
        await entry.open(page, world);
        for (const [colorScheme, suffix] of [['light', ''], ['dark', '-dark']]) {
          await page.emulateMedia({ colorScheme });
          const file = path.join(OUT, `${place}${suffix}.png`);
          await page.screenshot({ path: file, fullPage: true, animations: 'disabled' });
        }
        console.log(place);
      } catch (error) {
        // A page that fails does not prevent the screenshots of other pages.
        failed.push(place);
        console.error(`${place}: ${error.message}`);
      } finally {
        await context.close();
      }
    }
  }
} finally {
  await browser.close();
}
if (failed.length) {
  console.error(`no screenshot of ${failed.join(', ')}`);
  process.exit(1);
}
