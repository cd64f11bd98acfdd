// The card form: the card goes to the card network, which gives an id for it, which we pay with.
import { say } from 'shop/countdown';
import { reload } from 'shop/live';

const form = document.getElementById('pay');
const button = form?.querySelector('button');
const fault = document.getElementById('fault');
const { order, key, trace } = form?.dataset ?? {};

const tell = (text) => { fault.textContent = text; fault.hidden = !text; follow(); };

// As long as the session can be renewed, nobody has to sign in in the middle of paying. What is paid goes
// on with the trace of the hold, where there is one.
const post = async (path, body, headers = {}) => {
  const once = () => fetch(path, {
    method: 'POST', headers: { 'content-type': 'application/json', ...(trace && { traceparent: trace }), ...headers }, body: body && JSON.stringify(body),
  });
  let response = await once();
  if (response.status === 401 && (await fetch('/api/users/refresh', { method: 'POST' })).ok) response = await once();
  return { status: response.status, body: await response.json().catch(() => ({})) };
};

// Asks again with the same key, so a repeat pays nothing twice, while the answer is lost or "not yet".
const pay = async (method) => {
  const headers = { 'idempotency-key': crypto.randomUUID?.() ?? String(performance.now()) + Math.random() };
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await post('/api/payments', { orderId: order, paymentMethod: method }, headers);
      const passing = answer.status >= 500 || (answer.status === 409 && answer.body.type?.endsWith('in-flight'));
      if (!passing || attempt === 5) return answer;
    } catch (error) {
      if (attempt === 5) throw error;
    }
    await new Promise((resolve) => { setTimeout(resolve, 400 * attempt); });
  }
};

const start = () => {
  const stripe = window.Stripe(key);
  // The network's frame knows nothing of our style sheet, nor of the dark.
  const { color, fontFamily } = getComputedStyle(document.body);
  const base = { color, iconColor: color, fontFamily, fontSize: '16px', '::placeholder': { color } };
  const card = stripe.elements().create('card', { hidePostalCode: true, style: { base } });
  card.mount('#card');
  card.on('ready', () => { button.disabled = false; });

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    tell('');
    say('Paying.');
    try {
      const made = await stripe.createPaymentMethod({ type: 'card', card });
      if (made.error) { tell(made.error.message); return; }
      const answer = await pay(made.paymentMethod.id);
      if (answer.status === 202) {
        const acted = await stripe.handleNextAction({ clientSecret: answer.body.clientSecret });
        const after = await post(`/api/payments/${answer.body.id}/refresh`);
        // What the network says of it depends on how far we were already.
        if (after.body.status === 'declined') tell('Your bank did not approve it. Nothing was charged; try again, or take another card.');
        else if (acted.error) tell(acted.error.message);
        else if (after.status !== 200) tell(after.body.detail ?? 'The payment could not be looked up. Load the page again.');
      } else if (answer.status !== 201) {
        tell(answer.body.detail ?? (answer.status >= 500
          ? 'We do not know yet whether it went through. Look at the order above before you try again.'
          : 'That did not work. Nothing was charged; try again.'));
      }
      await reload();
    } catch {
      tell('We could not reach the card network. Look at the order above, then try again.');
      await reload();
    } finally {
      button.disabled = false;
    }
  });
};

// The form is there while the order can be paid, and keeps what was typed when only the rest changes.
function follow() {
  const payable = document.getElementById('live')?.dataset.payable === 'true';
  document.getElementById('payment').hidden = !payable;
  // Said below already, with more detail.
  document.querySelectorAll('[data-declined]').forEach((text) => { text.hidden = !fault.hidden; });
}

if (form) {
  document.addEventListener('shop:live', follow);
  follow();
  if (window.Stripe) start();
  else tell('The card form could not be loaded. Check what blocks scripts, then load the page again.');
}
