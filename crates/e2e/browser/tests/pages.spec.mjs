// Every page passes the accessibility checks of axe-core in light and dark and in each language, and fits a narrow
// screen, large text, the browser's own colours and paper.
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
/** With text of twice the size (WCAG 2.2, 1.4.4). */
const HALF = { width: 640, height: 640 };

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
      expect(await page.evaluate(hardToSee), `fields that are hard to see in ${colorScheme}`).toEqual([]);
    }
    if (entry.ours !== false) {
      expect(await page.evaluate(moving), 'what moves although it should not').toEqual([]);
      await page.emulateMedia({ forcedColors: 'active' });
      // A scanner needs a code that is dark on light.
      for (const code of await page.locator('.qr').all()) await expect(code).toHaveCSS('background-color', 'rgb(255, 255, 255)');
      await page.emulateMedia({ forcedColors: 'none', media: 'print' });
      await expect(page.locator('button:visible, .btn:visible'), 'buttons on paper').toHaveCount(0);
      await page.emulateMedia({ media: 'screen' });
      await page.setViewportSize(HALF);
      await page.evaluate(() => { document.documentElement.style.fontSize = '200%'; });
      expect(await page.evaluate(tooWide), 'elements wider than the screen with text of twice the size').toEqual([]);
      await page.evaluate(() => { document.documentElement.style.fontSize = ''; });
    }

    await page.setViewportSize(NARROW);
    expect(await page.evaluate(tooWide), 'elements wider than a narrow screen').toEqual([]);
    const address = page.url();
    await context.close();
    if (entry.ours !== false) await checkInGerman(browser, { ...await asViewer(entry, world), locale: 'de-DE' }, address);
  });
}

/** The same page as a German reader gets it. */
const checkInGerman = async (browser, viewer, address) => {
  const context = await browser.newContext({ ...viewer, viewport: NARROW });
  const page = await context.newPage();
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await page.goto(address);
  await expect(page.locator('html')).toHaveAttribute('lang', 'de');
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    const { violations } = await new AxeBuilder({ page }).withTags(RULES).analyze();
    expect(violations.flatMap(found), `accessibility violations in German, ${colorScheme}`).toEqual([]);
  }
  expect(await page.evaluate(tooWide), 'elements wider than a narrow screen in German').toEqual([]);
  await context.close();
};

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

/** Evaluated in the page: fields with a border of less than 3:1 (WCAG 2.2, 1.4.11), and ticks smaller than 24 px. */
const hardToSee = () => {
  const parts = (color) => color.match(/[\d.]+/g).map(Number);
  const luminance = (color) => {
    const [red, green, blue] = parts(color).map((part) => (part <= 10 ? part / 3294 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const backdrop = (element) => {
    const { backgroundColor } = getComputedStyle(element);
    return parts(backgroundColor)[3] === 0 && element.parentElement ? backdrop(element.parentElement) : backgroundColor;
  };
  const contrast = (field) => {
    const [dark, light] = [getComputedStyle(field).borderBottomColor, backdrop(field.parentElement)].map(luminance).sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const isSmall = (field) => ['checkbox', 'radio'].includes(field.type) && field.getBoundingClientRect().width < 24;
  return [...document.querySelectorAll('input, select, textarea')]
    .filter((field) => field.checkVisibility() && (contrast(field) < 3 || isSmall(field)))
    .map((field) => `${field.name}: ${contrast(field).toFixed(2)}:1, ${field.getBoundingClientRect().width} px`);
};

/** Evaluated in the page: elements that are animated. */
const moving = () => [...document.querySelectorAll('*')]
  .filter((element) => {
    const { animationName, transitionDuration } = getComputedStyle(element);
    return animationName !== 'none' || transitionDuration.split(', ').some((duration) => parseFloat(duration) > 0);
  })
  .map((element) => `${element.tagName.toLowerCase()}.${element.className}`)
  .slice(0, 8);
