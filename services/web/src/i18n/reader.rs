//! The reader of the current request.

use std::future::Future;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use common::clock::SharedClock;
use common::id::UserId;
use common::identity::Verifier;
use common::timestamp::Timestamp;
use cookie::Cookie;
use http::{HeaderMap, HeaderValue, header};
use jiff::tz::{Offset, TimeZone};

tokio::task_local! {
    static READER: Reader;
}

/// The cookie with the browser's IANA time zone, set by `shop.js`.
const TIME_ZONE_COOKIE: &str = "timezone";
/// Maximum number of ranges of an `Accept-Language` header that are read. A browser sends a few.
const MAX_RANGES: usize = 64;

/// A language that all texts exist in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Language {
    #[default]
    English,
    German,
}

impl Language {
    pub(crate) const ALL: [Self; 2] = [Self::English, Self::German];

    /// The BCP 47 tag.
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }
}

/// A language with the formats of a region. Regions that are not listed share the formats of one that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Locale {
    #[default]
    EnUs,
    /// English anywhere else.
    EnGb,
    De,
}

impl Locale {
    pub(crate) const ALL: [Self; 3] = [Self::EnUs, Self::EnGb, Self::De];

    pub(crate) const fn language(self) -> Language {
        match self {
            Self::EnUs | Self::EnGb => Language::English,
            Self::De => Language::German,
        }
    }

    /// The BCP 47 tag.
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::EnUs => "en-US",
            Self::EnGb => "en-GB",
            Self::De => "de-DE",
        }
    }

    /// The value for this locale, of values in the order of [`Self::ALL`].
    pub(super) fn choose<T>(self, [us, gb, de]: &[T; Locale::ALL.len()]) -> &T {
        match self {
            Self::EnUs => us,
            Self::EnGb => gb,
            Self::De => de,
        }
    }

    /// Chooses the locale for an `Accept-Language` header (RFC 9110, 12.5.4): that of the supported language range with
    /// the highest weight, and of the first one among equals; with the ISO 4217 code of the currency that most people of
    /// its region use, where that is clear. `None` if no range is supported.
    pub(crate) fn accepted(header: &str) -> Option<(Self, Option<&'static str>)> {
        let mut ranges: Vec<_> = header.split(',').take(MAX_RANGES).filter_map(weighted_range).collect();
        // Stable: ranges of the same weight keep their order.
        ranges.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        ranges.into_iter().filter(|(_, weight)| *weight > 0.0).find_map(|(range, _)| Self::of_range(range))
    }

    /// Like [`Self::accepted`], for a single language range such as `en-GB`.
    fn of_range(range: &str) -> Option<(Self, Option<&'static str>)> {
        let mut parts = range.split('-');
        let language = parts.next()?.to_ascii_lowercase();
        let region = parts.find(|part| part.len() == 2 || part.len() == 3).map(str::to_ascii_uppercase);
        match (language.as_str(), region.as_deref()) {
            // Also that of many who live elsewhere.
            ("en" | "*", None) | ("en", Some("US")) => Some((Self::EnUs, None)),
            ("en", Some("GB")) => Some((Self::EnGb, Some("GBP"))),
            ("en", Some("IE")) => Some((Self::EnGb, Some("EUR"))),
            ("en", Some(_)) => Some((Self::EnGb, None)),
            ("de", Some("CH" | "LI")) => Some((Self::De, None)),
            ("de", _) => Some((Self::De, Some("EUR"))),
            _ => None,
        }
    }
}

/// A language range and its weight, which is 1 if none is given. `None` if either is malformed.
fn weighted_range(item: &str) -> Option<(&str, f32)> {
    let (range, parameters) = item.split_once(';').unwrap_or((item, ""));
    let weight = match parameters.trim().strip_prefix("q=") {
        Some(weight) => weight.trim().parse().ok().filter(|weight| (0.0..=1.0).contains(weight))?,
        None => 1.0,
    };
    Some((range.trim(), weight)).filter(|(range, _)| !range.is_empty())
}

/// Who reads the page.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reader {
    pub locale: Locale,
    /// ISO 4217 code of the currency that most people of the reader's region use; `None` if that is not clear.
    pub currency: Option<&'static str>,
    /// `None` if it is not known, as on the first visit.
    pub time_zone: Option<TimeZone>,
    /// When the page is rendered; `None` outside a request.
    pub now: Option<Timestamp>,
    /// The user of a valid access token, for pages that are rendered outside the handlers.
    pub user: Option<UserId>,
}

impl Reader {
    fn new(headers: &HeaderMap, now: Timestamp) -> Self {
        let accepted = headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
        let (locale, currency) = Locale::accepted(&accepted.collect::<Vec<_>>().join(",")).unwrap_or_default();
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut cookies = cookies.flat_map(|value| Cookie::split_parse_encoded(value.to_owned())).flatten();
        let named = cookies.find(|cookie| cookie.name() == TIME_ZONE_COOKIE);
        let time_zone = named.and_then(|cookie| TimeZone::get(cookie.value()).ok());
        Self { locale, currency, time_zone, now: Some(now), user: None }
    }

    /// The reader of the current request; the default outside one.
    pub(crate) fn current() -> Self {
        READER.try_with(Self::clone).unwrap_or_default()
    }

    /// Runs `future` for this reader, for work that continues after the request that started it.
    pub(crate) fn scope_future<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        READER.scope(self, future)
    }

    /// Runs `render` for this reader.
    pub(crate) fn scope<R>(self, render: impl FnOnce() -> R) -> R {
        READER.sync_scope(self, render)
    }
}

/// The locale of the current request.
pub(crate) fn locale() -> Locale {
    READER.try_with(|reader| reader.locale).unwrap_or_default()
}

/// The currency that most people of the reader's region use; `None` if that is not clear.
pub(super) fn currency() -> Option<&'static str> {
    READER.try_with(|reader| reader.currency).ok().flatten()
}

/// The language of the current request.
pub(crate) fn language() -> Language {
    locale().language()
}

/// When the page is rendered; `None` outside a request.
pub(super) fn now() -> Option<jiff::Timestamp> {
    let now = READER.try_with(|reader| reader.now).ok().flatten()?;
    jiff::Timestamp::from_millisecond(now.as_millis()).ok()
}

/// The offset of the reader's clock at this time; `None` if the reader's time zone is not known.
pub(super) fn offset_at(time: jiff::Timestamp) -> Option<Offset> {
    let offset = |reader: &Reader| reader.time_zone.as_ref().map(|zone| zone.to_offset(time));
    READER.try_with(offset).ok().flatten()
}

/// Determines the reader of each request, and marks pages as dependent on the language.
pub(crate) fn wrap(routes: Router, clock: &SharedClock, verifier: &Verifier) -> Router {
    let state = (SharedClock::clone(clock), verifier.clone());
    routes.layer(middleware::from_fn_with_state(state, with_reader))
}

async fn with_reader(
    State((clock, verifier)): State<(SharedClock, Verifier)>,
    request: Request,
    next: Next,
) -> Response {
    let user = verifier.identify(request.headers()).map(|user| user.id);
    let reader = Reader { user, ..Reader::new(request.headers(), clock.now()) };
    let mut response = READER.scope(reader, next.run(request)).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) {
        response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-language, cookie"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_supported_language_is_accepted() {
        for (header, expected) in [
            ("de", Some(Locale::De)),
            ("de-AT,de;q=0.9,en;q=0.8", Some(Locale::De)),
            ("en-US,en;q=0.5", Some(Locale::EnUs)),
            ("en", Some(Locale::EnUs)),
            ("en-AU", Some(Locale::EnGb)),
            ("en-Latn-IE", Some(Locale::EnGb)),
            ("fr-FR,fr;q=0.9,de;q=0.3,en;q=0.5", Some(Locale::EnUs)),
            ("fr, de;q=0, en-GB;q=0.1", Some(Locale::EnGb)),
            ("en;q=0.2, DE-ch;q=0.7", Some(Locale::De)),
            ("fr, *;q=0.1", Some(Locale::EnUs)),
            ("ja", None),
            ("", None),
            (",;q=1, de;q=2, de;q=x, den", None),
        ] {
            assert_eq!(Locale::accepted(header).map(|(locale, _)| locale), expected, "{header}");
        }
        for (header, expected) in [
            ("en-GB", Some("GBP")),
            ("en-IE,en;q=0.9", Some("EUR")),
            ("en-AU", None),
            ("en-US", None),
            ("de", Some("EUR")),
            ("de-AT", Some("EUR")),
            ("de-CH,de;q=0.9", None),
        ] {
            assert_eq!(Locale::accepted(header).unwrap().1, expected, "{header}");
        }
        assert_eq!(Locale::accepted(&("fr,".repeat(MAX_RANGES) + "de")), None, "the rest is not read");
    }

    #[test]
    fn reader_is_known_by_the_headers() {
        let reader = |language: &'static str, cookie: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(language));
            headers.append(header::COOKIE, HeaderValue::from_static("a=b"));
            headers.append(header::COOKIE, HeaderValue::from_static(cookie));
            Reader::new(&headers, Timestamp::from_millis(1))
        };
        let known = reader("de", "c=d; timezone=Europe%2FBerlin");
        assert_eq!((known.locale, known.currency), (Locale::De, Some("EUR")));
        assert_eq!(known.time_zone, Some(TimeZone::get("Europe/Berlin").unwrap()));
        assert_eq!(reader("fr", "timezone=Atlantis/Capital").time_zone, None);
        assert_eq!(reader("fr", "timezone=Atlantis/Capital").locale, Locale::EnUs);
        known.scope(|| assert_eq!((locale(), language()), (Locale::De, Language::German)));
        assert_eq!(locale(), Locale::EnUs, "outside a request");
    }
}
