# Passes, for the entrance.

pass-description = Your pass, ready to show at the entrance.
pass-seat = Seat { $name }
pass-ticket = Ticket
pass-list = Passes, one for each seat
pass-label = { $name }, { $index } of { $count }
pass-position = { $index } of { $count }
pass-code = QR code of your ticket for { $title }
pass-code-of-several = QR code of your ticket for { $title }, { $name }, { $index } of { $count }
pass-meaning = { $count ->
    [one] This code is your pass and proves that the seat was bought here.
   *[other] Each code is the pass for one seat and proves that the seat was bought here.
}
pass-not-original = You get a QR pass from us, not the seller’s original ticket. Ask the venue whether it accepts our passes.
pass-venues = Some venues scan our passes at the entrance. Ask the venue before you go. We don’t send you the seller’s original ticket yet.
pass-unavailable = { $count ->
    [one] The code can’t be shown right now. Your ticket is safe.
   *[other] The code can’t be shown right now. Your tickets are safe.
}
pass-unavailable-reload = { $count ->
    [one] The code can’t be shown right now. Your ticket is safe: reload the page in a moment.
   *[other] The code can’t be shown right now. Your tickets are safe: reload the page in a moment.
}
