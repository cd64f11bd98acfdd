# Die Quittung.

receipt-title = Quittung
receipt-description = Was du bezahlt hast.
receipt-print = Um diese Seite zu drucken oder als PDF zu speichern, nutze das Menü deines Browsers.
receipt-date = Datum
receipt-buyer = Gekauft von
receipt-seller = Verkauft von
receipt-tickets = { $count ->
    [one] Ticket
   *[other] Tickets
}
receipt-table = Was du bezahlt hast
receipt-quantity = { $count ->
    [one] { $count } Ticket
   *[other] { $count } Tickets
}
receipt-charged = Deine Karte wurde mit { $price } belastet ({ $time }).
receipt-back = { $count ->
    [one] Zurück zu deinem Ticket
   *[other] Zurück zu deinen Tickets
}
