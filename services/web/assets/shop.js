// On every page: countdowns and live updates.
import { countDown, say } from 'shop/countdown';
import { listen } from 'shop/live';

countDown();
listen();

// The server names a show's time zone only where it is not the browser's.
const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
document.cookie = `timezone=${encodeURIComponent(timeZone)}; path=/; max-age=31536000; samesite=lax`;

// Caches the offline page.
navigator.serviceWorker?.register('/sw.js').catch(() => {});

// Keeps the passes that this page leads to. A form ends it: after a sign-out nothing may be kept. Without an active service
// worker nothing is kept, since only that removes the passes at a sign-out.
const leaving = new AbortController();
document.addEventListener('submit', () => leaving.abort());
const keep = async () => {
  const links = [...document.querySelectorAll('a[data-keep]')].slice(0, 40);
  if (!links.length || !navigator.serviceWorker) return;
  await navigator.serviceWorker.ready;
  const { keepPasses } = await import('shop/passes');
  await keepPasses(links, leaving.signal);
};
keep().catch(() => {});

// A double click submits a form once.
document.addEventListener('submit', (event) => {
  const form = event.target;
  if (form.method !== 'post' || form.id === 'pay') return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = '1';
  // Allow another attempt if there is no response.
  setTimeout(() => { delete form.dataset.sent; }, 5000);
});
addEventListener('pageshow', () => {
  document.querySelectorAll('form[data-sent]').forEach((form) => { delete form.dataset.sent; });
});

// The hold in the bar is over: the bar disappears, or shows the next hold.
document.addEventListener('shop:countdown-ended', ({ detail }) => {
  const bar = detail.closest('#hold');
  if (!bar) return;
  bar.hidden = true;
  document.body.dispatchEvent(new CustomEvent('bell'));
});

// Announces new results, and shows them to whoever has sent the form. A rejected filter opens the page with the error.
document.addEventListener('htmx:afterSettle', ({ target, detail }) => {
  const summary = ['results', 'live', 'found'].includes(target.id) && document.getElementById('summary');
  if (!summary) return;
  say(summary.textContent.trim());
  if (detail.requestConfig?.triggeringEvent?.type !== 'submit') return;
  // On a wide screen the filters are shown without being open.
  const opener = document.querySelector('.filters[open] > summary');
  if (opener?.checkVisibility()) {
    if (opener.parentElement.contains(document.activeElement)) opener.focus();
    opener.parentElement.open = false;
  }
  if (target.getBoundingClientRect().top > innerHeight / 2) target.scrollIntoView();
});
// After a deployment the page of the server may lack the part that is to be replaced: it is opened as a whole.
document.addEventListener('htmx:beforeSwap', (event) => {
  const { requestConfig, pathInfo, serverResponse } = event.detail;
  const part = requestConfig.elt.getAttribute('hx-select')?.slice(1);
  if (!part || serverResponse.includes(`id="${part}"`)) return;
  event.preventDefault();
  location.assign(pathInfo.finalRequestPath);
});
// Without a network the offline page is shown, as for any other link.
document.addEventListener('htmx:sendError', ({ detail }) => {
  if (!navigator.onLine && detail.elt.matches('form')) location.assign(detail.pathInfo.finalRequestPath);
});
document.addEventListener('htmx:responseError', ({ detail }) => {
  if (detail.elt.matches('form')) location.assign(detail.pathInfo.finalRequestPath);
});
