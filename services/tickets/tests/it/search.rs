//! GET /api/tickets?q=: search by words of title, venue and city.

use std::fmt::Write;

use serde_json::json;
use testkit::app::TestApp;

use crate::support::{app, body, create_listing_with};

async fn app_with_listings() -> TestApp {
    let app = app().await;
    let seller = app.signer.user();
    for (title, venue, city) in [
        ("Café Tacvba", "Palacio", "México"),
        ("The Who", "Wembley Arena", "London"),
        ("Who Let the Dogs Out", "Town Hall", "New York"),
        ("AC/DC", "Olympiastadion", "München"),
        ("Party in the Park", "Hyde Park", "London"),
    ] {
        let mut body = body();
        body["title"] = json!(title);
        body["venue"] = json!(venue);
        body["city"] = json!(city);
        body["description"] = json!("Zanzibar");
        create_listing_with(&app, &seller, &body).await;
    }
    app
}

async fn found(app: &TestApp, q: &str) -> Vec<String> {
    let mut path = "/api/tickets?q=".to_owned();
    for byte in q.bytes() {
        write!(path, "%{byte:02X}").unwrap();
    }
    let page = app.request("GET", &path).send().await.expect(200).json();
    page["items"].as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn words_are_found_in_title_venue_and_city() {
    let app = app_with_listings().await;
    for (q, titles) in [
        ("wembley", vec!["The Who"]),
        ("london", vec!["Party in the Park", "The Who"]),
        ("WHO", vec!["Who Let the Dogs Out", "The Who"]),
        // There are no stop words: common words may name a band.
        ("the who", vec!["Who Let the Dogs Out", "The Who"]),
        ("who london", vec!["The Who"]),
        ("london who wembley", vec!["The Who"]),
        ("cafe", vec!["Café Tacvba"]),
        ("CAFÉ mexico", vec!["Café Tacvba"]),
        ("cafe\u{301}", vec!["Café Tacvba"]),
        ("munchen", vec!["AC/DC"]),
        ("ac/dc", vec!["AC/DC"]),
        ("york new", vec!["Who Let the Dogs Out"]),
        ("zanzibar", vec![]),
        ("nobody", vec![]),
        ("who nobody", vec![]),
    ] {
        assert_eq!(found(&app, q).await, titles, "{q}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_whole_words_match() {
    let app = app_with_listings().await;
    assert_eq!(found(&app, "art").await, [""; 0], "part of a word is no match");
    assert_eq!(found(&app, "park art").await, [""; 0]);
    assert_eq!(found(&app, "park party").await, ["Party in the Park"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn search_operators_are_ignored() {
    let app = app_with_listings().await;
    assert_eq!(found(&app, "-london who").await, ["The Who"], "a minus is ignored");
    assert_eq!(found(&app, "\"who london\"").await, ["The Who"], "quotes are ignored");
    assert_eq!(found(&app, "who \\\" -wembley").await, ["The Who"]);
    for nothing in ["-", "\"", "...", "\u{1F3B8}", "$where", "{\"$gt\":\"\"}", "\u{0}", ".*"] {
        assert_eq!(found(&app, nothing).await, [""; 0], "{nothing}");
    }
    assert_eq!(found(&app, "   ").await.len(), 5, "a blank query is ignored");
}
