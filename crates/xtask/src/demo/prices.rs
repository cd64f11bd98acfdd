//! Some sellers lower their price, which is what the shop's first page shows as price drops.

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use super::listings::Offered;
use crate::client::Session;

/// Which listings; none of them is ordered.
const LOWERED: [usize; 4] = [2, 9, 18, 27];
/// What is left of the price, in percent.
const LEFT: i64 = 85;
/// What a seller may say of a listing.
const FIELDS: [&str; 12] = [
    "title",
    "venue",
    "city",
    "startsAt",
    "timeZone",
    "price",
    "faceValue",
    "category",
    "section",
    "row",
    "seat",
    "description",
];

/// Lowers a few prices.
pub(super) async fn lower(people: &[Session], tickets: &[Offered]) -> Result<()> {
    for ticket in LOWERED.iter().filter_map(|index| tickets.get(*index)) {
        let seller = people.get(ticket.seller).context("a seller without a session")?;
        let path = format!("/api/tickets/{}", ticket.id);
        let listing = seller.get(&path).await?.expect(200)?;
        let said = FIELDS.iter().filter_map(|name| Some(((*name).to_owned(), listing.get(*name)?.clone())));
        let mut body: Map<String, Value> = said.filter(|(_, value)| !value.is_null()).collect();
        let amount =
            body.get_mut("price").and_then(|price| price.get_mut("amount")).context("a listing without a price")?;
        *amount = (amount.as_i64().unwrap_or_default() * LEFT / 100).into();
        seller.put(&path, &Value::Object(body)).await?.expect(200)?;
    }
    Ok(())
}
