// One WebSocket per page receives updates of what the page shows. The page periodically reports the versions it shows,
// and the server sends the updates that it missed.
import { say } from 'shop/countdown';

const REPORT_INTERVAL = 25_000;
// The server responds to each report. Without a response the connection is dead, though nothing has closed it.
const ANSWER_TIMEOUT = 20_000;
// Whoever comes back to a page looks at it now.
const ANSWER_TIMEOUT_AWAKE = 5_000;
// The server closes the connection of a page that reports more topics.
const MAX_TOPICS = 120;
const shown = (topic) => document.querySelectorAll(`[data-live="${CSS.escape(topic)}"]`);

const day = () => new Date().toDateString();

let socket;
let patience;
let retry;
let failures = 0;
const openedOn = day();
let busy = false;
let again = false;

const versions = () => {
  const watch = {};
  const bell = document.getElementById('bell');
  if (bell) watch.me = Number(bell.dataset.unread);
  // The page of a show reports one number for all its listings.
  document.querySelectorAll('[data-live]:not([data-list] *)').forEach((element) => {
    if (Object.keys(watch).length < MAX_TOPICS) watch[element.dataset.live] = Number(element.dataset.version);
  });
  return watch;
};

// Loads the whole page again. After a form submission `location` is the form's URL, which must not be submitted again.
const reloadAll = () => {
  const at = document.getElementById('live')?.dataset.at;
  if (at) location.replace(at); else location.reload();
};

// A selector that finds the focused element again in the page's new version: by its id, or by what it leads to or sends.
const selectorOf = (element) => {
  if (element.id) return `#${CSS.escape(element.id)}`;
  const name = ['href', 'name'].find((attribute) => element.hasAttribute(attribute));
  const own = element.localName + (name ? `[${name}="${CSS.escape(element.getAttribute(name))}"]` : '');
  return element.form ? `form[action="${CSS.escape(element.form.getAttribute('action'))}"] ${own}` : own;
};

// Reloads the live part of this page.
export const reload = async () => {
  if (busy) { again = true; return; }
  const live = document.getElementById('live');
  if (!live) return;
  // After a form submission `location` is the form's URL, not that of the page shown.
  const at = live.dataset.at ?? location.href;
  busy = true;
  try {
    const response = await fetch(at, { headers: { accept: 'text/html' } });
    // Keep what is shown instead of replacing it by a transient error page.
    if (response.status >= 500 || response.status === 429) return;
    const page = new DOMParser().parseFromString(await response.text(), 'text/html');
    const [fresh, old] = [page.getElementById('live'), document.getElementById('live')];
    if (!fresh || !old) { location.replace(at); return; }
    const focused = old.contains(document.activeElement) && selectorOf(document.activeElement);
    const announcement = fresh.dataset.say !== old.dataset.say && fresh.dataset.say;
    old.replaceWith(fresh);
    window.htmx?.process(fresh);
    if (focused) fresh.querySelector(focused)?.focus();
    if (announcement) say(announcement);
    document.dispatchEvent(new CustomEvent('shop:reloaded'));
  } catch {
    // Offline: the next connection updates the page.
  } finally {
    // Requests made meanwhile cause one more reload, after a pause because the server may lag behind.
    setTimeout(() => {
      busy = false;
      if (again) { again = false; reload(); }
    }, 300);
  }
};

// A change of a listing on the page of its show. One that the page lacks appears after a moment, which differs from page
// to page, so that they do not all reload at once.
const inList = ({ topic, isForSale, list, revision }) => shown(list).forEach((element) => {
  element.dataset.version = Math.max(element.dataset.version, revision);
  if (isForSale && !shown(topic).length) setTimeout(reload, 300 + Math.random() * 1000);
});

const apply = (message) => {
  const { topic, version, html, isForSale, text, price, agreedPrice, choices, seat, list, show } = message;
  if (topic === 'me') { document.body.dispatchEvent(new CustomEvent('bell')); return; }
  if (list) inList(message);
  shown(topic).forEach((element) => {
    const known = Number(element.dataset.version);
    // Of two listings that change at once, the second may be told with the revision of the first.
    if (known > version || (known === version && show === undefined)) return;
    if (element.dataset.mode === 'reload') { reload(); return; }
    element.dataset.version = version;
    if (show !== undefined) {
      // The show itself has changed: another date, or it is cancelled.
      if (element.dataset.show && Number(element.dataset.show) !== show) { reloadAll(); return; }
      element.querySelectorAll('[data-live-offer]').forEach((offer) => { offer.innerHTML = html; });
      return;
    }
    const previousPrice = element.querySelector('[data-live-price]')?.textContent;
    element.querySelectorAll('[data-live-status]').forEach((status) => { status.innerHTML = html; });
    element.querySelectorAll('[data-live-price]').forEach((part) => { part.textContent = price; });
    if (seat) element.querySelectorAll('[data-live-seat]').forEach((part) => { part.textContent = seat; });
    element.querySelectorAll('[data-live-choices]').forEach((part) => {
      // What was chosen and can't be had any more must be chosen anew.
      const { value } = part.querySelector(':checked') ?? {};
      const focused = part.contains(document.activeElement) && document.activeElement.id;
      const wasEmpty = !part.firstElementChild;
      part.innerHTML = choices;
      part.querySelectorAll('input').forEach((input, n) => { input.checked = wasEmpty ? n === 0 : input.value === value; });
      if (focused) document.getElementById(focused)?.focus();
    });
    element.querySelectorAll('[data-live-agreed-price]').forEach((part) => {
      // A user who clicks at this moment has not seen the new price yet.
      setTimeout(() => { part.value = agreedPrice; }, 1500);
    });
    element.querySelectorAll('[data-live-for-sale]').forEach((part) => { part.hidden = !isForSale; });
    const isSame = previousPrice === price;
    if (element.id === 'live') say(isSame ? text : `${document.body.dataset.newPrice.replace('{price}', () => price)} ${text}`);
  });
};

// A connection that is not open yet reports once it is.
const send = (timeout = ANSWER_TIMEOUT) => {
  if (socket.readyState > WebSocket.OPEN) return;
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ watch: versions() }));
  clearTimeout(patience);
  patience = setTimeout(lose, timeout);
};

const connect = () => {
  clearTimeout(retry);
  if (socket) socket.onclose = null;
  socket = new WebSocket(`${location.origin.replace('http', 'ws')}/live`);
  socket.onopen = () => send();
  socket.onmessage = ({ data }) => {
    clearTimeout(patience);
    failures = 0;
    apply(JSON.parse(data));
  };
  socket.onclose = lose;
  send();
};

// Gives up the connection, whose closing handshake may take minutes, and makes another one.
function lose() {
  clearTimeout(patience);
  socket.onclose = socket.onmessage = null;
  socket.close();
  failures += 1;
  // Randomised, since all pages of a stopped instance reconnect.
  retry = setTimeout(connect, 250 + Math.random() * Math.min(30_000, 2_000 * 2 ** (failures - 1)));
  // Where WebSockets are blocked, the page must not stay out of date.
  if (failures % 3 === 0 && document.getElementById('live')) reload();
}

// While a device sleeps or has no network, and in the back/forward cache, nothing arrives and timers stand still.
const wake = () => {
  if (document.hidden) return;
  // The hold in the bar may have ended elsewhere.
  if (document.querySelector('#hold:not([hidden])')) document.body.dispatchEvent(new CustomEvent('bell'));
  // What takes place today is something else tomorrow.
  if (day() !== openedOn && document.querySelector('[data-today]')) reloadAll();
  else if (socket.readyState > WebSocket.OPEN) connect();
  else send(ANSWER_TIMEOUT_AWAKE);
};

export const listen = () => {
  connect();
  setInterval(send, REPORT_INTERVAL);
  // Report content loaded by htmx too.
  for (const changed of ['htmx:afterSettle', 'shop:reloaded']) document.addEventListener(changed, () => send());
  document.addEventListener('visibilitychange', wake);
  for (const back of ['focus', 'online']) addEventListener(back, wake);
  addEventListener('pageshow', ({ persisted }) => {
    if (!persisted) return;
    // A form that was sent before must not be sent with the same key again.
    reload();
    wake();
  });
  // The server may end the hold slightly later than the countdown.
  document.addEventListener('shop:countdown-ended', ({ detail }) => setTimeout(() => {
    if (detail.isConnected && detail.closest('#live')) reload();
  }, 1500));
};
