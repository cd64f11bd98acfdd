"""Lists, finds, orders and pays for a ticket with clients generated from the OpenAPI documents.

    python buy.py http://localhost:8080

The packages auth_client, tickets_client, orders_client and payments_client must be importable.
"""

import datetime
import sys
import time
import uuid

import auth_client
import httpx
import orders_client
import payments_client
import tickets_client
from auth_client.api.users import current_user, sign_up
from auth_client.models import NewUser
from orders_client.api.orders import create as create_order
from orders_client.api.orders import list_ as list_orders
from orders_client.api.orders import read as read_order
from orders_client.models import NewOrder, OrderStatus
from payments_client.api.payments import create as create_payment
from payments_client.api.payments import read as read_payment
from payments_client.models import NewPayment, PaymentStatus
from tickets_client.api.tickets import create as create_listing
from tickets_client.api.tickets import list_ as list_listings
from tickets_client.models import CreateResponse400Type, Money, NewListing

TIMEOUT = 20


class User:
    """A signed-up user whose cookies all four clients share."""

    def __init__(self, base, name):
        shared = httpx.Client(base_url=base, timeout=30)
        packages = (auth_client, tickets_client, orders_client, payments_client)
        self.auth, self.tickets, self.orders, self.payments = (
            package.Client(base_url=base).set_httpx_client(shared) for package in packages
        )
        user = NewUser(email=f"{uuid.uuid4()}@example.com", password="a long enough secret", display_name=name)
        expect(sign_up.sync_detailed(client=self.auth, body=user), 201)
        assert current_user.sync(client=self.auth).current_user.display_name == name


def expect(response, status):
    """Returns the decoded body; fails unless the response has this status."""
    assert response.status_code == status, (response.status_code, response.content)
    return response.parsed


def eventually(poll):
    """Polls until the result is truthy and returns it: changes arrive at other services later."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        found = poll()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{poll} timed out")


def main(base):
    """Runs a purchase from sign-up to the captured payment."""
    seller, buyer = User(base, "Ana"), User(base, "Ben")
    title = f"Night {uuid.uuid4().hex}"
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=30)
    listing = NewListing(title=title, venue="Town Hall", starts_at=soon, price=Money(amount=1, currency="EUR"))
    problem = expect(create_listing.sync_detailed(client=seller.tickets, body=listing), 400)
    assert problem.type_ == CreateResponse400Type.URNTICKETINGPROBLEMINVALID, problem
    assert [error.field for error in problem.errors] == ["price.amount"], problem
    listing.price.amount = 4_500
    ticket = expect(create_listing.sync_detailed(client=seller.tickets, body=listing, idempotency_key="once"), 201)
    again = expect(create_listing.sync_detailed(client=seller.tickets, body=listing, idempotency_key="once"), 201)
    assert again.id == ticket.id

    found = expect(list_listings.sync_detailed(client=buyer.tickets, q=title, limit=1), 200)
    assert [item.id for item in found.items] == [ticket.id] and found.next_cursor is None, found

    def order():
        response = create_order.sync_detailed(client=buyer.orders, body=NewOrder(ticket_id=ticket.id))
        return response.parsed if response.status_code == 201 else expect(response, 404) and None

    def has(status):
        order = expect(read_order.sync_detailed(client=buyer.orders, id=held.id), 200)
        return order if order.status == status else None

    held = eventually(order)
    eventually(lambda: has(OrderStatus.AWAITINGPAYMENT))
    body = NewPayment(order_id=held.id, payment_method="pm_card_visa")
    payment = expect(create_payment.sync_detailed(client=buyer.payments, body=body), 201)
    assert payment.amount.amount == 4_500 and payment.order_id == held.id, payment
    eventually(lambda: has(OrderStatus.COMPLETED))
    paid = expect(read_payment.sync_detailed(client=buyer.payments, id=payment.id), 200)
    assert paid.status == PaymentStatus.CAPTURED, paid
    mine = expect(list_orders.sync_detailed(client=buyer.orders), 200)
    assert [item.id for item in mine.items] == [held.id], mine


if __name__ == "__main__":
    main(sys.argv[1])
