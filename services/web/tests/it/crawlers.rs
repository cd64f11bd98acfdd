//! What search engines and link previews read: sitemaps, robots.txt, structured data, posters; and the manifest.

use std::time::Duration;

use common::events::show::{ShowState, ShowStatus};
use common::events::ticket::{Category, TicketChange, TicketState, TicketStatus};
use serde_json::Value;
use testkit::app::TestApp;

use crate::support::{app, assert_contains, listing, page, publish_listing, publish_show, show_of, show_path};

const ORIGIN: &str = "http://localhost:8080";

/// A listing of a show that starts at this time.
fn listing_at(app: &TestApp, title: &str, starts_at: &str) -> TicketState {
    let mut ticket = listing(app, title, 0);
    ticket.terms.starts_at = starts_at.parse().unwrap();
    ticket
}

/// The addresses in a sitemap, without the origin.
async fn addresses(app: &TestApp, path: &str) -> Vec<String> {
    let response = app.request("GET", path).send().await.expect(200);
    assert_eq!(response.header("content-type"), "application/xml; charset=utf-8");
    assert_eq!(response.header("cache-control"), "public, max-age=600");
    let xml = response.text();
    let addresses = xml.split("<loc>").skip(1).map(|rest| rest.split("</loc>").next().unwrap());
    addresses.map(|address| address.strip_prefix(ORIGIN).unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sitemaps_list_what_can_be_bought_by_month() {
    let app = app().await;
    assert_eq!(addresses(&app, "/sitemap.xml").await, ["/sitemaps/pages.xml"]);
    let pages = ["/", "/browse", "/help", "/terms", "/privacy", "/imprint"];
    assert_eq!(addresses(&app, "/sitemaps/pages.xml").await, pages);
    let early = listing_at(&app, "Jazz & Blues", "2099-11-01T00:00:00Z");
    let late = listing_at(&app, "Carmen", "2099-11-30T23:59:59Z");
    let next = listing_at(&app, "Rusalka", "2099-12-01T00:00:00Z");
    let sold = TicketState { status: TicketStatus::Sold, ..listing_at(&app, "Sold", "2099-11-02T00:00:00Z") };
    let only_sold = TicketState { status: TicketStatus::Sold, ..listing_at(&app, "Sold", "2099-10-02T00:00:00Z") };
    for ticket in [&late, &early, &next, &sold, &only_sold] {
        publish_listing(&app, ticket).await;
    }
    let cancelled = listing_at(&app, "Ill", "2099-11-03T00:00:00Z");
    publish_show(&app, &ShowState { status: ShowStatus::Cancelled, ..show_of(&cancelled) }).await;
    app.publish(TicketChange::Created, cancelled.terms.id, 0, cancelled).await;
    app.wait_until_idle().await;
    // The index was built before they were listed.
    assert_eq!(addresses(&app, "/sitemap.xml").await, ["/sitemaps/pages.xml"]);
    app.clock.advance(Duration::from_secs(601));
    let expected = ["/sitemaps/pages.xml", "/sitemaps/2099-11.xml", "/sitemaps/2099-12.xml"];
    assert_eq!(addresses(&app, "/sitemap.xml").await, expected);
    let shows = [&early, &late].map(|ticket| show_path(&show_of(ticket)));
    assert_eq!(addresses(&app, "/sitemaps/2099-11.xml").await, shows);
    assert_eq!(addresses(&app, "/sitemaps/2099-12.xml").await, [show_path(&show_of(&next))]);
    for missing in ["2099-10.xml", "2099-11", "2099-13.xml", "2099-1.xml", "show.xml", ".xml"] {
        app.request("GET", &format!("/sitemaps/{missing}")).send().await.expect(404);
    }
    let robots = app.request("GET", "/robots.txt").send().await.expect(200).text();
    let sitemap = format!("\nSitemap: {ORIGIN}/sitemap.xml\n");
    assert_contains(&robots, &["User-agent: *\n", "\nDisallow: /orders\n", "\nDisallow: /account\n", &sitemap]);
    let private: Vec<_> = robots.lines().filter_map(|line| line.strip_prefix("Disallow: ")).collect();
    for public in shows.iter().map(String::as_str).chain(pages).chain(["/sitemap.xml", "/posters/x"]) {
        assert!(!private.iter().any(|prefix| public.starts_with(prefix)), "{public}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn show_describes_itself_to_programs() {
    let app = app().await;
    let mut ticket = listing_at(&app, "Jazz</script><script>alert(1)</script>", "2099-06-01T19:30:00Z");
    ticket.category = Some(Category::Concert);
    publish_listing(&app, &ticket).await;
    app.wait_until_idle().await;
    let path = show_path(&show_of(&ticket));
    let html = page(&app, &path).await;
    assert!(!html.contains("<script>"), "{html}");
    let (_, json) = html.split_once("<script type=\"application/ld+json\">").unwrap();
    let event: Value = serde_json::from_str(json.split("</script>").next().unwrap()).unwrap();
    assert_eq!(event["name"], ticket.terms.title);
    assert_eq!(event["startDate"], "2099-06-01T15:30:00-04:00");
    assert_eq!(event["url"], format!("{ORIGIN}{path}"));
    assert_eq!(event["offers"][0]["lowPrice"], "125.50");
    let image = event["image"].as_str().unwrap();
    let address = format!("property=\"og:url\" content=\"{ORIGIN}{path}\"");
    assert_contains(&html, &[&address, "name=\"twitter:card\"", "property=\"og:title\" content=\"Jazz&#60;/"]);
    // Previews of links don't show SVG.
    let (_, preview) = html.split_once("property=\"og:image\" content=\"").unwrap();
    let preview = preview.split('"').next().unwrap().strip_prefix(ORIGIN).unwrap();
    let response = app.request("GET", preview).send().await.expect(200);
    assert_eq!(response.header("content-type"), "image/png");
    // The same poster is on the page, in lists and on the page of the listing.
    let poster = image.strip_prefix(ORIGIN).unwrap();
    assert!(poster.starts_with(&format!("/posters/{}-concert-", ticket.show_id)), "{poster}");
    let source = format!("src=\"{poster}\" alt=\"\" width=\"320\" height=\"180\"");
    for path in ["/", "/browse", &path, &format!("/tickets/{}", ticket.terms.id)] {
        assert_contains(&page(&app, path).await, &[&source, "property=\"og:title\""]);
    }
    assert!(!page(&app, "/browse?q=jazz").await.contains("og:"), "a page that is not indexed is not described");

    let response = app.request("GET", poster).send().await.expect(200);
    assert_eq!(response.header("content-type"), "image/svg+xml");
    assert_eq!(response.header("cache-control"), "public, max-age=31536000, immutable");
    assert!(response.text().starts_with("<svg ") && response.bytes.len() < 2_048, "{}", response.text());
    let (stem, _) = poster.rsplit_once('-').unwrap();
    let other = app.request("GET", &format!("{stem}-00000000.svg")).send().await.expect(200);
    assert_eq!((other.header("cache-control"), &other.bytes), ("no-cache", &response.bytes));
    for missing in [format!("{stem}.svg"), "/posters/jazz.svg".to_owned(), format!("{stem}-<svg>.svg")] {
        let missing = missing.replace('<', "%3C").replace('>', "%3E");
        app.request("GET", &missing).send().await.expect(404);
    }

    let response = app.request("GET", "/manifest.webmanifest").send().await.expect(200);
    assert_eq!(response.header("content-type"), "application/manifest+json");
    let icons = response.json()["icons"].as_array().unwrap().clone();
    assert!(icons.iter().any(|icon| icon["purpose"] == "maskable"));
    let german = app.request("GET", "/manifest.webmanifest").header("accept-language", "de").send().await.expect(200);
    assert!(response.json()["lang"] == "en" && german.json()["lang"] == "de", "{}", german.text());
    for icon in &icons {
        let response = app.request("GET", icon["src"].as_str().unwrap()).send().await.expect(200);
        assert_eq!(response.header("content-type"), icon["type"], "{icon}");
    }
    let icon = format!("href=\"{}\"", icons[0]["src"].as_str().unwrap());
    assert_contains(&html, &["rel=\"manifest\" href=\"/manifest.webmanifest\"", &icon, "rel=\"apple-touch-icon\""]);
}
