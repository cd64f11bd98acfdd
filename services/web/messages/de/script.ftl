# Texte, die Skripte anzeigen.

script-new-price = Der Preis beträgt jetzt { $price }.
