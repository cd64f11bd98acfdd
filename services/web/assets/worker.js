// Service worker: keeps the offline page with its assets, and bought passes, for when there is no network.
const CACHE = 'offline';
const PASSES = 'passes';
// At a venue a network may be silent rather than absent.
const PATIENCE = 3000;

self.addEventListener('install', (event) => {
  event.waitUntil((async () => {
    const cache = await caches.open(CACHE);
    const page = await fetch('/offline', { cache: 'reload' });
    // An error page is not kept in its place: a later visit tries again.
    if (!page.ok) throw new Error(`/offline has the status ${page.status}`);
    const assets = [...(await page.clone().text()).matchAll(/"(\/assets\/[^"]+)"/g)].map((match) => match[1]);
    await cache.put('/offline', page);
    await cache.addAll(new Set(assets));
    // Assets of former releases would only accumulate.
    const present = ['/offline', ...assets];
    for (const { url } of await cache.keys()) if (!present.includes(new URL(url).pathname)) await cache.delete(url);
    await self.skipWaiting();
  })());
});

// Loads a page. Passes go if the session has ended, also elsewhere; where that is not known, the page asks for a retry.
const load = async (request) => {
  const response = await fetch(request);
  if (response.status === 401 && !response.headers.has('retry-after')) await caches.delete(PASSES);
  return response;
};

// Finds an asset in the cache, if need be that of another release: a kept pass refers to the assets of its own release,
// and a similar style is better than none.
const keptAsset = async (pathname) => {
  const name = (path) => path.replace(/-[0-9a-f]+(?=\.\w+$)/, '');
  const cache = await caches.open(CACHE);
  const other = async () => (await cache.keys()).find(({ url }) => name(new URL(url).pathname) === name(pathname));
  return (await cache.match(pathname)) ?? (await cache.match((await other()) ?? pathname));
};

// The pass of an order, also in place of the order's page: the present one if it comes in time, else the kept one. An answer
// that asks for a retry does not replace a pass either: too many requests, or a session that can't be renewed just now.
const showPass = async (request, path) => {
  const kept = await caches.match(path);
  const present = load(request).then(async (response) => {
    if (!kept || (response.status < 500 && !response.headers.has('retry-after'))) {
      if (response.ok && new URL(request.url).pathname === path) await (await caches.open(PASSES)).put(path, response.clone());
      return response;
    }
    return kept;
  });
  if (!kept) return present.catch(async () => (await caches.match('/offline')) ?? Response.error());
  const late = new Promise((resolve) => { setTimeout(resolve, PATIENCE, kept); });
  return Promise.race([present, late]).catch(() => kept);
};

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const { pathname } = new URL(request.url);
  // Passes are for the user who is signed in.
  if (request.method === 'POST' && /^\/(signout|signin|signup)$/.test(pathname)) {
    event.waitUntil(caches.delete(PASSES));
  }
  if (request.method !== 'GET') return;
  const isPage = request.mode === 'navigate';
  const [, order] = (isPage && pathname.match(/^(\/orders\/[0-9a-f-]{36})(\/pass)?$/)) || [];
  if (order) { event.respondWith(showPass(request, `${order}/pass`)); return; }
  if (!isPage && !pathname.startsWith('/assets/')) return;
  const kept = () => (isPage ? caches.match('/offline') : keptAsset(pathname));
  event.respondWith((isPage ? load(request) : fetch(request)).catch(async () => (await kept()) ?? Response.error()));
});
