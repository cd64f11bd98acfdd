# Einlasscodes.

pass-description = Dein Code zum Vorzeigen am Einlass.
pass-seat = Platz { $name }
pass-ticket = Ticket
pass-list = Einlasscodes, einer für jeden Platz
pass-label = { $name }, { $index } von { $count }
pass-position = { $index } von { $count }
pass-code = QR-Code deines Tickets für { $title }
pass-code-of-several = QR-Code deines Tickets für { $title }, { $name }, { $index } von { $count }
pass-meaning = { $count ->
    [one] Das ist dein Einlasscode. Er belegt, dass der Platz hier gekauft wurde.
   *[other] Jeder Einlasscode gilt für einen Platz und belegt, dass der Platz hier gekauft wurde.
}
pass-not-original = Du bekommst einen Einlasscode von uns, nicht das Originalticket. Frag den Veranstaltungsort, ob er unsere Codes annimmt.
pass-venues = Manche Veranstaltungsorte scannen unsere Codes am Einlass. Frag vorher dort nach. Das Originalticket schicken wir dir noch nicht zu.
pass-unavailable = { $count ->
    [one] Der Code kann gerade nicht angezeigt werden. Dein Ticket ist sicher.
   *[other] Der Code kann gerade nicht angezeigt werden. Deine Tickets sind sicher.
}
pass-unavailable-reload = { $count ->
    [one] Der Code kann gerade nicht angezeigt werden. Dein Ticket ist sicher: Lade die Seite gleich noch einmal.
   *[other] Der Code kann gerade nicht angezeigt werden. Deine Tickets sind sicher: Lade die Seite gleich noch einmal.
}
