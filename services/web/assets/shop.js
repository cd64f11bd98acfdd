// On every page: countdowns and live updates.
import { countDown, say } from 'shop/countdown';
import { listen } from 'shop/live';

// A page that responds to a form has the form's address, so Back and a reload would send the form again.
const { at } = document.body.dataset;
if (at) history.replaceState(history.state, '', at);

countDown();
listen();

// The server names a show's time zone only where it is not the browser's.
const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
document.cookie = `timezone=${encodeURIComponent(timeZone)}; path=/; max-age=31536000; samesite=lax`;

// Caches the offline page.
navigator.serviceWorker?.register('/sw.js').catch(() => {});

const on = (name, listener) => document.addEventListener(name, listener);

// Keeps the passes that this page leads to, and once after a sign-in, which has removed all, those of the list of orders.
// Without an active service worker nothing is kept, since only that removes the passes at a sign-out.
const leaving = new AbortController();
const { signal } = leaving;
const keep = async () => {
  if (!document.getElementById('bell')) return;
  try {
    await navigator.serviceWorker.ready;
    const list = !localStorage.kept && await fetch('/orders', { signal });
    const link = document.querySelector('a[data-keep]');
    if (!list.ok && !link) return;
    const { keepPasses, parse } = await import('shop/passes');
    if (list.ok) {
      await keepPasses(await parse(list), signal);
      // Not before: whoever leaves this page meanwhile gets the others on the next one.
      localStorage.kept = true;
    }
    if (link) await keepPasses(document, signal);
  } catch {
    // No network, or the user leaves this page: the next one tries again.
  }
};
keep();
// Once an order is paid, its checkout leads to its pass.
on('shop:reloaded', keep);

on('submit', (event) => {
  const form = event.target;
  if (form.method !== 'post' || form.id === 'pay') return;
  // After a sign-out nothing may be kept.
  leaving.abort();
  if (form.getAttribute('action')?.includes('/sign')) delete localStorage.kept;
  // A double click submits a form once.
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = '1';
  // Allow another attempt if there is no response.
  setTimeout(() => { delete form.dataset.sent; }, 5000);
});
addEventListener('pageshow', () => {
  document.querySelectorAll('form[data-sent]').forEach((form) => { delete form.dataset.sent; });
});

// The hold in the bar is over: the bar disappears, or shows the next hold.
on('shop:countdown-ended', ({ detail }) => {
  const bar = detail.closest('#hold');
  if (!bar) return;
  bar.hidden = true;
  document.body.dispatchEvent(new CustomEvent('bell'));
});

// While a year is typed, each of its digits changes the date.
on('htmx:configRequest', (event) => {
  if ([...event.detail.formData.values()].some((value) => /^0\d{3}-\d\d-/.test(value))) event.preventDefault();
});

// Announces new results, and shows them to whoever has sent the form. A rejected filter opens the page with the error.
on('htmx:afterSettle', ({ target, detail }) => {
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
on('htmx:beforeSwap', (event) => {
  const { requestConfig, pathInfo, serverResponse } = event.detail;
  const part = requestConfig.elt.getAttribute('hx-select')?.slice(1);
  if (!part || serverResponse.includes(`id="${part}"`)) return;
  event.preventDefault();
  location.assign(pathInfo.finalRequestPath);
});
// A form's page is opened as a whole when it can't be loaded into this one: it is the offline page without a network.
const openWhole = ({ detail }) => {
  if (detail.elt.matches('form')) location.assign(detail.pathInfo.finalRequestPath);
};
on('htmx:sendError', (event) => { if (!navigator.onLine) openWhole(event); });
on('htmx:responseError', openWhole);
