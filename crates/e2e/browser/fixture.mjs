// Extends Playwright's `test` with signed-up users and a check for script errors.
import { test as base, expect } from '@playwright/test';

import { signUp } from './people.mjs';

export { expect };

export const test = base.extend({
  /** Script errors and violations of the Content-Security-Policy in any window of the test. */
  complaints: async ({}, use) => {
    const complaints = [];
    await use(complaints);
    expect(complaints, 'script errors and Content-Security-Policy violations').toEqual([]);
  },

  context: async ({ context, complaints }, use) => {
    listen(context, complaints);
    await use(context);
  },

  /** Signs up a new user, with a window and an API client. */
  somebody: async ({ browser, complaints }, use) => {
    const everybody = [];
    await use(async (name, options = {}) => {
      const person = await signUp(name);
      const context = await browser.newContext({ storageState: await person.api.storageState(), ...options });
      listen(context, complaints);
      const page = await context.newPage();
      everybody.push({ ...person, context });
      return { ...person, page };
    });
    for (const { api, context } of everybody) {
      await context.close();
      await api.dispose();
    }
  },
});

/** Records script errors and Content-Security-Policy violations of all windows. */
export const listen = (context, complaints) => {
  context.on('weberror', (event) => complaints.push(String(event.error())));
  context.on('console', (message) => {
    if (/Content Security Policy/i.test(message.text())) complaints.push(message.text());
  });
};
