// Emulates the Stripe.js functions that a shop uses, against the server that this script was loaded from.
// No card data leaves the machine; use Stripe's test numbers (4242 4242 4242 4242).
(() => {
  const base = new URL(document.currentScript.src).origin;

  const flatten = (value, name, into) => {
    if (value === undefined || value === null) return into;
    if (typeof value !== 'object') into.append(name, String(value));
    else for (const [key, inner] of Object.entries(value)) {
      flatten(inner, name ? `${name}[${Array.isArray(value) ? '' : key}]` : key, into);
    }
    return into;
  };

  class Base {
    constructor(kind, options) {
      this.kind = kind;
      this.options = options || {};
      this.handlers = {};
      this.root = document.createElement('div');
      this.root.className = 'StripeElement';
    }
    // The properties of the ready event.
    readiness() { return {}; }
    mount(target) {
      (typeof target === 'string' ? document.querySelector(target) : target).replaceChildren(this.root);
      queueMicrotask(() => this.emit('ready', { elementType: this.kind, ...this.readiness() }));
    }
    unmount() { this.root.remove(); }
    destroy() { this.root.remove(); }
    update(options) { Object.assign(this.options, options); }
    on(name, handler) { (this.handlers[name] ||= []).push(handler); return this; }
    off(name) { delete this.handlers[name]; return this; }
    emit(name, event) { (this.handlers[name] || []).forEach((handler) => handler(event)); }
  }

  // A form for a card: the Card Element, and the Payment Element with cards alone.
  class Element extends Base {
    constructor(kind, options) {
      super(kind, options);
      const field = (name, label, placeholder, width, autocomplete) =>
        `<label>${label}<br><input name="${name}" inputmode="numeric" autocomplete="${autocomplete}"
          placeholder="${placeholder}" data-width="${width}"></label>`;
      this.root.innerHTML = field('number', 'Card number', '4242 4242 4242 4242', '13rem', 'cc-number')
        + field('expiry', 'Expiry', 'MM / YY', '5rem', 'cc-exp')
        + field('cvc', 'CVC', '123', '4rem', 'cc-csc');
      // Set the styles by script: a page's Content-Security-Policy may block style attributes.
      this.root.querySelectorAll('label').forEach((label) => {
        Object.assign(label.style, { display: 'inline-block', margin: '0 .5rem .5rem 0' });
      });
      this.root.querySelectorAll('input').forEach((input) => {
        Object.assign(input.style, { font: 'inherit', padding: '.4rem', width: input.dataset.width });
      });
      this.root.addEventListener('input', () => this.emit('change', this.state()));
      this.root.addEventListener('focusin', () => this.emit('focus', {}));
      this.root.addEventListener('focusout', () => this.emit('blur', {}));
    }
    value(name) { return this.root.querySelector(`[name=${name}]`).value.trim(); }
    card() {
      const [month, year] = this.value('expiry').split('/').map((part) => part.trim());
      return { number: this.value('number').replace(/\s/g, ''), exp_month: month, exp_year: year, cvc: this.value('cvc') };
    }
    state() {
      const filled = ['number', 'expiry', 'cvc'].map((name) => this.value(name));
      return { elementType: this.kind, complete: filled.every(Boolean), empty: !filled.some(Boolean), error: undefined, value: { type: 'card' } };
    }
    clear() { this.root.querySelectorAll('input').forEach((input) => { input.value = ''; }); }
    focus() { this.root.querySelector('input').focus(); }
  }

  // Express Checkout with one wallet, which pays with a good card.
  class ExpressCheckout extends Base {
    constructor(elements, options) {
      super('expressCheckout', options);
      const button = Object.assign(document.createElement('button'), { type: 'button', textContent: 'Google Pay' });
      Object.assign(button.style, {
        width: '100%', padding: '.6rem', border: '1px solid #fff', borderRadius: '.4rem', background: '#000', color: '#fff', font: 'inherit',
      });
      button.addEventListener('click', () => {
        elements.wallet = { number: '4242424242424242', exp_month: '12', exp_year: '34', cvc: '123' };
        const paymentFailed = () => { elements.wallet = null; };
        this.emit('confirm', { expressPaymentType: 'google_pay', paymentFailed });
      });
      this.root.append(button);
    }
    readiness() { return { availablePaymentMethods: { applePay: false, googlePay: true, link: false } }; }
  }

  class Elements {
    constructor(options) { this.options = options || {}; this.made = {}; }
    create(kind, options) {
      this.made[kind] = kind === 'expressCheckout' ? new ExpressCheckout(this, options) : new Element(kind, options);
      return this.made[kind];
    }
    getElement(kind) { return this.made[kind] || null; }
    update(options) { Object.assign(this.options, options); }
    async fetchUpdates() { return {}; }
    first() { return this.made.payment || this.made.card || Object.values(this.made)[0]; }
    async submit() {
      if (this.wallet) return { selectedPaymentMethod: 'google_pay' };
      const element = this.first();
      if (element && element.state().complete) return { selectedPaymentMethod: 'card' };
      return { error: { type: 'validation_error', code: 'incomplete_card', message: 'Your card details are incomplete.' } };
    }
  }

  // Shows the challenge in a frame over the page; resolves when the framed page posts its done message.
  const challenge = (id) => new Promise((resolve) => {
    const dialog = document.createElement('dialog');
    const frame = document.createElement('iframe');
    frame.src = `${base}/3ds/${id}?embedded=1`;
    frame.title = '3-D Secure';
    Object.assign(frame.style, { border: '0', width: '24rem', maxWidth: '80vw', height: '18rem' });
    dialog.append(frame);
    document.body.append(dialog);
    const done = (event) => {
      if (event && (event.source !== frame.contentWindow || event.data !== 'fakestripe:done')) return;
      removeEventListener('message', done);
      dialog.remove();
      resolve();
    };
    addEventListener('message', done);
    dialog.addEventListener('close', () => done());
    dialog.showModal();
  });

  window.Stripe = (key) => {
    const call = async (method, path, params) => {
      const form = flatten(params, '', new URLSearchParams());
      const query = method === 'GET' ? `?${form}` : '';
      try {
        const response = await fetch(`${base}/v1/${path}${query}`, {
          method, headers: { Authorization: `Bearer ${key}` }, body: method === 'GET' ? undefined : form,
        });
        return await response.json();
      } catch (error) {
        return { error: { type: 'api_connection_error', message: String(error) } };
      }
    };
    const wrap = (name, body) => body.error ? { error: body.error } : { [name]: body };
    const idOf = (secret) => String(secret).split('_secret_')[0];
    const retrieve = (secret) => call('GET', `payment_intents/${idOf(secret)}`, { client_secret: secret });

    // Shows the 3-D Secure challenge if one is required; a failed challenge is an error, as at Stripe.
    const act = async (intent, secret) => {
      if (intent.error || intent.status !== 'requires_action') return wrap('paymentIntent', intent);
      await challenge(intent.id);
      const after = await retrieve(secret);
      const failed = !after.error && after.status === 'requires_payment_method';
      return failed ? { error: { ...after.last_payment_error, payment_intent: after } } : wrap('paymentIntent', after);
    };
    // An id, an element, or {card: element, billing_details}.
    const methodParams = (given, details) => {
      if (typeof given === 'string') return { payment_method: given };
      if (!given) return {};
      const card = given instanceof Element ? given : given.card;
      const data = { type: 'card', card: card instanceof Element ? card.card() : card };
      data.billing_details = given.billing_details || details;
      return { payment_method_data: data };
    };
    const confirm = async (secret, params) => {
      const form = { ...params, client_secret: secret, use_stripe_sdk: true };
      return act(await call('POST', `payment_intents/${idOf(secret)}/confirm`, form), secret);
    };
    const handleNextAction = async ({ clientSecret }) => act(await retrieve(clientSecret), clientSecret);

    return {
      elements: (options) => new Elements(options),
      retrievePaymentIntent: async (secret) => wrap('paymentIntent', await retrieve(secret)),
      createPaymentMethod: async (options) => {
        const element = options.elements ? options.elements.wallet || options.elements.first() : options.card;
        const more = options.elements ? options.params || {} : options;
        const card = element instanceof Element ? element.card() : element;
        if (options.elements) options.elements.wallet = null;
        const form = { type: 'card', card, billing_details: more.billing_details, metadata: more.metadata };
        return wrap('paymentMethod', await call('POST', 'payment_methods', form));
      },
      confirmCardPayment: (secret, data = {}) =>
        confirm(secret, { ...methodParams(data.payment_method), return_url: data.return_url }),
      confirmPayment: async ({ elements, clientSecret, confirmParams = {}, redirect = 'always' }) => {
        const secret = clientSecret || elements.options.clientSecret;
        const details = (confirmParams.payment_method_data || {}).billing_details;
        const given = confirmParams.payment_method || (elements && elements.first());
        const result = await confirm(secret, { ...methodParams(given, details), return_url: confirmParams.return_url });
        if (result.error || redirect === 'if_required' || !confirmParams.return_url) return result;
        const url = new URL(confirmParams.return_url);
        url.searchParams.set('payment_intent', result.paymentIntent.id);
        url.searchParams.set('payment_intent_client_secret', secret);
        url.searchParams.set('redirect_status', 'succeeded');
        location.assign(url);
        return new Promise(() => {});
      },
      handleNextAction,
      handleCardAction: (secret) => handleNextAction({ clientSecret: secret }),
    };
  };
  window.Stripe.version = 'fakestripe';
})();
