//! Shows: joining them by listings, and corrections by the staff.

use common::events::order::OrderStatus;
use common::events::show::{ShowChange, ShowState};
use common::id::ShowId;
use common::identity::Role;
use futures::future::join_all;
use mongodb::bson::{Document, doc};
use serde_json::{Value, json};
use testkit::app::TestApp;
use testkit::app::request::{Request, Response};
use testkit::app::users::User;

use crate::support::{
    app, app_with, body, body_with, create_listing, create_listing_with, deliver, last_event, order, put, read,
    with_status, withdraw,
};

pub(crate) fn show_path(id: &Value) -> String {
    format!("/api/shows/{}", id.as_str().unwrap())
}

pub(crate) async fn read_show(app: &TestApp, id: &Value) -> Value {
    app.request("GET", &show_path(id)).send().await.expect(200).json()
}

/// The titles of the listed shows.
pub(crate) async fn listed(app: &TestApp, query: &str) -> Vec<String> {
    let page = app.request("GET", &format!("/api/shows?{query}")).send().await.expect(200).json();
    page["items"].as_array().unwrap().iter().map(|show| show["title"].as_str().unwrap().to_owned()).collect()
}

/// The number of stored shows with this title, listed or not.
pub(crate) async fn shows_named(app: &TestApp, title: &str) -> u64 {
    let shows = app.context.database.collection::<Document>("shows");
    shows.count_documents(doc! { "state.details.title": title }).await.unwrap()
}

/// The body that replaces a show by itself.
fn update(show: &Value) -> Value {
    let fields = ["title", "venue", "city", "country", "startsAt", "endsAt", "timeZone", "category"];
    Value::Object(fields.iter().map(|field| ((*field).to_owned(), show[*field].clone())).collect())
}

pub(crate) fn replace(app: &TestApp, staff: &User, show: &Value, field: &str, value: Value) -> Request {
    let mut body = update(show);
    body[field] = value;
    app.request("PUT", &show_path(&show["id"])).as_user(staff).json(&body)
}

pub(crate) async fn merge(app: &TestApp, staff: &User, id: &Value, into: &Value) -> Response {
    let request = app.request("POST", &format!("{}/merge", show_path(id))).as_user(staff);
    request.json(&json!({ "into": into })).send().await
}

pub(crate) async fn cancel(app: &TestApp, staff: &User, id: &Value) -> Response {
    let request = app.request("POST", &format!("{}/cancel", show_path(id))).as_user(staff);
    request.json(&json!({ "reason": "The singer is ill." })).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_of_one_show_share_it_whatever_the_spelling() {
    let app = app().await;
    let seller = app.signer.user();
    let first = create_listing(&app, &seller).await;
    let mut spelled = body_with("price.amount", json!(9_900));
    spelled["title"] = json!("NINA SIMONE  tribute!");
    spelled["city"] = json!("New York City");
    spelled["timeZone"] = json!("Asia/Tokyo");
    let second = create_listing_with(&app, &seller, &spelled).await;
    assert_eq!(second["showId"], first["showId"]);
    assert_eq!((&second["title"], &second["timeZone"]), (&spelled["title"], &json!("America/New_York")));
    create_listing_with(&app, &seller, &body_with("price.currency", json!("EUR"))).await;
    let other = create_listing_with(&app, &seller, &body_with("startsAt", json!("2099-06-02T19:30:00Z"))).await;
    assert_ne!(other["showId"], first["showId"]);

    let show = read_show(&app, &first["showId"]).await;
    let expected = json!({
        "id": first["showId"], "version": 0, "slug": "nina-simone-tribute-new-york", "title": "Nina Simone Tribute",
        "venue": "Town Hall", "city": "New York", "country": "US", "startsAt": "2099-06-01T19:30:00.000Z",
        "endsAt": null, "timeZone": "America/New_York", "category": null, "status": "scheduled",
        "cancelReason": null, "mergedInto": null, "free": 3,
        "from": [{ "amount": 12_550, "currency": "EUR" }, { "amount": 9_900, "currency": "USD" }],
    });
    assert_eq!(show, expected);
    let tickets = async |query: &str| {
        let path = format!("{}/tickets?{query}", show_path(&first["showId"]));
        app.request("GET", &path).send().await.expect(200).json()["items"].as_array().unwrap().len()
    };
    assert_eq!((tickets("").await, tickets("currency=USD&max=10000").await, tickets("quantity=2").await), (3, 1, 0));
    let incomplete = app.request("GET", &format!("{}/tickets?max=5", show_path(&first["showId"]))).send().await;
    assert_eq!(incomplete.expect(400).fields(), ["currency"]);
    app.request("GET", &format!("/api/shows/{}", ShowId::new())).send().await.expect(404);
    app.wait_until_idle().await;
    let history = app.history("tickets", first["showId"].as_str().unwrap()).await;
    assert_eq!(history, [("show.created.v1".to_owned(), 0)]);
    assert_eq!(last_event(&app, &first).await.data["showId"], first["showId"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_listings_and_one_after_a_crash_end_in_one_show() {
    let app = app().await;
    let second = app.start_second_instance(tickets::build).await;
    let seller = app.signer.user();
    let requests = (0..20).map(|n| {
        let instance = if n % 2 == 0 { &app } else { &second };
        instance.request("POST", "/api/tickets").as_user(&seller).json(&body()).send()
    });
    let listings: Vec<Value> = join_all(requests).await.into_iter().map(|made| made.expect(201).json()).collect();
    assert!(listings.iter().all(|listing| listing["showId"] == listings[0]["showId"]), "{listings:?}");
    app.wait_until_idle().await;
    // What a crash between claim and show leaves: the claim alone.
    app.context.database.collection::<Document>("shows").delete_many(doc! {}).await.unwrap();
    let after = create_listing(&app, &seller).await;
    assert_eq!(after["showId"], listings[0]["showId"]);
    assert_eq!(read_show(&app, &after["showId"]).await["free"], 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn edit_of_title_or_time_leaves_the_show() {
    let app = app().await;
    let seller = app.signer.user();
    let listing = create_listing(&app, &seller).await;
    let dearer = body_with("price.amount", json!(20_000));
    let edited = put(&app, &seller, &listing, &dearer).send().await.expect(200).json();
    assert_eq!(edited["showId"], listing["showId"], "a price is no part of the show");
    let other = create_listing_with(&app, &seller, &body_with("title", json!("Hamlet"))).await;
    let edited = put(&app, &seller, &listing, &body_with("title", json!("HAMLET"))).send().await.expect(200).json();
    assert_eq!((&edited["showId"], &edited["title"]), (&other["showId"], &json!("HAMLET")));
    let edited = put(&app, &seller, &listing, &body_with("startsAt", json!("2099-07-01T19:30:00Z"))).send().await;
    let edited = edited.expect(200).json();
    assert!(edited["showId"] != listing["showId"] && edited["showId"] != other["showId"]);
    // No show is made for a listing that can't be edited.
    deliver(&app, 0, &order(&app, &edited)).await;
    let refused = put(&app, &seller, &listing, &body_with("title", json!("Macbeth"))).send().await.expect(409);
    assert_eq!(refused.problem(), "ticket-reserved");
    assert_eq!(shows_named(&app, "Macbeth").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn move_reaches_listings_for_sale_and_old_names_lead_to_the_show() {
    let app = app().await;
    let (seller, staff) = (app.signer.user(), app.signer.staff(Role::Support));
    let (free, held) = (create_listing(&app, &seller).await, create_listing(&app, &seller).await);
    let order = order(&app, &held);
    deliver(&app, 0, &order).await;
    let show = read_show(&app, &free["showId"]).await;
    let later = json!("2099-06-08T19:30:00.000Z");
    for stranger in [&seller, &app.signer.staff(Role::Finance)] {
        let refused = replace(&app, stranger, &show, "startsAt", later.clone()).send().await.expect(403);
        assert_eq!(refused.problem(), "role-required");
    }
    let stale = replace(&app, &staff, &show, "startsAt", later.clone()).header("if-match", "\"7\"").send().await;
    assert_eq!(stale.expect(412).problem(), "precondition-failed");
    let moved = replace(&app, &staff, &show, "startsAt", later.clone()).send().await.expect(200);
    assert_eq!((moved.header("etag"), &moved.json()["status"]), ("\"1\"", &json!("moved")));
    let renamed = replace(&app, &staff, &moved.json(), "title", json!("A Tribute")).send().await.expect(200).json();
    assert_eq!((&renamed["status"], &renamed["title"]), (&json!("moved"), &json!("A Tribute")));
    assert_eq!(
        (&read(&app, &free).await["startsAt"], &read(&app, &held).await["startsAt"]),
        (&later, &held["startsAt"])
    );
    deliver(&app, 2, &with_status(&order, OrderStatus::Cancelled)).await;
    let released = read(&app, &held).await;
    assert_eq!((&released["startsAt"], &released["status"]), (&later, &json!("available")));
    // A listing at the old date joins the moved show.
    let late = create_listing(&app, &seller).await;
    assert_eq!((&late["showId"], &late["startsAt"], &late["title"]), (&show["id"], &later, &json!("A Tribute")));
    let other = create_listing_with(&app, &seller, &body_with("title", json!("Hamlet"))).await;
    let other = read_show(&app, &other["showId"]).await;
    let taken = replace(&app, &staff, &renamed, "title", json!("Hamlet")).send().await.expect(200).json();
    let taken = replace(&app, &staff, &taken, "startsAt", other["startsAt"].clone()).send().await.expect(409);
    assert_eq!(taken.problem(), "show-exists");
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_shows_are_not_listed() {
    let app = app().await;
    let (seller, staff) = (app.signer.user(), app.signer.staff(Role::Support));
    let mut listing = create_listing(&app, &seller).await;
    // The seller retitles the listing again and again, and so leaves a show each time.
    let mut left = vec![read_show(&app, &listing["showId"]).await];
    for title in ["A", "B", "C"] {
        listing = put(&app, &seller, &listing, &body_with("title", json!(title))).send().await.expect(200).json();
        assert_eq!(listed(&app, "").await, [title]);
        left.push(read_show(&app, &listing["showId"]).await);
    }
    // A show without a ticket for sale is listed while it has a listing, and one that was moved in any case.
    let order = order(&app, &listing);
    deliver(&app, 0, &order).await;
    assert_eq!(listed(&app, "").await, ["C"]);
    replace(&app, &staff, &left[1], "startsAt", json!("2099-06-08T19:30:00.000Z")).send().await.expect(200);
    assert_eq!(listed(&app, "").await, ["C", "A"]);
    deliver(&app, 2, &with_status(&order, OrderStatus::Cancelled)).await;
    withdraw(&app, &seller, &listing).await.expect(204);
    assert_eq!(listed(&app, "").await, ["A"]);
    // The pages of the list lead past the empty shows.
    let page = app.request("GET", "/api/shows?limit=1").send().await.expect(200).json();
    assert_eq!((&page["items"], page["nextCursor"].is_string()), (&json!([]), true));
    assert_eq!(read_show(&app, &left[0]["id"]).await["free"], 0, "an empty show is still found by its id");
}

#[tokio::test(flavor = "multi_thread")]
async fn merge_changes_the_show_of_listings_and_nothing_else() {
    let app = app().await;
    let (seller, staff) = (app.signer.user(), app.signer.staff(Role::Operator));
    let long = body_with("title", json!("Nina Simone: a Tribute"));
    let (kept, merged) = (create_listing(&app, &seller).await, create_listing_with(&app, &seller, &long).await);
    let order = order(&app, &merged);
    deliver(&app, 0, &order).await;
    let before = read(&app, &merged).await;
    assert_eq!(merge(&app, &seller, &merged["showId"], &kept["showId"]).await.expect(403).problem(), "role-required");
    assert_eq!(merge(&app, &staff, &kept["showId"], &kept["showId"]).await.expect(400).fields(), ["into"]);
    assert_eq!(merge(&app, &staff, &kept["showId"], &json!(ShowId::new())).await.expect(400).fields(), ["into"]);
    for _ in 0..2 {
        let show = merge(&app, &staff, &merged["showId"], &kept["showId"]).await.expect(200).json();
        assert_eq!((&show["mergedInto"], &show["version"]), (&kept["showId"], &json!(1)));
    }
    let mut expected = before;
    expected["showId"] = kept["showId"].clone();
    let after = read(&app, &merged).await;
    (expected["version"], expected["updatedAt"]) = (after["version"].clone(), after["updatedAt"].clone());
    assert_eq!(after, expected);
    // The merge does not disturb the order, and listings of either spelling join the remaining show.
    deliver(&app, 3, &with_status(&order, OrderStatus::Completed)).await;
    assert_eq!(read(&app, &merged).await["status"], "sold");
    assert_eq!(create_listing_with(&app, &seller, &long).await["showId"], kept["showId"]);
    assert_eq!(listed(&app, "q=nina").await, ["Nina Simone Tribute"]);
    let back = merge(&app, &staff, &kept["showId"], &merged["showId"]).await.expect(409);
    assert_eq!(back.problem(), "show-merged");
    let gone = read_show(&app, &merged["showId"]).await;
    let replaced = replace(&app, &staff, &gone, "title", json!("Nina Simone")).send().await.expect(409);
    assert_eq!(replaced.problem(), "show-merged");
    assert_eq!(replace(&app, &staff, &gone, "endsAt", Value::Null).send().await.expect(409).problem(), "show-merged");
    let stale = replace(&app, &staff, &gone, "endsAt", Value::Null).header("if-match", "\"0\"").send().await;
    assert_eq!(stale.expect(412).problem(), "precondition-failed");
    let tickets = app.request("GET", &format!("{}/tickets", show_path(&merged["showId"]))).send().await.expect(200);
    assert_eq!(tickets.json()["items"].as_array().unwrap().len(), 2, "those of the show that remains");
}

#[tokio::test(flavor = "multi_thread")]
async fn opposite_merges_leave_one_show() {
    let app = app().await;
    let (seller, staff) = (app.signer.user(), app.signer.staff(Role::Support));
    for n in 0..5 {
        let one = create_listing_with(&app, &seller, &body_with("title", json!(format!("One {n}")))).await;
        let two = create_listing_with(&app, &seller, &body_with("title", json!(format!("Two {n}")))).await;
        let (there, back) = tokio::join!(
            merge(&app, &staff, &one["showId"], &two["showId"]),
            merge(&app, &staff, &two["showId"], &one["showId"])
        );
        let mut statuses = [there.status, back.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
        assert_eq!(read(&app, &one).await["showId"], read(&app, &two).await["showId"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_cancelled_show_can_be_ordered() {
    let app = app().await;
    let (seller, staff) = (app.signer.user(), app.signer.staff(Role::Support));
    let listing = create_listing(&app, &seller).await;
    assert_eq!(cancel(&app, &seller, &listing["showId"]).await.expect(403).problem(), "role-required");
    let show = cancel(&app, &staff, &listing["showId"]).await.expect(200).json();
    assert_eq!((&show["status"], &show["cancelReason"]), (&json!("cancelled"), &json!("The singer is ill.")));
    assert_eq!((&show["free"], &show["from"]), (&json!(0), &json!([])));
    for (version, status, problem) in [("\"0\"", 412, "precondition-failed"), ("\"1\"", 409, "show-cancelled")] {
        let replaced = replace(&app, &staff, &show, "endsAt", Value::Null).header("if-match", version).send().await;
        assert_eq!(replaced.expect(status).problem(), problem);
    }
    deliver(&app, 0, &order(&app, &listing)).await;
    app.wait_until_idle().await;
    let state = last_event(&app, &listing).await.data;
    assert_eq!((&state["status"], &state["refusals"][0]["reason"]), (&json!("available"), &json!("showCancelled")));
    for path in ["/api/tickets", "/api/tickets/check"] {
        let refused = app.request("POST", path).as_user(&seller).json(&body()).send().await.expect(409);
        assert_eq!(refused.problem(), "show-cancelled");
    }
    let refused = put(&app, &seller, &listing, &body_with("price.amount", json!(5_000))).send().await.expect(409);
    assert_eq!(refused.problem(), "show-cancelled");
    assert_eq!(cancel(&app, &staff, &listing["showId"]).await.expect(409).problem(), "show-cancelled");
    let for_sale = app.request("GET", "/api/tickets?status=available").send().await.expect(200).json();
    assert_eq!(for_sale["items"], json!([]));
    // The seller may leave the show.
    let other = put(&app, &seller, &listing, &body_with("title", json!("Hamlet"))).send().await.expect(200).json();
    assert_ne!(other["showId"], listing["showId"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn event_spreads_a_change_that_a_crash_left_behind() {
    let app = app().await;
    let seller = app.signer.user();
    let listing = create_listing(&app, &seller).await;
    app.wait_until_idle().await;
    let id: ShowId = serde_json::from_value(listing["showId"].clone()).unwrap();
    let created = app.events("tickets").await.into_iter().find(|event| event.kind == "show.created.v1").unwrap();
    let state: ShowState = serde_json::from_value(created.data).unwrap();
    // The request that cancelled the show crashed after its first write.
    let shows = app.context.database.collection::<Document>("shows");
    let status = doc! { "name": "cancelled", "reason": "Rain" };
    let update = doc! { "$set": { "version": 1_i64, "state.status": status } };
    shows.update_one(doc! { "_id": id.to_string() }, update).await.unwrap();
    for version in [0, 1] {
        app.handle(&app.event(ShowChange::Snapshot, id, version, state.clone())).await.unwrap();
        let stored = app.context.database.collection::<Document>("tickets").find_one(doc! {}).await.unwrap().unwrap();
        let is_cancelled = stored.get_document("state").unwrap().get_document("show").unwrap().get_bool("isCancelled");
        assert_eq!(is_cancelled.unwrap(), version == 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn days_are_those_of_the_venue() {
    let app = app().await;
    let seller = app.signer.user();
    // Eight in the evening of November 30 in New York.
    create_listing_with(&app, &seller, &body_with("startsAt", json!("2099-12-01T01:00:00Z"))).await;
    let mut hamlet = body_with("title", json!("Hamlet"));
    (hamlet["city"], hamlet["category"]) = (json!("München"), json!("theatre"));
    create_listing_with(&app, &seller, &hamlet).await;
    let table: [(&str, &[&str]); 8] = [
        ("from=2099-11-30&to=2099-11-30", &["Nina Simone Tribute"]),
        ("from=2099-12-01&to=2099-12-01", &[]),
        ("to=2099-06-01", &["Hamlet"]),
        ("city=munich", &["Hamlet"]),
        ("category=theatre&q=globe", &[]),
        ("category=theatre&q=hall", &["Hamlet"]),
        ("", &["Hamlet", "Nina Simone Tribute"]),
        ("limit=1", &["Hamlet"]),
    ];
    for (query, expected) in table {
        assert_eq!(listed(&app, query).await, expected, "{query}");
    }
    for (query, field) in [("from=today", "from"), ("to=2099-13-01", "to"), ("day=1", "day")] {
        let invalid = app.request("GET", &format!("/api/shows?{query}")).send().await.expect(400);
        assert_eq!(invalid.fields(), [field]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn price_cap_applies_in_the_country_of_the_show() {
    let app = app_with(&[("PRICE_CAPS", "FR=0,US=10")]).await;
    let seller = app.signer.user();
    let priced = |price: i64, face: Value| {
        let mut body = body_with("price.amount", json!(price));
        body["faceValue"] = face;
        body
    };
    let face = json!({ "amount": 10_000, "currency": "USD" });
    let post = |body: Value| app.request("POST", "/api/tickets").as_user(&seller).json(&body).send();
    let check = |body: Value| app.request("POST", "/api/tickets/check").as_user(&seller).json(&body).send();
    for refused in [post(priced(5_000, Value::Null)).await, check(priced(5_000, Value::Null)).await] {
        assert_eq!(refused.expect(400).fields(), ["faceValue"]);
    }
    assert_eq!(check(priced(11_001, face.clone())).await.expect(422).problem(), "over-cap");
    check(priced(11_000, face.clone())).await.expect(204);
    let over = post(priced(11_001, face.clone())).await.expect(422);
    assert_eq!((over.problem(), over.fields()), ("over-cap".to_owned(), vec!["price.amount".to_owned()]));
    assert!(over.json()["detail"].as_str().unwrap().contains("10% over face value"), "{}", over.text());
    assert_eq!(shows_named(&app, "Nina Simone Tribute").await, 0, "a rejected listing makes no show");
    let listing = post(priced(11_000, face.clone())).await.expect(201).json();
    let edited = put(&app, &seller, &listing, &priced(11_001, face.clone())).send().await.expect(422);
    assert_eq!(edited.problem(), "over-cap");
    let checked = app.request("POST", &format!("/api/tickets/{}/check", listing["id"].as_str().unwrap()));
    let checked = checked.as_user(&seller).json(&priced(11_001, face.clone())).send().await.expect(422);
    assert_eq!(checked.problem(), "over-cap");
    let mut abroad = priced(50_000, face);
    abroad["city"] = json!("Tokyo");
    post(abroad).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_show_is_raised_from_what_was_published() {
    let app = app().await;
    let listing = create_listing(&app, &app.signer.user()).await;
    app.wait_until_idle().await;
    let show = read_show(&app, &listing["showId"]).await;
    let created = app.events("tickets").await.into_iter().find(|event| event.kind == "show.created.v1").unwrap();
    app.context.database.collection::<Document>("shows").delete_many(doc! {}).await.unwrap();
    let raise = |state: Value| {
        let body = json!({ "id": listing["showId"], "above": 3, "state": state });
        app.admin("POST", "/raise").json(&body).send()
    };
    raise(json!({ "id": listing["showId"] })).await.expect(400);
    assert_eq!(raise(created.data).await.expect(200).json(), json!({ "version": 4, "isWritten": true }));
    let mut expected = show;
    expected["version"] = json!(4);
    assert_eq!(read_show(&app, &listing["showId"]).await, expected);
}
