//! Fictional events, at hours typical of their category.

use common::events::ticket::Category::{self, Comedy, Concert, Festival, Other, Sport, Theatre};

/// A venue with its time zone and currency.
#[derive(Debug, Clone, Copy)]
pub(super) struct Venue {
    pub(super) name: &'static str,
    pub(super) city: &'static str,
    pub(super) time_zone: &'static str,
    pub(super) currency: &'static str,
}

/// An event, `in_days` from now at the local hour and minute `at`. `price` is in minor units of the venue's currency.
#[derive(Debug, Clone, Copy)]
pub(super) struct DemoEvent {
    pub(super) title: &'static str,
    pub(super) venue: Venue,
    pub(super) category: Category,
    pub(super) in_days: i64,
    pub(super) at: (i8, i8),
    pub(super) price: i64,
    pub(super) about: &'static str,
}

const fn venue(name: &'static str, city: &'static str, time_zone: &'static str, currency: &'static str) -> Venue {
    Venue { name, city, time_zone, currency }
}

const NEW_YORK: &str = "America/New_York";
const CHICAGO: &str = "America/Chicago";
const LOS_ANGELES: &str = "America/Los_Angeles";
const LONDON: &str = "Europe/London";
const BERLIN: &str = "Europe/Berlin";

const HARBOR: Venue = venue("Harbor Hall", "New York", NEW_YORK, "USD");
const FOUNDRY: Venue = venue("The Foundry", "New York", NEW_YORK, "USD");
const LAKESIDE: Venue = venue("Lakeside Stadium", "Chicago", CHICAGO, "USD");
const ORPHEUM: Venue = venue("Old Orpheum", "Chicago", CHICAGO, "USD");
const CANYON: Venue = venue("Canyon Amphitheater", "Los Angeles", LOS_ANGELES, "USD");
const ARTS: Venue = venue("Riverside Arts Center", "Austin", CHICAGO, "USD");
const WHARF: Venue = venue("Wharf Arena", "London", LONDON, "GBP");
const PLAYHOUSE: Venue = venue("Lantern Street Playhouse", "London", LONDON, "GBP");
const ABBEY: Venue = venue("Abbey Fields", "Manchester", LONDON, "GBP");
const SPREE: Venue = venue("Spreehalle", "Berlin", BERLIN, "EUR");
const ISAR: Venue = venue("Isarpark", "Munich", BERLIN, "EUR");
const CANAL: Venue = venue("Grachtenzaal", "Amsterdam", "Europe/Amsterdam", "EUR");
const LUMIERE: Venue = venue("Théâtre des Lumières", "Paris", "Europe/Paris", "EUR");
const MARINA: Venue = venue("Palco da Marina", "Lisbon", "Europe/Lisbon", "EUR");

const fn event(
    title: &'static str,
    venue: Venue,
    category: Category,
    (in_days, hour, minute): (i64, i8, i8),
    price: i64,
    about: &'static str,
) -> DemoEvent {
    DemoEvent { title, venue, category, in_days, at: (hour, minute), price, about }
}

pub(super) const EVENTS: [DemoEvent; 24] = [
    event("The Paper Lanterns", HARBOR, Concert, (9, 20, 0), 8_500, "The autumn tour, with the whole band."),
    event("Midnight Atlas", FOUNDRY, Concert, (16, 21, 0), 6_200, "Standing room. Doors an hour earlier."),
    event("Velvet Meridian", CANYON, Concert, (31, 19, 30), 12_550, "Under the open sky, rain or shine."),
    event("Northern Static", SPREE, Concert, (12, 20, 0), 5_400, "Support: Kleine Wellen."),
    event("Glass Harbour Quartet", CANAL, Concert, (23, 20, 15), 4_200, "Ravel, Shaw and a premiere."),
    event("Ana Moreira: Fado by the River", MARINA, Concert, (40, 21, 30), 3_800, "One evening only."),
    event("The Quiet Engines", WHARF, Concert, (54, 19, 0), 7_900, "All ages; under 14 with an adult."),
    event("Chicago Comets v. Harbor City", LAKESIDE, Sport, (6, 19, 10), 9_800, "The last home game before the break."),
    event("Chicago Comets v. River Kings", LAKESIDE, Sport, (20, 13, 5), 7_600, "Family afternoon."),
    event("London Foxes v. Northgate", WHARF, Sport, (14, 15, 0), 5_500, "League match, home side."),
    event("Isar Open: Semi-finals", ISAR, Sport, (46, 11, 0), 8_900, "Centre court, both semi-finals."),
    event("City Marathon Finish Line Seats", HARBOR, Sport, (61, 9, 0), 4_500, "Covered seats at the finish."),
    event("The Winter Orchard", PLAYHOUSE, Theatre, (8, 19, 30), 6_400, "New play. Runs two hours with one interval."),
    event("The Winter Orchard: Matinee", PLAYHOUSE, Theatre, (11, 14, 30), 4_900, "New play, afternoon performance."),
    event("Letters to Amsterdam", CANAL, Theatre, (27, 20, 0), 4_400, "In English with Dutch surtitles."),
    event("Cyrano, encore", LUMIERE, Theatre, (19, 20, 30), 5_800, "En français."),
    event("A Small Republic", ORPHEUM, Theatre, (37, 19, 30), 7_200, "The musical that everyone hums."),
    event("Ruth Calloway: Mostly True", FOUNDRY, Comedy, (5, 20, 0), 4_800, "Stand-up. New hour."),
    event("Open Mic Champions", ORPHEUM, Comedy, (17, 21, 0), 2_900, "Six comedians, one trophy."),
    event("Dev Malik: Still Buffering", PLAYHOUSE, Comedy, (33, 20, 0), 3_600, "Stand-up about machines and families."),
    event("Abbey Fields Weekender", ABBEY, Festival, (75, 12, 0), 14_900, "Three days, four stages. Camping included."),
    event("Lisbon Lights Festival", MARINA, Festival, (88, 17, 0), 6_900, "Day ticket, Saturday."),
    event("Austin Songwriters' Week", ARTS, Festival, (43, 18, 0), 11_000, "Pass for all five evenings."),
    event("Robotics Night", ARTS, Other, (25, 18, 30), 2_400, "Talks, demos and a race of small machines."),
];
