# Orders: the list, one order, and its calendar file.

order-description = Your order and your tickets.
order-number = Order { $number }
order-hold-ends = Your hold ends on { $time }.
order-checkout = Go to checkout
order-your-tickets = { $count ->
    [one] Your ticket
   *[other] Your tickets
}
order-full-screen = Full screen
order-show-passes = { $count ->
    [one] Show pass
   *[other] Show passes
}
order-calendar = Add to calendar
order-receipt = Receipt
order-reload = Reload the page
order-history = Order history
order-details = Order details
order-view-listing = View the listing
order-all = All my orders
order-back = Back to the order

# Labels of an order's facts.
order-fact-number = Order
order-fact-when = When
order-fact-where = Where
order-fact-seats = { $count ->
    [one] Seat
   *[other] Seats
}
order-fact-price = Price
order-fact-fees = Fees
order-fact-total = Total

# The list.
order-list-title = My orders
order-list-description = Your orders, tickets and receipts.
order-list-number = Order number
order-list-find = Find
order-list-number-hint = For example TK-7F3K-29. You can find it on your order and in your notifications.
order-list-not-found = We couldn’t find an order with the number { $number }.
order-list-none = You have no orders yet.
order-list-browse = See what’s on
order-list-cut = Only your next shows are listed here. Find other orders by their order number.
order-list-found = Your order
order-list-upcoming = Upcoming
order-list-past = Past and cancelled
order-list-pass = Pass
order-list-pages = Pages
order-list-newest = Newest
order-list-older = Older

# The short status.
order-badge-created = Pending
order-badge-awaiting-payment = Payment due
order-badge-authorized = Payment in progress
order-badge-completed = Confirmed
order-badge-expired = Expired
order-badge-cancelled = Cancelled

# The status in a sentence. For a cancelled order, a sentence about the money follows.
order-status-created = We are checking that the listing is still available.
order-status-awaiting-payment = Held for you. Pay before the hold ends.
order-status-authorized = Payment in progress: your card is being charged.
order-status-completed = { $count ->
    [one] Paid. The ticket is yours.
   *[other] Paid. The tickets are yours.
}
order-status-expired = Expired: you did not pay in time.
order-status-payment-failed = Cancelled: the payment failed.
order-status-show-cancelled = Cancelled because the show was cancelled.
order-status-cancelled = Cancelled.
order-status-withdrawn = Cancelled: the seller has withdrawn the ticket.
order-status-begun = Cancelled: the show has started.
order-status-new-price = { $count ->
    [one] Cancelled: the price is now { $price }.
   *[other] Cancelled: the price per seat is now { $price }.
}
order-status-price-changed = Cancelled: the price has changed.
order-status-terms-changed = Cancelled: the listing has changed.
order-status-unavailable = Cancelled: the ticket is no longer available.
order-charge-disputed = Your bank decides on the disputed charge.
order-charge-refunded = The charge is refunded in full.
order-charge-none = You were not charged.

# The history.
order-step-held = { $count ->
    [one] The ticket was held for you.
   *[other] The tickets were held for you.
}
order-step-refunded = { $amount } was refunded.
order-step-payment-started = You started a payment of { $amount }.
order-step-confirm = Your bank is asking you to confirm the payment of { $amount }.
order-step-authorized = { $amount } was set aside on your card.
order-step-charged = Your card was charged { $amount }.
order-step-superseded = You switched to another card. The first card was not charged.
order-step-declined = Your card was declined. You were not charged.
order-step-failed = The payment failed. You were not charged.
order-step-unconfirmed = The payment was not confirmed with your bank. You were not charged.
order-step-released = The { $amount } set aside on your card was released. You were not charged.

# The calendar file.
order-event-passes = { $count ->
    [one] Your pass: { $page }
   *[other] Your passes: { $page }
}
order-event-cancelled = The show has been cancelled.
order-event-number = Order { $number }.
order-event-number-estimated = Order { $number }. The end time is an estimate: the seller did not give one.
