//! GET /api/tickets?q=: words of title, venue and city.

use std::fmt::Write;

use serde_json::json;
use testkit::app::TestApp;

use crate::support::{app, body, list_as};

async fn shop() -> TestApp {
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
        list_as(&app, &seller, &body).await;
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
    let app = shop().await;
    for (q, titles) in [
        ("wembley", vec!["The Who"]),
        ("london", vec!["Party in the Park", "The Who"]),
        ("WHO", vec!["Who Let the Dogs Out", "The Who"]),
        // Common words are words like any other: they may be a band.
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
async fn whole_words_are_meant() {
    let app = shop().await;
    assert_eq!(found(&app, "art").await, [""; 0], "party holds art, and is another word");
    assert_eq!(found(&app, "park art").await, [""; 0]);
    assert_eq!(found(&app, "park party").await, ["Party in the Park"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_are_harmless() {
    let app = shop().await;
    assert_eq!(found(&app, "-london who").await, ["The Who"], "a minus takes nothing away");
    assert_eq!(found(&app, "\"who london\"").await, ["The Who"], "quotes mean nothing");
    assert_eq!(found(&app, "who \\\" -wembley").await, ["The Who"]);
    for nothing in ["-", "\"", "...", "\u{1F3B8}", "$where", "{\"$gt\":\"\"}", "\u{0}", ".*"] {
        assert_eq!(found(&app, nothing).await, [""; 0], "{nothing}");
    }
    assert_eq!(found(&app, "   ").await.len(), 5, "no words, no narrowing");
}
