// Countdown of holds. The server sends the seconds left, so the browser's clock does not matter.

const ends = new WeakMap();
const spoken = document.getElementById('spoken');

const say = (text) => { spoken.textContent = text; };

const tick = (element) => {
  if (!ends.has(element)) ends.set(element, performance.now() + Number(element.dataset.left) * 1000);
  const left = Math.max(0, Math.ceil((ends.get(element) - performance.now()) / 1000));
  const text = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`;
  if (element.textContent === text) return;
  element.textContent = text;
  // For screen readers: once a minute, and once 30 s before the end.
  if (element.hasAttribute('data-announce') && (left % 60 === 0 || left === 30)) {
    const minutes = left === 60 ? '1 minute' : `${left / 60} minutes`;
    say(left ? `Your hold ends in ${left >= 60 ? minutes : `${left} seconds`}.` : 'Your hold has ended.');
  }
  if (left === 0) document.dispatchEvent(new CustomEvent('shop:countdown-ended', { detail: element }));
};

export const countDown = () => {
  const all = () => document.querySelectorAll('[data-countdown]').forEach(tick);
  all();
  setInterval(all, 250);
};

export { say };
