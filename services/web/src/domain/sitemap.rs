//! Sitemaps for search engines, by the protocol of sitemaps.org: an index, and one sitemap for each month of shows.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use common::timestamp::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A month in UTC, as its first day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Month(Date);

/// The text is not a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidMonth;

impl Month {
    /// The month of this time.
    pub(crate) fn of(time: Timestamp) -> Self {
        let time = jiff::Timestamp::from_millisecond(time.as_millis()).unwrap_or_default();
        Self(time.to_zoned(TimeZone::UTC).date().first_of_month())
    }

    /// When it begins.
    pub(crate) fn start(self) -> Timestamp {
        let start = self.0.to_zoned(TimeZone::UTC).map_or(i64::MAX, |start| start.timestamp().as_millisecond());
        Timestamp::from_millis(start)
    }

    /// When it ends, and the next month begins.
    pub(crate) fn end(self) -> Timestamp {
        self.0.last_of_month().tomorrow().map_or(Timestamp::from_millis(i64::MAX), |next| Self(next).start())
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%Y-%m"))
    }
}

impl FromStr for Month {
    type Err = InvalidMonth;

    fn from_str(text: &str) -> Result<Self, InvalidMonth> {
        let month = format!("{text}-01").parse::<Date>().map(Self).map_err(|_| InvalidMonth)?;
        // Each month has one address.
        if month.to_string() == text { Ok(month) } else { Err(InvalidMonth) }
    }
}

/// A page in a sitemap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub address: String,
    pub changed_at: Option<Timestamp>,
}

/// A sitemap of these pages.
pub(crate) fn sitemap(entries: &[Entry]) -> String {
    document("urlset", "url", entries)
}

/// An index of the sitemaps at these addresses.
pub(crate) fn index(entries: &[Entry]) -> String {
    document("sitemapindex", "sitemap", entries)
}

fn document(root: &str, element: &str, entries: &[Entry]) -> String {
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n"
    );
    for Entry { address, changed_at } in entries {
        let address = address.replace('&', "&amp;").replace('<', "&lt;");
        let changed_at = changed_at.map(|time| format!("<lastmod>{time}</lastmod>")).unwrap_or_default();
        let _ = writeln!(xml, "<{element}><loc>{address}</loc>{changed_at}</{element}>");
    }
    let _ = writeln!(xml, "</{root}>");
    xml
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn month_covers_its_days_in_utc() {
        let month = Month::of(time("2026-12-31T23:59:59.999Z"));
        assert_eq!(month.to_string(), "2026-12");
        assert_eq!((month.start(), month.end()), (time("2026-12-01T00:00:00Z"), time("2027-01-01T00:00:00Z")));
        assert_eq!(Month::of(month.end()).to_string(), "2027-01");
        assert_eq!("2026-12".parse(), Ok(month));
        for invalid in ["", "2026", "2026-13", "2026-1", "26-12", "+2026-12", "-2026-12", "2026-W1", "2026-12-01"] {
            assert_eq!(invalid.parse::<Month>(), Err(InvalidMonth), "{invalid}");
        }
        let last = Month::of(Timestamp::from_millis(i64::MAX));
        assert!(last.end() > last.start());
    }

    #[test]
    fn addresses_are_escaped() {
        let changed_at = Some(time("2026-12-01T00:00:00Z"));
        let entries = [("https://a.example/?a&b<c", changed_at), ("https://a.example/", None)]
            .map(|(address, changed_at)| Entry { address: address.to_owned(), changed_at });
        assert_eq!(
            sitemap(&entries),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n\
             <url><loc>https://a.example/?a&amp;b&lt;c</loc><lastmod>2026-12-01T00:00:00.000Z</lastmod></url>\n\
             <url><loc>https://a.example/</loc></url>\n\
             </urlset>\n"
        );
        assert!(index(&entries).contains("<sitemap><loc>https://a.example/</loc></sitemap>\n</sitemapindex>"));
    }
}
