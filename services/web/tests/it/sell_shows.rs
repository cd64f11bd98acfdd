//! Selling a ticket for a show that is known already.

use common::clock::Clock;
use common::events::show::{ShowChange, ShowState, ShowStatus};
use common::events::ticket::{TicketChange, TicketState};
use common::money::Money;

use crate::fake_services::{app_with_services, post_form};
use crate::sell_drafts::{draft, follow, list, type_form};
use crate::support::{
    app, assert_contains, assert_page, listing, path, publish_listing, publish_show, show_of, show_path,
};

/// A listing for the same show in this section at this price, in cents.
fn another(of: &TicketState, section: &str, amount: i64, mut ticket: TicketState) -> TicketState {
    ticket.show_id = of.show_id;
    ticket.price = Money { amount, ..of.price.clone() };
    ticket.terms.section = Some(section.to_owned());
    ticket
}

#[tokio::test(flavor = "multi_thread")]
async fn known_show_fills_the_form() {
    let (app, services) = app_with_services().await;
    let ana = app.signer.user();
    let own = TicketState { seller_id: ana.id, ..listing(&app, "Carmen", 0) };
    let show = show_of(&own);
    publish_listing(&app, &own).await;
    let tosca = listing(&app, "Tosca", 1);
    publish_listing(&app, &tosca).await;
    for (section, amount) in [("Stalls", 5_000), ("stalls", 6_200), ("Balcony", 4_000)] {
        let ticket = another(&own, section, amount, listing(&app, "Carmen", 0));
        app.publish(TicketChange::Created, ticket.terms.id, 0, ticket).await;
    }
    app.wait_until_idle().await;
    let get = async |at: &str| follow(&app, &ana, app.request("GET", at).as_user(&ana).send().await).await;

    // The seller first searches for the show, which works without JavaScript.
    app.request("GET", "/sell").send().await.expect(401);
    let response = get("/sell").await.expect(200);
    assert_page(&response);
    assert_contains(&response.text(), &["name=\"q\"", "Enter the show’s details", "href=\"/sell/new\""]);
    let html = get("/sell?q=carm").await.expect(200).text();
    let form = format!("/sell/new?show={}", show.id);
    assert_contains(&html, &[&format!("href=\"{form}\""), "1 show", "4 left", "href=\"/sell/new?title=carm\""]);
    assert!(!html.contains("Tosca"), "{html}");
    assert_contains(&get("/sell?q=zzqxj").await.expect(200).text(), &["No matching shows"]);
    assert_contains(&get("/sell/new?title=Rusalka").await.expect(200).text(), &["value=\"Rusalka\""]);
    get("/sell/new?show=01970000-0000-7000-8000-000000000001").await.expect(404);
    // Signing in leads back to the same form.
    let html = app.request("GET", &format!("{form}&title=a+b")).send().await.expect(401).text();
    assert_contains(&html, &[&format!("value=\"{form}&#38;title=a+b\"")]);
    let html = app.request("GET", "/sell?q=carm").send().await.expect(401).text();
    assert_contains(&html, &["value=\"/sell?q=carm\""]);

    // The show fills what it knows; its tickets say what others ask.
    let html = get(&form).await.expect(200).text();
    assert_contains(
        &html,
        &[
            "<option value=\"USD\" selected>",
            "value=\"Carmen\"",
            "value=\"Town Hall\"",
            "value=\"New York\"",
            "<option selected>America/New_York</option>",
            "<details",
            "Stalls: $50.00 to $62.00",
            "Balcony: $40.00",
        ],
    );
    assert!(!html.contains("125.50"), "the seller's own ticket is no other's: {html}");
    // Another ticket like one of the seller's; of others' nothing is copied.
    let html = get(&format!("{form}&like={}", own.terms.id)).await.expect(200).text();
    assert_contains(&html, &["name=\"price\" type=\"text\" value=\"125.50\""]);
    let ben = app.signer.user();
    let begun = app.request("GET", &format!("{form}&like={}", own.terms.id)).as_user(&ben).send().await;
    assert_contains(&follow(&app, &ben, begun).await.expect(200).text(), &["name=\"price\" type=\"text\" value=\"\""]);
    assert_contains(&get(&path(&own)).await.expect(200).text(), &[&format!("{form}&#38;like={}", own.terms.id)]);
    assert_contains(&get("/selling").await.expect(200).text(), &[&format!("{form}&#38;like={}", own.terms.id)]);

    // A preview names similar seats. A rule of the marketplace is explained at the price.
    let (id, starts_at) = (show.id.to_string(), show.starts_at.to_string());
    let local = common::day::local_time(show.starts_at, &show.time_zone);
    let mut typed = vec![
        ("show", id.as_str()),
        ("title", "Carmen"),
        ("venue", "Town Hall"),
        ("city", "New York"),
        ("starts_at", local.as_str()),
        ("unedited", starts_at.as_str()),
        ("time_zone", "America/New_York"),
        ("category", ""),
        ("section", "STALLS"),
        ("price", "89.00"),
        ("currency", "USD"),
    ];
    let draft = draft('a');
    let html = type_form(&app, &draft, &ana, &typed).await;
    assert_contains(&html, &["Similar seats: $50.00 to $62.00", "The buyer pays $89.00."]);
    let problem = serde_json::json!({
        "type": "urn:ticketing:problem:over-cap", "title": "No", "status": 422, "detail": "At most 50.00 USD.",
        "errors": [{ "field": "price", "message": "must be at most 50.00 USD" }],
    });
    services.respond_with("POST /api/tickets", 422, problem, &[]);
    let rejected = list(&app, &draft, &ana).await;
    let html = follow(&app, &ana, rejected).await.expect(200).text();
    assert_contains(&html, &["id=\"price-fault\">Must be at most 50.00 USD.", "value=\"89.00\"", "value=\"STALLS\""]);
    assert_eq!(services.take_requests()[0].body["startsAt"], serde_json::json!(show.starts_at.to_string()));
    // Another show is chosen without losing what was said of the ticket, also by a browser that goes back and forth.
    let edit = format!("{draft}/edit");
    let choice = [typed.as_slice(), &[("action", "show")]].concat();
    let chosen = post_form(&app, &edit, Some(&ana), &choice).await.expect(303);
    let find = format!("/sell?draft={}", draft.rsplit('/').next().unwrap());
    assert_eq!(chosen.header("location"), find);
    assert_contains(&get(&find).await.expect(200).text(), &["Your ticket details are saved"]);
    let other = format!("{edit}?show={}", tosca.show_id);
    let html = get(&format!("{find}&q=tosca")).await.expect(200).text();
    assert_contains(&html, &[&format!("href=\"{other}\""), &format!("href=\"{edit}?title=tosca\"")]);
    let html = get(&other).await.expect(200).text();
    assert_contains(&html, &["value=\"Tosca\"", "value=\"89.00\"", "value=\"STALLS\""]);
    assert!(!html.contains("-fault"), "it is not to be corrected yet: {html}");
    let html = get(&format!("{edit}?title=Rusalka")).await.expect(200).text();
    assert_contains(&html, &["value=\"Rusalka\"", "name=\"venue\" type=\"text\" value=\"\"", "value=\"89.00\""]);
    assert_contains(&get(&edit).await.expect(200).text(), &["value=\"Carmen\""]);
    // Another title is another show.
    typed[1] = ("title", "Carmen, encore");
    type_form(&app, &draft, &ana, &typed).await;
    let html = get(&edit).await.expect(200).text();
    assert!(!html.contains("id=\"for-show\"") && !html.contains("<details"), "{html}");
    // What was changed of the chosen show stays when the browser goes back to the form.
    let html = get(&format!("{edit}?show={}", show.id)).await.expect(200).text();
    assert_contains(&html, &["value=\"Carmen, encore\""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_shows_that_take_place_can_be_sold_for() {
    let app = app().await;
    let ana = app.signer.user();
    let tickets: Vec<_> = (0..14).map(|n| listing(&app, &format!("Carmen {n}"), n)).collect();
    for (n, ticket) in tickets.iter().enumerate() {
        let status = if n < 12 { ShowStatus::Cancelled } else { ShowStatus::Scheduled };
        publish_show(&app, &ShowState { status, ..show_of(ticket) }).await;
    }
    // The last but one is the same as the last.
    let [cancelled, merged, present] = [0, 12, 13].map(|n| show_of(&tickets[n]));
    let state = ShowState { merged_into: Some(present.id), ..merged.clone() };
    app.publish(ShowChange::Merged, merged.id, 1, state).await;
    let over = ShowState { starts_at: app.clock.now(), ..show_of(&listing(&app, "Over", 0)) };
    publish_show(&app, &over).await;
    app.wait_until_idle().await;
    let get = async |at: &str| app.request("GET", at).as_user(&ana).send().await;
    // What the form's own path returns.
    let begun = async |at: &str| get(get(at).await.expect(303).header("location")).await;
    let html = get("/sell?q=carmen").await.expect(200).text();
    assert_contains(&html, &["1 show<", &format!("href=\"/sell/new?show={}\"", present.id)]);
    let html = begun(&format!("/sell/new?show={}", merged.id)).await.expect(200).text();
    assert_contains(&html, &["value=\"Carmen 13\"", &format!("name=\"show\" value=\"{}\"", present.id)]);
    let response = begun(&format!("/sell/new?show={}", cancelled.id)).await.expect(303);
    assert_eq!(response.header("location"), show_path(&cancelled));
    let over = begun(&format!("/sell/new?show={}", over.id)).await.expect(303);
    assert!(over.header("location").starts_with("/shows/over-"), "{}", over.header("location"));
}
