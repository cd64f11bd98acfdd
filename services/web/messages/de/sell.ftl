# Verkaufen: die Suche nach der Veranstaltung, das Formular eines Angebots, und die Prüfung, bevor es online geht.

sell-title = Ticket verkaufen
sell-edit-title = Dein Angebot bearbeiten
sell-description = Biete ein Ticket an: Du bestimmst den Preis, und es gibt keine Gebühren.
sell-preview = Vorschau
sell-no-payouts = Keine Gebühren, weder für dich noch beim Kauf. Auszahlungen sind noch nicht möglich.

# Die Suche nach der Veranstaltung.
sell-find-description = Finde die Veranstaltung, für die dein Ticket gilt, und bestimme deinen Preis.
sell-find-saved = Deine Angaben zum Ticket sind gespeichert.
sell-find-words = Für welche Veranstaltung ist es? Suche nach Act, Team, Veranstaltungsort oder Stadt
sell-find-submit = Suchen
sell-find-summary = { $count ->
    [0] Keine passenden Veranstaltungen
    [one] { $count } Veranstaltung
   *[other] { $count } Veranstaltungen
}
sell-find-corrected = Keine Treffer für „{ $words }“. Stattdessen siehst du Treffer für „{ $corrected }“.
sell-find-unlisted = Du kannst ein Ticket für jede Veranstaltung anbieten, auch wenn sie hier noch fehlt.
sell-find-others = Ist die richtige Veranstaltung nicht dabei?
sell-find-enter = Veranstaltung selbst eingeben

# Die Veranstaltung, für die das Ticket gilt.
sell-show = Für { $title }
sell-show-asks = So viel kosten andere Plätze:
sell-show-no-others = Gerade werden keine anderen Tickets für diese Veranstaltung angeboten.
sell-show-change = Angaben zur Veranstaltung ändern
sell-show-another = Andere Veranstaltung wählen

# Die Felder des Formulars.
sell-field-title = Titel
sell-field-category = Kategorie
sell-field-venue = Veranstaltungsort
sell-field-city = Stadt
sell-field-starts-at = Datum und Uhrzeit
sell-field-time-zone = Zeitzone
sell-field-price = Preis pro Platz
sell-field-currency = Währung
sell-field-face-value = Originalpreis pro Platz
sell-field-section = Block
sell-field-row = Reihe
sell-field-seats = Platznummern
sell-field-quantity = Anzahl der Plätze
sell-field-split = Wie deine Plätze aufgeteilt werden dürfen
sell-field-sizes = Gruppengrößen
sell-field-description = Beschreibung
sell-optional = (optional)
sell-category-choose = Kategorie wählen
sell-time-zone-hint = Bei größeren Städten nehmen wir die Zeitzone der Stadt. Prüfe sie bei anderen Orten.
sell-time-twice = In dieser Nacht werden die Uhren zurückgestellt, deshalb gibt es diese Uhrzeit zweimal. Welche meinst du?
sell-time-first = Die erste: { $time }
sell-time-second = Die zweite: { $time }
sell-seats-hint = Zum Beispiel 12, 13, 14 oder 12-15. Die Plätze müssen nebeneinanderliegen. Lass das Feld leer, wenn sie keine Nummern haben.
sell-quantity-hint = Nur ohne Platznummern: 1 bis { $max }.
sell-sizes-hint = Zum Beispiel 3+3.
sell-split-together = Nur alle zusammen
sell-split-pairs = Paarweise
sell-split-any = In beliebiger Anzahl
sell-split-no-single = Keinen einzelnen Platz übrig lassen
sell-split-sizes = Eigene Gruppengrößen

# Die Prüfung.
sell-check-title = Prüfe dein Angebot
sell-check-changes-title = Prüfe deine Änderungen
sell-check-description = So sehen andere dein Angebot. Prüfe es, bevor es online geht.
sell-check-split = { $quantity } Plätze, { $split }. Wählbare Anzahl: { $quantities }.
sell-check-one-seat = 1 Platz
sell-check-together = { $quantity } Plätze, nur alle zusammen.
sell-check-gap = Liegen die Plätze { $others } und { $last } wirklich nebeneinander?
sell-check-all-in = { $count ->
    [one] Endpreis
   *[other] pro Platz, Endpreis
}
sell-check-face-value = Originalpreis { $price }
sell-check-buyers-pay = { $count ->
    [one] Wer dein Ticket kauft, zahlt { $sum }.
   *[other] Alle Plätze zusammen kosten { $sum }.
}
sell-check-uncertain-price = Du hast als Preis { $typed } eingegeben. Wir verstehen das als { $read }. Wenn du einen anderen Betrag meinst, gib ihn mit Nachkommastellen ein.
sell-check-uncertain-face-value = Du hast als Originalpreis { $typed } eingegeben. Wir verstehen das als { $read }. Wenn du einen anderen Betrag meinst, gib ihn mit Nachkommastellen ein.
sell-check-not-live = Dein Angebot ist noch nicht online.
sell-check-changes-not-live = Deine Änderungen sind noch nicht online.
sell-check-list = { $count ->
    [one] Dieses Ticket anbieten
   *[other] Diese { $count } Plätze anbieten
}
sell-check-save = Änderungen speichern
sell-check-other-tab = Du hast dieses Angebot in einem anderen Tab geändert. Hier siehst du die neueste Fassung. Noch wurde nichts abgeschickt.
sell-check-other-language = Die Sprache deines Browsers hat sich geändert, deshalb verstehen wir deine Beträge jetzt so, wie sie hier stehen. Noch wurde nichts abgeschickt.
sell-check-try-again = { $reason } Deine Angaben sind gespeichert. Versuche es gleich noch einmal.

# Was an einem Angebot nicht stimmt.
sell-error-seat-listed = Du bietest einen dieser Plätze für diese Veranstaltung schon an. Gib andere Plätze ein oder bearbeite das andere Angebot.
sell-error-changed = Das Angebot hat sich geändert, seit du diese Seite geöffnet hast. Öffne sie noch einmal und ändere es dann.
sell-error-expired = Diese Seite ist abgelaufen. Öffne sie noch einmal und ändere das Angebot dann.
sell-error-submitted = Dieses Formular wurde schon mit anderen Angaben abgeschickt. Sieh unter „Meine Angebote“ nach, ob das Ticket dort ist. Wenn nicht, beginne noch einmal unter „Verkaufen“.
sell-error-too-many-seats = Gib höchstens { $max } Plätze ein. Biete die übrigen getrennt an.
sell-error-quantity = Lass das Feld leer oder gib { $count } ein, die Anzahl der genannten Plätze.
sell-error-sizes = Gib Zahlen ein, die zusammen { $count } Plätze ergeben, zum Beispiel { $example }.
