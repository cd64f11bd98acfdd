# Warum eine Anfrage gescheitert ist und was man tun kann. Dienste nennen den Grund mit einem Code; siehe
# domain/problem_text.rs.

problem-invalid = Eine deiner Angaben ist nicht gültig. Geh zurück, prüfe deine Eingaben und versuche es noch einmal.
problem-unauthenticated = Melde dich an und versuche es noch einmal.
problem-not-found = Vielleicht stimmt der Link nicht, die Seite gibt es nicht mehr, oder nur jemand anderes darf sie sehen.
problem-method-not-allowed = Diese Seite lässt sich so nicht öffnen. Beginne bitte auf einer Seite unseres Marktplatzes.
problem-precondition-failed = Das wurde geändert, während du die Seite offen hattest, vielleicht von dir in einem anderen Tab. Lade die Seite neu und nimm deine Änderungen noch einmal vor.
problem-too-large = Das war mehr, als wir auf einmal annehmen. Kürze es und versuche es noch einmal.
problem-unsupported = Dein Browser hat das in einer Form gesendet, die wir nicht lesen können. Geh zurück, lade die Seite neu und versuche es noch einmal.
problem-idempotency-mismatch = Dieses Formular wurde schon mit anderen Angaben gesendet. Lade die Seite neu, prüfe, was passiert ist, und beginne dann von vorn.
problem-rate-limited = { $seconds ->
    [one] Von dir kamen zu viele Anfragen auf einmal. Versuche es in { $seconds } Sekunde noch einmal.
   *[other] Von dir kamen zu viele Anfragen auf einmal. Versuche es in { $seconds } Sekunden noch einmal.
}
problem-rate-limited-briefly = Von dir kamen zu viele Anfragen auf einmal. Warte einen Moment und versuche es dann noch einmal.
problem-headers-too-large = Dein Browser schickt uns zu viele Daten, wahrscheinlich weil sich Cookies angesammelt haben. Lösche in den Einstellungen deines Browsers die Cookies dieser Seite und versuche es noch einmal.
problem-internal = Unser Team weiß Bescheid. Versuche es später noch einmal. Wenn es wieder passiert, melde dich bei uns und nenne die Nummer unten.
problem-unavailable = Das geht im Moment nicht. Versuche es gleich noch einmal.
problem-timed-out = Das hat zu lange gedauert. Prüfe, ob es geklappt hat, bevor du es noch einmal versuchst.
problem-role-required = Das darf nur unser Team.
problem-cross-site = Zu deiner Sicherheit nehmen wir nichts an, was eine andere Website in deinem Namen sendet. Öffne unsere Seite und versuche es dort noch einmal.
problem-in-flight = Deine erste Anfrage wird noch bearbeitet. Warte einen Moment und lade die Seite dann neu.
problem-changed-meanwhile = Das hat sich inzwischen geändert. Lade die Seite neu und versuche es noch einmal.

problem-wrong-credentials = Die E-Mail-Adresse oder das Passwort ist falsch.
problem-password-changed = Das Passwort wurde gerade geändert. Melde dich neu an.
problem-email-in-use = Zu dieser E-Mail-Adresse gibt es schon ein Konto. Melde dich damit an.

problem-own-ticket = Dein eigenes Ticket kannst du nicht kaufen.
problem-ticket-withdrawn = Dieses Angebot wurde zurückgezogen.
problem-show-cancelled = Diese Veranstaltung wurde abgesagt. Tickets dafür werden nicht mehr verkauft.
problem-ticket-begun = Die Veranstaltung hat begonnen. Tickets dafür werden nicht mehr verkauft.
problem-ticket-taken = Jemand anderes war schneller. Das Ticket wird vielleicht wieder frei, wenn nicht rechtzeitig bezahlt wird.
problem-held-already = Du hast schon Plätze aus diesem Angebot. Sieh in deinen Bestellungen nach.
problem-seats-taken = Andere waren bei den übrigen Plätzen schneller. Versuche es gleich noch einmal.
problem-price-out-of-range = So viele Plätze kosten zusammen zu viel für eine einzige Zahlung. Wähle weniger Plätze.
problem-no-seats = Aus diesem Angebot ist gerade kein Platz frei.
problem-no-seats-together = So viele Plätze sind nicht zusammen frei. Wähle eine andere Zahl.
problem-order-unconfirmed = Die Bestellung ist noch nicht bestätigt. Versuche es gleich noch einmal.
problem-order-unpaid = Die Bestellung ist noch nicht bezahlt.
problem-order-authorized = Die Karte wird gerade belastet. Die Bestellung lässt sich deshalb nicht mehr ändern.
problem-order-completed = Die Bestellung ist bezahlt und lässt sich nicht mehr ändern.
problem-order-closed = Diese Bestellung ist beendet. Bestelle neu, wenn du das Ticket kaufen möchtest.
problem-order-not-completed = Deine Einlasscodes bekommst du, sobald die Bestellung bezahlt ist.
problem-several-passes = Diese Bestellung hat für jeden Platz einen eigenen Einlasscode.
problem-too-many-holds = { $orders ->
    [one] Du hast { $orders } unbezahlte Bestellung. Bezahle sie oder gib ihre Tickets frei, bevor du neu bestellst.
   *[other] Du hast { $orders } unbezahlte Bestellungen. Bezahle eine davon oder gib ihre Tickets frei, bevor du neu bestellst.
}
problem-held-too-often = { $minutes ->
    [one] Du hast dieses Ticket zu oft reserviert, ohne es zu kaufen. Versuche es in { $minutes } Minute noch einmal.
   *[other] Du hast dieses Ticket zu oft reserviert, ohne es zu kaufen. Versuche es in { $minutes } Minuten noch einmal.
}

problem-order-paid = Diese Bestellung ist schon bezahlt.
problem-hold-expired = Deine Reservierung ist abgelaufen. Dir wurde nichts berechnet. Wenn es das Ticket noch gibt, bestelle neu.
problem-order-being-paid = Diese Bestellung wird gerade bezahlt oder ist schon bezahlt.
problem-too-many-payments = Du hast für diese Bestellung zu viele Zahlungsmittel ausprobiert. Wenn die Reservierung abgelaufen ist, kannst du neu bestellen.
problem-payment-pending = Unser Zahlungsdienstleister hat noch nicht geantwortet. Schau gleich noch einmal nach.
problem-card-insufficient-funds = Das Guthaben reicht nicht aus, oder das Limit der Karte ist erreicht. Dir wurde nichts berechnet. Nimm eine andere Karte.
problem-card-expired = Die Karte ist abgelaufen oder das Ablaufdatum stimmt nicht. Dir wurde nichts berechnet. Prüfe das Datum oder nimm eine andere Karte.
problem-card-wrong-code = Die Prüfziffer der Karte ist falsch. Dir wurde nichts berechnet. Prüfe sie und versuche es noch einmal.
problem-card-wrong-number = Die Kartennummer ist falsch. Dir wurde nichts berechnet. Prüfe die Nummer oder nimm eine andere Karte.
problem-card-unconfirmed = Die Zahlung wurde bei deiner Bank nicht bestätigt. Dir wurde nichts berechnet. Versuche es noch einmal oder nimm eine andere Karte.
problem-card-unsupported = Diese Karte lässt sich für diesen Kauf nicht verwenden. Dir wurde nichts berechnet. Nimm eine andere Karte.
problem-card-bank-unreachable = Deine Bank war nicht erreichbar. Dir wurde nichts berechnet. Versuche es gleich noch einmal oder nimm eine andere Karte.
problem-card-declined = Deine Bank hat die Karte ohne Angabe von Gründen abgelehnt. Dir wurde nichts berechnet. Nimm eine andere Karte oder frag deine Bank.

problem-ticket-reserved = Alle übrigen Tickets sind gerade reserviert. Du kannst das Angebot ändern, sobald eines wieder frei wird.
problem-ticket-partly-reserved = Solange Tickets aus diesem Angebot reserviert sind, kannst du nur Preis, Originalpreis, Kategorie und Beschreibung ändern.
problem-ticket-sold = Dieses Angebot ist verkauft und lässt sich nicht mehr ändern.
problem-ticket-partly-sold = Einige Tickets aus diesem Angebot sind verkauft. Du kannst nur noch Preis, Originalpreis, Kategorie und Beschreibung ändern.
problem-not-the-seller = Nur wer dieses Angebot eingestellt hat, kann es ändern.
problem-over-cap = { $percent ->
    [0] Am Ort dieser Veranstaltung darf ein Ticket höchstens den Originalpreis kosten, hier also { $price }.
   *[other] Am Ort dieser Veranstaltung darf ein Ticket höchstens { $percent } % mehr als den Originalpreis kosten, hier also { $price }.
}
problem-seat-listed = Platz { $seat } bietest du für diese Veranstaltung schon an. Bearbeite das andere Angebot oder zieh es zuerst zurück.
