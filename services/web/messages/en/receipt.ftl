# The receipt.

receipt-title = Receipt
receipt-description = What you paid.
receipt-print = To print this page or save it as a PDF, use your browser’s menu.
receipt-date = Date
receipt-buyer = Buyer
receipt-seller = Seller
receipt-tickets = { $count ->
    [one] Ticket
   *[other] Tickets
}
receipt-table = What you paid
receipt-quantity = { $count ->
    [one] { $count } ticket
   *[other] { $count } tickets
}
receipt-charged = Your card was charged { $price } on { $time }.
receipt-back = { $count ->
    [one] Back to your ticket
   *[other] Back to your tickets
}
