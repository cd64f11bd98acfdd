# The viewer’s listings, and warnings about seats that are listed twice.

selling-title = My listings
selling-description = The tickets you have listed for sale.
selling-none = You haven’t listed any tickets yet. It takes a minute, and there are no fees.
selling-per-seat = per seat
selling-list-another = List another ticket
selling-done-listed = Your listing is live.
selling-done-changed = Your changes are live.
selling-done-withdrawn = Withdrawn. Nobody can buy it any more.

# What is sold.
selling-sold = You sold it for { $sum }.
selling-sold-seats = You sold { $seats } for { $sum }.
selling-after-sale = There is nothing else for you to do. Payouts to sellers are not available yet.

# Seats that are listed twice.
selling-twice = { $count ->
    [one] Seat { $names } for { $title } is listed twice.
   *[other] Seats { $names } for { $title } are listed twice.
}
selling-twice-by-you = { $count ->
    [one] You have listed seat { $names } twice. Edit or withdraw one of the listings.
   *[other] You have listed seats { $names } twice. Edit or withdraw one of the listings.
}
selling-twice-edit = { $count ->
    [one] Seat { $names } is also listed by another seller. If it isn’t yours to sell, edit or withdraw this listing. Our staff can see this too.
   *[other] Seats { $names } are also listed by another seller. If they aren’t yours to sell, edit or withdraw this listing. Our staff can see this too.
}
selling-twice-withdraw-rest = { $count ->
    [one] Seat { $names } is also listed by another seller. If it isn’t yours to sell, withdraw the remaining seats. Our staff can see this too.
   *[other] Seats { $names } are also listed by another seller. If they aren’t yours to sell, withdraw the remaining seats. Our staff can see this too.
}
selling-twice-withdraw-later = { $count ->
    [one] Seat { $names } is also listed by another seller. If it isn’t yours to sell, withdraw this listing once no buyer is holding it. Our staff can see this too.
   *[other] Seats { $names } are also listed by another seller. If they aren’t yours to sell, withdraw this listing once no buyer is holding it. Our staff can see this too.
}
