# Selling: the search for the show, the form of a listing, and the check before it is listed.

sell-title = Sell a ticket
sell-edit-title = Edit your listing
sell-description = List a ticket for sale: you set the price, and there are no fees.
sell-preview = Preview
sell-no-payouts = No fees for you or the buyer. Payouts to sellers are not available yet.

# The search for the show.
sell-find-description = Find the show your ticket is for and set your price.
sell-find-saved = Your ticket details are saved.
sell-find-words = Which show is it for? Search by artist, team, venue or city
sell-find-submit = Search
sell-find-summary = { $count ->
    [0] No matching shows
    [one] { $count } show
   *[other] { $count } shows
}
sell-find-corrected = No match for “{ $words }”. Showing “{ $corrected }”.
sell-find-unlisted = You can list a ticket for any show, even if it is not here yet.
sell-find-others = Not the right show?
sell-find-enter = Enter the show’s details

# The show that the ticket is for.
sell-show = For { $title }
sell-show-asks = Other sellers ask, per seat:
sell-show-no-others = No other tickets for this show are listed right now.
sell-show-change = Change the show’s details
sell-show-another = Choose another show

# The fields of the form.
sell-field-title = Title
sell-field-category = Category
sell-field-venue = Venue
sell-field-city = City
sell-field-starts-at = Date and time
sell-field-time-zone = Time zone
sell-field-price = Price per seat
sell-field-currency = Currency
sell-field-face-value = Face value per seat
sell-field-section = Section
sell-field-row = Row
sell-field-seats = Seat numbers
sell-field-quantity = Number of seats
sell-field-split = How buyers can split your seats
sell-field-sizes = Group sizes
sell-field-description = Description
sell-optional = (optional)
sell-category-choose = Choose a category
sell-time-zone-hint = For larger cities we use the city’s own time zone. For other places, check this one.
sell-time-twice = The clocks go back that night, so this time occurs twice. Which one do you mean?
sell-time-first = The first: { $time }
sell-time-second = The second: { $time }
sell-seats-hint = For example 12, 13, 14 or 12-15. Seats must be side by side. Leave it empty if they are not numbered.
sell-quantity-hint = Only if they are not numbered: 1 to { $max }.
sell-sizes-hint = For example 3+3.
sell-split-together = Keep them all together
sell-split-pairs = In pairs
sell-split-any = Any number of seats
sell-split-no-single = Never leave one seat on its own
sell-split-sizes = My own group sizes

# The check.
sell-check-title = Check your listing
sell-check-changes-title = Check your changes
sell-check-description = See what buyers will see before you list it.
sell-check-split = { $quantity } seats, { $split }: buyers can choose { $quantities }.
sell-check-one-seat = 1 seat
sell-check-together = { $quantity } seats, sold together only.
sell-check-gap = Are seats { $others } and { $last } really side by side?
sell-check-all-in = { $count ->
    [one] all-in
   *[other] per seat, all-in
}
sell-check-face-value = face value { $price }
sell-check-buyers-pay = { $count ->
    [one] The buyer pays { $sum }.
   *[other] Buyers pay { $sum } for all seats.
}
sell-check-uncertain-price = You entered { $typed } as the price. We read it as { $read }. If you meant another amount, enter it with its decimals.
sell-check-uncertain-face-value = You entered { $typed } as the face value. We read it as { $read }. If you meant another amount, enter it with its decimals.
sell-check-not-live = Your listing is not live yet.
sell-check-changes-not-live = Your changes are not live yet.
sell-check-list = { $count ->
    [one] List this ticket
   *[other] List these { $count } seats
}
sell-check-save = Save changes
sell-check-other-tab = You changed this listing in another tab. This is the latest version. Nothing has been submitted yet.
sell-check-other-language = The language of your browser has changed, so we now read your amounts as shown here. Nothing has been submitted yet.
sell-check-try-again = { $reason } Your details are saved. Try again in a moment.

# What is wrong with a listing.
sell-error-seat-listed = You have already listed one of these seats for this show. Enter other seats, or edit that listing.
sell-error-changed = The listing has changed since you opened this page. Open it again and make your changes.
sell-error-expired = This page has expired. Open it again and make your changes.
sell-error-submitted = This form was already submitted with other details. Check whether the ticket is in “My listings”. If not, start again from “Sell”.
sell-error-too-many-seats = Enter at most { $max } seats. List the others separately.
sell-error-quantity = Leave this empty or enter { $count }, the number of seats you named.
sell-error-sizes = Enter numbers that add up to { $count } seats, such as { $example }.
