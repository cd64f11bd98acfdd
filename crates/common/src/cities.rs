//! Country and time zone of cities above 100,000 inhabitants; the README of `cities/` says where the table is from.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::text::folded;

/// A city.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct City {
    /// Its usual name in English.
    pub name: &'static str,
    /// ISO 3166-1 code of two letters.
    pub country: &'static str,
    /// IANA name.
    pub time_zone: &'static str,
}

/// The cities by their folded names, the largest first.
static CITIES: LazyLock<HashMap<String, Vec<City>>> = LazyLock::new(|| {
    let mut cities: HashMap<String, Vec<City>> = HashMap::new();
    for line in include_str!("../cities/cities.tsv").lines() {
        let mut cells = line.split('\t');
        let (Some(name), Some(country), Some(time_zone)) = (cells.next(), cells.next(), cells.next()) else { continue };
        let others = cells.next().unwrap_or_default().split('|').filter(|other| !other.is_empty());
        for known in others.map(ToOwned::to_owned).chain([folded(name)]) {
            cities.entry(known).or_default().push(City { name, country, time_zone });
        }
    }
    cities
});

/// The city of this name: of several, the one in this time zone, else the largest.
pub fn find(name: &str, time_zone: &str) -> Option<City> {
    let named = CITIES.get(&folded(name))?;
    named.iter().find(|city| city.time_zone == time_zone).or(named.first()).copied()
}

/// The folded name of a city, which is the same in all languages if the city is known.
pub fn folded_city(name: &str, time_zone: &str) -> String {
    find(name, time_zone).map_or_else(|| folded(name), |city| folded(city.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_time_zone_select_the_city() {
        let found = |name: &str, zone: &str| find(name, zone).map(|city| (city.country, city.time_zone));
        assert_eq!(found("Lyon", "UTC"), Some(("FR", "Europe/Paris")));
        assert_eq!(found("london", "Asia/Tokyo"), Some(("GB", "Europe/London")));
        assert_eq!(found("London", "America/Toronto"), Some(("CA", "America/Toronto")));
        assert_eq!(found("New York", "UTC"), Some(("US", "America/New_York")));
        assert_eq!(found("Springwood Heights", "UTC"), None);
        for name in ["München", "munich", "MUENCHEN"] {
            assert_eq!(folded_city(name, "UTC"), "munich", "{name}");
        }
        assert_eq!(folded_city("Saint-Cloud", "UTC"), "saint cloud");
    }

    #[test]
    fn table_is_valid() {
        assert!(CITIES.len() > 6_000);
        for city in CITIES.values().flatten() {
            assert!(crate::validate::time_zone(city.time_zone).is_some(), "{city:?}");
            assert!(city.country.len() == 2 && !city.name.is_empty(), "{city:?}");
        }
    }
}
