//! Shows: what tickets are for.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use utoipa::{IntoParams, ToSchema};
use validator::{Validate, ValidationError};

use super::endpoints;
use super::page::{Cursor, Page, PageQuery};
use super::tickets::{Listing, is_time_zone};
use crate::day::Day;
use crate::events::show::ShowStatus;
use crate::events::ticket::Category;
use crate::id::ShowId;
use crate::money::{Currency, Money};
use crate::text::{self, Text};
use crate::timestamp::Timestamp;
use crate::validate::{invalid, invalid_part};

endpoints! { Tickets;
    /// List or search shows.
    ListShows { query: ShowQuery } = GET "/api/shows" -> Page<Show>;
    /// Read a show.
    ReadShow { id: ShowId } = GET "/api/shows/{id}" -> Show;
    /// List the tickets of a show that are for sale.
    ListShowTickets { id: ShowId, query: ShowTicketsQuery } = GET "/api/shows/{id}/tickets" -> Page<Listing>;
    /// Replace a show, as a member of the staff.
    ReplaceShow { id: ShowId, body: ShowUpdate } = PUT "/api/shows/{id}" -> Show,
        403 "role-required", 409 "show-exists", 409 "show-cancelled", 409 "show-merged";
    /// Merge a show into another one, as a member of the staff.
    MergeShow { id: ShowId, body: ShowMerge } = POST "/api/shows/{id}/merge" -> Show,
        403 "role-required", 409 "show-cancelled", 409 "show-merged";
    /// Cancel a show, as a member of the staff.
    CancelShow { id: ShowId, body: ShowCancellation } = POST "/api/shows/{id}/cancel" -> Show,
        403 "role-required", 409 "show-cancelled", 409 "show-merged";
}

/// Filters and pagination of the list of shows.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ShowQuery {
    /// Search words; each must occur in the title, venue or city.
    #[serde(default, deserialize_with = "text::blank_as_none", skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 200))]
    #[param(max_length = 200, value_type = Option<String>, example = "carmen")]
    pub q: Option<Text>,
    /// Only shows that start on this day, in the time zone of the venue, or later. Without `from` and `to`, shows that
    /// have begun are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline, example = "2099-06-01")]
    pub from: Option<Day>,
    /// Only shows that start on this day, in the time zone of the venue, or earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline, example = "2099-06-30")]
    pub to: Option<Day>,
    /// Only shows in this city, without regard to case and accents.
    #[serde(default, deserialize_with = "text::blank_as_none", skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 100))]
    #[param(max_length = 100, value_type = Option<String>, example = "London")]
    pub city: Option<Text>,
    /// Only shows of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub category: Option<Category>,
    /// Maximum number of items: 1 to 100; 20 by default.
    #[serde(default, deserialize_with = "super::page::limit", skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 1, max = 100))]
    #[param(minimum = 1, maximum = 100, example = 20)]
    pub limit: Option<u32>,
    /// `nextCursor` of the previous page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, pattern = "^[0-9A-Fa-f]{32}$", example = "01970000000070008000000000000001")]
    pub cursor: Option<Cursor>,
}

/// Filters and pagination of the tickets of a show.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
#[validate(schema(function = "validate_max", skip_on_field_errors = false))]
pub struct ShowTicketsQuery {
    /// Only listings with exactly this number of seats together: 1 to 8.
    #[serde(default, deserialize_with = "seat_count", skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 1, max = 8))]
    #[param(minimum = 1, maximum = 8, example = 1)]
    pub quantity: Option<u32>,
    /// Only listings of this section.
    #[serde(default, deserialize_with = "text::blank_as_none", skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 100))]
    #[param(max_length = 100, value_type = Option<String>, example = "Stalls")]
    pub section: Option<Text>,
    /// Only listings with this price or less, in minor units of `currency`.
    #[serde(default, deserialize_with = "minor_units", skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 0, max = 99_999_999))]
    #[param(minimum = 0, maximum = 99_999_999, example = 10_000)]
    pub max: Option<i64>,
    /// Only listings in this currency; required with `max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, pattern = "^[A-Z]{3}$", example = "USD")]
    pub currency: Option<Currency>,
    /// Maximum number of items: 1 to 100; 20 by default.
    #[serde(default, deserialize_with = "super::page::limit", skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 1, max = 100))]
    #[param(minimum = 1, maximum = 100, example = 20)]
    pub limit: Option<u32>,
    /// `nextCursor` of the previous page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, pattern = "^[0-9A-Fa-f]{32}$", example = "01970000000070008000000000000001")]
    pub cursor: Option<Cursor>,
}

impl ShowTicketsQuery {
    /// The pagination.
    pub fn page(&self) -> PageQuery {
        PageQuery { limit: self.limit, cursor: self.cursor }
    }
}

fn validate_max(query: &ShowTicketsQuery) -> Result<(), ValidationError> {
    if query.max.is_some() && query.currency.is_none() {
        return Err(invalid_part("currency", "required", "is required with max"));
    }
    Ok(())
}

fn seat_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    digits(deserializer, "must be a number from 1 to 8")
}

fn minor_units<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    digits(deserializer, "must be an amount in minor units")
}

/// Deserialises a number of a query, which has no sign.
fn digits<'de, D: Deserializer<'de>, N: FromStr>(deserializer: D, message: &str) -> Result<Option<N>, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    number.map(Some).ok_or_else(|| serde::de::Error::custom(message))
}

/// The replacement of a show. An optional field may be absent, null or blank.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[validate(schema(function = "validate_end", skip_on_field_errors = false))]
pub struct ShowUpdate {
    /// The name of the show.
    #[validate(length(min = 1, max = 200), custom(function = "text::single_line"))]
    #[schema(value_type = String, min_length = 1, max_length = 200, example = "Carmen")]
    pub title: Text,
    /// The venue.
    #[validate(length(min = 1, max = 200), custom(function = "text::single_line"))]
    #[schema(value_type = String, min_length = 1, max_length = 200, example = "Royal Opera House")]
    pub venue: Text,
    /// The venue's city.
    #[serde(default, deserialize_with = "text::blank_as_none")]
    #[validate(length(max = 100), custom(function = "text::single_line"))]
    #[schema(value_type = Option<String>, max_length = 100, example = "London")]
    pub city: Option<Text>,
    /// The venue's country (ISO 3166-1, two letters); that of the city by default.
    #[serde(default, deserialize_with = "text::blank_as_none")]
    #[validate(custom(function = "is_country"))]
    #[schema(value_type = Option<String>, pattern = "^[A-Z]{2}$", example = "GB")]
    pub country: Option<Text>,
    /// When the show starts.
    #[schema(example = "2099-06-01T18:30:00Z")]
    pub starts_at: Timestamp,
    /// When the show ends; after the start.
    #[serde(default)]
    pub ends_at: Option<Timestamp>,
    /// IANA name of the venue's time zone; that of the city by default, else UTC.
    #[serde(default, deserialize_with = "text::blank_as_none")]
    #[validate(custom(function = "is_time_zone"))]
    #[schema(value_type = Option<String>, max_length = 64, example = "Europe/London")]
    pub time_zone: Option<Text>,
    /// The kind of show.
    #[serde(default)]
    pub category: Option<Category>,
}

fn validate_end(show: &ShowUpdate) -> Result<(), ValidationError> {
    if show.ends_at.is_some_and(|end| end <= show.starts_at) {
        return Err(invalid_part("endsAt", "order", "must be after startsAt"));
    }
    Ok(())
}

fn is_country(code: &Text) -> Result<(), ValidationError> {
    let is_code = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    if is_code { Ok(()) } else { Err(invalid("country", "must be two capital letters such as GB")) }
}

/// The show that another show is merged into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShowMerge {
    /// The show that remains.
    pub into: ShowId,
}

/// Why a show does not take place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShowCancellation {
    /// The reason, which buyers and sellers see.
    #[validate(length(min = 1, max = 500), custom(function = "text::single_line"))]
    #[schema(value_type = String, min_length = 1, max_length = 500, example = "The singer is ill.")]
    pub reason: Text,
}

/// A show as the public sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Show {
    /// The id of the show.
    pub id: ShowId,
    /// 0 at creation; incremented by each change.
    pub version: u64,
    /// The words of the show's address, `/shows/{slug}-{id}`.
    pub slug: String,
    /// The name of the show.
    pub title: String,
    /// The venue.
    pub venue: String,
    /// The venue's city.
    pub city: Option<String>,
    /// The venue's country (ISO 3166-1, two letters).
    pub country: Option<String>,
    /// When the show starts.
    pub starts_at: Timestamp,
    /// When the show ends.
    pub ends_at: Option<Timestamp>,
    /// IANA name of the venue's time zone.
    pub time_zone: String,
    /// The kind of show.
    pub category: Option<Category>,
    /// The status of the show.
    pub status: ShowStatus,
    /// Why the show was cancelled.
    pub cancel_reason: Option<String>,
    /// The show that this one was merged into.
    pub merged_into: Option<ShowId>,
    /// The number of tickets that are for sale.
    pub free: u64,
    /// The lowest price in each currency that tickets are for sale in.
    pub from: Vec<Money>,
}

/// Maximum length of [`slug`].
const MAX_SLUG: usize = 60;

/// The words of a show's address: title and city in lower-case ASCII, joined by hyphens, at most 60 characters.
///
/// # Examples
///
/// ```
/// assert_eq!(common::api::shows::slug("Beyoncé & Co", Some("São Paulo")), "beyonce-co-sao-paulo");
/// ```
pub fn slug(title: &str, city: Option<&str>) -> String {
    let bare = title.chars().chain([' ']).chain(city.unwrap_or_default().chars()).nfkd();
    let folded: String = bare.filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect();
    let mut slug = String::new();
    for word in folded.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        // The first word is cut; later ones that do not fit are omitted.
        let length = slug.len() + usize::from(!slug.is_empty()) + word.len();
        if slug.is_empty() {
            slug.extend(word.chars().take(MAX_SLUG));
        } else if length <= MAX_SLUG {
            slug.push('-');
            slug.push_str(word);
        } else {
            break;
        }
    }
    if slug.is_empty() { "show".to_owned() } else { slug }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_short_words_in_ascii() {
        for (title, city, expected) in [
            ("Carmen", Some("London"), "carmen-london"),
            ("  AC/DC: Power Up! ", None, "ac-dc-power-up"),
            ("Beyoncé", Some("São Paulo"), "beyonce-sao-paulo"),
            ("東京", None, "show"),
            ("東京", Some("Tokyo"), "tokyo"),
            ("…", Some(""), "show"),
        ] {
            assert_eq!(slug(title, city), expected, "{title}");
        }
        let long = slug(&"word ".repeat(40), Some("London"));
        assert_eq!(long, "word-word-word-word-word-word-word-word-word-word-word-word");
        assert_eq!(slug(&"x".repeat(200), None).len(), MAX_SLUG);
    }

    proptest::proptest! {
        #[test]
        fn every_show_has_a_slug(title in ".{0,200}", city in ".{0,100}") {
            let slug = slug(&title, Some(&city));
            proptest::prop_assert!((1..=MAX_SLUG).contains(&slug.len()));
            let is_word = |word: &str| word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            proptest::prop_assert!(slug.split('-').all(|word| !word.is_empty() && is_word(word)), "{}", slug);
        }
    }

    #[test]
    fn updates_and_queries_are_validated() {
        let update = |country: Option<&str>, ends_at: Option<&str>| ShowUpdate {
            title: Text::new("Carmen"),
            venue: Text::new("Opera"),
            city: None,
            country: country.map(Text::new),
            starts_at: "2099-06-01T18:30:00Z".parse().unwrap(),
            ends_at: ends_at.map(|end| end.parse().unwrap()),
            time_zone: None,
            category: None,
        };
        assert!(update(Some("GB"), Some("2099-06-01T21:00:00Z")).validate().is_ok());
        for bad in [
            update(Some("gb"), None),
            update(Some("GBR"), None),
            update(None, Some("2099-06-01T18:30:00Z")),
            ShowUpdate { time_zone: Some(Text::new("CEST")), ..update(None, None) },
            ShowUpdate { title: Text::new(" "), ..update(None, None) },
        ] {
            assert!(bad.validate().is_err(), "{bad:?}");
        }
        let query = |text: &str| serde_urlencoded::from_str::<ShowTicketsQuery>(text);
        let wanted = query("quantity=2&max=5000&currency=EUR").unwrap();
        assert_eq!((wanted.quantity, wanted.max, wanted.validate().is_ok()), (Some(2), Some(5_000), true));
        assert!(query("max=5000").unwrap().validate().is_err(), "max requires a currency");
        assert!(query("quantity=9").unwrap().validate().is_err());
        assert!(query("max=-1").is_err() && query("quantity=+1").is_err() && query("max=").is_err());
    }
}
