# Der Rahmen jeder Seite.

layout-description = Tickets aus zweiter Hand für Konzerte, Sport, Theater und mehr, zu Endpreisen.
layout-skip = Zum Inhalt springen
layout-navigation = Hauptmenü
layout-browse = Entdecken
layout-sell = Verkaufen
layout-orders = Bestellungen
layout-listings = Angebote
layout-account = Konto
layout-sign-in = Anmelden
layout-sign-up = Registrieren
layout-sign-out = Abmelden
layout-footer = Ein Marktplatz, auf dem Fans Tickets weiterverkaufen. Alle Preise sind Endpreise: Du zahlst, was du siehst.
layout-about = Über uns
layout-help = Hilfe
layout-terms = Nutzungsbedingungen
layout-privacy = Datenschutz
layout-imprint = Impressum
