# Die eigenen Angebote, und Hinweise auf Plätze, die doppelt angeboten werden.

selling-title = Meine Angebote
selling-description = Die Tickets, die du verkaufst.
selling-none = Du hast noch keine Tickets angeboten. Das dauert nur eine Minute, und es gibt keine Gebühren.
selling-per-seat = pro Platz
selling-list-another = Noch ein Ticket anbieten
selling-done-listed = Dein Angebot ist online.
selling-done-changed = Deine Änderungen sind online.
selling-done-withdrawn = Zurückgezogen. Es ist nicht mehr zu haben.

# Was verkauft ist.
selling-sold = Du hast es für { $sum } verkauft.
selling-sold-seats = Du hast { $seats } für { $sum } verkauft.
selling-after-sale = Du musst nichts weiter tun. Auszahlungen sind noch nicht möglich.

# Plätze, die doppelt angeboten werden.
selling-twice = { $count ->
    [one] Platz { $names } für { $title } wird doppelt angeboten.
   *[other] Die Plätze { $names } für { $title } werden doppelt angeboten.
}
selling-twice-by-you = { $count ->
    [one] Du bietest Platz { $names } zweimal an. Bearbeite eines der Angebote oder zieh es zurück.
   *[other] Du bietest die Plätze { $names } zweimal an. Bearbeite eines der Angebote oder zieh es zurück.
}
selling-twice-edit = { $count ->
    [one] Platz { $names } wird auch von jemand anderem angeboten. Wenn er dir nicht gehört, bearbeite dieses Angebot oder zieh es zurück. Auch unser Team sieht diesen Hinweis.
   *[other] Die Plätze { $names } werden auch von jemand anderem angeboten. Wenn sie dir nicht gehören, bearbeite dieses Angebot oder zieh es zurück. Auch unser Team sieht diesen Hinweis.
}
selling-twice-withdraw-rest = { $count ->
    [one] Platz { $names } wird auch von jemand anderem angeboten. Wenn er dir nicht gehört, zieh die übrigen Plätze zurück. Auch unser Team sieht diesen Hinweis.
   *[other] Die Plätze { $names } werden auch von jemand anderem angeboten. Wenn sie dir nicht gehören, zieh die übrigen Plätze zurück. Auch unser Team sieht diesen Hinweis.
}
selling-twice-withdraw-later = { $count ->
    [one] Platz { $names } wird auch von jemand anderem angeboten. Wenn er dir nicht gehört, zieh dieses Angebot zurück, sobald die Reservierung beendet ist. Auch unser Team sieht diesen Hinweis.
   *[other] Die Plätze { $names } werden auch von jemand anderem angeboten. Wenn sie dir nicht gehören, zieh dieses Angebot zurück, sobald die Reservierung beendet ist. Auch unser Team sieht diesen Hinweis.
}
