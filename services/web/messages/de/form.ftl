# Was an einem Formularfeld nicht stimmt; steht beim Feld oder hinter seiner Bezeichnung.

form-check = Bitte prüfe die Felder unten. Noch ist nichts gespeichert.
form-invalid = Diese Angabe ist nicht gültig.
form-unknown-field = Eine deiner Angaben wurde nicht angenommen. Prüfe sie und versuche es noch einmal.
form-length = Gib { $min } bis { $max } Zeichen ein.
form-length-at-most = Gib höchstens { $max } Zeichen ein.
form-range = Gib eine Zahl von { $min } bis { $max } ein.
form-choice = Wähle eine der Möglichkeiten.
form-control = Lass Steuerzeichen und Zeilenumbrüche weg.
form-blank = Gib mindestens ein sichtbares Zeichen ein.
form-email = Gib eine E-Mail-Adresse wie ana@example.com ein.
form-common-password = Wähle ein Passwort, das schwerer zu erraten ist: Dieses ist sehr verbreitet.
form-same-password = Wähle ein anderes Passwort als das aktuelle.
form-wrong-password = Gib dein aktuelles Passwort ein.
form-min-amount = Gib mindestens { $price } ein.
form-max-amount = Gib höchstens { $price } ein.
form-step = Gib ein Vielfaches von { $price } ein.
form-total = Alle Plätze zusammen dürfen höchstens { $price } kosten.
form-total-too-high = Alle Plätze zusammen kosten mehr, als auf einmal bezahlt werden kann.
form-currency = Wähle eine der Währungen.
form-same-currency = Nimm dieselbe Währung wie beim Preis.
form-face-value-required = { $percent ->
    [0] Gib den Originalpreis an: Am Ort dieser Veranstaltung darf ein Ticket nicht mehr kosten.
   *[other] Gib den Originalpreis an: Am Ort dieser Veranstaltung darf ein Ticket höchstens { $percent } % mehr kosten.
}
form-past = Wähle einen Zeitpunkt in der Zukunft.
form-time-zone = Wähle eine Zeitzone aus der Liste.
form-time-malformed = Gib Datum und Uhrzeit ein.
form-time-skipped = { $minutes ->
    [60] { $time } gibt es am Veranstaltungsort nicht, weil die Uhren um eine Stunde vorgestellt werden. Gib eine andere Zeit ein.
   *[other] { $time } gibt es am Veranstaltungsort nicht, weil die Uhren um { $minutes } Minuten vorgestellt werden. Gib eine andere Zeit ein.
}
form-time-twice = Diese Uhrzeit gibt es am Veranstaltungsort zweimal, weil in der Nacht die Uhren zurückgestellt werden. Wähle, welche du meinst.
form-seat-count = { $max ->
    [one] Gib höchstens { $max } Platz an.
   *[other] Gib höchstens { $max } Plätze an.
}
form-seat-name = Eine Platznummer darf höchstens { $max } Zeichen lang sein.
form-seats-unique = Gib jeden Platz nur einmal an.
form-seats-quantity = Lass das Feld leer oder gib die Anzahl der genannten Plätze ein.
form-split-odd = Wähle eine andere Aufteilung: Eine ungerade Zahl von Plätzen lässt sich nicht paarweise verkaufen.
form-split-one-seat = Wähle eine andere Aufteilung: Es gibt nur einen Platz.
form-split-sizes = Gib Gruppengrößen ein, die zusammen die Anzahl der Plätze ergeben.
form-positive = Gib einen Betrag über 0 ein.
form-amount-malformed = Gib einen Betrag wie { $example } ein.
form-amount-currency = Gib einen Betrag in { $currency } ein, der gewählten Währung, und nicht in { $sign }.
form-amount-whole = Gib einen ganzen Betrag ein: { $currency } hat keine Nachkommastellen.
form-amount-decimals = Gib einen Betrag mit höchstens { $decimals } Nachkommastellen ein.

# Angaben in der Adresse einer Seite, die nicht berücksichtigt wurden.
form-ignored-from = Der erste Tag wurde nicht berücksichtigt: Das ist kein Datum.
form-ignored-to = Der letzte Tag wurde nicht berücksichtigt: Das ist kein Datum.
form-ignored-min = Der Mindestpreis wurde nicht berücksichtigt.
form-ignored-max = Der Höchstpreis wurde nicht berücksichtigt.
form-ignored-number = Die Bestellnummer wurde nicht berücksichtigt. Gib eine Nummer wie TK-7F3K-29 ein.
form-ignored-quantity = Die Anzahl der Plätze wurde nicht berücksichtigt. Wähle 1 bis { $max }.
form-ignored-currency = Die Währung wurde nicht berücksichtigt, weil wir sie nicht kennen.
form-ignored-search = Deine Suche wurde nicht berücksichtigt: Sie war zu lang oder nicht lesbar.
form-ignored-link = Ein Teil des Links ist fehlerhaft und wurde nicht berücksichtigt.
