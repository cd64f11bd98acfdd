# Shows: their page, their cards, and what buyers are told when one changes.

show-when = When
show-where = Where
show-tickets = All tickets
show-is-cancelled = This show has been cancelled.
show-has-moved = This show has moved.
show-has-moved-to = The date and venue below are the new ones.

# The filters of the listings.
show-filters = Filter the tickets
show-section = Section
show-any-section = All
show-max-in = Maximum price in { $currency }
show-apply = Apply filters
show-section-ignored = The section was ignored: no ticket for sale is in “{ $section }”.

# The listings.
show-summary = { $count ->
    [one] { $count } ticket
   *[other] { $count } tickets, cheapest first
}
show-summary-by-currency = { $count } tickets, cheapest first in each currency
show-summary-some = { $count } of { $all } tickets, cheapest first
show-summary-some-by-currency = { $count } of { $all } tickets, cheapest first in each currency
show-per-seat = per seat
show-seat-unspecified = Seat not specified
show-at-face-value = at face value
show-over-face-value = { $amount } over face value
show-under-face-value = { $amount } under face value
show-cheapest = Cheapest
show-cheapest-unnamed = Cheapest without a section
show-cheapest-in = Cheapest in { $section }
show-no-tickets = No tickets
show-closed = Its tickets are no longer for sale.
show-started = This show has started, so its tickets are no longer for sale.
show-browse-others = Browse other shows
show-no-match = No tickets match your filters.
show-all-tickets = Show all tickets
show-sell-yours = Sell yours
show-all-in = Prices are all-in, with no added fees.
show-sell = Sell a ticket for this show

# What a show has for sale.
show-offer-cancelled = Cancelled
show-offer-started = Already started
show-offer-moved = Moved
show-offer-none = No tickets right now
show-offer-from = from
show-offer-left = { $count } left
show-price-or = { $one } or { $other }
show-price-drop = A price dropped to { $price }
show-price-before = was

# What other sellers ask.
show-asks-similar = Similar seats: { $prices }
show-asks-section = { $section }: { $prices }
show-asks-unnamed = Without a section: { $prices }
show-asks-show = This show: { $prices }
show-price-range = { $low } to { $high }

# The watch of a show.
show-watch-heading = Notify me about tickets
show-watch-max = Up to this price
show-watch-currency = Currency of the price
show-watch-start = Watch this show
show-watch-save = Save changes
show-watch-stop = Stop watching
show-watch-hint = We’ll notify you when a ticket at or below this price is listed, gets cheaper or becomes available again. Leave the price empty to hear about every ticket.
show-watch-sign-in = You’ll need to sign in first.
show-watching = You’re watching this show. We’ll notify you when a ticket is listed, at any price.
show-watching-up-to = You’re watching this show. We’ll notify you when a ticket is listed for { $price } or less.
show-watch-too-many = You are already watching { $count } shows. Stop watching one of them first.

# What a buyer is told when the show is cancelled or moved.
show-notice-cancelled = The show has been cancelled.
show-notice-moved = The show has moved.
show-notice-moved-to = It is now on { $when }, at { $place }.
show-notice-cancelled-title = Cancelled: { $title } will not take place.
show-notice-moved-title = Moved: { $title } is now on { $when }, at { $place }.
show-notice-badge = Show cancelled
show-notice-refunded = The show has been cancelled. The full amount has been refunded.
show-notice-refunding = The show has been cancelled. You will get a full refund.
