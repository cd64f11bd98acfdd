//! Demo data, loaded through the public API as any client would do it.

mod events;
mod listings;
mod orders;
mod prices;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use common::api::tickets::{ListListings, ListingQuery};
use common::api::users::{Credentials, Password, SignIn};
use common::text::Text;
use testkit::tools::progress;

use crate::client::{self, Session, status_of};

/// The password of all of them.
pub(crate) const PASSWORD: &str = "front-row-please";

/// Someone who has an account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Person {
    pub(crate) name: &'static str,
    pub(crate) email: &'static str,
}

const fn person(name: &'static str, email: &'static str) -> Person {
    Person { name, email }
}

/// The first eight sell, the others buy.
pub(crate) const PEOPLE: [Person; 12] = [
    person("Maya Lindqvist", "maya.lindqvist@example.com"),
    person("Tom Okafor", "tom.okafor@example.com"),
    person("Elena Rossi", "elena.rossi@example.com"),
    person("Jonas Weber", "jonas.weber@example.com"),
    person("Priya Raman", "priya.raman@example.com"),
    person("Daniel Cho", "daniel.cho@example.com"),
    person("Sofia Almeida", "sofia.almeida@example.com"),
    person("Grace Whitfield", "grace.whitfield@example.com"),
    person("Liam Byrne", "liam.byrne@example.com"),
    person("Amira Haddad", "amira.haddad@example.com"),
    person("Kenji Mori", "kenji.mori@example.com"),
    person("Nora Dubois", "nora.dubois@example.com"),
];

pub(crate) const SELLERS: usize = 8;

/// Payment methods that the card network's stand-in knows, and what they do.
pub(crate) const CARDS: [(&str, &str); 5] = [
    ("pm_card_visa", "is accepted"),
    ("pm_card_mastercard", "is accepted"),
    ("pm_card_threeDSecure2Required", "asks for 3-D Secure first"),
    ("pm_card_visa_chargeDeclined", "is declined"),
    ("pm_card_chargeDeclinedInsufficientFunds", "is declined: insufficient funds"),
];

/// Whether the data that are there came with the demo's accounts.
pub(crate) fn is_loaded(data: &Path) -> bool {
    data.join("demo-loaded").exists()
}

/// Loads everything, unless something is for sale already. `base` is the gateway's address.
pub(crate) async fn load_if_empty(base: &str, data: &Path) -> Result<()> {
    let visitor = Session::new(base)?;
    let query = ListingQuery { limit: Some(1), ..ListingQuery::default() };
    if !visitor.send(&ListListings { query }).await?.items.is_empty() {
        return Ok(());
    }
    progress("Loading", &format!("demo data: {} people", PEOPLE.len()));
    let people = sign_up(base).await?;
    // From here on the accounts exist, whatever happens to the rest.
    fs::write(data.join("demo-loaded"), "").context("noting that the demo data are there")?;

    let listings = listings::all(&jiff::Timestamp::now())?;
    progress("Loading", &format!("demo data: {} tickets", listings.len()));
    let tickets = listings::offer(&people, listings).await?;

    progress("Loading", "demo data: orders");
    orders::place(&people, &tickets).await?;
    prices::lower(&people, &tickets).await
}

async fn sign_up(base: &str) -> Result<Vec<Session>> {
    let mut people = Vec::new();
    for person in PEOPLE {
        let session = Session::new(base)?;
        match session.send(&client::sign_up(person.email, PASSWORD, person.name)).await {
            Err(error) if status_of(&error) == Some(409) => {
                // An earlier start was interrupted here.
                let (email, password) = (Text::new(person.email), Password::new(PASSWORD));
                session.send(&SignIn { body: Credentials { email, password } }).await?
            }
            answer => answer?,
        };
        people.push(session);
    }
    Ok(people)
}
