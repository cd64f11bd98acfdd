# Reservierungen: die Leiste auf jeder Seite, und warum eine Reservierung nicht gelingt.

hold-label = Deine Reservierung
hold-held = Für dich reserviert
hold-pay = Bezahlen
hold-pay-for = { $title } bezahlen
hold-more = { $count } weitere
hold-listing-not-ready = Dieses Angebot ist noch nicht bereit. Versuche es gleich noch einmal.
hold-none-left = { $quantity ->
    [one] Ein einzelner Platz ist nicht mehr verfügbar. Beobachte dieses Angebot, dann erfährst du, wenn Plätze frei werden.
   *[other] { $quantity } Plätze nebeneinander sind nicht mehr verfügbar. Beobachte dieses Angebot, dann erfährst du, wenn Plätze frei werden.
}
hold-none-left-unspecified = Diese Plätze sind nicht mehr verfügbar. Beobachte dieses Angebot, dann erfährst du, wenn Plätze frei werden.
hold-others-left = { $quantity ->
    [one] Ein einzelner Platz ist nicht mehr verfügbar. Du kannst noch { $others } kaufen: Wähle neu.
   *[other] { $quantity } Plätze nebeneinander sind nicht mehr verfügbar. Du kannst noch { $others } kaufen: Wähle neu.
}
hold-others-left-unspecified = Diese Plätze sind nicht mehr verfügbar. Du kannst noch { $others } kaufen: Wähle neu.
hold-held-already = Du hast schon Plätze aus diesem Angebot reserviert. Bezahle sie oder gib sie frei, bevor du andere reservierst.
