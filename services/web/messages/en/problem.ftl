# Why a request failed, and what to do next. Services name the reason by a code; see domain/problem_text.rs.

problem-invalid = Something you entered isn’t valid. Go back, check it, then try again.
problem-unauthenticated = Sign in, then try again.
problem-not-found = The link may be wrong, or the page is gone, or only someone else may see it.
problem-method-not-allowed = This page can’t be opened this way. Start again from a page of our site.
problem-precondition-failed = Someone changed this while you had the page open, perhaps you in another tab. Reload the page, then make your changes again.
problem-too-large = That was more than we accept at once. Shorten it, then try again.
problem-unsupported = Your browser sent this in a form that we can’t read. Go back, reload the page, then try again.
problem-idempotency-mismatch = This form was already sent with other details. Reload the page, check what has happened, then start again.
problem-rate-limited = { $seconds ->
    [one] Too many requests came from you at once. Try again in { $seconds } second.
   *[other] Too many requests came from you at once. Try again in { $seconds } seconds.
}
problem-rate-limited-briefly = Too many requests came from you at once. Wait a moment, then try again.
problem-headers-too-large = Your browser sends us too much data, probably because cookies have piled up. Delete the cookies of this site in your browser’s settings, then try again.
problem-internal = We’ve been notified. Try again later. If it happens again, contact us and quote the number below.
problem-unavailable = We can’t do this at the moment. Try again soon.
problem-timed-out = This took too long. Check whether it worked before you try again.
problem-role-required = Only our staff can do this.
problem-cross-site = For your safety, we don’t accept what another site sends in your name. Open our site, then try again there.
problem-in-flight = Your first request is still being processed. Wait a moment, then reload the page.
problem-changed-meanwhile = This was changed in the meantime. Reload the page, then try again.

problem-wrong-credentials = The email address or the password is wrong.
problem-password-changed = The password has just been changed. Sign in again.
problem-email-in-use = An account with this email address already exists. Sign in instead.

problem-own-ticket = You can’t buy your own ticket.
problem-ticket-withdrawn = This listing was withdrawn by its seller.
problem-show-cancelled = This show was cancelled, so its tickets are no longer for sale.
problem-ticket-begun = The show has started, so its tickets are no longer for sale.
problem-ticket-taken = Someone else got this ticket first. It may become available again if they don’t pay in time.
problem-held-already = You already have seats from this listing. See your orders.
problem-seats-taken = Other buyers took the remaining seats first. Try again in a moment.
problem-price-out-of-range = The total for this many seats is too high for one payment. Choose fewer seats.
problem-no-seats = No seats from this listing are available right now.
problem-no-seats-together = That many seats aren’t available together. Choose another number.
problem-order-unconfirmed = The order isn’t confirmed yet. Try again in a moment.
problem-order-unpaid = The order hasn’t been paid yet.
problem-order-authorized = The card is being charged, so the order can no longer be changed.
problem-order-completed = The order is paid and can no longer be changed.
problem-order-closed = This order is closed. Place a new order to buy the ticket.
problem-order-not-completed = Your passes are available once the order is paid.
problem-several-passes = This order has a pass for each seat.
problem-too-many-holds = { $orders ->
    [one] You have { $orders } unpaid order. Pay for it or release its tickets before you place another.
   *[other] You have { $orders } unpaid orders. Pay for one or release its tickets before you place another.
}
problem-held-too-often = { $minutes ->
    [one] You’ve held this ticket too often without buying it. Try again in { $minutes } minute.
   *[other] You’ve held this ticket too often without buying it. Try again in { $minutes } minutes.
}

problem-order-paid = This order is already paid.
problem-hold-expired = Your hold has ended. You were not charged. If the ticket is still for sale, place a new order.
problem-order-being-paid = A payment for this order is already in progress or complete.
problem-too-many-payments = You’ve tried too many payment methods for this order. When the hold ends, you can place a new order.
problem-payment-pending = Our payment provider hasn’t answered yet. Check again in a moment.
problem-card-insufficient-funds = The card has insufficient funds or has reached its limit. You were not charged. Try another card.
problem-card-expired = The card has expired or its expiry date is wrong. You were not charged. Check it, or try another card.
problem-card-wrong-code = The card’s security code is wrong. You were not charged. Check the code, then try again.
problem-card-wrong-number = The card’s number is wrong. You were not charged. Check the number, or try another card.
problem-card-unconfirmed = The payment wasn’t confirmed with your bank. You were not charged. Try again, or use another card.
problem-card-unsupported = The card can’t be used for this purchase. You were not charged. Try another card.
problem-card-bank-unreachable = Your bank couldn’t be reached. You were not charged. Try again in a moment, or use another card.
problem-card-declined = Your bank declined the card without giving a reason. You were not charged. Try another card, or ask your bank.

problem-ticket-reserved = Buyers are holding all the remaining tickets. You can change the listing if one is released.
problem-ticket-partly-reserved = While a buyer is holding tickets from this listing, you can change only its price, face value, category and description.
problem-ticket-sold = This listing has sold and can’t be changed.
problem-ticket-partly-sold = Some tickets from this listing are sold. You can change only its price, face value, category and description.
problem-not-the-seller = Only the seller can change this listing.
problem-over-cap = { $percent ->
    [0] Where this show takes place, a ticket may cost at most its face value, which is { $price }.
   *[other] Where this show takes place, a ticket may cost at most { $price }, which is its face value plus { $percent }%.
}
problem-seat-listed = You’ve already listed seat { $seat } for this show. Edit or withdraw that listing first.
