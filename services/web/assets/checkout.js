// The card form, and the wallets above it. A card's data goes to Stripe only; we pay with the payment-method id that
// Stripe returns.
import { say } from 'shop/countdown';
import { reload } from 'shop/live';

const form = document.getElementById('pay');
const button = form?.querySelector('button');
const fault = document.getElementById('fault');
// The texts are in the language of the page.
const { order, key, amount, currency, trace, ...texts } = form?.dataset ?? {};

// Why a payment failed, in the language of the page; the API has it in English.
const problems = JSON.parse(document.getElementById('problems')?.textContent ?? '{}');
const explain = ({ type = '', params = {} }) => {
  const code = type.split(':').pop();
  return problems[`${code}/${params.reason ?? params.limit}`] ?? problems[code];
};

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
  const stripe = window.Stripe(key, { locale: document.documentElement.lang });
  // Stripe's frames know neither our style sheet nor the colour scheme.
  const { color: colorText, fontFamily } = getComputedStyle(document.body);
  const { backgroundColor: colorBackground } = getComputedStyle(document.getElementById('card'));
  const elements = stripe.elements({
    mode: 'payment',
    amount: Number(amount),
    currency,
    captureMethod: 'manual',
    paymentMethodCreation: 'manual',
    paymentMethodTypes: ['card'],
    appearance: { variables: { colorText, colorTextPlaceholder: colorText, colorBackground, fontFamily } },
  });
  const card = elements.create('payment', { wallets: { applePay: 'never', googlePay: 'never' } });
  card.mount('#card');
  card.on('ready', () => { button.disabled = false; });
  card.on('loaderror', () => showError(texts.notLoaded));
  const express = elements.create('expressCheckout');
  express.mount('#express');
  express.on('ready', ({ availablePaymentMethods }) => { document.getElementById('or').hidden = !availablePaymentMethods; });

  const submit = async (wallet) => {
    if (button.disabled) { wallet?.paymentFailed({ reason: 'fail' }); return; }
    button.disabled = true;
    showError('');
    say(texts.processing);
    let isAccepted = false;
    try {
      const checked = await elements.submit();
      if (checked.error) { showError(checked.error.message); return; }
      const made = await stripe.createPaymentMethod({ elements });
      if (made.error) { showError(made.error.message); return; }
      const response = await pay(made.paymentMethod.id);
      isAccepted = response.status === 201 || response.status === 202;
      if (response.status === 202) {
        const acted = await stripe.handleNextAction({ clientSecret: response.body.clientSecret });
        const after = await post(`/api/payments/${response.body.id}/refresh`);
        // Our payment's status takes precedence, because Stripe's error depends on how far the payment had come.
        if (after.body.status === 'declined') showError(texts.notApproved);
        else if (acted.error) showError(acted.error.message);
        else if (after.status !== 200) showError(explain(after.body) ?? texts.notChecked);
      } else if (response.status !== 201) {
        showError(explain(response.body) ?? (response.status >= 500 ? texts.unknown : texts.rejected));
      }
      await reload();
    } catch {
      showError(texts.unreachable);
      await reload();
    } finally {
      if (!isAccepted) wallet?.paymentFailed({ reason: 'fail' });
      button.disabled = false;
    }
  };
  form.addEventListener('submit', (event) => { event.preventDefault(); submit(); });
  express.on('confirm', submit);
};

// Shows the form while the order can be paid. It is outside #live, so a live update does not clear it. Once the order
// can no longer be paid, the focus is on the heading that says why.
let wasPayable = false;
function follow() {
  const payable = document.getElementById('live')?.dataset.payable === 'true';
  if (!payable && (wasPayable || document.activeElement === document.body)) document.querySelector('#live [autofocus]')?.focus();
  wasPayable = payable;
  document.getElementById('payment').hidden = !payable;
  // The form shows the reason in more detail.
  document.querySelectorAll('[data-declined]').forEach((text) => { text.hidden = !fault.hidden; });
}

if (form) {
  form.hidden = false;
  document.addEventListener('shop:reloaded', follow);
  follow();
  if (window.Stripe) start();
  else showError(texts.blocked);
}
