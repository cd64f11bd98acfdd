# Benachrichtigungen.

notification-title = Benachrichtigungen
notification-description = Neues zu deinen Tickets und Bestellungen.
notification-none = Noch keine Benachrichtigungen. Hier erfährst du von deinen Verkäufen und Zahlungen, von Reservierungen, die bald ablaufen, und von Tickets und Veranstaltungen, die du beobachtest.
notification-mark-read = Alle als gelesen markieren
notification-bell = Benachrichtigungen
notification-bell-unread = Benachrichtigungen, { $count } ungelesen
notification-sold = Verkauft: { $title } für { $price }.
notification-sold-unpriced = Verkauft: { $title }.
notification-sold-seats = Verkauft: { $sold } von { $all } Plätzen für { $title } zum Preis von { $price }.
notification-sold-seats-unpriced = Verkauft: { $sold } von { $all } Plätzen für { $title }.
notification-paid = { $count ->
    [one] Bezahlt: Dein Ticket für { $title }, { $price }. Bestellung { $number }.
   *[other] Bezahlt: Deine { $count } Plätze für { $title }, { $price }. Bestellung { $number }.
}
notification-hold-ends = Deine Reservierung für { $title } läuft gleich ab. Bezahle jetzt, um sie zu behalten. Bestellung { $number }.
notification-show-cancelled = Abgesagt: { $title } findet nicht statt. Deine Reservierung ist beendet.
notification-price-drop = Preis gesenkt: { $title } kostet jetzt { $new } statt { $old }.
notification-available-again = Wieder verfügbar: { $title } für { $price }.
notification-show-listed = Neu im Angebot: ein Ticket für { $title } zum Preis von { $price }.
notification-show-cheaper = Günstiger: ein Ticket für { $title } jetzt für { $price } statt { $old }.
notification-show-available = Wieder verfügbar: ein Ticket für { $title } zum Preis von { $price }.
