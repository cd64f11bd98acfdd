// The tests' own `test`: people with browsers of their own, and no page that complains.
import { test as base, expect } from '@playwright/test';

import { signUp } from './people.mjs';

export { expect };

export const test = base.extend({
  /** Whatever script fails or is refused by the Content-Security-Policy, in any window of the test. */
  complaints: async ({}, use) => {
    const complaints = [];
    await use(complaints);
    expect(complaints, 'scripts failed, or were refused').toEqual([]);
  },

  context: async ({ context, complaints }, use) => {
    listen(context, complaints);
    await use(context);
  },

  /** Signs up somebody new; with a window that is theirs, and a client of the API. */
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

/** Notes what the scripts of all windows complain about. */
export const listen = (context, complaints) => {
  context.on('weberror', (event) => complaints.push(String(event.error())));
  context.on('console', (message) => {
    if (/Content Security Policy/i.test(message.text())) complaints.push(message.text());
  });
};
