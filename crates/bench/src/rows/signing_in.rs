//! Accounts and sessions: bound by argon2id.

use std::cell::Cell;
use std::time::Duration;

use anyhow::Result;
use http::StatusCode;
use serde_json::json;

use super::{Row, Scale, rate};
use crate::http1::{Call, Connection, post};
use crate::load::{Outcome, closed};
use crate::report::Figures;
use crate::shop::Shop;

const CONNECTIONS: usize = 16;
/// Accounts that are signed in to in turn.
const ACCOUNTS: usize = 64;
const PASSWORD: &str = "a long enough secret";

pub(super) async fn sign_up(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    let mut connections = shop.connections("auth", CONNECTIONS).await?;
    let turn = Cell::new(0..usize::MAX);
    let row = rate(shop, scale, "signing up", Some("auth"), async |duration| {
        numbered(&mut connections, duration, &turn, StatusCode::CREATED, |index| credentials("signup", "new", index))
            .await
    });
    figures.rates.insert((Row::SignUp, 0), row.await?);
    Ok(())
}

pub(super) async fn sign_in(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    let mut connections = shop.connections("auth", CONNECTIONS).await?;
    let accounts = Cell::new(0..ACCOUNTS);
    let open = |index| credentials("signup", "old", index);
    numbered(&mut connections, Duration::MAX, &accounts, StatusCode::CREATED, open).await?;
    let turn = Cell::new(0..usize::MAX);
    let row = rate(shop, scale, "signing in", Some("auth"), async |duration| {
        let call = |index| credentials("signin", "old", index % ACCOUNTS);
        numbered(&mut connections, duration, &turn, StatusCode::OK, call).await
    });
    figures.rates.insert((Row::SignIn, 0), row.await?);
    Ok(())
}

/// Sends the call of each number in turn.
async fn numbered(
    connections: &mut [Connection],
    duration: Duration,
    numbers: &Cell<std::ops::Range<usize>>,
    expected: StatusCode,
    call: impl Fn(usize) -> Result<Call>,
) -> Result<Outcome> {
    closed(connections, duration, async |connection| {
        let mut rest = numbers.take();
        let number = rest.next();
        numbers.set(rest);
        let Some(number) = number else { return Ok(false) };
        connection.send(call(number)?, expected).await?;
        Ok(true)
    })
    .await
}

fn credentials(action: &str, name: &str, index: usize) -> Result<Call> {
    let body = json!({ "email": format!("{name}-{index}@example.com"), "password": PASSWORD });
    post(&format!("/api/users/{action}"), None, body.to_string())
}
