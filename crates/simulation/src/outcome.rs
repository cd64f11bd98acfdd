//! How a schedule ended, in words that are the same for every schedule that ended so: no ids, times or
//! versions, and nothing that may happen more than once when an answer was lost.

use std::collections::BTreeMap;

use e2e::invariants::read::World;
use serde_json::Value;
use ticketctl::audit::books::Entity;

use crate::fleet::Fleet;
use crate::people::Cast;

/// One line for each thing there is, sorted.
pub async fn of(fleet: &Fleet, world: &World, cast: &Cast) -> Vec<String> {
    let people = BTreeMap::from([
        (cast.seller.identity.id.to_string(), "seller"),
        (cast.ann.identity.id.to_string(), "ann"),
        (cast.ben.identity.id.to_string(), "ben"),
        (cast.cleo.identity.id.to_string(), "cleo"),
    ]);
    let person = |value: &Value| people.get(text(value)).copied().unwrap_or("nobody");
    // Ids sort by the time of creation, and nobody orders the same ticket twice at once.
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    let mut lines = Vec::new();
    for user in all(world, "users") {
        lines.push(format!(
            "{} is called {}",
            people.get(user.id.as_str()).unwrap_or(&"nobody"),
            user.state["displayName"]
        ));
    }
    for ticket in all(world, "tickets") {
        names.insert(&ticket.id, text(&ticket.state["listing"]["title"]).to_owned());
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for order in all(world, "orders") {
        let ticket = names.get(text(&order.state["ticket"]["id"])).cloned().unwrap_or_default();
        let name = format!("order of {ticket} by {}", person(&order.state["buyerId"]));
        let count = counts.entry(name.clone()).or_default();
        *count += 1;
        names.insert(&order.id, format!("{name} ({count})"));
    }
    let name = |value: &Value| names.get(text(value)).cloned().unwrap_or_default();
    for ticket in all(world, "tickets") {
        let (status, price) = (&ticket.state["status"], &ticket.state["listing"]["price"]["amount"]);
        let refusals = ticket.state["refusals"].as_array().map_or(0, Vec::len);
        let (title, holder) = (&names[ticket.id.as_str()], name(&status["orderId"]));
        lines.push(format!("{title} at {price} is {} {holder}, {refusals} refusals", status["name"]));
        lines.push(format!("{title} is shown as {:?}", shown(fleet, &ticket.id).await));
    }
    for order in all(world, "orders") {
        let (status, price) = (&order.state["status"], &order.state["price"]["amount"]);
        let refusal = &status["refusal"]["reason"];
        lines.push(format!(
            "{} at {price}: {} {} {refusal}",
            names[order.id.as_str()],
            status["name"],
            status["reason"]
        ));
    }
    for timer in all(world, "timers") {
        lines.push(format!("timer of {}: {}", names[timer.id.as_str()], timer.state["status"]["name"]));
    }
    let intents = world.card_network["paymentIntents"].as_array().cloned().unwrap_or_default();
    // What the card network failed to do was tried again, and is one payment more.
    let failed = |payment: &&Entity| payment.state["status"]["reason"] == "provider_error";
    for payment in all(world, "payments").into_iter().filter(|payment| !failed(payment)) {
        let intent = intents.iter().find(|intent| intent["id"] == payment.state["providerRef"]);
        let intent = intent.map(|intent| (&intent["status"], &intent["amount_received"]));
        let (amount, ledger) = (&payment.state["amount"]["amount"], ledger(payment));
        let order = name(&payment.state["orderId"]);
        lines.push(format!(
            "payment of {order}: {} of {amount}, {ledger:?}, {intent:?}",
            payment.state["status"]["name"]
        ));
    }
    lines.sort();
    // Who repeats a payment whose answer was lost may be declined more than once.
    lines.dedup_by(|one, other| one == other && one.contains("\"declined\""));
    lines
}

fn all<'a>(world: &'a World, collection: &str) -> Vec<&'a Entity> {
    let mut all: Vec<_> = world.books.owned.get(collection).into_iter().flatten().collect();
    all.sort_by_key(|entity| &entity.id);
    all
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Debits minus credits of each account.
fn ledger(payment: &Entity) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for line in payment.state["ledger"].as_array().into_iter().flatten() {
        let sum = line["debit"].as_i64().unwrap_or(0) - line["credit"].as_i64().unwrap_or(0);
        *sums.entry(text(&line["account"]).to_owned()).or_default() += sum;
    }
    sums.retain(|_, sum| *sum != 0);
    sums
}

/// What the ticket's page says of it.
async fn shown(fleet: &Fleet, ticket: &str) -> Option<&'static str> {
    use web::domain::offer::Standing;
    let routes = fleet.routes(web::NAME, 1);
    let page = testkit::app::request::Request::new(routes, "GET", &format!("/tickets/{ticket}")).send().await;
    let standings = [Standing::ForSale, Standing::Begun, Standing::Held, Standing::Sold, Standing::Withdrawn];
    let page = page.expect(200).text();
    standings.into_iter().map(Standing::sentence).find(|sentence| page.contains(sentence))
}
