#!/usr/bin/env python3
"""Tests of purchase.py with a stand-in for the shop: python3 infra/ci/test_purchase.py"""

import json
import os
import re
import subprocess
import sys
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import quote_plus

HERE = Path(__file__).parent
SELLER = "01970000-0000-7000-8000-0000000000aa"
IDS = {"ticket": "01970000-0000-7000-8000-000000000001", "order": "01970000-0000-7000-8000-000000000002", "show": "01970000-0000-7000-8000-000000000003"}


class Shop(BaseHTTPRequestHandler):
    """The part of the shop that the script uses. Each test has a class, and so a state, of its own."""

    protocol_version = "HTTP/1.1"
    key = "pk_test_1"
    # Whether the settings of these services lack the seller.
    tickets_lists = web_lists = False
    # How many requests old pods, which do not know the seller, respond to.
    served_by_old_pods = 0
    # Errors to return first, by method and path.
    failures: dict
    ticket: dict | None
    order: dict | None
    accounts: set
    log: list
    keys: list
    venues: list

    def respond(self, status: int, body: object = None, *, cookie: str = "") -> None:
        """Sends a response: HTML if the body is a text."""
        data = b"" if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        if cookie:
            self.send_header("Set-Cookie", f"access={cookie}; Path=/; HttpOnly; SameSite=Lax")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_request(self) -> None:
        """Serves one request."""
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        called = f"{self.command} {self.path}"
        state = type(self)
        state.log.append(called)
        state.keys.append((called, self.headers.get("Idempotency-Key")))
        if remaining := state.failures.get(called):
            self.respond(remaining.pop(0), {"status": "failed"})
            return
        user = re.sub(".*access=", "", self.headers.get("Cookie") or "")
        handler = getattr(self, self.command.lower() + re.sub(r"[^a-z]+", "_", re.sub(r"[?].*|[0-9a-f]{8}-[0-9a-f-]+", "", self.path)).rstrip("_"), None)
        handler(user, body) if handler else self.respond(404, {})

    do_GET = do_POST = do_DELETE = handle_request

    def post_api_users_signup(self, _: str, body: dict) -> None:
        """Creates an account."""
        exists = body["email"] in self.accounts
        self.accounts.add(body["email"])
        self.respond(409 if exists else 201, {})

    def post_api_users_signin(self, _: str, body: dict) -> None:
        """Signs in with the one password."""
        known = body["email"] in self.accounts and body["password"] == "a long secret"
        role = "seller" if "+seller@" in body["email"] else "buyer"
        self.respond(200 if known else 401, {}, cookie=role)

    def post_api_users_signout(self, _: str, __: dict) -> None:
        """Signs out."""
        self.respond(204)

    def get_api_users_currentuser(self, user: str, _: dict) -> None:
        """Returns the seller."""
        self.respond(200, {"currentUser": {"id": SELLER if user == "seller" else "other"}})

    def post_api_tickets(self, user: str, body: dict) -> None:
        """Lists a ticket."""
        state = type(self)
        state.venues.append(body["venue"])
        state.ticket = {"id": IDS["ticket"], "showId": IDS["show"], "sellerId": SELLER, "status": "available", "title": body["title"], "venue": body["venue"]}
        self.respond(201 if user == "seller" and body["price"] == {"amount": 500, "currency": "USD"} else 400, state.ticket)

    def get_api_tickets(self, user: str, _: dict) -> None:
        """Returns the ticket, or all tickets, to everybody."""
        is_list = IDS["ticket"] not in self.path
        self.respond(200, {"items": [self.ticket] if self.tickets_lists else []} if is_list else self.ticket)

    def delete_api_tickets(self, user: str, _: dict) -> None:
        """Withdraws the ticket."""
        self.ticket["status"] = "withdrawn"
        self.respond(204 if user == "seller" else 403)

    def get_api_shows(self, _: str, __: dict) -> None:
        """Returns the show with the number of its seats for sale."""
        state = type(self)
        is_old, state.served_by_old_pods = self.served_by_old_pods > 0, self.served_by_old_pods - 1
        self.respond(200, {"free": int(self.tickets_lists or is_old)})

    def get_tickets(self, _: str, __: dict) -> None:
        """Shows the ticket."""
        self.respond(200, "<html>")

    def get_shows(self, _: str, __: dict) -> None:
        """Shows the show."""
        self.respond(200, "<html>")

    def get_browse(self, _: str, __: dict) -> None:
        """Shows the results of a search."""
        is_found = self.web_lists and quote_plus(self.ticket["venue"]) in self.path
        self.respond(200, f'<a href="/shows/smoke-test-{IDS["show"]}">' if is_found else "<html>")

    def post_api_orders(self, user: str, body: dict) -> None:
        """Holds the ticket."""
        state = type(self)
        self.ticket["status"] = "reserved"
        state.order = {"id": IDS["order"], "status": "awaitingPayment", "cancelReason": None}
        self.respond(201 if user == "buyer" and body == {"ticketId": IDS["ticket"]} else 400, self.order | {"status": "created"})

    def get_api_orders(self, user: str, _: dict) -> None:
        """Returns the order to the buyer."""
        self.respond(200 if user == "buyer" else 404, self.order)

    def delete_api_orders(self, user: str, _: dict) -> None:
        """Cancels the order."""
        self.order.update(status="cancelled", cancelReason="buyer")
        self.ticket["status"] = "available"
        self.respond(200 if user == "buyer" else 404, self.order)

    def get_checkout(self, user: str, _: dict) -> None:
        """Shows the checkout."""
        self.respond(200 if user == "buyer" else 303, f'<form id="pay" data-key="{self.key}" data-amount="500">')

    def post_api_payments(self, user: str, body: dict) -> None:
        """Takes a test card."""
        self.order["status"], self.ticket["status"] = "completed", "sold"
        self.respond(201 if user == "buyer" and body["paymentMethod"] == "pm_card_visa" else 400, {"status": "authorized"})

    def get_api_orders_passes(self, _: str, __: dict) -> None:
        """Returns one pass."""
        self.respond(200, {"items": [{"pass": "signed"}]})

    def log_message(self, *_: object) -> None:
        """Suppresses the log."""


class Purchase(unittest.TestCase):
    """purchase.py."""

    def setUp(self) -> None:
        state = {"failures": {}, "ticket": None, "order": None, "accounts": set(), "log": [], "keys": [], "venues": []}
        self.shop = type("OneShop", (Shop,), state)
        self.shop.accounts.update({"smoke-test+seller@127.0.0.1", "smoke-test+buyer@127.0.0.1"})
        server = ThreadingHTTPServer(("127.0.0.1", 0), self.shop)
        Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.address = f"http://127.0.0.1:{server.server_port}"

    def purchase(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Runs the script. Returns its exit code and its output."""
        settings = {"SMOKE_TEST_PASSWORD": "a long secret", "POLL_INTERVAL": "0", "STEP_SECONDS": "5", "no_proxy": "*"}
        done = subprocess.run(
            [sys.executable, HERE / "purchase.py", self.address, *arguments],
            env=os.environ | settings | environment, capture_output=True, text=True, check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def called(self, path: str) -> int:
        """Returns how often this was requested."""
        return sum(call.startswith(path) for call in self.shop.log)

    def test_test_keys_buy(self) -> None:
        code, said = self.purchase()
        self.assertEqual(code, 0, said)
        self.assertIn(f"ok bought a ticket with a test card, order {IDS['order']}, in ", said)
        self.assertEqual((self.shop.order["status"], self.shop.ticket["status"]), ("completed", "sold"))
        self.assertEqual((self.called("POST /api/payments"), self.called("DELETE")), (1, 0))

    def test_live_keys_hold_release_and_pay_nothing(self) -> None:
        self.shop.key = "pk_live_1"
        code, said = self.purchase()
        self.assertEqual(code, 0, said)
        self.assertIn("held a ticket and released it, because the shop has live keys; nothing was paid", said)
        self.assertEqual((self.shop.order["status"], self.shop.ticket["status"]), ("cancelled", "withdrawn"))
        self.assertEqual(self.called("POST /api/payments"), 0)

    def test_unknown_keys_pay_nothing(self) -> None:
        self.shop.key = "sk_test_1"
        code, said = self.purchase()
        self.assertEqual(code, 1)
        self.assertIn("no publishable key that starts with pk_test_ or pk_live_; nothing was paid", said)
        self.assertEqual((self.called("POST /api/payments"), self.shop.ticket["status"]), (0, "withdrawn"))

    def test_public_listing_is_withdrawn(self) -> None:
        for service in ("tickets", "web"):
            setattr(self.shop, f"{service}_lists", True)
            code, said = self.purchase(STEP_SECONDS="0.2")
            setattr(self.shop, f"{service}_lists", False)
            self.assertEqual(code, 1)
            self.assertIn(f"the public can see the listing in {service}: set SMOKE_TEST_SELLER={SELLER} in infra/k8s-prod/smoke-test.env", said)
            self.assertEqual((self.called("POST /api/orders"), self.shop.ticket["status"]), (0, "withdrawn"))

    def test_old_pods_may_list_for_a_moment(self) -> None:
        self.shop.served_by_old_pods = 3
        code, said = self.purchase()
        self.assertEqual(code, 0, said)
        self.assertEqual(self.shop.ticket["status"], "sold")

    def test_nobody_else_can_list_a_ticket_for_the_same_show(self) -> None:
        for _ in range(2):
            self.assertEqual(self.purchase()[0], 0)
        self.assertEqual(len(set(self.shop.venues)), 2, "each show has a name that nobody can guess")

    def test_pods_that_are_replaced_are_waited_for(self) -> None:
        self.shop.failures = {"POST /api/tickets": [502, 503], "POST /api/orders": [404, 404], "POST /api/payments": [503], f"GET /api/orders/{IDS['order']}": [504]}
        code, said = self.purchase()
        self.assertEqual(code, 0, said)
        for path in ("POST /api/tickets", "POST /api/orders", "POST /api/payments"):
            keys = [key for called, key in self.shop.keys if called == path]
            self.assertGreater(len(keys), 1, path)
            self.assertEqual(len(set(keys)), 1, f"{path} is repeated under one idempotency key")

    def test_failure_is_named_and_cleaned_up(self) -> None:
        self.shop.failures = {"POST /api/payments": [402]}
        code, said = self.purchase()
        self.assertEqual(code, 1)
        self.assertIn("purchase.py: POST /api/payments returned 402 instead of 201", said)
        self.assertEqual((self.shop.order["status"], self.shop.ticket["status"]), ("cancelled", "withdrawn"))

    def test_order_that_is_not_completed_fails(self) -> None:
        self.shop.failures = {f"GET /api/orders/{IDS['order']}": [200] * 10_000}
        code, said = self.purchase(STEP_SECONDS="0.2")
        self.assertEqual(code, 1)
        self.assertIn("is failed and not awaitingPayment after 0 s", said)

    def test_accounts_are_created_once(self) -> None:
        self.shop.accounts.clear()
        code, said = self.purchase()
        self.assertEqual(code, 1)
        self.assertIn("was the account created by `purchase.py", said)
        for _ in range(2):
            self.assertEqual(self.purchase("sign-up", SMOKE_TEST_EMAIL="deploy@example.com"), (0, f"SMOKE_TEST_SELLER={SELLER}\n"))
        self.assertEqual(self.shop.accounts, {"deploy+seller@example.com", "deploy+buyer@example.com"})
        self.assertEqual(self.purchase(SMOKE_TEST_EMAIL="deploy@example.com")[0], 0)
        code, said = self.purchase(SMOKE_TEST_PASSWORD="")
        self.assertEqual((code, said), (1, "purchase.py: SMOKE_TEST_PASSWORD is not set\n"))


if __name__ == "__main__":
    unittest.main()
