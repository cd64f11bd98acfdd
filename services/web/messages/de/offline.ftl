# Die Seite ohne Internetverbindung.

offline-title = Du bist offline
offline-description = Es gibt keine Internetverbindung.
offline-text = Diese Seite konnte nicht geladen werden. Tickets, die du gekauft hast, sind sicher. Wenn du Tickets reserviert hast, läuft die Zeit weiter: Stelle die Verbindung rechtzeitig wieder her, um zu bezahlen.
offline-retry = Noch einmal versuchen
offline-kept = Einlasscodes auf diesem Gerät
offline-kept-past = Einlasscodes vergangener Veranstaltungen
