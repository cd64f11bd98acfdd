# Bestellungen: die Liste, eine Bestellung und ihre Kalenderdatei.

order-description = Deine Bestellung und deine Tickets.
order-number = Bestellung { $number }
order-hold-ends = Deine Reservierung läuft bis { $time }.
order-checkout = Zur Kasse
order-your-tickets = { $count ->
    [one] Dein Ticket
   *[other] Deine Tickets
}
order-full-screen = Vollbild
order-show-passes = { $count ->
    [one] Einlasscode zeigen
   *[other] Einlasscodes zeigen
}
order-calendar = Zum Kalender hinzufügen
order-receipt = Quittung
order-reload = Seite neu laden
order-history = Verlauf der Bestellung
order-details = Einzelheiten der Bestellung
order-view-listing = Zum Angebot
order-all = Alle meine Bestellungen
order-back = Zurück zur Bestellung

# Bezeichnungen der Angaben zu einer Bestellung.
order-fact-number = Bestellung
order-fact-when = Wann
order-fact-where = Wo
order-fact-seats = { $count ->
    [one] Platz
   *[other] Plätze
}
order-fact-price = Preis
order-fact-fees = Gebühren
order-fact-total = Gesamt

# Die Liste.
order-list-title = Meine Bestellungen
order-list-description = Deine Bestellungen, Tickets und Quittungen.
order-list-number = Bestellnummer
order-list-find = Suchen
order-list-number-hint = Zum Beispiel TK-7F3K-29. Du findest sie bei deiner Bestellung und in deinen Benachrichtigungen.
order-list-not-found = Wir haben keine Bestellung mit der Nummer { $number } gefunden.
order-list-none = Du hast noch keine Bestellungen.
order-list-browse = Veranstaltungen entdecken
order-list-cut = Hier stehen nur deine nächsten Veranstaltungen. Andere Bestellungen findest du über ihre Bestellnummer.
order-list-found = Deine Bestellung
order-list-upcoming = Demnächst
order-list-past = Vergangen und storniert
order-list-pass = Einlasscode
order-list-pages = Seiten
order-list-newest = Neueste
order-list-older = Ältere

# Der Status in Kürze.
order-badge-created = In Prüfung
order-badge-awaiting-payment = Zahlung offen
order-badge-authorized = Zahlung läuft
order-badge-completed = Bestätigt
order-badge-expired = Abgelaufen
order-badge-cancelled = Storniert

# Der Status in einem Satz. Bei einer stornierten Bestellung folgt ein Satz über das Geld.
order-status-created = Wir prüfen, ob das Angebot noch verfügbar ist.
order-status-awaiting-payment = Für dich reserviert. Bezahle, bevor die Reservierung abläuft.
order-status-authorized = Zahlung läuft: Deine Karte wird gerade belastet.
order-status-completed = { $count ->
    [one] Bezahlt. Das Ticket gehört dir.
   *[other] Bezahlt. Die Tickets gehören dir.
}
order-status-expired = Abgelaufen: Du hast nicht rechtzeitig bezahlt.
order-status-payment-failed = Storniert: Die Zahlung ist fehlgeschlagen.
order-status-show-cancelled = Storniert, weil die Veranstaltung abgesagt wurde.
order-status-cancelled = Storniert.
order-status-withdrawn = Storniert: Das Ticket wurde vom Verkauf zurückgezogen.
order-status-begun = Storniert: Die Veranstaltung hat begonnen.
order-status-new-price = { $count ->
    [one] Storniert: Der Preis beträgt jetzt { $price }.
   *[other] Storniert: Der Preis pro Platz beträgt jetzt { $price }.
}
order-status-price-changed = Storniert: Der Preis hat sich geändert.
order-status-terms-changed = Storniert: Das Angebot hat sich geändert.
order-status-unavailable = Storniert: Das Ticket ist nicht mehr verfügbar.
order-charge-disputed = Über die beanstandete Abbuchung entscheidet deine Bank.
order-charge-refunded = Der Betrag wird vollständig erstattet.
order-charge-none = Dir wurde nichts berechnet.

# Der Verlauf.
order-step-held = { $count ->
    [one] Das Ticket wurde für dich reserviert.
   *[other] Die Tickets wurden für dich reserviert.
}
order-step-refunded = { $amount } wurden erstattet.
order-step-payment-started = Du hast eine Zahlung über { $amount } begonnen.
order-step-confirm = Deine Bank bittet dich, die Zahlung über { $amount } zu bestätigen.
order-step-authorized = Auf deiner Karte wurden { $amount } vorgemerkt.
order-step-charged = Deine Karte wurde mit { $amount } belastet.
order-step-superseded = Du hast die Karte gewechselt. Die erste Karte wurde nicht belastet.
order-step-declined = Deine Karte wurde abgelehnt. Dir wurde nichts berechnet.
order-step-failed = Die Zahlung ist fehlgeschlagen. Dir wurde nichts berechnet.
order-step-unconfirmed = Die Zahlung wurde bei deiner Bank nicht bestätigt. Dir wurde nichts berechnet.
order-step-released = Die auf deiner Karte vorgemerkten { $amount } wurden freigegeben. Dir wurde nichts berechnet.

# Die Kalenderdatei.
order-event-passes = { $count ->
    [one] Dein Einlasscode: { $page }
   *[other] Deine Einlasscodes: { $page }
}
order-event-cancelled = Die Veranstaltung wurde abgesagt.
order-event-number = Bestellung { $number }.
order-event-number-estimated = Bestellung { $number }. Die Endzeit ist geschätzt, weil das Angebot keine nennt.
