# Das Konto.

account-title = Konto
account-description = Dein Anzeigename, dein Passwort und deine Geräte.
account-signed-in-as = Angemeldet als { $email }. Nur du kannst deine E-Mail-Adresse sehen.
account-display-name = Anzeigename
account-save = Speichern
account-name-unsaved = Dein neuer Name ist noch nicht gespeichert.
account-password = Passwort
account-password-changed = Dein Passwort wurde geändert. Deine anderen Geräte werden innerhalb weniger Minuten abgemeldet.
account-password-unsaved = Dein Passwort wurde nicht geändert, weil du dich erst anmelden musstest. Gib es noch einmal ein.
account-current-password = Aktuelles Passwort
account-new-password = Neues Passwort
account-new-password-hint = Mindestens 8 Zeichen. Deine anderen Geräte werden innerhalb weniger Minuten abgemeldet.
account-change-password = Passwort ändern
account-devices = Wo du angemeldet bist
account-device = { $browser } unter { $system }
account-unknown-device = Unbekanntes Gerät
account-this-device = (dieses Gerät)
account-last-used = Zuletzt benutzt: { $time }
account-sign-out-device = Dieses Gerät abmelden
account-sign-out-other = Abmelden
