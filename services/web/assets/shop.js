// On every page: counts down, and keeps what is shown up to date.
import { countDown, say } from 'shop/countdown';
import { listen } from 'shop/live';

countDown();
listen();

// What is shown without a network.
navigator.serviceWorker?.register('/sw.js').catch(() => {});

// A double click sends a form once.
document.addEventListener('submit', (event) => {
  const form = event.target;
  if (form.method !== 'post' || form.id === 'pay') return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = '1';
  // Should nothing come of it, it may be sent again.
  setTimeout(() => { delete form.dataset.sent; }, 5000);
});
addEventListener('pageshow', () => {
  document.querySelectorAll('form[data-sent]').forEach((form) => { delete form.dataset.sent; });
});

// New results are said; a filter that is refused is shown as the page that says why.
document.addEventListener('htmx:afterSettle', ({ target }) => {
  const summary = target.id === 'results' && document.getElementById('summary');
  if (summary) say(summary.textContent.trim());
});
document.addEventListener('htmx:responseError', ({ detail }) => {
  if (detail.elt.matches('form')) location.assign(detail.pathInfo.finalRequestPath);
});
