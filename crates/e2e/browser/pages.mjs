// Every page of the shop in every visually distinct state. The screenshots and the accessibility checks use this list, so
// a new page is added only here.
import { buyTicket, createPayableOrder, orderAtOutdatedPrice, cancelOrder, createListing, changePriceAndWait, createShow, createSix, showPath, signUp } from './users.mjs';
import { bank, CARDS, fillSignIn, fillSignUp, pay, payButton } from './steps.mjs';

/**
 * Creates the data that the pages show: a seller, a buyer and a newcomer, with a ticket in every status.
 */
export const makeWorld = async () => {
  const [seller, buyer, newcomer] = [await signUp('Noor Haddad'), await signUp('Ben Fischer'), await signUp('Ivy')];
  const of = (title, more) => createListing(seller, { title, ...more });
  const world = {
    seller,
    buyer,
    newcomer,
    ticket: await of('The Winter Orchard'),
    six: await createSix(seller, { title: 'Six Voices' }),
    cheaper: await of('Glass Harbour Quartet', { category: 'concert' }),
    show: (await createShow(seller, 12))[0],
    // The longest texts that a listing may have.
    long: await of(`${'A very long evening '.repeat(10)}`.trim().slice(0, 200), {
      venue: 'Bundesfinanzdirektionsverwaltungsgebäudefestsaal am Fluss',
      section: 'Upper balcony, left of the aisle, restricted view',
      description: `${'Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch'.repeat(4)}\n\n${'Words and words. '.repeat(60)}`,
    }),
  };
  await changePriceAndWait(seller, world.cheaper, 6_900);
  world.held = await createPayableOrder(buyer, await of('Northern Static'));
  world.declined = await createPayableOrder(buyer, await of('Cyrano, encore'));
  world.secured = await createPayableOrder(buyer, await of('Letters to Amsterdam'));
  world.sold = await of('Fado by the River');
  world.completed = await buyTicket(buyer, world.sold);
  world.pair = await buyTicket(buyer, await of('Two of Us', { seat: undefined, seats: ['12', '13'] }));
  world.letGo = await createPayableOrder(buyer, await of('A Small Republic'));
  await cancelOrder(buyer, world.letGo);
  if (process.env.NATS_PID) world.refused = await orderAtOutdatedPrice(buyer, seller, await of('Midnight Atlas'), 9_500);
  await buyer.api.post(`/tickets/${world.cheaper.id}/watch`);
  await buyer.api.post(`/shows/${world.show.showId}/watch`, { form: { max: '85', currency: 'EUR' } });
  return world;
};

const at = (path) => (page, world) => page.goto(typeof path === 'string' ? path : path(world));

const checkout = (order) => async (page, world) => {
  await page.goto(`/checkout/${order(world).id}`);
  await payButton(page).and(page.locator(':enabled')).waitFor();
};

/**
 * `as` is the user who opens the page (default: a guest); `open` navigates to it. `ours: false` where a part of the page
 * is the bank's; `needs` names data that cannot always be created in a running shop.
 */
export const PAGES = [
  { name: 'home', open: at('/') },
  { name: 'home-signed-in', as: 'buyer', open: at('/') },
  { name: 'browse', open: at('/browse') },
  { name: 'browse-filtered', open: at('/browse?category=theatre&q=orchard') },
  { name: 'browse-nothing', open: at('/browse?q=zzqxjkvb') },
  { name: 'browse-today', open: at('/browse?when=today') },
  { name: 'show', open: at((world) => showPath(world.show)) },
  { name: 'show-filtered', open: at((world) => `${showPath(world.show)}?section=balcony&max=85`) },
  { name: 'show-no-match', open: at((world) => `${showPath(world.show)}?max=1`) },
  { name: 'show-watched', as: 'buyer', open: at((world) => showPath(world.show)) },
  { name: 'show-long', open: at((world) => showPath(world.long)) },
  { name: 'show-sold-out', open: at((world) => showPath(world.sold)) },
  { name: 'ticket', open: at((world) => `/tickets/${world.ticket.id}`) },
  { name: 'ticket-long', open: at((world) => `/tickets/${world.long.id}`) },
  { name: 'ticket-watched', as: 'buyer', open: at((world) => `/tickets/${world.cheaper.id}`) },
  { name: 'ticket-held', open: at((world) => `/tickets/${world.held.ticket.id}`) },
  { name: 'ticket-held-by-me', as: 'buyer', open: at((world) => `/tickets/${world.held.ticket.id}`) },
  { name: 'ticket-sold', open: at((world) => `/tickets/${world.completed.ticket.id}`) },
  { name: 'ticket-mine', as: 'seller', open: at((world) => `/tickets/${world.ticket.id}`) },
  { name: 'ticket-seats', open: at((world) => `/tickets/${world.six.id}?quantity=4`) },
  { name: 'ticket-seats-mine', as: 'seller', open: at((world) => `/tickets/${world.six.id}`) },
  { name: 'show-seats', open: at((world) => showPath(world.six)) },
  { name: 'order-seats', as: 'buyer', open: at((world) => `/orders/${world.pair.id}`) },
  { name: 'pass-seats', as: 'buyer', open: at((world) => `/orders/${world.pair.id}/pass`) },
  { name: 'receipt-seats', as: 'buyer', open: at((world) => `/orders/${world.pair.id}/receipt`) },
  { name: 'sign-in', open: at('/signin') },
  {
    name: 'sign-in-rejected',
    open: async (page) => {
      await page.goto('/signin');
      await fillSignIn(page, { email: 'nobody@example.com', password: 'not a secret of anybody' });
      await page.getByRole('alert').waitFor();
    },
  },
  { name: 'sign-in-first', open: at('/orders') },
  { name: 'sign-up', open: at('/signup') },
  {
    name: 'sign-up-rejected',
    open: async (page) => {
      await page.goto('/signup');
      await fillSignUp(page, { email: 'not an address', name: 'Ivy', password: 'short' });
      await page.locator('[aria-invalid=true]').first().waitFor();
    },
  },
  { name: 'sell', as: 'seller', open: at('/sell') },
  { name: 'sell-found', as: 'seller', open: at('/sell?q=orchard') },
  { name: 'sell-unknown-show', as: 'seller', open: at('/sell/new?title=Rusalka') },
  { name: 'sell-known-show', as: 'seller', open: at((world) => `/sell/new?show=${world.show.showId}&like=${world.show.id}`) },
  {
    name: 'sell-preview',
    as: 'seller',
    open: async (page) => {
      await page.goto('/sell/new');
      await page.getByLabel('Title').fill('Robotics Night');
      await page.getByLabel('Venue').fill('Riverside Arts Center');
      await page.getByLabel('City').fill('Austin');
      await page.getByLabel('Date and time').fill('2099-04-02T18:30');
      await page.getByLabel('Price per seat').fill('24');
      await page.getByLabel('Description').fill('Talks, demos and a race of small machines.');
      await page.getByRole('button', { name: 'Preview' }).click();
      await page.getByRole('heading', { name: 'Preview' }).waitFor();
    },
  },
  {
    name: 'sell-rejected',
    as: 'seller',
    open: async (page) => {
      await page.goto('/sell/new');
      await page.getByLabel('Price per seat').fill('much');
      await page.getByRole('button', { name: 'Preview' }).click();
      await page.locator('[aria-invalid=true]').first().waitFor();
    },
  },
  { name: 'selling', as: 'seller', open: at('/selling') },
  { name: 'selling-nothing', as: 'newcomer', open: at('/selling') },
  { name: 'edit', as: 'seller', open: at((world) => `/tickets/${world.ticket.id}/edit`) },
  { name: 'checkout', as: 'buyer', open: checkout((world) => world.held) },
  {
    name: 'checkout-declined',
    as: 'buyer',
    open: async (page, world) => {
      await checkout((world) => world.declined)(page, world);
      await pay(page, CARDS.declined);
      await page.getByRole('alert').filter({ hasText: /declined/i }).waitFor();
    },
  },
  {
    name: 'checkout-bank',
    as: 'buyer',
    ours: false,
    open: async (page, world) => {
      await checkout((world) => world.secured)(page, world);
      await pay(page, CARDS.secured);
      await bank(page).getByRole('button', { name: 'Complete' }).waitFor();
    },
  },
  { name: 'checkout-let-go', as: 'buyer', open: at((world) => `/checkout/${world.letGo.id}`) },
  { name: 'checkout-refused', as: 'buyer', needs: 'refused', open: at((world) => `/checkout/${world.refused.id}`) },
  { name: 'checkout-completed', as: 'buyer', open: at((world) => `/checkout/${world.completed.id}`) },
  { name: 'orders', as: 'buyer', open: at('/orders') },
  { name: 'orders-none', as: 'newcomer', open: at('/orders') },
  { name: 'order-held', as: 'buyer', open: at((world) => `/orders/${world.held.id}`) },
  { name: 'order-completed', as: 'buyer', open: at((world) => `/orders/${world.completed.id}`) },
  { name: 'pass', as: 'buyer', open: at((world) => `/orders/${world.completed.id}/pass`) },
  {
    name: 'receipt',
    as: 'buyer',
    open: async (page, world) => {
      await page.goto(`/orders/${world.completed.id}`);
      await page.goto(await page.getByRole('link', { name: 'Receipt' }).getAttribute('href'));
    },
  },
  { name: 'account', as: 'buyer', open: at('/account') },
  { name: 'notifications', as: 'buyer', open: at('/notifications') },
  { name: 'notifications-none', as: 'newcomer', open: at('/notifications') },
  { name: 'not-found', open: at('/nothing/here') },
  { name: 'offline', open: at('/offline') },
  { name: 'help', open: at('/help') },
  { name: 'terms', open: at('/terms') },
  { name: 'privacy', open: at('/privacy') },
  { name: 'imprint', open: at('/imprint') },
];

/** The browser context's options for the user who opens this page. */
export const asViewer = async ({ as }, world) => (as ? { storageState: await world[as].api.storageState() } : {});
