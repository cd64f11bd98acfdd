// Runs Lighthouse in the same Chromium as the other tests. `BASE_URL=… node lighthouse.mjs /browse` prints the scores of
// a page.
import { pathToFileURL } from 'node:url';

import { chromium } from '@playwright/test';
import { launch } from 'chrome-launcher';
import lighthouse from 'lighthouse';

import { BASE_URL, CHROMIUM, FLAGS } from './chromium.mjs';

/** Categories that are printed and tested. */
export const GATED = ['accessibility', 'best-practices', 'seo'];
/** Printed only: it measures the machine as much as the page. */
const SHOWN = 'performance';

/**
 * The scores of each page by category, out of 100, and the failed audits of the tested categories. `cookies` are those
 * of a signed-in user.
 */
export const audit = async (paths, { categories = [...GATED, SHOWN], cookies = [] } = {}) => {
  const chrome = await launch({ chromePath: CHROMIUM, chromeFlags: ['--headless=new', ...FLAGS], logLevel: 'error' });
  try {
    const browser = await chromium.connectOverCDP(`http://127.0.0.1:${chrome.port}`);
    await browser.contexts()[0].addCookies(cookies);
    await browser.close();
    const reports = {};
    for (const path of paths) {
      const options = { port: chrome.port, onlyCategories: categories, output: 'json', logLevel: 'error' };
      const { lhr } = await lighthouse(new URL(path, BASE_URL).href, options);
      if (lhr.runtimeError) throw new Error(`${path}: ${lhr.runtimeError.message}`);
      if (new URL(lhr.finalDisplayedUrl).pathname !== new URL(path, BASE_URL).pathname) throw new Error(`${path} led to ${lhr.finalDisplayedUrl}`);
      reports[path] = { scores: scores(lhr), faults: faults(lhr) };
    }
    return reports;
  } finally {
    chrome.kill();
  }
};

const scores = ({ categories }) => Object.fromEntries(
  Object.values(categories).map(({ id, score }) => [id, Math.round((score ?? 0) * 100)]),
);

const faults = ({ categories, audits }) => GATED
  .flatMap((id) => (categories[id]?.auditRefs ?? []).filter(({ weight }) => weight > 0).map((ref) => audits[ref.id]))
  .filter(({ score }) => score !== null && score < 1)
  .map(({ id, title, details }) => `${id}: ${title} ${JSON.stringify(details?.items?.slice(0, 3) ?? [])}`);

/** A table of all scores. */
export const table = (reports) => Object.entries(reports)
  .map(([path, { scores }]) => `${path}  ${Object.entries(scores).map(([id, score]) => `${id} ${score}`).join(', ')}`)
  .join('\n');

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const reports = await audit(process.argv.length > 2 ? process.argv.slice(2) : ['/', '/browse']);
  console.log(table(reports));
  for (const [path, { faults }] of Object.entries(reports)) for (const fault of faults) console.log(path, fault);
}
