# A listing: its page, its availability and its category.

ticket-description = { $place }, { $when }: { $price } all-in.
ticket-category = Category
ticket-seller = Seller
ticket-sales = { $count ->
    [0] new seller
    [one] { $count } ticket sold
   *[other] { $count } tickets sold
}
ticket-unknown-user = a member of the marketplace
ticket-of-show = All tickets for this show
ticket-show-moved = This show has moved. It now takes place on { $when } at { $place }.
ticket-from-seller = From the seller
ticket-all-shows = All shows

# The price.
ticket-purchase = Price and purchase
ticket-price-before = was
ticket-all-in = { $count ->
    [one] all-in, no added fees
   *[other] per seat, all-in, no added fees
}
ticket-face-value = { $count ->
    [one] Face value { $price }, as printed on the ticket
   *[other] Face value { $price } per seat, as printed on the ticket
}
ticket-price-changed = The price has changed to { $price }. Nothing is held yet.
ticket-still-updating = Done. This page is not up to date yet. Reload it in a moment.

# What the seller can do.
ticket-yours = This is your listing.
ticket-edit = Edit
ticket-withdraw = { $taken ->
    [0] Withdraw…
   *[other] Withdraw remaining seats…
}
ticket-withdraw-hint = { $taken ->
    [0] Nobody can buy it any more. You can list it again.
   *[other] Nobody can buy the remaining seats any more. Seats that are sold stay sold, and a buyer who holds seats can still pay for them.
}
ticket-withdraw-now = Withdraw now
ticket-list-another = List another ticket for this show

# What a buyer can do.
ticket-holding = { $count ->
    [one] You are holding this ticket.
   *[other] You are holding seats from this listing.
}
ticket-quantity = How many seats?
ticket-buy = { $count ->
    [one] Buy this ticket
   *[other] Buy these seats
}
ticket-buy-hint = Next: a few minutes to pay. You are charged only when you confirm.
ticket-watch = Watch
ticket-watch-hint = Get notified if the price drops or it becomes available again.
ticket-unwatch = Stop watching
ticket-unwatch-hint = We’ll notify you if the price drops or it becomes available again.

# Whether it can be bought.
ticket-badge-for-sale = For sale
ticket-hold-ends-in = The hold ends in
ticket-is-for-sale = For sale.
ticket-has-begun = No longer for sale: the show has started.
ticket-is-held = Held by a buyer. If they don’t pay in time, it goes back on sale.
ticket-is-sold = Sold.
ticket-is-withdrawn = No longer for sale: the seller has withdrawn it.
ticket-withdrawn-by-you = You withdrew it.
ticket-is-cancelled = Not for sale: the show has been cancelled.

# Categories.
ticket-category-concert = Concert
ticket-category-sport = Sport
ticket-category-theatre = Theatre
ticket-category-comedy = Comedy
ticket-category-festival = Festival
ticket-category-other = Other
