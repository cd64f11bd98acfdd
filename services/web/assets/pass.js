// The screen stays on while the pass is shown, and the pass may fill it.
const stayOn = () => document.visibilityState === 'visible' && navigator.wakeLock?.request('screen').catch(() => {});
stayOn();
document.addEventListener('visibilitychange', stayOn);

const fill = document.getElementById('fill');
fill.hidden = !document.fullscreenEnabled;
fill.addEventListener('click', () => fill.closest('.pass').requestFullscreen());
