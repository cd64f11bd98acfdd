# Die Suche. Andere Seiten haben dieselben Beschriftungen der Filter.

browse-title = Veranstaltungen entdecken
browse-words-label = Act, Team, Veranstaltungsort, Stadt oder Verkäufername
browse-search = Suchen
browse-category = Kategorie
browse-any-category = Alle
browse-filters-set = { $count ->
    [0] Filter
   *[other] Filter ({ $count })
}
browse-sort = Sortierung
browse-when = Wann
browse-any-time = Alle Termine
browse-from = Datum von
browse-to = Datum bis
browse-min = Mindestpreis
browse-max = Höchstpreis
browse-currency = Währung
browse-any-currency = Alle
browse-quantity = Plätze nebeneinander
browse-any-quantity = Beliebig
browse-include-unavailable = Auch ausverkaufte und abgesagte Veranstaltungen
browse-soonest = Früheste zuerst
browse-newest = Neueste zuerst

# Zeiträume.
browse-days = Tage
browse-today = Heute
browse-tomorrow = Morgen
browse-weekend = Dieses Wochenende
browse-week = Nächste 7 Tage
browse-month = Diesen Monat

# Gesetzte Filter, jeder mit einem Link, der ihn entfernt.
browse-filters = Filter
browse-remove = Filter entfernen: { $filter }
browse-clear = Alle entfernen
browse-words = „{ $words }“
browse-from-day = Ab { $day }
browse-until-day = Bis { $day }
browse-seats-together = Plätze nebeneinander: { $count }
browse-from-price = Ab { $price }
browse-up-to-price = Bis { $price }
browse-prices-in = Preise in { $currency }
browse-including-sold-out = Auch ausverkaufte und abgesagte Veranstaltungen

# Die Treffer.
browse-corrected = Keine Treffer für „{ $words }“. Stattdessen siehst du Treffer für „{ $corrected }“.
browse-days-reversed = Der letzte Tag liegt vor dem ersten, deshalb passt keine Veranstaltung.
browse-prices-reversed = Der Höchstpreis liegt unter dem Mindestpreis, deshalb passt keine Veranstaltung.
browse-none = Keine Veranstaltungen
browse-summary = { $part ->
    [first] Die ersten { $count } Veranstaltungen
    [more] { $count ->
        [one] { $count } weitere Veranstaltung
       *[other] { $count } weitere Veranstaltungen
    }
   *[all] { $count ->
        [one] { $count } Veranstaltung
       *[other] { $count } Veranstaltungen
    }
}, { $order ->
    [newest] neueste zuerst
   *[soonest] früheste zuerst
}
browse-pages = Seiten
browse-first-page = Erste Seite
browse-next-page = Nächste Seite
browse-no-more = Es gibt keine weiteren Veranstaltungen.
browse-back-to-first = Zurück zur ersten Seite
browse-nothing-for-sale = Gerade werden keine Tickets angeboten. Schau bald wieder vorbei.
browse-sell = Ticket verkaufen
browse-no-match = Zu deiner Suche passt keine Veranstaltung. Entferne einen Filter oder versuche es mit weniger Wörtern.
browse-clear-filters = Alle Filter entfernen
browse-listed-often = Es kommen laufend neue Tickets dazu.
