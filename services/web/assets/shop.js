// On every page: counts down, and keeps what is shown up to date.
import { countDown } from 'shop/countdown';
import { listen } from 'shop/live';

countDown();
listen();

// What is shown without a network.
navigator.serviceWorker?.register('/sw.js').catch(() => {});
