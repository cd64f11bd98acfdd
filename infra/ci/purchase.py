#!/usr/bin/env python3
"""Buys a ticket at a marketplace, as the last test of a deployment. With live keys it holds the ticket, waits until the
hold is confirmed and releases it, and never sends a payment.

    purchase.py https://ticketing.example            lists a ticket, and buys it or holds it
    purchase.py https://ticketing.example sign-up    creates the two accounts that it uses, and prints the seller's id

SMOKE_TEST_PASSWORD is the password of both accounts. SMOKE_TEST_EMAIL (default smoke-test@ and the shop's host) is their
address, to which `+seller` and `+buyer` are added; SMOKE_TEST_CURRENCY (default USD) is one that sellers can choose.

Each run lists one seat of a new show, since a sold seat stays sold. The setting SMOKE_TEST_SELLER of `tickets` and `web` is
the seller's id. They leave this seller's listings out of all lists and of all numbers of seats and lowest prices. If the public
can see the new listing all the same, it is withdrawn and the test fails. The checkout page shows whether the shop has test keys
or live keys, so the script needs no key of Stripe.
"""

import http.client
import json
import os
import re
import sys
import time
import uuid
from collections.abc import Callable
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import quote_plus, urlsplit
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener

TITLE = "Smoke test of deployments"
# Statuses while pods of the gateway or of a service are replaced. 429 is that of a rate limit, which ends soon.
TRANSIENT = (429, 502, 503, 504)
STEP_SECONDS = float(os.environ.get("STEP_SECONDS", "60"))
POLL_INTERVAL = float(os.environ.get("POLL_INTERVAL", "0.3"))


class Failed(Exception):
    """The shop did not respond as expected."""


class Client:
    """One user of the shop, with a session."""

    def __init__(self, shop: str) -> None:
        self.shop = shop
        self.opener: OpenerDirector = build_opener(HTTPCookieProcessor(CookieJar()))

    def once(self, method: str, path: str, body: dict | None, key: str) -> tuple[int, str]:
        """Sends one request. Returns the status and the body of the response; status 0 and the error if there is none."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.shop + path, data=data, headers=headers, method=method)
        try:
            with self.opener.open(request, timeout=10) as response:
                return response.status, response.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return 0, str(error)

    def send(self, method: str, path: str, body: dict | None = None, *, expected: int = 200, awaited: tuple = ()) -> str:
        """Sends a request and returns the body of its response. Repeats it under the same idempotency key if it got no
        response, or a transient or `awaited` status."""
        key, end = str(uuid.uuid4()), time.monotonic() + STEP_SECONDS
        while True:
            status, text = self.once(method, path, body, key)
            if status == expected:
                return text
            if status not in (0, *TRANSIENT, *awaited) or time.monotonic() >= end:
                raise Failed(f"{method} {path} returned {status or 'no response'} instead of {expected}: {text[:500]}")
            time.sleep(POLL_INTERVAL)

    def get(self, path: str) -> dict:
        """Reads a JSON document."""
        return json.loads(self.send("GET", path))

    def await_status(self, path: str, wanted: str) -> dict:
        """Waits until the entity at this path has this status."""
        end = time.monotonic() + STEP_SECONDS
        while (found := self.get(path))["status"] != wanted:
            if time.monotonic() >= end:
                raise Failed(f"{path} is {found['status']} and not {wanted} after {STEP_SECONDS:.0f} s: {json.dumps(found)}")
            time.sleep(POLL_INTERVAL)
        return found


def credentials(shop: str, role: str) -> dict:
    """Returns the address and the password of the seller or the buyer."""
    password = os.environ.get("SMOKE_TEST_PASSWORD")
    if not password:
        raise Failed("SMOKE_TEST_PASSWORD is not set")
    name, _, domain = (os.environ.get("SMOKE_TEST_EMAIL") or f"smoke-test@{urlsplit(shop).hostname}").rpartition("@")
    return {"email": f"{name}+{role}@{domain}", "password": password}


def sign_in(shop: str, role: str) -> Client:
    """Signs the seller or the buyer in."""
    client, account = Client(shop), credentials(shop, role)
    try:
        client.send("POST", "/api/users/signin", account)
    except Failed as failure:
        raise Failed(f"{account['email']} can't sign in; was the account created by `purchase.py {shop} sign-up`? {failure}") from None
    return client


def sign_up(shop: str) -> str:
    """Creates the accounts that do not exist, and returns the seller's id."""
    for role in ("seller", "buyer"):
        body = credentials(shop, role) | {"displayName": "Smoke test"}
        status, text = Client(shop).once("POST", "/api/users/signup", body, str(uuid.uuid4()))
        # 409: the account exists. If it is somebody else's, signing in fails.
        if status not in (201, 409):
            raise Failed(f"{body['email']} can't be signed up: {status} {text[:500]}")
        client = sign_in(shop, role)
        if role == "seller":
            seller = client.get("/api/users/currentuser")["currentUser"]["id"]
        client.send("POST", "/api/users/signout", expected=204)
    return seller


def create_listing(seller: Client) -> dict:
    """Lists one seat without a name, for a show of its own in the distant future. If the show's name could be guessed,
    anybody could list a ticket for it: the show would be in lists, and each deployment would fail."""
    price = {"amount": 500, "currency": os.environ.get("SMOKE_TEST_CURRENCY") or "USD"}
    show = {"title": TITLE, "venue": f"Nowhere {uuid.uuid4().hex[:12]}", "startsAt": "2099-12-31T12:00:00Z", "timeZone": "UTC"}
    listing = show | {"price": price}
    return json.loads(seller.send("POST", "/api/tickets", listing, expected=201))


def visible_in(guest: Client, listing: dict) -> list[str]:
    """Returns the services of which a list contains the listing, or a number of seats includes it."""
    listed = guest.get("/api/tickets?status=available&limit=100")["items"]
    free = guest.get(f"/api/shows/{listing['showId']}")["free"]
    in_tickets = free or any(item["id"] == listing["id"] for item in listed)
    in_web = listing["showId"] in guest.send("GET", f"/browse?q={quote_plus(TITLE + ' ' + listing['venue'])}&status=all")
    return [name for name, found in (("tickets", in_tickets), ("web", in_web)) if found]


def ensure_hidden(guest: Client, listing: dict) -> None:
    """Fails if a list of `tickets` or `web` contains the listing, or a number of seats includes it."""
    # Wait until `web` has the listing and its show. Before that, it could not list them in any case.
    for path in (f"/tickets/{listing['id']}", f"/shows/{listing['showId']}"):
        guest.send("GET", path, awaited=(404,))
    # If this deployment has just set the seller, the pods before it serve for a few more seconds.
    deadline = time.monotonic() + min(STEP_SECONDS, 20)
    while services := visible_in(guest, listing):
        if time.monotonic() > deadline:
            raise Failed(
                f"the public can see the listing in {' and '.join(services)}: "
                f"set SMOKE_TEST_SELLER={listing['sellerId']} in infra/k8s-prod/smoke-test.env, and deploy that"
            )
        time.sleep(POLL_INTERVAL)


def publishable_key(checkout: str) -> str:
    """Returns Stripe's publishable key in a checkout page."""
    found = re.search(r'data-key="(pk_[A-Za-z0-9_]+)"', checkout)
    return found[1] if found else ""


def buy(buyer: Client, listing: dict, order: dict) -> str:
    """Pays for the order with a test card, and waits for the pass."""
    payment = {"orderId": order["id"], "paymentMethod": "pm_card_visa"}
    buyer.send("POST", "/api/payments", payment, expected=201)
    buyer.await_status(f"/api/orders/{order['id']}", "completed")
    buyer.await_status(f"/api/tickets/{listing['id']}", "sold")
    passes = buyer.get(f"/api/orders/{order['id']}/passes")["items"]
    if len(passes) != 1:
        raise Failed(f"order {order['id']} is completed and has {len(passes)} passes instead of 1")
    return f"bought a ticket with a test card, order {order['id']}"


def release(buyer: Client, seller: Client, listing: dict, order: dict) -> str:
    """Releases the hold without a payment, and withdraws the listing."""
    cancelled = json.loads(buyer.send("DELETE", f"/api/orders/{order['id']}"))
    if (cancelled["status"], cancelled["cancelReason"]) != ("cancelled", "buyer"):
        raise Failed(f"the released order is {cancelled['status']}: {json.dumps(cancelled)}")
    seller.await_status(f"/api/tickets/{listing['id']}", "available")
    seller.send("DELETE", f"/api/tickets/{listing['id']}", expected=204)
    return f"held a ticket and released it, because the shop has live keys; nothing was paid, order {order['id']}"


def run(shop: str) -> str:
    """Lists a ticket, holds it, and buys it or releases it. Returns what was done."""
    seller, buyer = sign_in(shop, "seller"), sign_in(shop, "buyer")
    listing, order = create_listing(seller), None
    try:
        ensure_hidden(Client(shop), listing)
        # The status is 404 until `orders` has received the event of the listing.
        order = json.loads(buyer.send("POST", "/api/orders", {"ticketId": listing["id"]}, expected=201, awaited=(404,)))
        buyer.await_status(f"/api/orders/{order['id']}", "awaitingPayment")
        key = publishable_key(buyer.send("GET", f"/checkout/{order['id']}"))
        if key.startswith("pk_test_"):
            done = buy(buyer, listing, order)
        elif key.startswith("pk_live_"):
            done = release(buyer, seller, listing, order)
        else:
            raise Failed("the checkout page has no publishable key that starts with pk_test_ or pk_live_; nothing was paid")
    except Failed:
        leave(buyer, seller, listing, order)
        raise
    for client in (seller, buyer):
        client.send("POST", "/api/users/signout", expected=204)
    return done


def leave(buyer: Client, seller: Client, listing: dict, order: dict | None) -> None:
    """Releases the hold and withdraws the listing after a failure, as far as that is possible: the hold expires anyway."""
    requests: list[tuple[Client, str]] = [(seller, f"/api/tickets/{listing['id']}")]
    if order:
        requests.insert(0, (buyer, f"/api/orders/{order['id']}"))
    for client, path in requests:
        client.once("DELETE", path, None, str(uuid.uuid4()))


def main() -> None:
    """Runs the test, or creates its accounts."""
    commands: dict[str, Callable[[str], str]] = {"": run, "sign-up": sign_up}
    arguments = sys.argv[1:]
    if len(arguments) not in (1, 2) or not arguments[0].startswith("http") or (command := commands.get("".join(arguments[1:]))) is None:
        raise SystemExit(__doc__)
    started = time.monotonic()
    try:
        done = command(arguments[0].rstrip("/"))
    except Failed as failure:
        raise SystemExit(f"purchase.py: {failure}") from None
    print(f"SMOKE_TEST_SELLER={done}" if command is sign_up else f"{'ok':>10} {done}, in {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
