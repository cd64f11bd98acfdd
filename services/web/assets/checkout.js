// The card form. The card's data goes to Stripe only; we pay with the payment-method id that Stripe returns.
import { say } from 'shop/countdown';
import { reload } from 'shop/live';

const form = document.getElementById('pay');
const button = form?.querySelector('button');
const fault = document.getElementById('fault');
const { order, key, trace } = form?.dataset ?? {};

const showError = (text) => { fault.textContent = text; fault.hidden = !text; follow(); };

// Renews an expired session, so that the buyer need not sign in while paying. Continues the trace of the hold, if any.
const post = async (path, body, headers = {}) => {
  const once = () => fetch(path, {
    method: 'POST', headers: { 'content-type': 'application/json', ...(trace && { traceparent: trace }), ...headers }, body: body && JSON.stringify(body),
  });
  let response = await once();
  if (response.status === 401 && (await fetch('/api/users/refresh', { method: 'POST' })).ok) response = await once();
  return { status: response.status, body: await response.json().catch(() => ({})) };
};

// Repeats the request after a lost response, a server error or "in flight". The idempotency key prevents a second
// payment.
const pay = async (method) => {
  const headers = { 'idempotency-key': crypto.randomUUID?.() ?? String(performance.now()) + Math.random() };
  for (let attempt = 1; ; attempt += 1) {
    try {
      const response = await post('/api/payments', { orderId: order, paymentMethod: method }, headers);
      const isTransient = response.status >= 500 || (response.status === 409 && response.body.type?.endsWith('in-flight'));
      if (!isTransient || attempt === 5) return response;
    } catch (error) {
      if (attempt === 5) throw error;
    }
    await new Promise((resolve) => { setTimeout(resolve, 400 * attempt); });
  }
};

const start = () => {
  const stripe = window.Stripe(key);
  // Stripe's frame knows neither our style sheet nor the colour scheme.
  const { color, fontFamily } = getComputedStyle(document.body);
  const base = { color, iconColor: color, fontFamily, fontSize: '16px', '::placeholder': { color } };
  const card = stripe.elements().create('card', { hidePostalCode: true, style: { base } });
  card.mount('#card');
  card.on('ready', () => { button.disabled = false; });

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    showError('');
    say('Paying.');
    try {
      const made = await stripe.createPaymentMethod({ type: 'card', card });
      if (made.error) { showError(made.error.message); return; }
      const response = await pay(made.paymentMethod.id);
      if (response.status === 202) {
        const acted = await stripe.handleNextAction({ clientSecret: response.body.clientSecret });
        const after = await post(`/api/payments/${response.body.id}/refresh`);
        // Our payment's status takes precedence, because Stripe's error depends on how far the payment had come.
        if (after.body.status === 'declined') showError('Your bank did not approve it. Nothing was charged; try again, or use another card.');
        else if (acted.error) showError(acted.error.message);
        else if (after.status !== 200) showError(after.body.detail ?? 'The payment could not be looked up. Load the page again.');
      } else if (response.status !== 201) {
        showError(response.body.detail ?? (response.status >= 500
          ? 'We do not know yet whether it went through. Check the order above before you try again.'
          : 'That did not work. Nothing was charged; try again.'));
      }
      await reload();
    } catch {
      showError('We could not reach the card network. Check the order above, then try again.');
      await reload();
    } finally {
      button.disabled = false;
    }
  });
};

// Shows the form while the order can be paid. It is outside #live, so a live update does not clear it.
function follow() {
  const payable = document.getElementById('live')?.dataset.payable === 'true';
  document.getElementById('payment').hidden = !payable;
  // The form shows the reason in more detail.
  document.querySelectorAll('[data-declined]').forEach((text) => { text.hidden = !fault.hidden; });
}

if (form) {
  document.addEventListener('shop:reloaded', follow);
  follow();
  if (window.Stripe) start();
  else showError('The card form could not be loaded. Check what blocks scripts, then load the page again.');
}
