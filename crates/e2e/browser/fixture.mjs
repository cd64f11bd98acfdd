// Extends Playwright's `test` with signed-up users and a check for script errors.
import { test as base, expect } from '@playwright/test';

import { signUp } from './users.mjs';

export { expect };

export const test = base.extend({
  /** Script errors and violations of the Content-Security-Policy in any window of the test. */
  errors: async ({}, use) => {
    const errors = [];
    await use(errors);
    expect(errors, 'script errors and Content-Security-Policy violations').toEqual([]);
  },

  context: async ({ context, errors }, use) => {
    listen(context, errors);
    await use(context);
  },

  /** Signs up a new user, with a window and an API client. */
  newUser: async ({ browser, errors }, use) => {
    const users = [];
    await use(async (name, options = {}) => {
      const user = await signUp(name);
      const context = await browser.newContext({ storageState: await user.api.storageState(), ...options });
      listen(context, errors);
      const page = await context.newPage();
      users.push({ ...user, context });
      return { ...user, page };
    });
    for (const { api, context } of users) {
      await context.close();
      await api.dispose();
    }
  },
});

/** Records script errors and Content-Security-Policy violations of all windows. */
export const listen = (context, errors) => {
  context.on('weberror', (event) => errors.push(String(event.error())));
  context.on('console', (message) => {
    if (/Content Security Policy/i.test(message.text())) errors.push(message.text());
  });
};
