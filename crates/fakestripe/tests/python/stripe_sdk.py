"""Drives the official library against the server: stripe_sdk.py <base URL> <webhook secret>."""

import json
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import stripe

BASE, SECRET = sys.argv[1], sys.argv[2]
stripe.api_key = "sk_test_python"
stripe.api_base = BASE
stripe.max_network_retries = 0

deliveries = []
arrived = threading.Condition()


class WebhookReceiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with arrived:
            deliveries.append((body, self.headers["Stripe-Signature"]))
            arrived.notify_all()
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def raises(kind, call, **expected):
    try:
        call()
    except kind as error:
        for name, value in expected.items():
            assert getattr(error, name) == value, (name, getattr(error, name), value)
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


def pay(method="pm_card_visa", **more):
    return stripe.PaymentIntent.create(
        amount=2000, currency="usd", payment_method=method, confirm=True, **more
    )


def lifecycle():
    intent = stripe.PaymentIntent.create(
        amount=2000,
        currency="usd",
        capture_method="manual",
        payment_method_types=["card"],
        metadata={"order": "o1"},
    )
    assert intent.status == "requires_payment_method"
    intent = stripe.PaymentIntent.modify(intent.id, metadata={"seat": "A1"})
    assert intent.metadata["order"] == "o1" and intent.metadata["seat"] == "A1"
    intent = stripe.PaymentIntent.confirm(intent.id, payment_method="pm_card_visa")
    assert intent.status == "requires_capture" and intent.amount_capturable == 2000
    intent = stripe.PaymentIntent.capture(intent.id)
    assert intent.status == "succeeded" and intent.amount_received == 2000
    found = stripe.PaymentIntent.retrieve(intent.id, expand=["latest_charge"])
    assert found.latest_charge.captured is True
    assert stripe.Charge.retrieve(found.latest_charge.id).payment_intent == intent.id

    held = pay(capture_method="manual", automatic_payment_methods={"enabled": True, "allow_redirects": "never"})
    gone = held.cancel(cancellation_reason="requested_by_customer")
    assert gone.status == "canceled"
    raises(
        stripe.InvalidRequestError,
        lambda: stripe.PaymentIntent.capture(held.id),
        code="payment_intent_unexpected_state",
        http_status=400,
    )
    action = pay("pm_card_threeDSecure2Required", return_url="http://shop.test/")
    assert action.status == "requires_action"
    assert action.next_action.redirect_to_url.url.endswith("/3ds/" + action.id)
    client = stripe.StripeClient("sk_test_python", base_addresses={"api": BASE})
    assert client.v1.payment_intents.retrieve(action.id).id == action.id


def lists():
    made = [stripe.PaymentIntent.create(amount=100 + n, currency="eur").id for n in range(5)]
    seen = [intent.id for intent in stripe.PaymentIntent.list(limit=2).auto_paging_iter()]
    assert seen[:5] == made[::-1] and len(seen) == len(set(seen))
    kinds = [event.type for event in stripe.Event.list(limit=100).auto_paging_iter()]
    assert "payment_intent.canceled" in kinds


def refunds():
    intent = pay()
    refund = stripe.Refund.create(payment_intent=intent.id, amount=500, reason="requested_by_customer")
    assert refund.status == "succeeded" and refund.amount == 500
    raises(
        stripe.InvalidRequestError,
        lambda: stripe.Refund.create(payment_intent=intent.id, amount=1501),
        param="amount",
    )
    stripe.Refund.create(charge=intent.latest_charge)
    raises(
        stripe.InvalidRequestError,
        lambda: stripe.Refund.create(payment_intent=intent.id),
        code="charge_already_refunded",
    )
    assert len(stripe.Refund.list(payment_intent=intent.id).data) == 2
    assert stripe.Refund.retrieve(refund.id).id == refund.id


def idempotency():
    one = pay(idempotency_key="python-1")
    two = pay(idempotency_key="python-1")
    assert one.id == two.id
    assert two.last_response.headers["idempotent-replayed"] == "true"
    raises(
        stripe.IdempotencyError,
        lambda: pay(idempotency_key="python-1", description="another"),
        http_status=400,
    )


def errors():
    error = raises(
        stripe.CardError,
        lambda: pay("pm_card_chargeDeclinedInsufficientFunds"),
        code="card_declined",
        http_status=402,
    )
    assert error.error.decline_code == "insufficient_funds"
    assert error.error.payment_intent["status"] == "requires_payment_method"
    assert error.request_id.startswith("req_")
    error = raises(stripe.CardError, lambda: pay("pm_card_visa_chargeDeclined"))
    assert getattr(error, "decline_code", error.error.decline_code) == "generic_decline"
    raises(
        stripe.InvalidRequestError,
        lambda: pay("pm_none"),
        code="resource_missing",
        param="payment_method",
    )
    raises(stripe.InvalidRequestError, lambda: stripe.PaymentIntent.retrieve("pi_none"), http_status=404)
    raises(stripe.AuthenticationError, lambda: pay(api_key="sk_live_wrong"), http_status=401)


def webhooks():
    receiver = HTTPServer(("127.0.0.1", 0), WebhookReceiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    body = json.dumps({"url": f"http://127.0.0.1:{receiver.server_port}/"}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{BASE}/_fake/webhook", body, headers, method="PUT")
    urllib.request.urlopen(request).read()
    intent = pay()
    with arrived:
        assert arrived.wait_for(lambda: len(deliveries) >= 3, timeout=10), deliveries
    kinds = set()
    for body, signature in deliveries:
        event = stripe.Webhook.construct_event(body, signature, SECRET)
        kinds.add(event.type)
        if event.type.startswith("payment_intent."):
            assert event.data.object.id == intent.id
    assert kinds == {"payment_intent.created", "charge.succeeded", "payment_intent.succeeded"}, kinds
    body, signature = deliveries[0]
    raises(
        stripe.SignatureVerificationError,
        lambda: stripe.Webhook.construct_event(body, signature, "whsec_wrong"),
    )


for part in (lifecycle, lists, refunds, idempotency, errors, webhooks):
    part()
    print(part.__name__, "ok")
