//! Drafts of listings: what is typed is kept, checked, and listed once.

use std::time::Duration;

use common::events::ticket::{TicketState, TicketStatus};
use common::identity::Claims;
use mongodb::bson::{DateTime, Document, doc};
use serde_json::{Value, json};
use testkit::app::TestApp;
use testkit::app::request::Response;
use testkit::app::users::{Signer, User};

use crate::fake_services::{app_with_services, post_form};
use crate::support::{assert_contains, assert_page, listing, path, publish_listing};

/// A listing in the tickets service's format.
pub(crate) fn listing_json(ticket: &TicketState, version: u64) -> Value {
    let mut json = serde_json::to_value(ticket).unwrap();
    let fields = json.as_object_mut().unwrap();
    fields.remove("refusals");
    fields.insert("version".to_owned(), version.into());
    fields.insert("free".to_owned(), ticket.free_slots().len().into());
    json
}

/// Path of a draft whose id begins with this letter.
pub(crate) fn draft(letter: char) -> String {
    format!("/sell/drafts/{letter}{}", "A".repeat(21))
}

/// Follows redirects.
pub(crate) async fn follow(app: &TestApp, user: &User, mut response: Response) -> Response {
    while response.status == 303 {
        let location = response.header("location").to_owned();
        response = app.request("GET", &location).as_user(user).send().await;
    }
    response
}

/// Posts the form of a draft, and returns the page that it leads to.
pub(crate) async fn type_form(app: &TestApp, draft: &str, user: &User, fields: &[(&str, &str)]) -> String {
    let response = post_form(app, &format!("{draft}/edit"), Some(user), fields).await.expect(303);
    assert_eq!(response.header("location"), draft);
    follow(app, user, response).await.expect(200).text()
}

/// Lists a draft as its page shows it.
pub(crate) async fn list(app: &TestApp, draft: &str, user: &User) -> Response {
    let html = app.request("GET", draft).as_user(user).send().await.expect(200).text();
    let (_, rest) = html.split_once("name=\"revision\" value=\"").unwrap_or_else(|| panic!("no revision in {html}"));
    post_form(app, draft, Some(user), &[("revision", rest.split('"').next().unwrap())]).await
}

pub(crate) const TYPED: [(&str, &str); 8] = [
    ("title", "Carmen & <b>"),
    ("venue", "Opera"),
    ("starts_at", "2099-03-01T20:00"),
    ("time_zone", "Europe/Paris"),
    ("price", "89.00"),
    ("currency", "EUR"),
    ("face_value", ""),
    ("description", "Two\r\nlines"),
];

/// The fields with another price.
pub(crate) fn typed_at(price: &str) -> Vec<(&str, &str)> {
    TYPED.map(|(name, value)| (name, if name == "price" { price } else { value })).to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn draft_keeps_what_is_typed_until_it_is_listed_once() {
    let (app, services) = app_with_services().await;
    let ana = app.signer.user();
    app.request("GET", "/sell/new").send().await.expect(401);
    let begun = app.request("GET", "/sell/new").as_user(&ana).send().await.expect(303);
    let action = format!("action=\"{}\"", begun.header("location"));
    let html = follow(&app, &ana, begun).await.expect(200).text();
    assert_contains(&html, &["Preview", "Europe/Paris", "name=\"price\" type=\"text\" value=\"\"", &action]);

    let (draft, form) = (draft('a'), format!("{}/edit", draft('a')));
    let get = async |at: &str| app.request("GET", at).as_user(&ana).send().await;
    // The rules of the tickets service hold before anything is sent to it.
    let kept = ["Enter an amount such as 125.50.", "value=\"much\"", "value=\"Carmen &#38; &#60;b&#62;\""];
    assert_contains(&type_form(&app, &draft, &ana, &typed_at("much")).await, &kept);
    assert_page(&get(&form).await.expect(200));
    assert_eq!(get(&draft).await.expect(303).header("location"), form);
    post_form(&app, &draft, Some(&ana), &[("revision", "1")]).await.expect(303);
    // An amount that might have been meant otherwise is shown as it was read.
    let said = "You entered 1.234 as the price. We read it as €1,234.00.";
    assert_contains(&type_form(&app, &draft, &ana, &typed_at("1.234")).await, &[said, "alert-warning"]);
    let german = app.request("GET", &draft).as_user(&ana).header("accept-language", "de").send().await.expect(200);
    assert_contains(&german.text(), &["1.234,00\u{a0}€"]);
    assert!(!german.text().contains("alert-warning"), "1.234 has one meaning in German");
    let html = type_form(&app, &draft, &ana, &TYPED).await;
    let start = "Sun, Mar 1, 2099, 8:00\u{a0}PM\u{a0}CET";
    assert_contains(&html, &["The buyer pays €89.00.", "Payouts to sellers are not available yet", start]);
    // Reloading and going back need no form to be posted again.
    assert_page(&get(&draft).await.expect(200));
    assert_contains(&get(&form).await.expect(200).text(), &["value=\"89.00\"", "value=\"2099-03-01T20:00\""]);
    // What the seller has not seen is not listed.
    let html = post_form(&app, &draft, Some(&ana), &[("revision", "2")]).await.expect(409).text();
    assert_contains(&html, &["You changed this listing in another tab", "The buyer pays €89.00."]);
    let html = post_form(&app, &draft, Some(&ana), &[("revision", "3"), ("amounts", "9 EUR")]).await.expect(409).text();
    assert_contains(&html, &["The language of your browser has changed", "value=\"89.00 EUR\""]);
    assert!(services.take_requests().is_empty());

    // Errors of the tickets service are shown at their fields, with all that was typed, also after a reload.
    let faults = [("startsAt", "must be in the future"), ("odd", "is odd")];
    services.respond_with_problem("POST /api/tickets", 400, "Correct it.", &faults);
    let rejected = list(&app, &draft, &ana).await.expect(303);
    assert_eq!(rejected.header("location"), form);
    let fault = "id=\"starts_at-fault\">Must be in the future.";
    for _ in 0..2 {
        let html = get(&form).await.expect(200).text();
        assert_contains(
            &html,
            &[fault, "Something that you entered wasn’t accepted.", "value=\"2099-03-01T20:00\"", "value=\"89.00\""],
        );
    }
    let german = app.request("GET", &form).as_user(&ana).header("accept-language", "de").send().await.expect(200);
    assert_contains(&german.text(), &["<a href=\"#starts_at\">Datum und Uhrzeit</a>: Diese Angabe ist nicht gültig."]);
    let sent = services.take_requests();
    assert_eq!(sent[0].headers["idempotency-key"], draft.rsplit('/').next().unwrap());
    let fields = ["price", "startsAt", "description"].map(|name| sent[0].body[name].clone());
    let price = json!({ "amount": 8900, "currency": "EUR" });
    assert_eq!(fields, [price, json!("2099-03-01T19:00:00.000Z"), json!("Two\nlines")]);
    assert!(!type_form(&app, &draft, &ana, &TYPED).await.contains(fault));
    // What may succeed later is repeated from the same page.
    services.respond_with_problem("POST /api/tickets", 503, "Not available right now.", &[]);
    let html = list(&app, &draft, &ana).await.expect(503).text();
    assert_contains(&html, &["Your details are saved", "The buyer pays €89.00.", "name=\"revision\""]);

    // It is listed under the same key, and leads to its listing from then on.
    let ticket = TicketState { seller_id: ana.id, ..listing(&app, "Carmen", 0) };
    services.respond_with("POST /api/tickets", 201, listing_json(&ticket, 0), &[]);
    publish_listing(&app, &ticket).await;
    app.wait_until_idle().await;
    let listed = list(&app, &draft, &ana).await.expect(303);
    assert_eq!(listed.header("location"), format!("{}?done=listed", path(&ticket)));
    assert_contains(&get(listed.header("location")).await.expect(200).text(), &["Your listing is live."]);
    let elsewhere = app.request("GET", listed.header("location")).send().await.expect(200).text();
    assert!(!elsewhere.contains("is live"), "{elsewhere}");
    let [unavailable, created] = <[_; 2]>::try_from(services.take_requests()).unwrap();
    assert_eq!(unavailable.headers["idempotency-key"], created.headers["idempotency-key"]);
    for again in [
        post_form(&app, &draft, Some(&ana), &[("revision", "4")]).await,
        post_form(&app, &form, Some(&ana), &typed_at("90")).await,
        get(&draft).await,
        get(&form).await,
    ] {
        assert_eq!(again.expect(303).header("location"), path(&ticket));
    }
    assert!(services.take_requests().is_empty(), "it is listed once");
}

#[tokio::test(flavor = "multi_thread")]
async fn session_that_ended_loses_nothing() {
    let (app, services) = app_with_services().await;
    let (ana, ben) = (app.signer.user(), app.signer.user());
    let as_user = async |at: &str, user: &User, cookie: &str| {
        app.request("GET", at).as_user(user).header("cookie", cookie).send().await
    };
    // The form arrives without a session: it is stored before the sign-in form is shown.
    let (new, form) = (draft('a'), format!("{}/edit", draft('a')));
    let stored = post_form(&app, &form, None, &TYPED).await.expect(303);
    let sign_in = format!("/signin?next={}", new.replace('/', "%2F"));
    assert_eq!(stored.header("location"), sign_in);
    let html = app.request("GET", &sign_in).send().await.expect(200).text();
    assert_contains(&html, &["Your details are saved", &format!("name=\"next\" value=\"{new}\"")]);
    let set = stored.header("set-cookie");
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax") && set.contains("Max-Age=86400"), "{set}");
    let cookie = set.split(';').next().unwrap().to_owned();
    // Only the same browser has it after the sign-in, and from then on the user.
    app.request("GET", &new).header("cookie", &cookie).send().await.expect(401);
    as_user(&new, &ben, "drafts=AAAAAAAAAAAAAAAAAAAAAA").await.expect(404);
    assert_contains(&as_user(&new, &ana, &cookie).await.expect(200).text(), &["The buyer pays €89.00."]);
    as_user(&new, &ana, "").await.expect(200);
    as_user(&new, &ben, &cookie).await.expect(404);
    assert!(!as_user(&form, &ben, &cookie).await.expect(200).text().contains("Carmen"));

    // A later form of the user's draft arrives without a session: the draft stays, and so does what was typed.
    let body = serde_urlencoded::to_string(typed_at("95")).unwrap();
    let request = app.request("POST", &form).header("content-type", "application/x-www-form-urlencoded").body(body);
    let stored = request.header("cookie", &cookie).send().await.expect(303);
    let copy = stored.header("location").replace("/signin?next=", "").replace("%2F", "/");
    assert_ne!(copy, new);
    assert_contains(&as_user(&new, &ana, "").await.expect(200).text(), &["The buyer pays €89.00."]);
    assert_contains(&as_user(&copy, &ana, &cookie).await.expect(200).text(), &["The buyer pays €95.00."]);
    // The session ends just before the seller lists it, here or at the tickets service. Both have the same key.
    let signed_out = post_form(&app, &new, None, &[("revision", "1")]).await.expect(303);
    assert_eq!(signed_out.header("location"), sign_in);
    services.respond_with_problem("POST /api/tickets", 401, "Sign in.", &[]);
    assert_eq!(list(&app, &new, &ana).await.expect(303).header("location"), sign_in);
    list(&app, &copy, &ana).await.expect(303);
    let sent = services.take_requests();
    assert_eq!(sent[0].headers["idempotency-key"], sent[1].headers["idempotency-key"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_are_bounded_and_expire() {
    let (app, services) = app_with_services().await;
    let (ana, ben) = (app.signer.user(), app.signer.user());
    let drafts = app.context.database.collection::<Document>("drafts");
    let long = "x".repeat(70_000);
    let huge = TYPED.map(|(name, value)| (name, if name == "description" { long.as_str() } else { value }));
    post_form(&app, &format!("{}/edit", draft('a')), Some(&ana), &huge).await.expect(413);
    post_form(&app, "/sell/drafts/new/edit", Some(&ana), &TYPED).await.expect(404);
    assert_eq!(drafts.count_documents(doc! {}).await.unwrap(), 0);
    type_form(&app, &draft('z'), &ben, &TYPED).await;
    for letter in ('a'..='z').chain('A'..='Z') {
        app.clock.advance(Duration::from_millis(1));
        // Ben's draft keeps its id, and what Ana types gets another one.
        post_form(&app, &format!("{}/edit", draft(letter)), Some(&ana), &TYPED).await.expect(303);
    }
    let of_ana = doc! { "owner": format!("user:{}", ana.id) };
    assert_eq!(drafts.count_documents(of_ana).await.unwrap(), 50);
    app.request("GET", &draft('a')).as_user(&ana).send().await.expect(404);
    app.request("GET", &draft('Z')).as_user(&ana).send().await.expect(200);
    app.request("GET", &draft('z')).as_user(&ben).send().await.expect(200);

    // An idempotency key is valid for a day: a draft ends a day after it was sent.
    let left = async || {
        let found = drafts.find_one(doc! { "_id": draft('z').rsplit('/').next() }).await.unwrap().unwrap();
        let expires_on = found.get_datetime("expiresOn").unwrap().timestamp_millis();
        (expires_on - DateTime::now().timestamp_millis()) / 3_600_000
    };
    // What is typed without a session ends within a day, but does not make way for older drafts.
    let as_guest = async |letter: char, user: &User| {
        let stored = post_form(&app, &format!("{}/edit", draft(letter)), None, &TYPED).await.expect(303);
        let at = stored.header("location").replace("/signin?next=", "").replace("%2F", "/");
        let cookie = stored.header("set-cookie").split(';').next().unwrap().to_owned();
        app.request("GET", &at).as_user(user).header("cookie", &cookie).send().await.expect(200);
        app.request("GET", &at).as_user(user).send().await.expect(200);
        at
    };
    as_guest('0', &ana).await;
    let copy = as_guest('z', &ben).await;
    assert!(left().await > 160, "about a week");
    services.respond_with_problem("POST /api/tickets", 503, "Not available right now.", &[]);
    list(&app, &copy, &ben).await.expect(503);
    assert!(left().await < 25, "a copy was sent, which has the same key");
    list(&app, &draft('z'), &ben).await.expect(503);
    assert!(left().await < 25);
    type_form(&app, &draft('z'), &ben, &TYPED).await;
    assert!(left().await < 25, "saving does not extend it");
    app.clock.advance(Duration::from_secs(25 * 3600));
    let claims = Signer::claims(ben.id);
    let token = app.signer.sign(&Claims { exp: claims.exp + 2 * 86_400, ..claims });
    let ben = User { token, ..ben };
    app.request("GET", &draft('z')).as_user(&ben).send().await.expect(404);
    // MongoDB has not removed it yet, but it is no longer in the way.
    assert_contains(&type_form(&app, &draft('z'), &ben, &TYPED).await, &["The buyer pays €89.00."]);
    assert!(left().await > 160);
    let mut indexes = drafts.list_indexes().await.unwrap();
    let mut expiring = Vec::new();
    while indexes.advance().await.unwrap() {
        let index = indexes.deserialize_current().unwrap();
        if index.options.and_then(|options| options.expire_after).is_some_and(|after| after.is_zero()) {
            expiring.push(index.keys);
        }
    }
    assert_eq!(expiring, [doc! { "expiresOn": 1 }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn response_is_shown_when_the_event_is_delayed() {
    let (app, services) = app_with_services().await;
    let ana = app.signer.user();
    let ticket = TicketState { seller_id: ana.id, ..listing(&app, "Carmen", 0) };
    services.respond_with("POST /api/tickets", 201, listing_json(&ticket, 0), &[]);
    type_form(&app, &draft('a'), &ana, &TYPED).await;
    let html = list(&app, &draft('a'), &ana).await.expect(200).text();
    assert_contains(&html, &["<h1>Carmen</h1>", "not up to date yet", "This is your listing."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn seller_edits_a_listing_at_the_version_shown() {
    let (app, services) = app_with_services().await;
    let (ana, ben) = (app.signer.user(), app.signer.user());
    let ticket = TicketState { seller_id: ana.id, ..listing(&app, "Carmen", 0) };
    publish_listing(&app, &ticket).await;
    app.wait_until_idle().await;
    let edit = format!("{}/edit", path(&ticket));
    app.request("GET", &edit).send().await.expect(401);
    let begun = app.request("GET", &edit).as_user(&ben).send().await;
    follow(&app, &ben, begun).await.expect(404);
    let begun = app.request("GET", &edit).as_user(&ana).send().await;
    let html = follow(&app, &ana, begun).await.expect(200).text();
    let id = ticket.terms.id.to_string();
    let hidden = format!("name=\"listing\" value=\"{id}\"");
    assert_contains(&html, &["value=\"Carmen\"", "name=\"version\" value=\"0\"", &hidden]);
    let typed = [TYPED.as_slice(), &[("listing", id.as_str()), ("version", "0")]].concat();
    let put = format!("PUT /api{}", path(&ticket));
    services.respond_with_problem(&put, 412, "Changed.", &[]);
    assert_contains(
        &type_form(&app, &draft('a'), &ana, &typed).await,
        &["Save changes", "Your changes are not live yet."],
    );
    let rejected = list(&app, &draft('a'), &ana).await;
    let html = follow(&app, &ana, rejected).await.expect(200).text();
    assert_contains(&html, &["has changed since you opened this page", "value=\"89.00\"", &hidden]);
    assert_eq!(services.take_requests()[0].headers["if-match"], "\"0\"");
    // Without a valid version, the request would overwrite concurrent changes.
    for version in ["", "x", "-1"] {
        let mangled = [TYPED.as_slice(), &[("listing", id.as_str()), ("version", version)]].concat();
        let html = type_form(&app, &draft('b'), &ana, &mangled).await;
        assert_contains(&html, &["This page has expired. Open it again and make your changes.", "value=\"89.00\""]);
    }
    services.take_requests();
    services.respond_with_problem(&put, 409, "It is held by a buyer.", &[]);
    type_form(&app, &draft('a'), &ana, &typed).await;
    let rejected = list(&app, &draft('a'), &ana).await;
    assert_contains(&follow(&app, &ana, rejected).await.expect(200).text(), &["It is held by a buyer."]);
    // A second click: the PUT fails with 412, but the listing is already as the draft says, so it counts as saved.
    let unedited = ticket.terms.starts_at.to_string();
    let local = common::day::local_time(ticket.terms.starts_at, &ticket.terms.time_zone);
    let unchanged = [
        ("title", "Carmen"),
        ("venue", "Town Hall"),
        ("city", "New York"),
        ("starts_at", local.as_str()),
        ("time_zone", "America/New_York"),
        ("price", "125.50"),
        ("currency", "USD"),
        ("seats", "14"),
        ("listing", id.as_str()),
        ("version", "0"),
        ("unedited", unedited.as_str()),
    ];
    services.respond_with_problem(&put, 412, "Changed.", &[]);
    let get = format!("GET /api{}", path(&ticket));
    services.respond_with(&get, 200, listing_json(&ticket, 1), &[]);
    type_form(&app, &draft('c'), &ana, &unchanged).await;
    let changed = format!("{}?done=changed", path(&ticket));
    assert_eq!(list(&app, &draft('c'), &ana).await.expect(303).header("location"), changed);
    // It is withdrawn as it is.
    let withdraw = format!("{}/withdraw", path(&ticket));
    services.respond_with_problem(&format!("DELETE /api{}", path(&ticket)), 409, "It is held by a buyer.", &[]);
    assert_contains(&post_form(&app, &withdraw, Some(&ana), &[]).await.expect(409).text(), &["It is held by a buyer."]);
    let withdrawn = TicketState { status: TicketStatus::Withdrawn, ..ticket.clone() };
    services.respond_with(&get, 200, listing_json(&withdrawn, 1), &[]);
    let response = post_form(&app, &withdraw, Some(&ana), &[]).await.expect(303);
    assert_eq!(response.header("location"), "/selling?done=withdrawn");
    let notice = app.request("GET", response.header("location")).as_user(&ana).send().await.expect(200).text();
    assert_contains(&notice, &["Withdrawn. Nobody can buy it any more."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_service_is_reported_and_the_draft_is_kept() {
    let app = crate::support::app().await;
    let ana = app.signer.user();
    type_form(&app, &draft('a'), &ana, &TYPED).await;
    let response = list(&app, &draft('a'), &ana).await.expect(503);
    assert_page(&response);
    assert!(!response.header("retry-after").is_empty());
    assert_contains(&response.text(), &["Your details are saved", "Carmen &#38; &#60;b&#62;"]);
}
