// One WebSocket per page, which tells what has become of the things that the page shows. Each has
// its version: after a gap the server is told all of them and sends what was missed.
import { say } from 'shop/countdown';

const EVERY = 25_000;
const shown = (topic) => document.querySelectorAll(`[data-live="${CSS.escape(topic)}"]`);

let socket;
let failures = 0;
let busy = false;
let again = false;

const versions = () => {
  const watch = {};
  document.querySelectorAll('[data-live]').forEach((element) => {
    watch[element.dataset.live] = Number(element.dataset.version);
  });
  const bell = document.getElementById('bell');
  if (bell) watch.me = Number(bell.dataset.unread);
  return watch;
};

// Takes the changed part of this very page from the server.
export const reload = async () => {
  if (busy) { again = true; return; }
  const live = document.getElementById('live');
  if (!live) return;
  // The answer to a form stands at the form's address, which is another page or none.
  const at = live.dataset.at ?? location.href;
  busy = true;
  try {
    const response = await fetch(at, { headers: { accept: 'text/html' } });
    // What is shown is better than the page of a failure that passes.
    if (response.status >= 500 || response.status === 429) return;
    const page = new DOMParser().parseFromString(await response.text(), 'text/html');
    const [fresh, old] = [page.getElementById('live'), document.getElementById('live')];
    if (!fresh || !old) { location.replace(at); return; }
    const said = fresh.dataset.say !== old.dataset.say && fresh.dataset.say;
    old.replaceWith(fresh);
    window.htmx?.process(fresh);
    if (said) say(said);
    document.dispatchEvent(new CustomEvent('shop:live'));
  } catch {
    // Offline: the next connection asks again.
  } finally {
    // What was asked for meanwhile is one more time, and not at once: the server may be behind.
    setTimeout(() => {
      busy = false;
      if (again) { again = false; reload(); }
    }, 300);
  }
};

const take = ({ topic, version, html, open, text, price }) => {
  if (topic === 'me') { document.body.dispatchEvent(new CustomEvent('bell')); return; }
  shown(topic).forEach((element) => {
    if (Number(element.dataset.version) >= version) return;
    if (element.dataset.mode === 'reload') { reload(); return; }
    element.dataset.version = version;
    const was = element.querySelector('[data-live-price]')?.textContent;
    element.querySelectorAll('[data-live-status]').forEach((status) => { status.innerHTML = html; });
    element.querySelectorAll('[data-live-price]').forEach((part) => { part.textContent = price; });
    element.querySelectorAll('[data-live-agreed]').forEach((part) => {
      // Whoever clicks at this very moment has not seen it.
      setTimeout(() => { part.value = price; }, 1500);
    });
    element.querySelectorAll('[data-live-open]').forEach((part) => { part.hidden = !open; });
    if (element.id === 'live') say(was === price ? text : `The price is now ${price}. ${text}`);
  });
};

const send = () => {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ watch: versions() }));
};

const connect = () => {
  socket = new WebSocket(`${location.origin.replace('http', 'ws')}/live`);
  socket.onopen = () => { failures = 0; send(); };
  socket.onmessage = (message) => take(JSON.parse(message.data));
  socket.onclose = () => {
    failures += 1;
    // Spread out: when an instance ends, all of its pages come back.
    const wait = 250 + Math.random() * Math.min(30_000, 2_000 * 2 ** (failures - 1));
    setTimeout(connect, wait);
    // A live page is not to lie for long when sockets do not pass.
    if (failures % 3 === 0 && document.getElementById('live')) reload();
  };
};

export const listen = () => {
  connect();
  setInterval(send, EVERY);
  // What htmx has brought in is shown, too.
  document.addEventListener('htmx:afterSettle', send);
  document.addEventListener('shop:live', send);
  document.addEventListener('shop:over', ({ detail }) => setTimeout(() => {
    if (detail.isConnected && detail.closest('#live')) reload();
  }, 1500));
};
