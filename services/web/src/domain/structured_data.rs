//! What search engines are told about a show: `Event` and `AggregateOffer` of schema.org, as JSON-LD.

use common::aggregate::Versioned;
use common::events::show::ShowStatus;
use common::events::ticket::TicketState;
use common::money::Money;
use common::timestamp::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::amount::format_amount;
use super::offer::ShowOffer;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(rename = "@context")]
    context: &'static str,
    #[serde(rename = "@type")]
    kind: &'static str,
    name: &'a str,
    url: &'a str,
    image: &'a str,
    start_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_date: Option<String>,
    #[serde(rename = "eventStatus")]
    status: &'static str,
    #[serde(rename = "eventAttendanceMode")]
    attendance_mode: &'static str,
    location: Place<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    offers: Vec<AggregateOffer<'a>>,
}

#[derive(Serialize)]
struct Place<'a> {
    #[serde(rename = "@type")]
    kind: &'static str,
    name: &'a str,
    address: PostalAddress<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PostalAddress<'a> {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address_locality: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address_country: Option<&'a str>,
}

/// What is for sale in one currency, or that nothing is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AggregateOffer<'a> {
    #[serde(rename = "@type")]
    kind: &'static str,
    url: &'a str,
    availability: &'static str,
    offer_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    low_price: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price_currency: Option<String>,
}

/// The show as JSON-LD, for a `<script>` element, with these listings that are for sale. `url` is the address of its
/// page, and `image` that of its poster; `is_open` is whether its listings can be ordered.
pub(crate) fn event(
    found: &ShowOffer,
    tickets: &[Versioned<TicketState>],
    (url, image): (&str, &str),
    is_open: bool,
) -> String {
    let show = &found.show.state;
    let event = Event {
        context: "https://schema.org",
        kind: "Event",
        name: &show.title,
        url,
        image,
        start_date: local_time(show.starts_at, &show.time_zone),
        end_date: show.ends_at.map(|end| local_time(end, &show.time_zone)),
        status: match show.status {
            ShowStatus::Scheduled => "https://schema.org/EventScheduled",
            ShowStatus::Moved => "https://schema.org/EventRescheduled",
            ShowStatus::Cancelled => "https://schema.org/EventCancelled",
        },
        attendance_mode: "https://schema.org/OfflineEventAttendanceMode",
        location: Place {
            kind: "Place",
            name: &show.venue,
            address: PostalAddress {
                kind: "PostalAddress",
                address_locality: show.city.as_deref(),
                address_country: show.country.as_deref(),
            },
        },
        offers: if is_open { offers(&found.offer.from, tickets, url) } else { Vec::new() },
    };
    escape(&serde_json::to_string(&event).unwrap_or_default())
}

/// One offer for each currency, since prices of several can't be compared.
fn offers<'a>(lowest: &[Money], tickets: &[Versioned<TicketState>], url: &'a str) -> Vec<AggregateOffer<'a>> {
    let kind = "AggregateOffer";
    if lowest.is_empty() {
        let availability = "https://schema.org/SoldOut";
        return vec![AggregateOffer { kind, url, availability, offer_count: 0, low_price: None, price_currency: None }];
    }
    let offer = |price: &Money| AggregateOffer {
        kind,
        url,
        availability: "https://schema.org/InStock",
        // At least one: `tickets` has only the listings that fit on the page, perhaps none in this currency.
        offer_count: tickets.iter().filter(|ticket| ticket.price.currency == price.currency).count().max(1),
        low_price: Some(format_amount(price)),
        price_currency: Some(price.currency.to_string()),
    };
    lowest.iter().map(offer).collect()
}

/// RFC 3339 with the venue's offset: `2099-06-01T15:30:00-04:00`.
fn local_time(time: Timestamp, zone: &str) -> String {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let local = jiff::Timestamp::from_millisecond(time.as_millis()).unwrap_or_default().to_zoned(zone);
    local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// Escapes what could end the `<script>` element or begin another one. In JSON, these characters are in strings only.
fn escape(json: &str) -> String {
    json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::offer::Offer;
    use crate::domain::seats;
    use crate::domain::show_view::tests::sample;

    const URLS: (&str, &str) = ("https://shop.example/shows/jazz", "https://shop.example/posters/x.svg");

    fn value(found: &ShowOffer, tickets: &[Versioned<TicketState>], is_open: bool) -> Value {
        serde_json::from_str(&event(found, tickets, URLS, is_open)).unwrap()
    }

    fn listing(currency: &str) -> Versioned<TicketState> {
        let mut state = seats::tests::sample();
        state.price.currency = currency.parse().unwrap();
        Versioned { version: 0, state }
    }

    #[test]
    fn event_has_place_time_and_an_offer_for_each_currency() {
        let found = sample();
        let tickets = [listing("EUR"), listing("USD"), listing("EUR")];
        let offer = |price, currency, count| {
            json!({
                "@type": "AggregateOffer",
                "url": URLS.0,
                "availability": "https://schema.org/InStock",
                "offerCount": count,
                "lowPrice": price,
                "priceCurrency": currency,
            })
        };
        assert_eq!(
            value(&found, &tickets, true),
            json!({
                "@context": "https://schema.org",
                "@type": "Event",
                "name": "Jazz & <b>Blues</b>",
                "url": URLS.0,
                "image": URLS.1,
                "startDate": "2099-06-01T15:30:00-04:00",
                "eventStatus": "https://schema.org/EventScheduled",
                "eventAttendanceMode": "https://schema.org/OfflineEventAttendanceMode",
                "location": {
                    "@type": "Place",
                    "name": "Town Hall",
                    "address": {
                        "@type": "PostalAddress", "addressLocality": "New York", "addressCountry": "US",
                    },
                },
                "offers": [offer("46.00", "EUR", 2), offer("50.00", "USD", 1)],
            })
        );
    }

    #[test]
    fn status_decides_on_the_offers() {
        let mut found = sample();
        found.show.state.ends_at = Some("2099-06-01T22:00:00Z".parse().unwrap());
        found.show.state.status = ShowStatus::Moved;
        let moved = value(&found, &[], true);
        assert_eq!(moved["eventStatus"], "https://schema.org/EventRescheduled");
        assert_eq!(
            (&moved["endDate"], &moved["offers"][0]["offerCount"]),
            (&json!("2099-06-01T18:00:00-04:00"), &json!(1))
        );
        assert!(value(&found, &[], false).get("offers").is_none(), "it has begun");
        let sold_out = value(&ShowOffer { offer: Offer::default(), ..found.clone() }, &[], true);
        assert_eq!(
            sold_out["offers"],
            json!([{
                "@type": "AggregateOffer",
                "url": URLS.0,
                "availability": "https://schema.org/SoldOut",
                "offerCount": 0,
            }])
        );
        found.show.state.status = ShowStatus::Cancelled;
        (found.show.state.city, found.show.state.country) = (None, None);
        let cancelled = value(&found, &[], false);
        assert_eq!(cancelled["eventStatus"], "https://schema.org/EventCancelled");
        assert_eq!(cancelled["location"]["address"], json!({ "@type": "PostalAddress" }));
        assert!(cancelled.get("offers").is_none());
    }

    #[test]
    fn title_cannot_end_the_element() {
        let mut found = sample();
        let title = "</script><script>alert(1)</script><!-- \"&amp;\\";
        title.clone_into(&mut found.show.state.title);
        let text = event(&found, &[], URLS, true);
        assert!(!text.contains(['<', '>', '&']), "{text}");
        assert_eq!(value(&found, &[], true)["name"], title);
    }
}
