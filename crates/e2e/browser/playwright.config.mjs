// One worker and no retries: a test that fails now and then has found something.
import { defineConfig } from '@playwright/test';

import { BASE_URL, CHROMIUM, FLAGS } from './chromium.mjs';

export default defineConfig({
  testDir: 'tests',
  // Several runs may go on side by side, each against a fleet of its own.
  outputDir: process.env.OUTPUT ?? '../../../target/browser/by-hand',
  workers: 1,
  retries: 0,
  forbidOnly: true,
  reporter: 'list',
  timeout: 90_000,
  // What another service has yet to hear of is awaited that long; usually it takes a few milliseconds.
  expect: { timeout: 15_000 },
  use: {
    baseURL: BASE_URL,
    locale: 'en-GB',
    actionTimeout: 15_000,
    navigationTimeout: 30_000,
    trace: 'retain-on-failure',
    launchOptions: { executablePath: CHROMIUM, args: FLAGS },
  },
});
