# Die Startseite.

home-title = Tickets im Angebot
home-heading = Tickets von Leuten, die selbst nicht hinkönnen
home-categories = Nach Kategorie suchen
home-dates = Nach Datum suchen
home-coming-up = Demnächst
home-just-added = Neu im Angebot
home-price-drops = Im Preis gesenkt
home-see-all = Alle ansehen
