//! The sell form: kept while it is typed, with several seats, and refused before it is listed.

use serde_json::json;
use testkit::app::users::User;

use crate::fake_services::{app_with_services, post_form};
use crate::sell_drafts::{TYPED, draft, follow, list, type_form, typed_at};
use crate::support::assert_contains;

#[tokio::test(flavor = "multi_thread")]
async fn form_is_kept_while_it_is_typed() {
    let app = crate::support::app().await;
    let ana = app.signer.user();
    let (draft, form) = (draft('a'), format!("{}/edit", draft('a')));
    let keep = async |price: &'static str, user: Option<&User>| {
        let mut typed = typed_at(price);
        typed.retain(|(name, _)| *name != "description");
        typed.extend([("description", "Two\nlines"), ("action", "keep")]);
        post_form(&app, &form, user, &typed).await.expect(204);
        app.request("GET", &form).as_user(&ana).send().await.expect(200).text()
    };
    assert!(!keep("87.00", None).await.contains("87.00"), "there is no session");
    assert_contains(&keep("88.00", Some(&ana)).await, &["value=\"88.00\"", "value=\"Opera\""]);
    let html = keep("much", Some(&ana)).await;
    assert_contains(&html, &["value=\"much\"", "Two\nlines"]);
    assert!(!html.contains("price-fault"), "it is not complete yet: {html}");
    // What was sent stays complete, and as the seller saw it, when the browser is a moment late.
    let third = "name=\"revision\" value=\"3\"";
    assert_contains(&type_form(&app, &draft, &ana, &TYPED).await, &[third]);
    keep("89.00", Some(&ana)).await;
    let html = app.request("GET", &draft).as_user(&ana).send().await.expect(200).text();
    assert_contains(&html, &[third, "The buyer pays €89.00."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_are_listed_with_their_split() {
    let (app, services) = app_with_services().await;
    let ana = app.signer.user();
    let typed = |more: &[(&'static str, &'static str)]| [TYPED.as_slice(), more].concat();
    // Four seats take two fields more than one: their numbers, and how they may be divided.
    let html = type_form(&app, &draft('a'), &ana, &typed(&[("seats", "12-15"), ("split", "pairs")])).await;
    assert_contains(
        &html,
        &["4 seats, sold in pairs: buyers can choose 2 or 4.", "Seats 12 to 15", "List these 4 seats"],
    );
    let problem = json!({
        "type": "urn:ticketing:problem:seat-listed", "title": "No", "status": 409, "detail": "You list it already.",
    });
    services.respond_with("POST /api/tickets", 409, problem, &[]);
    let rejected = list(&app, &draft('a'), &ana).await;
    let html = follow(&app, &ana, rejected).await.expect(200).text();
    let fault = "id=\"seats-fault\">You have already listed one of these seats for this show.";
    assert_contains(&html, &[fault, "value=\"12-15\"", "<option value=\"pairs\" selected>"]);
    let sent = services.take_requests().remove(0).body;
    assert_eq!((&sent["seats"], &sent["split"]), (&json!(["12", "13", "14", "15"]), &json!("pairs")));
    for (more, fault) in [
        (&[("seats", "12-14"), ("split", "pairs")][..], "id=\"split-fault\">Choose another way: an odd number"),
        (&[("quantity", "6"), ("split", "sizes"), ("sizes", "3+2")], "id=\"sizes-fault\">Enter numbers that add up"),
        (&[("seats", "1, 2"), ("quantity", "3")], "id=\"quantity-fault\">Leave this empty or enter 2"),
        (&[("seats", "7, 7")], "id=\"seats-fault\">Enter each seat only once."),
    ] {
        assert_contains(&type_form(&app, &draft('b'), &ana, &typed(more)).await, &[fault]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn preview_refuses_what_listing_would_refuse() {
    let (app, services) = app_with_services().await;
    let ana = app.signer.user();
    let (draft, check) = (draft('e'), "POST /api/tickets/check");
    let preview = async || {
        let posted = post_form(&app, &format!("{draft}/edit"), Some(&ana), &TYPED).await.expect(303);
        follow(&app, &ana, posted).await.expect(200).text()
    };
    let cap = "is required: in FR, a price may be at most 0% over face value";
    services.respond_with_problem(check, 400, "Correct it.", &[("faceValue", cap)]);
    assert_contains(&preview().await, &["id=\"face_value-fault\">Is required: in FR", "value=\"89.00\""]);
    services.respond_with_problem(check, 409, "This show has been cancelled.", &[]);
    assert_contains(&preview().await, &["This show has been cancelled.", "value=\"89.00\""]);
    // A service that does not answer stops nobody here.
    services.respond_with_problem(check, 503, "Not available right now.", &[]);
    assert_contains(&preview().await, &["name=\"revision\"", "89.00"]);
}
