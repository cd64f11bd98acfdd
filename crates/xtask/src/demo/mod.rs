//! Demo data, loaded through the public API.

pub(crate) mod cluster;
mod events;
mod listings;
mod orders;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use common::api::tickets::{ListListings, ListingQuery};
use common::api::users::{Credentials, Password, SignIn};
use common::text::Text;
use reqwest::ClientBuilder;
use testkit::tools::progress;

use crate::client::{self, Session, status_of};

/// The password of every demo account.
pub(crate) const PASSWORD: &str = "front-row-please";

/// Names and email addresses. The first eight users sell, the others buy.
pub(crate) const USERS: [(&str, &str); 12] = [
    ("Maya Lindqvist", "maya.lindqvist@example.com"),
    ("Tom Okafor", "tom.okafor@example.com"),
    ("Elena Rossi", "elena.rossi@example.com"),
    ("Jonas Weber", "jonas.weber@example.com"),
    ("Priya Raman", "priya.raman@example.com"),
    ("Daniel Cho", "daniel.cho@example.com"),
    ("Sofia Almeida", "sofia.almeida@example.com"),
    ("Grace Whitfield", "grace.whitfield@example.com"),
    ("Liam Byrne", "liam.byrne@example.com"),
    ("Amira Haddad", "amira.haddad@example.com"),
    ("Kenji Mori", "kenji.mori@example.com"),
    ("Nora Dubois", "nora.dubois@example.com"),
];

pub(crate) const SELLERS: usize = 8;

/// Payment methods of fakestripe and their outcomes.
pub(crate) const CARDS: [(&str, &str); 5] = [
    ("pm_card_visa", "is accepted"),
    ("pm_card_mastercard", "is accepted"),
    ("pm_card_threeDSecure2Required", "asks for 3-D Secure first"),
    ("pm_card_visa_chargeDeclined", "is declined"),
    ("pm_card_chargeDeclinedInsufficientFunds", "is declined: insufficient funds"),
];

/// Whether the fleet with this data folder has the demo accounts.
pub(crate) fn is_loaded(data: &Path) -> bool {
    data.join("demo-loaded").exists()
}

/// Loads the demo data unless there are listings already. `base` is the gateway's URL, `client` creates HTTP clients
/// that reach it, and `data` is the data folder of a fleet on this machine.
pub(crate) async fn load_if_empty(base: &str, client: impl Fn() -> ClientBuilder, data: Option<&Path>) -> Result<()> {
    let visitor = Session::with_client(client(), base)?;
    let query = ListingQuery { limit: Some(1), ..ListingQuery::default() };
    if !visitor.send(&ListListings { query }).await?.items.is_empty() {
        return Ok(());
    }
    progress("Loading", &format!("demo data: {} users", USERS.len()));
    let sessions = sign_up(base, client).await?;
    // From here on the accounts exist, even if a later step fails.
    if let Some(data) = data {
        fs::write(data.join("demo-loaded"), "").context("recording that the demo accounts exist")?;
    }

    let listings = listings::all(&jiff::Timestamp::now())?;
    progress("Loading", &format!("demo data: {} tickets", listings.len()));
    let tickets = listings::create(&sessions, listings).await?;

    progress("Loading", "demo data: orders");
    orders::create(&sessions, &tickets).await?;
    listings::lower_prices(&sessions, &tickets).await
}

/// Prints the accounts.
pub(crate) fn print_accounts() {
    println!("  Demo sign-ins (password: {PASSWORD})");
    for (name, email) in USERS {
        println!("    {email:<32} {name}");
    }
    println!();
}

/// Prints the test cards.
pub(crate) fn print_cards() {
    println!("  Test cards (paymentMethod)");
    for (card, outcome) in CARDS {
        println!("    {card:<40} {outcome}");
    }
}

async fn sign_up(base: &str, client: impl Fn() -> ClientBuilder) -> Result<Vec<Session>> {
    let mut sessions = Vec::new();
    for (name, email) in USERS {
        let session = Session::with_client(client(), base)?;
        match session.send(&client::sign_up(email, PASSWORD, name)).await {
            Err(error) if status_of(&error) == Some(409) => {
                // An interrupted start has created the account.
                let (email, password) = (Text::new(email), Password::new(PASSWORD));
                session.send(&SignIn { body: Credentials { email, password } }).await?
            }
            response => response?,
        };
        sessions.push(session);
    }
    Ok(sessions)
}
