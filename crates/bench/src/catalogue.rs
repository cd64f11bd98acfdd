//! What is on sale: listings whose words are as often the same as in a real shop, and what people
//! look for among them. The `index`th listing is the same in every run.

use anyhow::Result;
use common::api::tickets::NewListing;
use common::events::ticket::Category::{self, Comedy, Concert, Festival, Sport, Theatre};
use common::money::Money;
use common::text::Text;

const HOW: [&str; 24] = [
    "Golden", "Silver", "Broken", "Silent", "Electric", "Velvet", "Crimson", "Hollow", "Midnight", "Northern", "Paper",
    "Restless", "Savage", "Secret", "Wooden", "Distant", "Bitter", "Burning", "Frozen", "Gentle", "Lonely", "Modern",
    "Ancient", "Little",
];
const WHAT: [&str; 24] = [
    "River",
    "Mirrors",
    "Foxes",
    "Harbour",
    "Machines",
    "Gardens",
    "Pilots",
    "Shadows",
    "Lanterns",
    "Horses",
    "Satellites",
    "Oceans",
    "Sparrows",
    "Engines",
    "Orchards",
    "Strangers",
    "Islands",
    "Thieves",
    "Wolves",
    "Windows",
    "Comets",
    "Cathedrals",
    "Letters",
    "Mountains",
];
/// With the kind of event that it is.
const WHO: [(&str, Option<Category>); 10] = [
    ("Orchestra", Some(Concert)),
    ("Quartet", Some(Concert)),
    ("Trio", Some(Concert)),
    ("Choir", Some(Concert)),
    ("Band", Some(Concert)),
    ("Unplugged", Some(Concert)),
    ("Festival", Some(Festival)),
    ("Players", Some(Theatre)),
    ("Comedians", Some(Comedy)),
    ("Rovers", Some(Sport)),
];
const OF: [&str; 12] = [
    "Royal",
    "Grand",
    "Old",
    "Central",
    "Riverside",
    "Park",
    "Station",
    "Market",
    "Victoria",
    "Union",
    "Garden",
    "Star",
];
const PLACE: [&str; 5] = ["Hall", "Arena", "Theatre", "Stadium", "Club"];
const CITY: [&str; 20] = [
    "Utrecht", "Lyon", "Porto", "Ghent", "Leipzig", "Bologna", "Kraków", "Aarhus", "Bristol", "Valencia", "Graz",
    "Tampere", "Bergen", "Zagreb", "Brno", "Nantes", "Cork", "Malmö", "Girona", "Basel",
];

/// A page of listings to ask for, and whether any listing is on it.
pub(crate) const SEARCHES: [(&str, bool); 12] = [
    ("/browse", true),
    // One in ten listings has it; and everything that begins like it.
    ("/browse?q=quartet", true),
    ("/browse?q=qu", true),
    // All listings have the first, one in five the second.
    ("/browse?q=the+hall", true),
    ("/browse?q=golden+river+utrecht", true),
    // Each is common, and no listing has both.
    ("/browse?q=festival+club", false),
    ("/browse?q=orchetsra", true),
    ("/browse?q=zzyzx", false),
    ("/browse?q=quartet&currency=EUR&sort=price-high", true),
    ("/browse?category=concert&min=50&max=80&currency=EUR&sort=price-low", true),
    ("/browse?from=2099-05-01&to=2099-05-07", true),
    ("/browse?q=band&category=concert&from=2099-06-01&to=2099-06-30&sort=newest", true),
];

/// The `index`th listing at this price, in cents.
pub(crate) fn listing(index: usize, amount: i64) -> Result<NewListing> {
    let mut dice = Dice(index as u64);
    let (how, what, (who, category)) = (dice.pick(&HOW), dice.pick(&WHAT), dice.pick(&WHO));
    let (of, mut place, city) = (dice.pick(&OF), dice.pick(&PLACE), dice.pick(&CITY));
    if who == "Festival" && place == "Club" {
        place = "Arena";
    }
    let (month, day) = (dice.below(12) + 1, dice.below(28) + 1);
    Ok(NewListing {
        title: Text::new(&format!("The {how} {what} {who}")),
        venue: Text::new(&format!("{of} {place}")),
        city: Text::non_blank(city),
        starts_at: format!("2099-{month:02}-{day:02}T18:00:00Z").parse()?,
        time_zone: Text::non_blank("Europe/Amsterdam"),
        price: Money { amount, currency: "EUR".parse()? },
        face_value: None,
        category,
        section: None,
        row: None,
        seat: Text::non_blank(&index.to_string()),
        description: None,
    })
}

/// What the `index`th listing costs at first, in cents.
pub(crate) fn price(index: usize) -> i64 {
    1000 + 50 * i64::try_from(Dice(!(index as u64)).below(300)).unwrap_or(0)
}

/// `SplitMix64`: the same for the same listing, and nothing to do with its neighbour's.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap_or(0) % bound.max(1)
    }

    fn pick<T: Copy + Default>(&mut self, all: &[T]) -> T {
        all.get(self.below(all.len())).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_listing_is_the_same_each_time_and_another_than_the_next() {
        assert_eq!(listing(7, 5000).unwrap(), listing(7, 5000).unwrap());
        let different: HashSet<Text> = (0..1000).map(|index| listing(index, 1).unwrap().title).collect();
        assert!(different.len() > 800, "{}", different.len());
        assert!((0..1000).map(price).all(|price| (1000..16_000).contains(&price)));
    }

    #[test]
    fn a_festival_is_in_no_club_and_either_is_common() {
        let listings = (0..5000).map(|index| listing(index, 1).unwrap());
        let texts: Vec<String> = listings.map(|listing| format!("{} {}", listing.title, listing.venue)).collect();
        let having = |word: &str| texts.iter().filter(|text| text.contains(word)).count();
        assert!(having("Festival") > 300 && having("Club") > 600);
        assert!(!texts.iter().any(|text| text.contains("Festival") && text.contains("Club")));
    }
}
