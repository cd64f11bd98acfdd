# Anmeldung und Registrierung.

sign-in-title = Anmelden
sign-in-description = Melde dich an, um Tickets zu kaufen und zu verkaufen.
sign-in-required = Melde dich an, um fortzufahren.
sign-in-holds = { $count ->
    [one] Melde dich an, und wir reservieren das Ticket für dich, falls es noch verfügbar ist. Danach hast du ein paar Minuten Zeit zum Bezahlen.
   *[other] Melde dich an, und wir reservieren deine Plätze, falls sie noch verfügbar sind. Danach hast du ein paar Minuten Zeit zum Bezahlen.
}
sign-in-keeps-input = Deine Angaben sind gespeichert. Melde dich an, um fortzufahren.
sign-in-submit = Anmelden
sign-in-forgot-password = Passwort vergessen?
sign-in-new-here = Neu hier?
sign-in-create-account = Konto erstellen
sign-in-too-many-attempts = Zu viele Versuche. Warte einen Moment und versuche es dann noch einmal.
sign-email = E-Mail-Adresse
sign-password = Passwort
sign-up-title = Registrieren
sign-up-description = Erstelle ein Konto, um Tickets zu kaufen und zu verkaufen.
sign-up-heading = Konto erstellen
sign-up-holds = { $count ->
    [one] Erstelle ein Konto, und wir reservieren das Ticket für dich, falls es noch verfügbar ist. Danach hast du ein paar Minuten Zeit zum Bezahlen.
   *[other] Erstelle ein Konto, und wir reservieren deine Plätze, falls sie noch verfügbar sind. Danach hast du ein paar Minuten Zeit zum Bezahlen.
}
sign-up-display-name = Anzeigename
sign-up-display-name-hint = Andere sehen diesen Namen. Du kannst ihn später ändern.
sign-up-password-hint = Mindestens 8 Zeichen.
sign-up-submit = Konto erstellen
sign-up-rules = Mit dem Konto akzeptierst du unsere Nutzungsbedingungen.
sign-up-terms = Nutzungsbedingungen lesen
sign-up-privacy = Was wir über dich speichern
sign-up-have-account = Du hast schon ein Konto?
sign-up-sign-in = Anmelden
