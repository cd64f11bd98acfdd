# Die Kasse.

checkout-title = Kasse
checkout-description = Bezahle deine Tickets.
checkout-summary = Übersicht der Bestellung
checkout-order = Deine Bestellung
checkout-no-fees = Keine
checkout-held = Für dich reserviert. Zeit zum Bezahlen:
checkout-hold-ends-in = Deine Reservierung endet in { $time }.
checkout-hold-over = Deine Reservierung ist abgelaufen.
checkout-release = { $count ->
    [one] Ticket freigeben
   *[other] Tickets freigeben
}
checkout-declined = Deine Karte wurde abgelehnt. Dir wurde nichts berechnet. Versuche es mit einer anderen Karte.
checkout-charging-heading = Zahlung läuft
checkout-charging = { $count ->
    [one] Das Ticket ist für dich reserviert, während wir deine Karte belasten. Das dauert einen Moment.
   *[other] Die Tickets sind für dich reserviert, während wir deine Karte belasten. Das dauert einen Moment.
}
checkout-charging-spoken = Zahlung läuft.
checkout-yours-heading = { $count ->
    [one] Das Ticket gehört dir
   *[other] Die Tickets gehören dir
}
checkout-yours-spoken = { $count ->
    [one] Das Ticket gehört dir.
   *[other] Die Tickets gehören dir.
}
checkout-paid = Du hast { $price } bezahlt.
checkout-view = { $count ->
    [one] Dein Ticket ansehen
   *[other] Deine Tickets ansehen
}
checkout-hold-again = { $count ->
    [one] Für { $price } reservieren
   *[other] { $count } Plätze für je { $price } reservieren
}
checkout-view-again = { $count ->
    [one] Zurück zum Ticket
   *[other] Zurück zu den Tickets
}
checkout-price-notice = { $count ->
    [one] Der Preis hat sich geändert, während du das Angebot angesehen hast: Er beträgt jetzt { $price }. Bezahle nur, wenn du einverstanden bist.
   *[other] Der Preis hat sich geändert, während du das Angebot angesehen hast: Er beträgt jetzt { $price } pro Platz. Bezahle nur, wenn du einverstanden bist.
}

# Das Zahlungsformular.
checkout-pay-heading = Bezahlen
checkout-pay = { $price } bezahlen
checkout-or-card = Oder mit Karte bezahlen:
checkout-charged-only-if = { $count ->
    [one] Deine Karte wird nur belastet, wenn du das Ticket bekommst.
   *[other] Deine Karte wird nur belastet, wenn du alle Tickets bekommst.
}
checkout-no-script = Zum Bezahlen wird JavaScript benötigt, das in diesem Browser ausgeschaltet ist.
checkout-no-script-reason = Damit gehen deine Kartendaten direkt an unseren Zahlungsdienstleister und nie an uns. Schalte JavaScript ein und lade diese Seite neu. Alles andere funktioniert auch ohne.
checkout-form-not-loaded = Das Zahlungsformular konnte nicht geladen werden. Lade die Seite neu.
checkout-form-blocked = Das Zahlungsformular konnte nicht geladen werden. Schalte alles aus, was Skripte blockiert, zum Beispiel einen Werbeblocker, und lade dann die Seite neu.
checkout-processing = Deine Zahlung wird verarbeitet.
checkout-not-approved = Deine Bank hat die Zahlung nicht freigegeben. Dir wurde nichts berechnet. Versuche es noch einmal oder nimm eine andere Karte.
checkout-not-checked = Wir konnten die Zahlung nicht prüfen. Lade die Seite neu.
checkout-unknown = Wir wissen noch nicht, ob deine Zahlung erfolgreich war. Prüfe oben deine Bestellung, bevor du es noch einmal versuchst.
checkout-rejected = Die Zahlung hat nicht geklappt. Dir wurde nichts berechnet. Versuche es noch einmal.
checkout-unreachable = Wir konnten unseren Zahlungsdienstleister nicht erreichen. Prüfe oben deine Bestellung und versuche es dann noch einmal.

# Wie eine Bestellung ohne Kauf endete.
checkout-late-charge-heading = Abbuchung nach Ende der Bestellung
checkout-late-charge-disputed = Deine Karte wurde belastet, als die Bestellung schon beendet war. Du hast die Abbuchung beanstandet; deshalb entscheidet deine Bank, ob du das Geld zurückbekommst.
checkout-late-charge-refunded = Deine Karte wurde belastet, als die Bestellung schon beendet war. Der Betrag wurde vollständig erstattet.
checkout-late-charge-refunding = Deine Karte wurde belastet, als die Bestellung schon beendet war. Der Betrag wird gerade vollständig erstattet.
checkout-late-payment-heading = Zahlung zu spät
checkout-late-payment = Deine Bank hat erst geantwortet, als die Zeit zum Bezahlen schon abgelaufen war. Dir wurde nichts berechnet, und der vorgemerkte Betrag auf deiner Karte wurde freigegeben.
checkout-hold-over-heading = Deine Reservierung ist abgelaufen
checkout-hold-over-unanswered = Deine Bank hat noch nicht geantwortet. Dir wird nichts berechnet, und ein auf deiner Karte vorgemerkter Betrag wird freigegeben.
checkout-hold-over-unconfirmed = Die Zahlung wurde nicht rechtzeitig bei deiner Bank bestätigt. Auf deiner Karte ist nichts vorgemerkt, und dir wurde nichts berechnet.
checkout-hold-over-unpaid = Du hast nicht rechtzeitig bezahlt. Dir wurde nichts berechnet.
checkout-price-changed-heading = Der Preis hat sich geändert
checkout-price-changed = Der Preis wurde von { $old } auf { $new } geändert, während du bestellt hast. Dir wurde nichts berechnet.
checkout-withdrawn-heading = Nicht mehr im Verkauf
checkout-withdrawn = Das Ticket wurde vom Verkauf zurückgezogen. Dir wurde nichts berechnet.
checkout-begun-heading = Zu spät
checkout-begun = Die Veranstaltung hat begonnen. Dir wurde nichts berechnet.
checkout-show-cancelled-heading = Die Veranstaltung wurde abgesagt
checkout-show-cancelled = Dir wurde nichts berechnet.
checkout-listing-changed-heading = Das Angebot hat sich geändert
checkout-listing-changed = Das Angebot wurde geändert, während du bestellt hast. Dir wurde nichts berechnet. Sieh es dir an und bestelle noch einmal.
checkout-failed-heading = Die Zahlung ist fehlgeschlagen
checkout-failed = Deine Karte konnte nicht belastet werden. Damit ist deine Reservierung beendet.
checkout-released-heading = { $count ->
    [one] Du hast das Ticket freigegeben
   *[other] Du hast die Tickets freigegeben
}
checkout-released = { $count ->
    [one] Das Ticket steht wieder zum Verkauf. Dir wurde nichts berechnet.
   *[other] Die Tickets stehen wieder zum Verkauf. Dir wurde nichts berechnet.
}
checkout-closed-heading = Bestellung beendet
checkout-closed = Diese Bestellung ist beendet. Dir wurde nichts berechnet.
