// Service worker: caches the offline page with its assets, and serves them without a network.
const CACHE = 'offline';

self.addEventListener('install', (event) => {
  event.waitUntil((async () => {
    const cache = await caches.open(CACHE);
    const page = await fetch('/offline', { cache: 'reload' });
    const assets = [...(await page.clone().text()).matchAll(/"(\/assets\/[^"]+)"/g)].map((match) => match[1]);
    await cache.put('/offline', page);
    await cache.addAll(new Set(assets));
    await self.skipWaiting();
  })());
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET') return;
  const instead = request.mode === 'navigate' ? '/offline' : new URL(request.url).pathname;
  if (instead !== '/offline' && !instead.startsWith('/assets/')) return;
  event.respondWith(fetch(request).catch(async () => (await caches.match(instead)) ?? Response.error()));
});
