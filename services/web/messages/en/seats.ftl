# Seats in words: where they are, how many can be bought together, and what is left of a listing.

seats-section-row-seats = { $section }, row { $row }, { $seats }
seats-section-row = { $section }, row { $row }
seats-section-seats = { $section }, { $seats }
# The section in the messages above, unless its name says what it is: “Block 231”.
seats-section = Section { $section }
seats-row-seats = Row { $row }, { $seats }
seats-row = Row { $row }

# Seats as a part of the messages above.
seats-named = { $count ->
    [one] seat { $names }
   *[other] seats { $names }
}
seats-unnamed = { $count ->
    [one] { $count } seat
   *[other] { $count } seats
}

# Names or numbers of seats.
seats-range = { $first } to { $last }
seats-or = { $others } or { $last }

# What a buyer chooses from.
seats-together = { $count ->
    [one] { $count } seat
   *[other] { $count } seats together
}
seats-sum = { $count } × { $price } = { $total }

# What is left of a listing: any of these, in a list.
seats-left = { $free } of { $all } seats left
seats-left-together = { $free } of { $all } seats left (buy { $quantities } together)
seats-held = { $count } held
seats-sold = { $sold } of { $all } sold

# How a listing is divided, after its seats or their number.
seats-split-together = sold all together
seats-split-pairs = sold in pairs
seats-split-any = sold in any quantity
seats-split-no-single = sold without leaving one seat on its own
seats-split-sizes = sold in groups of { $sizes }
