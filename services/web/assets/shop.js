// On every page: countdowns and live updates.
import { countDown, say } from 'shop/countdown';
import { listen } from 'shop/live';

countDown();
listen();

// Caches the offline page.
navigator.serviceWorker?.register('/sw.js').catch(() => {});

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

// Announces new results. A rejected filter opens the page with the error.
document.addEventListener('htmx:afterSettle', ({ target }) => {
  const summary = ['results', 'live', 'found'].includes(target.id) && document.getElementById('summary');
  if (summary) say(summary.textContent.trim());
});
document.addEventListener('htmx:responseError', ({ detail }) => {
  if (detail.elt.matches('form')) location.assign(detail.pathInfo.finalRequestPath);
});
