//! Describes the final state of a schedule (one seeded run of the simulation) as text. The texts of all schedules of a
//! deterministic scenario must be equal.
//!
//! The text has no ids, times and versions, which differ between schedules. It also omits legitimate duplicates, such
//! as a declined payment that is repeated because its response was lost.

use std::collections::BTreeMap;

use e2e::invariants::fleet_data::FleetData;
use serde_json::Value;
use ticketctl::audit::entity::{Entity, text};

use crate::fleet::SimulatedFleet;
use crate::users::Users;

/// Describes each entity in one or two lines, and sorts the lines.
pub(crate) async fn describe(fleet: &SimulatedFleet, data: &FleetData, users: &Users) -> Vec<String> {
    let users = BTreeMap::from([
        (users.seller.session.id.to_string(), "seller"),
        (users.ann.session.id.to_string(), "ann"),
        (users.ben.session.id.to_string(), "ben"),
        (users.cleo.session.id.to_string(), "cleo"),
    ]);
    let user_name = |id: &str| users.get(id).copied().unwrap_or("nobody");
    // The name of an order is its ticket, its buyer and a number, which counts the buyer's orders of that ticket from
    // the oldest one on: ids sort by creation time. No user orders the same ticket twice concurrently, so the numbers
    // are the same in all schedules.
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    let mut lines = Vec::new();
    for user in sorted(data, "users") {
        lines.push(format!("{} is called {}", user_name(&user.id), user.state["displayName"]));
    }
    for ticket in sorted(data, "tickets") {
        names.insert(&ticket.id, text(&ticket.state["listing"]["title"]).to_owned());
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for order in sorted(data, "orders") {
        let ticket = names.get(text(&order.state["ticket"]["id"])).cloned().unwrap_or_default();
        let name = format!("order of {ticket} by {}", user_name(text(&order.state["buyerId"])));
        let count = counts.entry(name.clone()).or_default();
        *count += 1;
        names.insert(&order.id, format!("{name} ({count})"));
    }
    let name = |id: &Value| names.get(text(id)).cloned().unwrap_or_default();
    for ticket in sorted(data, "tickets") {
        let (status, price) = (&ticket.state["status"]["name"], &ticket.state["listing"]["price"]["amount"]);
        let refusals = ticket.state["refusals"].as_array().map_or(0, Vec::len);
        let seats = ticket.state["seats"].as_array().into_iter().flatten();
        let seats: Vec<_> = seats.map(|seat| format!("{} {}", text(&seat["status"]), name(&seat["orderId"]))).collect();
        let title = &names[ticket.id.as_str()];
        lines.push(format!("{title} at {price} is {status}, {seats:?}, {refusals} refusals"));
        lines.push(format!("{title} is shown as {:?}", shown_availability(fleet, &ticket.id).await));
    }
    for order in sorted(data, "orders") {
        let (name, price, status) =
            (&names[order.id.as_str()], &order.state["price"]["amount"], &order.state["status"]);
        let (refusal, slots) = (&status["refusal"]["reason"], &order.state["slots"]);
        lines.push(format!("{name} of {slots} at {price}: {} {} {refusal}", status["name"], status["reason"]));
    }
    let is_completed = |id: &str| {
        data.databases
            .owned("orders")
            .iter()
            .any(|order| order.id == id && order.state["status"]["name"] == "completed")
    };
    for timer in sorted(data, "timers") {
        // A timer may become due before `expiration` has received that the order is completed. Then it fires, and the
        // order ignores that.
        let status = match text(&timer.state["status"]["name"]) {
            "fired" if is_completed(&timer.id) => "closed",
            status => status,
        };
        lines.push(format!("timer of {}: {status}", names[timer.id.as_str()]));
    }
    let intents = data.fakestripe_state["paymentIntents"].as_array().cloned().unwrap_or_default();
    // A payment that failed because of an error of the provider is omitted, since the buyer then made another payment.
    let failed = |payment: &&Entity| payment.state["status"]["reason"] == "provider_error";
    for payment in sorted(data, "payments").into_iter().filter(|payment| !failed(payment)) {
        let intent = intents.iter().find(|intent| intent["id"] == payment.state["providerRef"]);
        let intent = intent.map(|intent| (&intent["status"], &intent["amount_received"]));
        let (amount, ledger) = (&payment.state["amount"]["amount"], balances(payment));
        let (order, status) = (name(&payment.state["orderId"]), &payment.state["status"]["name"]);
        lines.push(format!("payment of {order}: {status} of {amount}, {ledger:?}, {intent:?}"));
    }
    lines.sort();
    // If the response is lost, the payment is repeated, so the same card may be declined more than once.
    lines.dedup_by(|one, other| one == other && one.contains("\"declined\""));
    lines
}

/// The entities of a collection, sorted by id.
fn sorted<'a>(data: &'a FleetData, collection: &str) -> Vec<&'a Entity> {
    let mut entities: Vec<_> = data.databases.owned(collection).iter().collect();
    entities.sort_by_key(|entity| &entity.id);
    entities
}

/// Debits minus credits of each account in the payment's ledger, without accounts whose balance is 0.
fn balances(payment: &Entity) -> BTreeMap<String, i64> {
    let mut balances = BTreeMap::new();
    for line in payment.state["ledger"].as_array().into_iter().flatten() {
        let amount = line["debit"].as_i64().unwrap_or(0) - line["credit"].as_i64().unwrap_or(0);
        *balances.entry(text(&line["account"]).to_owned()).or_default() += amount;
    }
    balances.retain(|_, balance| *balance != 0);
    balances
}

/// The sentence about the availability that the ticket's page shows.
async fn shown_availability(fleet: &SimulatedFleet, ticket: &str) -> Option<String> {
    use web::domain::listing_view::Availability;
    let routes = fleet.routes(web::NAME, 1);
    let page = testkit::app::request::Request::new(routes, "GET", &format!("/tickets/{ticket}")).send().await;
    let availabilities =
        [Availability::ForSale, Availability::Begun, Availability::Held, Availability::Sold, Availability::Withdrawn];
    let page = page.expect(200).text();
    availabilities.into_iter().map(Availability::sentence).find(|sentence| page.contains(sentence))
}
