# Holds: the bar on every page, and why a hold fails.

hold-label = Your hold
hold-held = Held for you
hold-pay = Pay
hold-pay-for = Pay for { $title }
hold-more = { $count } more
hold-listing-not-ready = This listing is not ready yet. Try again in a moment.
hold-none-left = { $quantity ->
    [one] A single seat is no longer available. Watch this listing to be notified if seats become available again.
   *[other] { $quantity } seats together are no longer available. Watch this listing to be notified if seats become available again.
}
hold-none-left-unspecified = These seats are no longer available. Watch this listing to be notified if seats become available again.
hold-others-left = { $quantity ->
    [one] A single seat is no longer available. You can still buy { $others }: choose again.
   *[other] { $quantity } seats together are no longer available. You can still buy { $others }: choose again.
}
hold-others-left-unspecified = These seats are no longer available. You can still buy { $others }: choose again.
hold-held-already = You are already holding seats from this listing. Pay for them or release them before you hold others.
