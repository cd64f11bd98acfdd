# Ein Angebot: seine Seite, seine Verfügbarkeit und seine Kategorie.

ticket-description = { $place }, { $when }: Endpreis { $price }.
ticket-category = Kategorie
ticket-seller = Verkauft von
ticket-sales = { $count ->
    [0] noch nichts verkauft
    [one] { $count } Ticket verkauft
   *[other] { $count } Tickets verkauft
}
ticket-unknown-user = Mitglied des Marktplatzes
ticket-of-show = Alle Tickets für diese Veranstaltung
ticket-show-moved = Diese Veranstaltung wurde verlegt. Neuer Termin: { $when }. Ort: { $place }.
ticket-from-seller = Hinweise zum Angebot
ticket-all-shows = Alle Veranstaltungen

# Der Preis.
ticket-purchase = Preis und Kauf
ticket-price-before = vorher
ticket-all-in = { $count ->
    [one] Endpreis, ohne zusätzliche Gebühren
   *[other] pro Platz, Endpreis ohne zusätzliche Gebühren
}
ticket-face-value = { $count ->
    [one] Originalpreis { $price }, wie auf dem Ticket angegeben
   *[other] Originalpreis { $price } pro Platz, wie auf dem Ticket angegeben
}
ticket-price-changed = Der Preis hat sich geändert: Er beträgt jetzt { $price }. Noch ist nichts reserviert.
ticket-still-updating = Erledigt. Diese Seite ist noch nicht auf dem neuesten Stand. Lade sie gleich noch einmal.

# Was du mit deinem Angebot tun kannst.
ticket-yours = Das ist dein Angebot.
ticket-edit = Bearbeiten
ticket-withdraw = { $taken ->
    [0] Zurückziehen …
   *[other] Übrige Plätze zurückziehen …
}
ticket-withdraw-hint = { $taken ->
    [0] Dann ist es nicht mehr zu haben. Du kannst es wieder anbieten.
   *[other] Dann sind die übrigen Plätze nicht mehr zu haben. Verkaufte Plätze bleiben verkauft, und wer gerade Plätze reserviert hat, kann sie noch bezahlen.
}
ticket-withdraw-now = Jetzt zurückziehen
ticket-list-another = Noch ein Ticket für diese Veranstaltung anbieten

# Was du mit einem fremden Angebot tun kannst.
ticket-holding = { $count ->
    [one] Du hast dieses Ticket reserviert.
   *[other] Du hast Plätze aus diesem Angebot reserviert.
}
ticket-quantity = Wie viele Plätze?
ticket-buy = { $count ->
    [one] Ticket kaufen
   *[other] Plätze kaufen
}
ticket-buy-hint = Danach hast du ein paar Minuten Zeit zum Bezahlen. Abgebucht wird erst, wenn du die Zahlung bestätigst.
ticket-watch = Beobachten
ticket-watch-hint = Lass dich benachrichtigen, wenn der Preis sinkt oder das Angebot wieder verfügbar ist.
ticket-unwatch = Nicht mehr beobachten
ticket-unwatch-hint = Wir benachrichtigen dich, wenn der Preis sinkt oder das Angebot wieder verfügbar ist.

# Ob es zu haben ist.
ticket-badge-for-sale = Im Verkauf
ticket-hold-ends-in = Die Reservierung endet in
ticket-is-for-sale = Im Verkauf.
ticket-has-begun = Nicht mehr im Verkauf: Die Veranstaltung hat begonnen.
ticket-is-held = Gerade reserviert. Wird nicht rechtzeitig bezahlt, steht es wieder zum Verkauf.
ticket-is-sold = Verkauft.
ticket-is-withdrawn = Nicht mehr im Verkauf: Das Angebot wurde zurückgezogen.
ticket-withdrawn-by-you = Du hast es zurückgezogen.
ticket-is-cancelled = Nicht im Verkauf: Die Veranstaltung wurde abgesagt.

# Kategorien.
ticket-category-concert = Konzert
ticket-category-sport = Sport
ticket-category-theatre = Theater
ticket-category-comedy = Comedy
ticket-category-festival = Festival
ticket-category-other = Sonstiges
