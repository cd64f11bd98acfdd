//! The start of an event in the sell form, at the hours when clocks change.

use serde_json::json;

use crate::commands::listing_json;
use crate::fake_services::{app_with_services, post_form};
use crate::support::{assert_contains, listing};

fn typed<'a>(starts_at: &'a str, occurrence: &'a str) -> [(&'a str, &'a str); 9] {
    [
        ("title", "Carmen"),
        ("venue", "Opera"),
        ("starts_at", starts_at),
        ("which", occurrence),
        ("time_zone", "Europe/Paris"),
        ("price", "89.00"),
        ("currency", "EUR"),
        ("key", "the-key"),
        ("action", "do"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn skipped_hour_is_rejected_with_the_reason() {
    let (app, services) = app_with_services().await;
    let ana = app.signer.user();
    for (starts_at, expected) in
        [("2099-03-29T02:30", "the clocks go forward by an hour, past 02:30"), ("2099-03-29", "id=\"starts_at-fault\"")]
    {
        let html = post_form(&app, "/sell", Some(&ana), &typed(starts_at, "")).await.expect(400).text();
        assert_contains(&html, &[expected, "value=\"Carmen\""]);
    }
    assert!(services.take_requests().is_empty(), "the form is validated before any request");
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_hour_is_asked_about_and_sent_as_chosen() {
    let (app, services) = app_with_services().await;
    let ana = app.signer.user();
    let html = post_form(&app, "/sell", Some(&ana), &typed("2099-10-25T02:30", "")).await.expect(400).text();
    assert_contains(&html, &["id=\"which-first\"", "02:30 CEST (UTC+02)", "id=\"which-second\"", "02:30 CET (UTC+01)"]);
    assert!(services.take_requests().is_empty(), "the seller has to choose first");
    let ticket = listing(&app, "Carmen", 0);
    for (occurrence, instant) in [("first", "2099-10-25T00:30:00.000Z"), ("second", "2099-10-25T01:30:00.000Z")] {
        services.respond_with("POST /api/tickets", 201, listing_json(&ticket, 0), &[]);
        post_form(&app, "/sell", Some(&ana), &typed("2099-10-25T02:30", occurrence)).await.expect(200);
        assert_eq!(services.take_requests()[0].body["startsAt"], json!(instant));
    }
}
