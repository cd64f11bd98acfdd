# Die Seite, die sagt, warum eine andere nicht gezeigt werden kann.

error-invalid = Da stimmt etwas nicht
error-unauthenticated = Bitte melde dich an
error-declined = Die Zahlung wurde abgelehnt
error-forbidden = Das darfst du nicht
error-not-found = Diese Seite haben wir nicht gefunden
error-method = So lässt sich diese Seite nicht öffnen
error-timed-out = Das hat zu lange gedauert
error-conflict = Das geht gerade nicht
error-gone = Das geht nicht mehr
error-changed = Das wurde inzwischen geändert
error-too-large = Das war zu viel auf einmal
error-rule = Das ist hier nicht erlaubt
error-too-many = Das ging uns zu schnell
error-headers = Dein Browser sendet zu viel
error-internal = Bei uns ist etwas schiefgegangen
error-unavailable = Das geht gerade nicht
error-reload = Es ist nichts verloren gegangen. Lade die Seite gleich neu.
error-browse = Veranstaltungen entdecken
error-status = Fehler { $status }
error-request = Fehler { $status }. Wenn du dich bei uns meldest, nenne diese Nummer: { $request }
