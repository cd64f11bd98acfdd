# What is wrong with a field of a form; each is shown at the field or after its label.

form-check = Please check the fields below. Nothing has been saved yet.
form-invalid = This isn’t valid.
form-unknown-field = Something that you entered wasn’t accepted. Check it, then try again.
form-length = Enter { $min } to { $max } characters.
form-length-at-most = Enter at most { $max } characters.
form-range = Enter a number from { $min } to { $max }.
form-choice = Choose one of the options.
form-control = Leave out control characters and line breaks.
form-blank = Enter at least one visible character.
form-email = Enter an email address such as ana@example.com.
form-common-password = Choose a password that is harder to guess: this one is very common.
form-same-password = Choose a password other than the current one.
form-wrong-password = Enter your current password.
form-min-amount = Enter at least { $price }.
form-max-amount = Enter at most { $price }.
form-step = Enter a multiple of { $price }.
form-total = The total price of all seats must be at most { $price }.
form-total-too-high = The total price of all seats is more than can be charged.
form-currency = Choose one of the currencies.
form-same-currency = Use the same currency as for the price.
form-face-value-required = { $percent ->
    [0] Enter the face value: where this show takes place, a ticket may not cost more.
   *[other] Enter the face value: where this show takes place, a ticket may cost at most { $percent }% more.
}
form-past = Choose a time in the future.
form-time-zone = Choose a time zone from the list.
form-time-malformed = Enter a date and a time.
form-time-skipped = { $minutes ->
    [60] { $time } doesn’t exist at the venue, because the clocks go forward by an hour. Enter another time.
   *[other] { $time } doesn’t exist at the venue, because the clocks go forward by { $minutes } minutes. Enter another time.
}
form-time-twice = This time occurs twice at the venue, because the clocks go back that night. Choose which one you mean.
form-seat-count = { $max ->
    [one] Enter at most { $max } seat.
   *[other] Enter at most { $max } seats.
}
form-seat-name = A seat number can have at most { $max } characters.
form-seats-unique = Enter each seat only once.
form-seats-quantity = Leave this empty, or enter the number of seats that you named.
form-split-odd = Choose another way: an odd number of seats can’t be sold in pairs.
form-split-one-seat = Choose another way: there is only one seat.
form-split-sizes = Enter sizes that add up to the number of seats.
form-positive = Enter an amount above 0.
form-amount-malformed = Enter an amount such as { $example }.
form-amount-currency = Enter an amount in { $currency }, the chosen currency, and not in { $sign }.
form-amount-whole = Enter a whole amount: { $currency } has no decimal places.
form-amount-decimals = Enter an amount with at most { $decimals } decimal places.

# Choices in the address of a page that are left out.
form-ignored-from = The first day was ignored: it isn’t a date.
form-ignored-to = The last day was ignored: it isn’t a date.
form-ignored-min = The minimum price was ignored.
form-ignored-max = The maximum price was ignored.
form-ignored-number = The order number was ignored. Enter a number such as TK-7F3K-29.
form-ignored-quantity = The number of seats was ignored. Choose 1 to { $max }.
form-ignored-currency = The currency was ignored, because we don’t know it.
form-ignored-search = Your search was ignored, because it was too long or couldn’t be read.
form-ignored-link = A part of the link wasn’t valid and was ignored.
