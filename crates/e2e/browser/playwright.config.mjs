// One worker and no retries: a flaky test has found a bug.
import { defineConfig } from '@playwright/test';

import { BASE_URL, CHROMIUM, FLAGS } from './chromium.mjs';

export default defineConfig({
  testDir: 'tests',
  // Several runs may be in progress at the same time, each against its own fleet.
  outputDir: process.env.OUTPUT ?? '../../../target/browser/manual',
  workers: 1,
  retries: 0,
  forbidOnly: true,
  reporter: 'list',
  timeout: 90_000,
  // How long an event may take to arrive at another service; usually a few milliseconds.
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
