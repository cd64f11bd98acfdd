//! Accounts and sessions: bound by argon2id.

use std::cell::Cell;
use std::time::Duration;

use anyhow::Result;
use common::api::Endpoint;
use common::api::users::{Credentials, NewUser, Password, SignIn, SignUp};
use common::text::Text;

use super::scale::Scale;
use crate::figures::{Figures, Row};
use crate::http1::Connection;
use crate::load::{Outcome, closed};
use crate::shop::Shop;

const CONNECTIONS: usize = 16;
/// Accounts that are signed in to in turn.
const ACCOUNTS: usize = 64;
const PASSWORD: &str = "a long enough secret";

pub(super) async fn sign_up(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    let mut connections = shop.connections("auth", CONNECTIONS).await?;
    let turn = Cell::new(0..usize::MAX);
    let row = scale.rate(shop, "signing up", Some("auth"), async |duration| {
        numbered(&mut connections, duration, &turn, |index| sign_up_of("new", index)).await
    });
    figures.rates.insert((Row::SignUp, 0), row.await?);
    Ok(())
}

pub(super) async fn sign_in(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    let mut connections = shop.connections("auth", CONNECTIONS).await?;
    let accounts = Cell::new(0..ACCOUNTS);
    numbered(&mut connections, Duration::MAX, &accounts, |index| sign_up_of("old", index)).await?;
    let turn = Cell::new(0..usize::MAX);
    let row = scale.rate(shop, "signing in", Some("auth"), async |duration| {
        let request = |index| {
            let email = email("old", index % ACCOUNTS);
            SignIn { body: Credentials { email, password: Password::new(PASSWORD) } }
        };
        numbered(&mut connections, duration, &turn, request).await
    });
    figures.rates.insert((Row::SignIn, 0), row.await?);
    Ok(())
}

/// Sends the request of each number in turn.
async fn numbered<E: Endpoint>(
    connections: &mut [Connection],
    duration: Duration,
    numbers: &Cell<std::ops::Range<usize>>,
    request: impl Fn(usize) -> E,
) -> Result<Outcome> {
    closed(connections, duration, async |connection| {
        let mut rest = numbers.take();
        let number = rest.next();
        numbers.set(rest);
        let Some(number) = number else { return Ok(false) };
        connection.send(&request(number), None).await?;
        Ok(true)
    })
    .await
}

fn sign_up_of(name: &str, index: usize) -> SignUp {
    let email = email(name, index);
    SignUp { body: NewUser { email, password: Password::new(PASSWORD), display_name: None } }
}

fn email(name: &str, index: usize) -> Text {
    Text::new(&format!("{name}-{index}@example.com"))
}
