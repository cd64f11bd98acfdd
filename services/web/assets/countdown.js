// Countdown of holds. The server sends the seconds left, so the browser's clock does not matter.

const ends = new WeakMap();
const spoken = document.getElementById('spoken');

const say = (text) => { spoken.textContent = text; };

// `5 minutes` or `30 seconds`, in the language of the page.
const duration = (seconds) => {
  const [value, unit] = seconds >= 60 ? [seconds / 60, 'minute'] : [seconds, 'second'];
  return new Intl.NumberFormat(document.documentElement.lang, { style: 'unit', unit, unitDisplay: 'long' }).format(value);
};

const tick = (element) => {
  if (!ends.has(element)) ends.set(element, performance.now() + Number(element.dataset.left) * 1000);
  const left = Math.max(0, Math.ceil((ends.get(element) - performance.now()) / 1000));
  const text = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`;
  if (element.textContent === text) return;
  element.textContent = text;
  // For screen readers: once a minute, and once 30 s before the end.
  const { announce, over } = element.dataset;
  if (announce && (left % 60 === 0 || left === 30)) say(left ? announce.replace('{time}', duration(left)) : over);
  if (left === 0) document.dispatchEvent(new CustomEvent('shop:countdown-ended', { detail: element }));
};

export const countDown = () => {
  const all = () => document.querySelectorAll('[data-countdown]').forEach(tick);
  all();
  setInterval(all, 250);
};

export { say };
