// The passes that this browser keeps for when there is no network, in a cache of pages.
const MAX_PASSES = 100;
// How long after its start a show is not over, as in the list of orders.
const AFTER_START = 12 * 3_600_000;

const open = () => caches.open('passes');
export const parse = async (response) => new DOMParser().parseFromString(await response?.text() ?? '', 'text/html');

// The kept passes: those of the next shows first, the soonest first, and then those of past shows, the latest first.
export const keptPasses = async () => {
  const passes = await open();
  const found = [];
  for (const { url } of await passes.keys()) {
    const page = await parse(await passes.match(url));
    const [title, time] = [page.querySelector('h1'), page.querySelector('time[datetime]')];
    if (!title || !time) continue;
    const startsAt = Date.parse(time.dateTime);
    found.push({ url, title: title.textContent, date: time.textContent, startsAt, isPast: startsAt + AFTER_START < Date.now() });
  }
  return found.sort((a, b) => a.isPast - b.isPast || (a.isPast ? b.startsAt - a.startsAt : a.startsAt - b.startsAt));
};

// Keeps the passes that a page leads to. The link of a single order replaces its pass, those of a list add what is missing.
export const keepPasses = async (from, signal) => {
  const passes = await open();
  const links = [...from.querySelectorAll('a[data-keep]')].slice(0, 40);
  for (const { pathname } of links) {
    if (links.length > 1 && await passes.match(pathname)) continue;
    const page = await fetch(pathname, { signal });
    if (page.ok && !page.redirected) await passes.put(pathname, page);
    if (page.status === 429) break;
    // The session has ended elsewhere; see worker.js.
    if (page.status === 401 && !page.headers.has('retry-after')) { await caches.delete('passes'); return; }
  }
  if ((await passes.keys()).length <= MAX_PASSES) return;
  for (const { url } of (await keptPasses()).slice(MAX_PASSES)) await passes.delete(url);
};
