# The checkout.

checkout-title = Checkout
checkout-description = Pay for your tickets.
checkout-summary = Order summary
checkout-order = Your order
checkout-no-fees = None
checkout-held = Held for you. Pay within
checkout-hold-ends-in = Your hold ends in { $time }.
checkout-hold-over = Your hold has ended.
checkout-release = { $count ->
    [one] Release ticket
   *[other] Release tickets
}
checkout-declined = Your card was declined. You were not charged. Try another card.
checkout-charging-heading = Payment in progress
checkout-charging = { $count ->
    [one] The ticket is held for you while we charge your card. This takes a moment.
   *[other] The tickets are held for you while we charge your card. This takes a moment.
}
checkout-charging-spoken = Payment in progress.
checkout-yours-heading = { $count ->
    [one] The ticket is yours
   *[other] The tickets are yours
}
checkout-yours-spoken = { $count ->
    [one] The ticket is yours.
   *[other] The tickets are yours.
}
checkout-paid = You paid { $price }.
checkout-view = { $count ->
    [one] View your ticket
   *[other] View your tickets
}
checkout-hold-again = { $count ->
    [one] Hold at { $price }
   *[other] Hold { $count } seats at { $price } each
}
checkout-view-again = { $count ->
    [one] View the ticket again
   *[other] View the tickets again
}
checkout-price-notice = { $count ->
    [one] The price changed while you were viewing it: it is now { $price }. Pay only if you agree.
   *[other] The price changed while you were viewing it: it is now { $price } per seat. Pay only if you agree.
}

# The payment form.
checkout-pay-heading = Pay
checkout-pay = Pay { $price }
checkout-or-card = Or pay by card:
checkout-charged-only-if = { $count ->
    [one] Your card is charged only if you get the ticket.
   *[other] Your card is charged only if you get all the tickets.
}
checkout-no-script = Paying requires JavaScript, which is turned off in this browser.
checkout-no-script-reason = It sends your card details straight to our payment provider, never to us. Turn JavaScript on and reload this page. Everything else works without it.
checkout-form-not-loaded = The payment form couldn’t be loaded. Reload the page.
checkout-form-blocked = The payment form couldn’t be loaded. Turn off anything that blocks scripts, such as an ad blocker, then reload the page.
checkout-processing = Processing your payment.
checkout-not-approved = Your bank did not approve the payment. You were not charged. Try again or use another card.
checkout-not-checked = We couldn’t check the payment. Reload the page.
checkout-unknown = We don’t know yet whether your payment went through. Check your order above before you try again.
checkout-rejected = The payment didn’t go through. You were not charged. Try again.
checkout-unreachable = We couldn’t reach our payment provider. Check your order above, then try again.

# How an order ended without a sale.
checkout-late-charge-heading = Charged after the order closed
checkout-late-charge-disputed = Your card was charged after the order had closed. You have disputed the charge, so your bank decides whether you are refunded.
checkout-late-charge-refunded = Your card was charged after the order had closed. The full amount has been refunded.
checkout-late-charge-refunding = Your card was charged after the order had closed. The full amount is being refunded.
checkout-late-payment-heading = Payment too late
checkout-late-payment = Your bank responded after your time to pay had run out. You were not charged, and the amount set aside on your card was released.
checkout-hold-over-heading = Your hold has ended
checkout-hold-over-unanswered = Your bank has not responded yet. You will not be charged, and any amount set aside on your card will be released.
checkout-hold-over-unconfirmed = The payment was not confirmed with your bank in time. Nothing is set aside on your card, and you were not charged.
checkout-hold-over-unpaid = You did not pay in time. You were not charged.
checkout-price-changed-heading = The price has changed
checkout-price-changed = The seller changed it from { $old } to { $new } while you were ordering. You were not charged.
checkout-withdrawn-heading = No longer for sale
checkout-withdrawn = The seller has withdrawn the ticket. You were not charged.
checkout-begun-heading = Too late
checkout-begun = The show has started. You were not charged.
checkout-show-cancelled-heading = The show has been cancelled
checkout-show-cancelled = You were not charged.
checkout-listing-changed-heading = The listing has changed
checkout-listing-changed = The seller changed it while you were ordering. You were not charged. Check the listing and order again.
checkout-failed-heading = The payment failed
checkout-failed = Your card could not be charged, so your hold has ended.
checkout-released-heading = { $count ->
    [one] You released the ticket
   *[other] You released the tickets
}
checkout-released = { $count ->
    [one] The ticket is for sale again. You were not charged.
   *[other] The tickets are for sale again. You were not charged.
}
checkout-closed-heading = Order closed
checkout-closed = This order is closed. You were not charged.
