# Veranstaltungen: ihre Seite, ihre Karten, und was Käufer erfahren, wenn sich eine ändert.

show-when = Wann
show-where = Wo
show-tickets = Alle Tickets
show-is-cancelled = Diese Veranstaltung wurde abgesagt.
show-has-moved = Diese Veranstaltung wurde verlegt.
show-has-moved-to = Unten stehen das neue Datum und der neue Ort.

# Die Filter der Angebote.
show-filters = Tickets filtern
show-section = Block
show-any-section = Alle
show-max-in = Höchstpreis in { $currency }
show-apply = Filter anwenden
show-section-ignored = Der Block wurde nicht berücksichtigt: In „{ $section }“ wird kein Ticket angeboten.

# Die Angebote.
show-summary = { $count ->
    [one] { $count } Ticket
   *[other] { $count } Tickets, günstigste zuerst
}
show-summary-by-currency = { $count } Tickets, in jeder Währung die günstigsten zuerst
show-summary-some = { $count } von { $all } Tickets, günstigste zuerst
show-summary-some-by-currency = { $count } von { $all } Tickets, in jeder Währung die günstigsten zuerst
show-per-seat = pro Platz
show-seat-unspecified = Platz nicht angegeben
show-at-face-value = zum Originalpreis
show-over-face-value = { $amount } über dem Originalpreis
show-under-face-value = { $amount } unter dem Originalpreis
show-cheapest = Günstigstes Ticket
show-cheapest-unnamed = Günstigstes Ticket ohne Block
show-cheapest-in = Günstigstes Ticket in { $section }
show-no-tickets = Keine Tickets
show-closed = Die Tickets werden nicht mehr verkauft.
show-started = Diese Veranstaltung hat begonnen, deshalb werden die Tickets nicht mehr verkauft.
show-browse-others = Andere Veranstaltungen entdecken
show-no-match = Zu deinen Filtern passt kein Ticket.
show-all-tickets = Alle Tickets anzeigen
show-sell-yours = Eigenes Ticket verkaufen
show-all-in = Alle Preise sind Endpreise, ohne zusätzliche Gebühren.
show-sell = Ein Ticket für diese Veranstaltung verkaufen

# Was es zu einer Veranstaltung zu kaufen gibt.
show-offer-cancelled = Abgesagt
show-offer-started = Hat schon begonnen
show-offer-moved = Verlegt
show-offer-none = Gerade keine Tickets
show-offer-from = ab
show-offer-left = noch { $count }
show-price-or = { $one } oder { $other }
show-price-drop = Ein Preis ist auf { $price } gesunken
show-price-before = vorher

# Was andere verlangen.
show-asks-similar = Vergleichbare Plätze: { $prices }
show-asks-section = { $section }: { $prices }
show-asks-unnamed = Ohne Block: { $prices }
show-asks-show = Diese Veranstaltung: { $prices }
show-price-range = { $low } bis { $high }

# Die Beobachtung einer Veranstaltung.
show-watch-heading = Über Tickets benachrichtigen lassen
show-watch-max = Bis zu diesem Preis
show-watch-currency = Währung des Preises
show-watch-start = Veranstaltung beobachten
show-watch-save = Änderungen speichern
show-watch-stop = Nicht mehr beobachten
show-watch-hint = Wir benachrichtigen dich, wenn ein Ticket höchstens zu diesem Preis angeboten wird, günstiger wird oder wieder verfügbar ist. Lass den Preis leer, um von jedem Ticket zu erfahren.
show-watch-sign-in = Dafür musst du dich zuerst anmelden.
show-watching = Du beobachtest diese Veranstaltung. Wir benachrichtigen dich, wenn ein Ticket angeboten wird, egal zu welchem Preis.
show-watching-up-to = Du beobachtest diese Veranstaltung. Wir benachrichtigen dich, wenn ein Ticket für höchstens { $price } angeboten wird.
show-watch-too-many = Du beobachtest schon { $count } Veranstaltungen. Beende zuerst eine dieser Beobachtungen.

# Was Käufer erfahren, wenn die Veranstaltung abgesagt oder verlegt wird.
show-notice-cancelled = Die Veranstaltung wurde abgesagt.
show-notice-moved = Die Veranstaltung wurde verlegt.
show-notice-moved-to = Neuer Termin: { $when }. Ort: { $place }.
show-notice-cancelled-title = Abgesagt: { $title } findet nicht statt.
show-notice-moved-title = Verlegt: { $title }. Neuer Termin: { $when }. Ort: { $place }.
show-notice-badge = Veranstaltung abgesagt
show-notice-refunded = Die Veranstaltung wurde abgesagt. Der Betrag wurde vollständig erstattet.
show-notice-refunding = Die Veranstaltung wurde abgesagt. Du bekommst den vollen Betrag zurück.
