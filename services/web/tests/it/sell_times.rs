//! Tests of the event's start in the sell form: precision, and the hours that a change of the clocks skips or repeats.

use common::events::ticket::TicketState;
use serde_json::json;

use crate::fake_services::app_with_services;
use crate::sell_drafts::{draft, follow, list, listing_json, type_form};
use crate::support::{assert_contains, listing, publish_listing};

/// The value of a field in a page's form.
fn value_of(html: &str, name: &str) -> String {
    let (_, rest) = html.split_once(&format!("name=\"{name}\"")).unwrap_or_else(|| panic!("no {name} in {html}"));
    rest.split_once("value=\"").unwrap().1.split('"').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn price_edit_keeps_the_start_to_the_millisecond() {
    let (app, services) = app_with_services().await;
    let ana = app.signer.user();
    // 01:30:12.345 EST in New York, in the hour that is repeated when the clocks go back.
    let start = "2027-11-07T06:30:12.345Z";
    let mut ticket = TicketState { seller_id: ana.id, ..listing(&app, "Carmen", 0) };
    ticket.terms.starts_at = start.parse().unwrap();
    publish_listing(&app, &ticket).await;
    app.wait_until_idle().await;
    let edit = format!("/tickets/{}/edit", ticket.terms.id);
    let begun = app.request("GET", &edit).as_user(&ana).send().await;
    let html = follow(&app, &ana, begun).await.expect(200).text();
    // The hidden field `unedited` has the exact start; `starts_at` shows it to the minute only.
    let (starts_at, unedited) = (value_of(&html, "starts_at"), value_of(&html, "unedited"));
    let id = ticket.terms.id.to_string();
    let form = [
        ("title", "Carmen"),
        ("venue", "Town Hall"),
        ("starts_at", starts_at.as_str()),
        ("unedited", unedited.as_str()),
        ("time_zone", "America/New_York"),
        ("price", "99.00"),
        ("currency", "USD"),
        ("version", "0"),
        ("listing", id.as_str()),
    ];
    services.respond_with(&format!("PUT /api/tickets/{}", ticket.terms.id), 200, listing_json(&ticket, 0), &[]);
    type_form(&app, &draft('a'), &ana, &form).await;
    list(&app, &draft('a'), &ana).await;
    let sent = services.take_requests();
    assert_eq!((&sent[0].body["startsAt"], &sent[0].body["price"]["amount"]), (&json!(start), &json!(9_900)));
}

/// The fields of a sell form in the time zone of Paris. `occurrence` is `first` or `second` if the seller has chosen
/// one of two equal local times, otherwise empty.
fn typed<'a>(starts_at: &'a str, occurrence: &'a str) -> [(&'a str, &'a str); 7] {
    [
        ("title", "Carmen"),
        ("venue", "Opera"),
        ("starts_at", starts_at),
        ("which", occurrence),
        ("time_zone", "Europe/Paris"),
        ("price", "89.00"),
        ("currency", "EUR"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn skipped_hour_is_rejected_with_the_reason() {
    let (app, services) = app_with_services().await;
    let ana = app.signer.user();
    for (starts_at, expected) in
        [("2099-03-29T02:30", "because the clocks go forward by an hour."), ("2099-03-29", "id=\"starts_at-fault\"")]
    {
        let html = type_form(&app, &draft('a'), &ana, &typed(starts_at, "")).await;
        assert_contains(&html, &[expected, "value=\"Carmen\""]);
    }
    assert!(services.take_requests().is_empty(), "the form is validated before any request");
}

#[tokio::test(flavor = "multi_thread")]
async fn ambiguous_hour_requires_a_choice_and_is_sent_as_chosen() {
    let (app, services) = app_with_services().await;
    let ana = app.signer.user();
    let html = type_form(&app, &draft('a'), &ana, &typed("2099-10-25T02:30", "")).await;
    assert_contains(&html, &["id=\"which-first\"", "02:30 CEST (UTC+02)", "id=\"which-second\"", "02:30 CET (UTC+01)"]);
    assert!(services.take_requests().is_empty(), "the seller has to choose first");
    let ticket = listing(&app, "Carmen", 0);
    services.respond_with("POST /api/tickets", 201, listing_json(&ticket, 0), &[]);
    for (letter, occurrence, instant) in
        [('b', "first", "2099-10-25T00:30:00.000Z"), ('c', "second", "2099-10-25T01:30:00.000Z")]
    {
        type_form(&app, &draft(letter), &ana, &typed("2099-10-25T02:30", occurrence)).await;
        list(&app, &draft(letter), &ana).await.expect(200);
        assert_eq!(services.take_requests()[0].body["startsAt"], json!(instant));
    }
}
