//! Tests of the browse page (`/browse`): search, filters, sort order and paging.

use std::time::Duration;

use common::clock::Clock;
use common::events::show::{ShowChange, ShowState};
use common::events::ticket::{Category, TicketChange, TicketState, TicketStatus};
use common::events::user::UserChange;
use common::id::UserId;
use common::money::Money;
use mongodb::bson::{Document, doc};
use strum::VariantArray as _;
use testkit::app::{TestApp, eventually};
use web::domain::sort::Sort;

use crate::support::{
    app, assert_contains, assert_page, listing, page, publish_listing, publish_user, show_of, user, with_settings,
};

/// The titles of the results on a page, in order, without the fallback shows.
pub(crate) fn titles(html: &str) -> Vec<String> {
    let (_, results) = html.split_once("id=\"results\"").unwrap_or_else(|| panic!("no results in {html}"));
    let results = results.split("id=\"instead\"").next().unwrap();
    let cards = results.split("<article").skip(1);
    let title = |card: &str| card.split("</a>").next().unwrap().rsplit('>').next().unwrap().to_owned();
    cards.map(title).collect()
}

/// The titles of the results of a search.
pub(crate) async fn titles_for(app: &TestApp, query: &str) -> Vec<String> {
    titles(&page(app, &format!("/browse?{query}")).await)
}

/// The titles on all pages of a search, in order, with the number of pages.
async fn all_pages(app: &TestApp, query: &str) -> (Vec<String>, usize) {
    let (mut next, mut seen, mut pages) = (Some(format!("/browse?{query}")), Vec::new(), 0);
    while let Some(path) = next {
        let html = page(app, &path).await;
        seen.extend(titles(&html));
        next = html.split_once("\" rel=\"next\"").map(|(head, _)| {
            let href = head.rsplit_once("href=\"").unwrap().1;
            href.replace("&#38;", "&")
        });
        assert_eq!(html.contains("First page"), pages > 0);
        pages += 1;
        assert!(pages < 20, "{query} has no end");
    }
    (seen, pages)
}

pub(crate) fn money(amount: i64, currency: &str) -> Money {
    Money { amount, currency: currency.parse().unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn search_matches_word_prefixes() {
    let app = app().await;
    let mut opera = listing(&app, "Tosca", 0);
    opera.terms.venue = "Staatsoper".to_owned();
    opera.terms.city = Some("München".to_owned());
    publish_listing(&app, &opera).await;
    publish_listing(&app, &listing(&app, "Jazz Night", 1)).await;
    app.wait_until_idle().await;
    for (q, tosca, jazz) in [
        ("tosca", true, false),
        ("t", true, true),
        ("TOS", true, false),
        ("STAATSOPER", true, false),
        ("staatsop", true, false),
        ("munchen", true, false),
        ("M%C3%BCnch", true, false),
        ("jazz+hall", false, true),
        ("ha+ja", false, true),
        ("azz", false, true),
        ("jazz+staatsoper", false, false),
        ("-jazz", false, true),
        ("%22%24%22", false, false),
        ("", true, true),
        ("+++", true, true),
    ] {
        let expected: Vec<_> = [("Tosca", tosca), ("Jazz Night", jazz)]
            .iter()
            .filter(|(_, is_there)| *is_there)
            .map(|(t, _)| *t)
            .collect();
        assert_eq!(titles_for(&app, &format!("q={q}&utm_source=elsewhere")).await, expected, "{q}");
    }
    let html = page(&app, "/browse?q=%22%3E%3Cscript%3E").await;
    assert!(!html.contains("<script>"), "{html}");
    assert_contains(&html, &["value=\"&#34;&#62;&#60;script&#62;\"", "content=\"noindex\""]);
    // A changed show is found by its new words only.
    let aida = ShowState { title: "Aida".to_owned(), ..show_of(&opera) };
    app.publish(ShowChange::Updated, aida.id, 1, aida).await;
    app.wait_until_idle().await;
    assert_eq!((titles_for(&app, "q=aid").await.len(), titles_for(&app, "q=tosca").await.len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn misspelled_search_is_corrected_and_reported() {
    let app = app().await;
    let mut opera = listing(&app, "Tosca", 0);
    opera.terms.venue = "Staatsoper".to_owned();
    for ticket in [&opera, &listing(&app, "Jazz Night", 1)] {
        publish_listing(&app, ticket).await;
    }
    app.wait_until_idle().await;
    for (q, corrected, title) in [
        ("jaxz", "jazz", "Jazz Night"),
        ("Tocsa", "tosca", "Tosca"),
        ("staatsopr", "staatsoper", "Tosca"),
        ("sttatsoperr", "staatsoper", "Tosca"),
        ("jazz+nihgt", "jazz night", "Jazz Night"),
        ("jaxz+nihgt", "jazz night", "Jazz Night"),
    ] {
        let html = page(&app, &format!("/browse?q={q}")).await;
        assert_eq!(titles(&html), [title], "{q}");
        let notice = format!("No match for “{}”. Showing “{corrected}”.", q.replace('+', " "));
        assert_contains(&html, &[&notice, "content=\"noindex\""]);
    }
    for (q, filters) in [("xylophone", ""), ("jazz+tosca", ""), ("jaxz", "&category=sport"), ("ja", "")] {
        let html = page(&app, &format!("/browse?q={q}{filters}")).await;
        assert!(!html.contains("Showing “"), "{q}: {html}");
    }
    // A correction that finds nothing is not suggested.
    opera.status = TicketStatus::Withdrawn;
    app.publish(TicketChange::Withdrawn, opera.terms.id, 1, opera.clone()).await;
    app.wait_until_idle().await;
    let html = page(&app, "/browse?q=tocsa").await;
    assert!(titles(&html).is_empty() && !html.contains("Showing “"), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn search_matches_seller_names() {
    let app = app().await;
    // Many users have the same first name, and sell nothing.
    for _ in 0..25 {
        publish_user(&app, UserId::new(), "Ana").await;
    }
    let (carmen, tosca) = (listing(&app, "Carmen", 0), listing(&app, "Tosca", 1));
    publish_user(&app, carmen.seller_id, "Ana Kovač").await;
    publish_user(&app, tosca.seller_id, "Berta Smith").await;
    for ticket in [&carmen, &tosca] {
        publish_listing(&app, ticket).await;
    }
    app.wait_until_idle().await;
    for (q, expected) in [
        ("kovac", vec!["Carmen"]),
        ("Kov", vec!["Carmen"]),
        ("ana+kovac", vec!["Carmen"]),
        ("kovac+ana", vec!["Carmen"]),
        ("kovac+carmen", vec!["Carmen"]),
        ("kovac+town+carm", vec!["Carmen"]),
        ("kovac+tosca", vec![]),
        ("smith", vec!["Tosca"]),
        ("smith+kovac", vec![]),
    ] {
        assert_eq!(titles_for(&app, &format!("q={q}")).await, expected, "{q}");
    }
    // A show found by its title and by a seller is shown once.
    publish_user(&app, UserId::new(), "Carmen").await;
    app.publish(UserChange::Updated, carmen.seller_id, 1, user(&app, carmen.seller_id, "Carmen Kovač")).await;
    app.wait_until_idle().await;
    assert_eq!(titles_for(&app, "q=carmen").await, ["Carmen"]);
    assert_eq!(titles_for(&app, "q=ana+kovac").await, [""; 0], "a former name does not match");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_narrow_by_the_days_of_the_venue() {
    use TicketStatus::{Available, Reserved, Sold, Withdrawn};
    let app = app().await;
    for (title, category, price, starts_at, status) in [
        ("Alpha", Some(Category::Concert), money(5_000, "USD"), "2099-06-01T23:30:00Z", Available),
        ("Beta", Some(Category::Sport), money(2_000, "USD"), "2099-06-02T00:00:00Z", Available),
        ("Gamma", Some(Category::Concert), money(3_000, "EUR"), "2099-06-03T12:00:00Z", Available),
        ("Delta", None, money(8_000, "USD"), "2099-06-04T12:00:00Z", Reserved),
        ("Epsilon", Some(Category::Comedy), money(1_000, "USD"), "2099-06-05T12:00:00Z", Sold),
        ("Omega", Some(Category::Comedy), money(1_000, "USD"), "2099-06-06T12:00:00Z", Withdrawn),
    ] {
        // In New York, where the first two begin on the evening of 1 June.
        let mut ticket = TicketState { category, price, status, ..listing(&app, title, 0) };
        ticket.terms.starts_at = starts_at.parse().unwrap();
        publish_listing(&app, &ticket).await;
    }
    app.wait_until_idle().await;
    for (query, expected) in [
        ("", "Alpha Beta Gamma"),
        ("status=available", "Alpha Beta Gamma"),
        ("status=all", "Alpha Beta Gamma Delta Epsilon Omega"),
        ("category=concert", "Alpha Gamma"),
        ("category=comedy", ""),
        ("category=comedy&status=all", "Epsilon Omega"),
        ("from=2099-06-02", "Gamma"),
        ("to=2099-06-01", "Alpha Beta"),
        ("from=2099-06-01&to=2099-06-01", "Alpha Beta"),
        ("from=2099-06-02&to=2099-06-02", ""),
        ("from=2099-06-03&to=2099-06-01", ""),
        ("from=2001-01-01", "Alpha Beta Gamma"),
        ("min=20&max=50", "Alpha Beta"),
        ("min=20.01", "Alpha"),
        ("max=49,99", "Beta"),
        ("min=9&max=1", ""),
        ("currency=EUR", "Gamma"),
        ("max=30&currency=EUR", "Gamma"),
        ("max=29.99&currency=EUR", ""),
        ("currency=JPY", ""),
        ("sort=newest", "Gamma Beta Alpha"),
        ("q=al", "Alpha"),
        ("q=al&category=sport", ""),
        ("q=omega", ""),
        ("q=omega&status=all", "Omega"),
        ("q=town&category=concert&from=2099-06-02&max=40&currency=EUR&sort=newest", "Gamma"),
    ] {
        let expected: Vec<_> = expected.split_whitespace().collect();
        assert_eq!(titles_for(&app, query).await, expected, "{query}");
    }
    // Each active filter has a link that removes it.
    let html = page(&app, "/browse?category=concert&max=60").await;
    assert_contains(
        &html,
        &[
            "Up to $60.00",
            "href=\"/browse?category=concert\"",
            "href=\"/browse?max=60\"",
            "1 show, soonest first · Prices in USD",
        ],
    );
    for (query, canonical) in [("", true), ("q=&sort=&status=available", true), ("sort=newest", false)] {
        let html = page(&app, &format!("/browse?{query}")).await;
        let found = html.contains("rel=\"canonical\" href=\"http://localhost:8080/browse\"");
        assert_eq!((found, html.contains("content=\"noindex\"")), (canonical, !canonical), "{query}");
    }
    // Past shows are never found.
    app.clock.advance("2099-06-02T00:00:00Z".parse::<common::timestamp::Timestamp>().unwrap().since(app.clock.now()));
    assert_eq!(titles_for(&app, "from=2099-06-01&status=all").await, ["Gamma", "Delta", "Epsilon", "Omega"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_parameters_are_dropped_and_reported() {
    let app = app().await;
    let long = format!("q={}", "x".repeat(201));
    let link = "A part of the link wasn’t valid and was ignored.";
    for (query, message) in [
        ("category=opera", link),
        ("from=soon", "The first day was ignored"),
        ("quantity=9", "The number of seats was ignored. Choose 1 to 8."),
        ("quantity=two", "The number of seats was ignored"),
        ("max=much", "The maximum price was ignored. Enter an amount such as 125.50."),
        ("currency=usd", "The currency was ignored"),
        ("when=soon", link),
        ("status=withdrawn", link),
        ("sort=best", link),
        ("after=yesterday", link),
        ("q=a&q=b", "Your search was ignored"),
        ("q=%FF", "Your search was ignored"),
        (long.as_str(), "Your search was ignored"),
    ] {
        let response = app.request("GET", &format!("/browse?{query}")).send().await.expect(200);
        assert_page(&response);
        assert_contains(&response.text(), &[message]);
    }
    // A range that ends before it begins finds nothing, and the page says why.
    for (query, message) in [
        ("from=2026-06-03&to=2026-06-01", "The last day is before the first day"),
        ("min=9&max=1", "The maximum price is below the minimum price"),
    ] {
        assert_contains(&page(&app, &format!("/browse?{query}")).await, &[message, "No shows"]);
    }
    // Unknown parameters, which other sites add, are ignored.
    let foreign = "utm_source=newsletter&fbclid=a&gclid=%zz&payment_intent=pi_1&x=1&x=2";
    let html = app.request("GET", &format!("/browse?{foreign}")).send().await.expect(200).text();
    assert!(!html.contains("was ignored"), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn paging_lists_each_show_once_for_every_sort_order() {
    let app = app().await;
    let seller = UserId::new();
    publish_user(&app, seller, "Ana Kovač").await;
    // Many shows have equal sort values, because ties must have a stable order too.
    let tickets: Vec<_> = (0..60_u64)
        .map(|n| TicketState { seller_id: seller, ..listing(&app, &format!("Show-{n:02}"), n / 30) })
        .collect();
    for ticket in &tickets {
        publish_listing(&app, ticket).await;
    }
    for n in 0..3 {
        publish_listing(&app, &TicketState { status: TicketStatus::Sold, ..listing(&app, &format!("Sold-{n}"), n) })
            .await;
    }
    app.wait_until_idle().await;
    for sort in Sort::VARIANTS.iter().copied() {
        let name = sort.name();
        let mut expected: Vec<_> = tickets.iter().collect();
        expected.sort_by_key(|ticket| sort.key(&show_of(ticket)));
        if !sort.is_ascending() {
            expected.reverse();
        }
        let expected: Vec<_> = expected.into_iter().map(|ticket| ticket.terms.title.clone()).collect();
        for more in ["", "&q=show", "&q=kovac", "&q=show+kov", "&currency=USD&min=10", "&from=2001-01-01&q=ana"] {
            let query = format!("sort={name}{more}");
            assert_eq!(all_pages(&app, &query).await, (expected.clone(), 3), "{query}");
        }
    }
    // Further pages of a corrected search use the corrected words.
    let (seen, pages) = all_pages(&app, "q=shwo").await;
    assert_eq!((seen.len(), pages), (60, 3));
    // When the link to the next page is followed, its shows have begun.
    let html = page(&app, "/browse").await;
    let (head, _) = html.split_once("\" rel=\"next\"").unwrap();
    let next = head.rsplit_once("href=\"").unwrap().1.replace("&#38;", "&");
    app.clock.advance(Duration::from_secs(2 * 86_400));
    assert_contains(&page(&app, &next).await, &["There are no more shows", "href=\"/browse\">Back to the first page"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_results_offer_links() {
    let app = app().await;
    assert_contains(&page(&app, "/browse").await, &["No tickets are for sale right now", "No shows"]);
    publish_listing(&app, &listing(&app, "Tosca", 0)).await;
    app.wait_until_idle().await;
    let html = page(&app, "/browse?q=xylophone&max=5").await;
    assert!(titles(&html).is_empty(), "{html}");
    assert_contains(
        &html,
        &["No shows match your search", "Clear all", "href=\"/browse?max=5\"", "href=\"/browse?q=xylophone\""],
    );
    let (_, instead) = html.split_once("id=\"instead\"").unwrap();
    assert_contains(instead, &["Coming up", "Tosca"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_without_words_are_searchable_after_a_rebuild() {
    let app = app().await;
    let ticket = listing(&app, "Jazz", 0);
    publish_listing(&app, &ticket).await;
    app.wait_until_idle().await;
    let replica = app.context.database.collection::<Document>("replica_show");
    replica.update_one(doc! {}, doc! { "$unset": { "words": "" } }).await.unwrap();
    app.context.database.collection::<Document>("vocabulary").delete_many(doc! {}).await.unwrap();
    assert_eq!(titles_for(&app, "q=jazz").await, [""; 0]);
    assert_eq!(titles_for(&app, "").await, ["Jazz"], "only search by words needs them");
    let other = app.start_second_instance(web::build).await;
    app.stop().await;
    other.admin("POST", "/rebuild").send().await.expect(200);
    other.publish(ShowChange::Snapshot, ticket.show_id, 0, show_of(&ticket)).await;
    other.publish(TicketChange::Snapshot, ticket.terms.id, 0, ticket.clone()).await;
    eventually("the show to be found", async || titles_for(&other, "q=jaz").await == ["Jazz"]).await;
    assert_eq!(titles_for(&other, "q=jaxz").await, ["Jazz"], "the vocabulary has its words again");
}

#[tokio::test(flavor = "multi_thread")]
async fn vocabulary_forgets_the_words_of_former_titles() {
    let app = with_settings(&[("CLEANUP_INTERVAL", "200ms")]).await;
    let ticket = listing(&app, "Jazz", 0);
    publish_listing(&app, &ticket).await;
    let mut show = show_of(&ticket);
    for version in 1..=300_u64 {
        // Each edit uses a word that no other title has: `aabquintet` for version 1.
        let number: String = format!("{version:03}").bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
        show.title = format!("Symphony {number}quintet");
        app.publish(ShowChange::Updated, show.id, version, show.clone()).await;
    }
    app.wait_until_idle().await;
    let vocabulary = app.context.database.collection::<Document>("vocabulary");
    let stored = async || {
        let words = vocabulary.distinct("_id", doc! {}).await.unwrap();
        words.iter().map(|word| word.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    eventually("only the words of the present title to be stored", async || {
        let words = stored().await;
        !words.contains(&"jazz".to_owned()) && words.iter().filter(|word| word.ends_with("quintet")).count() == 1
    })
    .await;
    let words = stored().await;
    assert!(words.contains(&"symphony".to_owned()) && words.contains(&"daaquintet".to_owned()), "{words:?}");
    assert_eq!(titles_for(&app, "q=symphny").await, ["Symphony daaquintet"], "misspelled searches are still corrected");
    // A word that a title contains again is stored again.
    show.title = "Jazz".to_owned();
    app.publish(ShowChange::Updated, show.id, 301, show.clone()).await;
    eventually("the former word", async || stored().await.contains(&"jazz".to_owned())).await;
}
