// Users of the public API, for the parts of a test that it does not exercise in the browser.
import { readdirSync, readFileSync } from 'node:fs';

import { expect, request } from '@playwright/test';

import { BASE_URL } from './chromium.mjs';

export const PASSWORD = 'a long enough secret';

/** A word that occurs nowhere else in the shop. */
export const unique = () => `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`;

/** Signs up a new user, with a signed-in API client. */
export const signUp = async (name) => {
  const email = `${name.toLowerCase().replaceAll(' ', '.')}-${unique()}@example.com`;
  const api = await request.newContext({ baseURL: BASE_URL });
  await send(api, 'POST', '/api/users/signup', 201, { email, password: PASSWORD, displayName: name });
  return { name, email, api };
};

/** A valid listing. */
export const listing = (more = {}) => ({
  title: `Carmen ${unique()}`,
  venue: 'Opera House',
  city: 'Lyon',
  startsAt: '2099-03-01T19:00:00Z',
  timeZone: 'Europe/Paris',
  price: { amount: 8_900, currency: 'EUR' },
  faceValue: { amount: 9_500, currency: 'EUR' },
  category: 'theatre',
  section: 'Stalls',
  row: 'F',
  seat: '12',
  description: 'Good view of the stage.\nTwo minutes from the station.',
  ...more,
});

/** Lists a ticket and waits until the pages show it. */
export const createListing = async (seller, more) => {
  const ticket = await send(seller.api, 'POST', '/api/tickets', 201, listing(more));
  await waitForText(seller, `/tickets/${ticket.id}`, 'This is your listing');
  return ticket;
};

/** Lists six seats side by side, which are sold in pairs. */
export const createSix = (seller, more) => createListing(seller, {
  seat: undefined, seats: ['12', '13', '14', '15', '16', '17'], split: 'pairs', ...more,
});

/** Lists this many tickets for one show, in two sections at different prices; returns them. */
export const createShow = async (seller, count, more) => {
  const { title } = listing();
  const tickets = [];
  for (let n = 0; n < count; n += 1) {
    const place = n % 2 ? { section: 'Balcony', row: 'B' } : { section: 'Stalls', row: 'F' };
    const price = { amount: 8_900 - 100 * n, currency: 'EUR' };
    tickets.push(await createListing(seller, { title, ...place, seat: `${n + 1}`, price, ...more }));
  }
  await waitForText(seller, showPath(tickets[0]), `${count} left`);
  return tickets;
};

/** An address of the page of a ticket's show; it redirects to the one with the show's name. */
export const showPath = (ticket) => `/shows/${ticket.showId}`;

/** Changes the price of a listing, and waits until its page shows it. */
export const changePriceAndWait = async (seller, ticket, amount) => {
  await changePrice(seller, ticket, amount);
  await waitForText(seller, `/tickets/${ticket.id}`, (amount / 100).toFixed(2));
};

/** Changes the price of a listing. */
export const changePrice = async (seller, ticket, amount) => {
  // A response has fields that a request must not contain.
  const terms = Object.fromEntries(Object.keys(listing()).map((name) => [name, ticket[name]]));
  const body = { ...terms, price: { ...ticket.price, amount } };
  return send(seller.api, 'PUT', `/api/tickets/${ticket.id}`, 200, body);
};

/** Orders a ticket once its listing has arrived at `orders`; returns the order. */
export const createOrder = async (buyer, ticket) => {
  let order;
  await expect.poll(async () => {
    const answer = await buyer.api.post('/api/orders', { data: { ticketId: ticket.id } });
    if (answer.status() === 201) order = await answer.json();
    else expect([404, 503]).toContain(answer.status());
    return answer.status();
  }, { timeout: 20_000 }).toBe(201);
  return order;
};

/** Waits until the API returns the order in this status. */
export const waitForOrderStatus = (buyer, order, expected) => expect
  .poll(async () => (await send(buyer.api, 'GET', `/api/orders/${order.id}`, 200)).status, { timeout: 30_000 })
  .toBe(expected);

/** Orders a ticket, and waits until the order can be paid and the pages show it. */
export const createPayableOrder = async (buyer, ticket) => {
  const order = await createOrder(buyer, ticket);
  await waitForOrderStatus(buyer, order, 'awaitingPayment');
  await waitForText(buyer, `/checkout/${order.id}`, 'Release ticket');
  await waitForText(buyer, `/tickets/${ticket.id}`, ticket.seats.length > 1 ? 'You are holding seats' : 'You are holding this ticket');
  return order;
};

/** Orders and pays, and waits until the pages show the completed order; returns it. */
export const buyTicket = async (buyer, ticket) => {
  const order = await createPayableOrder(buyer, ticket);
  await send(buyer.api, 'POST', '/api/payments', 201, { orderId: order.id, paymentMethod: 'pm_card_visa' });
  await waitForOrderStatus(buyer, order, 'completed');
  await waitForText(buyer, `/tickets/${ticket.id}`, 'Sold');
  await waitForText(buyer, `/checkout/${order.id}`, order.quantity > 1 ? 'The tickets are yours' : 'The ticket is yours');
  return order;
};

/** Cancels an order. */
export const cancelOrder = async (buyer, order) => {
  await send(buyer.api, 'DELETE', `/api/orders/${order.id}`, 200);
  await waitForText(buyer, `/checkout/${order.id}`, 'You released the ticket');
};

/**
 * Orders a ticket at an outdated price: NATS is suspended while the seller changes it, so `orders` does not receive the
 * change. Returns the refused order. Needs NATS_PID.
 */
export const orderAtOutdatedPrice = async (buyer, seller, ticket, amount) => {
  // A seller who orders their own listing gets a 403 once the listing has arrived at `orders`.
  const orderOwnListing = () => seller.api.post('/api/orders', { data: { ticketId: ticket.id } });
  await expect.poll(async () => (await orderOwnListing()).status(), { timeout: 20_000 }).toBe(403);
  const nats = Number(process.env.NATS_PID);
  let order;
  process.kill(nats, 'SIGSTOP');
  try {
    await expect.poll(() => isSuspended(nats), { message: 'NATS is suspended' }).toBe(true);
    await changePrice(seller, ticket, amount);
    order = await send(buyer.api, 'POST', '/api/orders', 201, { ticketId: ticket.id });
  } finally {
    process.kill(nats, 'SIGCONT');
  }
  expect(order.price, 'orders has not received the edit').toEqual(ticket.price);
  await waitForOrderStatus(buyer, order, 'cancelled');
  await waitForText(buyer, `/checkout/${order.id}`, 'Hold at');
  return order;
};

/** Whether every thread of a process has stopped: each receives the signal when it is next scheduled. */
const isSuspended = (pid) => readdirSync(`/proc/${pid}/task`).every((thread) => (
  readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8').split(') ').at(-1).startsWith('T')));

/** Waits until a page contains this text. */
const waitForText = (user, path, text) => expect
  .poll(async () => (await user.api.get(path)).text(), { message: `${path} contains ${text}`, timeout: 20_000 })
  .toContain(text);

/** Sends a request that must return this status; returns the body. */
export const send = async (api, method, path, expected, data) => {
  const answer = await api.fetch(path, { method, data });
  const text = await answer.text();
  if (answer.status() !== expected) throw new Error(`${method} ${path} gave ${answer.status()}: ${text}`);
  return text ? JSON.parse(text) : null;
};
