# Plätze in Worten: wo sie sind, wie viele zusammen zu haben sind, und was von einem Angebot übrig ist.

seats-section-row-seats = { $section }, Reihe { $row }, { $seats }
seats-section-row = { $section }, Reihe { $row }
seats-section-seats = { $section }, { $seats }
# Der Block in den Angaben oben, wenn nicht schon sein Name sagt, was er ist: „Sektor C“.
seats-section = Block { $section }
seats-row-seats = Reihe { $row }, { $seats }
seats-row = Reihe { $row }

# Plätze als Teil der Angaben oben.
seats-named = { $count ->
    [one] Platz { $names }
   *[other] Plätze { $names }
}
seats-unnamed = { $count ->
    [one] { $count } Platz
   *[other] { $count } Plätze
}

# Namen oder Zahlen von Plätzen.
seats-range = { $first } bis { $last }
seats-or = { $others } oder { $last }

# Was zur Wahl steht.
seats-together = { $count ->
    [one] { $count } Platz
   *[other] { $count } Plätze nebeneinander
}
seats-sum = { $count } × { $price } = { $total }

# Was von einem Angebot übrig ist: einzelne dieser Angaben, aufgezählt.
seats-left = { $free } von { $all } Plätzen frei
seats-left-together = { $free } von { $all } Plätzen frei ({ $quantities } zusammen erhältlich)
seats-held = { $count } reserviert
seats-sold = { $sold } von { $all } verkauft

# Wie ein Angebot aufgeteilt ist, nach den Plätzen oder ihrer Zahl.
seats-split-together = nur alle zusammen
seats-split-pairs = nur paarweise
seats-split-any = in beliebiger Anzahl
seats-split-no-single = ohne dass ein einzelner Platz übrig bleibt
seats-split-sizes = in Gruppen von { $sizes }
