# The search. Other pages share its labels of filters.

browse-title = Browse shows
browse-words-label = Artist, team, venue, city or seller
browse-search = Search
browse-category = Category
browse-any-category = All
browse-filters-set = { $count ->
    [0] Filters
   *[other] Filters ({ $count })
}
browse-sort = Sort by
browse-when = When
browse-any-time = Any time
browse-from = From date
browse-to = To date
browse-min = Minimum price
browse-max = Maximum price
browse-currency = Currency
browse-any-currency = Any
browse-quantity = Seats together
browse-any-quantity = Any
browse-include-unavailable = Include sold-out and cancelled shows
browse-soonest = Soonest first
browse-newest = Newest first

# Periods.
browse-days = Days
browse-today = Today
browse-tomorrow = Tomorrow
browse-weekend = This weekend
browse-week = Next 7 days
browse-month = This month

# Active filters, each with a link that removes it.
browse-filters = Filters
browse-remove = Remove filter: { $filter }
browse-clear = Clear all
browse-words = “{ $words }”
browse-from-day = From { $day }
browse-until-day = Until { $day }
browse-seats-together = Seats together: { $count }
browse-from-price = From { $price }
browse-up-to-price = Up to { $price }
browse-prices-in = Prices in { $currency }
browse-including-sold-out = Including sold-out and cancelled shows

# The results.
browse-corrected = No match for “{ $words }”. Showing “{ $corrected }”.
browse-days-reversed = The last day is before the first day, so no show matches.
browse-prices-reversed = The maximum price is below the minimum price, so no show matches.
browse-none = No shows
browse-summary = { $part ->
    [first] The first { $count } shows
    [more] { $count ->
        [one] { $count } more show
       *[other] { $count } more shows
    }
   *[all] { $count ->
        [one] { $count } show
       *[other] { $count } shows
    }
}, { $order ->
    [newest] newest first
   *[soonest] soonest first
}
browse-pages = Pages
browse-first-page = First page
browse-next-page = Next page
browse-no-more = There are no more shows.
browse-back-to-first = Back to the first page
browse-nothing-for-sale = No tickets are for sale right now. Check back soon.
browse-sell = Sell a ticket
browse-no-match = No shows match your search. Remove a filter, or try fewer words.
browse-clear-filters = Clear all filters
browse-listed-often = New tickets are listed all the time.
