// Every page passes the accessibility checks of axe-core in light and dark, and fits a narrow screen.
import { AxeBuilder } from '@axe-core/playwright';

import { expect, listen, test as base } from '../fixture.mjs';
import { asViewer, makeWorld, PAGES } from '../pages.mjs';

const test = base.extend({
  // Created once per worker: it takes longer than the checks of a page.
  world: [async ({}, use) => use(await makeWorld()), { scope: 'worker', timeout: 120_000 }],
});

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
/** The minimum width at which text must be readable without horizontal scrolling (WCAG 2.2, 1.4.10). */
const NARROW = { width: 320, height: 640 };

for (const entry of PAGES) {
  test(entry.name, async ({ browser, errors, world }) => {
    test.skip(Boolean(entry.needs) && !world[entry.needs], `${entry.needs} cannot be created in this shop`);
    const context = await browser.newContext(await asViewer(entry, world));
    listen(context, errors);
    const page = await context.newPage();
    await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
    await entry.open(page, world);
    await expect(page.getByRole('heading', { level: 1 })).toHaveCount(1);
    await expect(page).toHaveTitle(/\S+.* · \S+/);

    for (const colorScheme of entry.ours === false ? [] : ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      const { violations } = await new AxeBuilder({ page }).withTags(RULES).analyze();
      expect(violations.flatMap(found), `accessibility violations in ${colorScheme}`).toEqual([]);
    }

    await page.setViewportSize(NARROW);
    expect(await page.evaluate(tooWide), 'elements wider than a narrow screen').toEqual([]);
    await context.close();
  });
}

/** One line per violation: rule, element and reason. */
const found = ({ id, help, nodes }) => nodes
  .map(({ target, failureSummary }) => `${id}: ${help}: ${target.join(' ')}: ${failureSummary?.replaceAll('\n', ' ')}`);

/** Evaluated in the page: the elements that cause horizontal scrolling. */
const tooWide = () => {
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth <= clientWidth) return [];
  return [...document.body.querySelectorAll('*')]
    .filter((element) => element.getBoundingClientRect().right > clientWidth + 1)
    .map((element) => `${element.tagName.toLowerCase()}.${element.className} reaches ${Math.round(element.getBoundingClientRect().right)}`)
    .slice(0, 8);
};
