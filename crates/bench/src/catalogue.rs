//! Synthetic listings with the word distribution of a real shop, and the searches of the benchmark. The `index`th
//! listing is the same in every run.

use anyhow::Result;
use common::api::tickets::NewListing;
use common::events::ticket::Category;
use common::money::Money;
use common::text::Text;

const ADJECTIVES: &str = "Golden Silver Broken Silent Electric Velvet Crimson Hollow Midnight Northern Paper Restless \
                          Savage Secret Wooden Distant Bitter Burning Frozen Gentle Lonely Modern Ancient Little";
const NOUNS: &str = "River Mirrors Foxes Harbour Machines Gardens Pilots Shadows Lanterns Horses Satellites Oceans \
                     Sparrows Engines Orchards Strangers Islands Thieves Wolves Windows Comets Cathedrals Letters \
                     Mountains";
const PERFORMERS: &str = "Orchestra Quartet Trio Choir Band Unplugged Festival Players Comedians Rovers";
const VENUE_NAMES: &str = "Royal Grand Old Central Riverside Park Station Market Victoria Union Garden Star";
const VENUE_KINDS: &str = "Hall Arena Theatre Stadium Club";
const CITIES: &str = "Utrecht Lyon Porto Ghent Leipzig Bologna Kraków Aarhus Bristol Valencia Graz Tampere Bergen \
                      Zagreb Brno Nantes Cork Malmö Girona Basel";

/// URLs of searches, and whether the result page has any show.
pub(crate) const SEARCHES: [(&str, bool); 12] = [
    ("/browse", true),
    // One in ten shows has this word. The next query is a prefix of it.
    ("/browse?q=quartet", true),
    ("/browse?q=qu", true),
    // All shows have the first word, one in five the second.
    ("/browse?q=the+hall", true),
    ("/browse?q=golden+river+utrecht", true),
    // Both words are common, but no show has both.
    ("/browse?q=festival+club", false),
    // Misspelled: the service corrects it to `orchestra`.
    ("/browse?q=orchetsra", true),
    ("/browse?q=zzyzx", false),
    ("/browse?q=quartet&currency=EUR&max=40", true),
    ("/browse?category=concert&min=50&max=80&currency=EUR", true),
    ("/browse?from=2099-05-01&to=2099-05-07", true),
    ("/browse?q=band&category=concert&from=2099-06-01&to=2099-06-30&sort=newest", true),
];

/// The `index`th listing at this price, in cents.
pub(crate) fn listing(index: usize, amount: i64) -> Result<NewListing> {
    let mut random = SplitMix64(index as u64);
    let (adjective, noun, performer) = (random.word(ADJECTIVES), random.word(NOUNS), random.word(PERFORMERS));
    let (venue_name, mut venue_kind, city) = (random.word(VENUE_NAMES), random.word(VENUE_KINDS), random.word(CITIES));
    if performer == "Festival" && venue_kind == "Club" {
        venue_kind = "Arena";
    }
    let category = match performer {
        "Festival" => Category::Festival,
        "Players" => Category::Theatre,
        "Comedians" => Category::Comedy,
        "Rovers" => Category::Sport,
        _ => Category::Concert,
    };
    let (month, day) = (random.below(12) + 1, random.below(28) + 1);
    Ok(NewListing {
        title: Text::new(&format!("The {adjective} {noun} {performer}")),
        venue: Text::new(&format!("{venue_name} {venue_kind}")),
        city: Text::non_blank(city),
        starts_at: format!("2099-{month:02}-{day:02}T18:00:00Z").parse()?,
        time_zone: Text::non_blank("Europe/Amsterdam"),
        price: Money { amount, currency: "EUR".parse()? },
        face_value: None,
        category: Some(category),
        section: None,
        row: None,
        seat: Text::non_blank(&index.to_string()),
        seats: None,
        quantity: None,
        split: None,
        description: None,
    })
}

/// The initial price of the `index`th listing, in cents.
pub(crate) fn price(index: usize) -> i64 {
    1000 + 50 * i64::try_from(SplitMix64(!(index as u64)).below(300)).unwrap_or(0)
}

/// A pseudo-random number generator. Similar seeds yield unrelated numbers.
struct SplitMix64(u64);

impl SplitMix64 {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap_or(0) % bound.max(1)
    }

    fn word(&mut self, words: &'static str) -> &'static str {
        let count = words.split(' ').count();
        words.split(' ').nth(self.below(count)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn listings_are_deterministic_and_varied() {
        assert_eq!(listing(7, 5000).unwrap(), listing(7, 5000).unwrap());
        let different: HashSet<Text> = (0..1000).map(|index| listing(index, 1).unwrap().title).collect();
        assert!(different.len() > 800, "{}", different.len());
        assert!((0..1000).map(price).all(|price| (1000..16_000).contains(&price)));
    }

    #[test]
    fn festival_and_club_are_common_but_never_together() {
        let listings = (0..5000).map(|index| listing(index, 1).unwrap());
        let texts: Vec<String> = listings.map(|listing| format!("{} {}", listing.title, listing.venue)).collect();
        let having = |word: &str| texts.iter().filter(|text| text.contains(word)).count();
        assert!(having("Festival") > 300 && having("Club") > 600);
        assert!(!texts.iter().any(|text| text.contains("Festival") && text.contains("Club")));
    }
}
