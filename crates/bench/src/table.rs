//! Markdown tables, and the format of numbers in them.

use std::fmt::Write as _;

use crate::latency::Latencies;

/// Column headers, and rows with a cell for each column.
pub(crate) struct Table {
    headers: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(
        headers: impl IntoIterator<Item: Into<String>>,
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> Self {
        Self { headers: headers.into_iter().map(Into::into).collect(), rows: rows.into_iter().collect() }
    }

    pub(crate) fn has_rows(&self) -> bool {
        !self.rows.is_empty()
    }

    /// The table with all columns but the first aligned to the right.
    pub(crate) fn markdown(&self) -> String {
        let rule: String = self.headers.iter().skip(1).map(|_| "--:|").collect();
        let mut text = format!("| {} |\n|---|{rule}\n", self.headers.join(" | "));
        for row in &self.rows {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        text
    }
}

/// The median and the 99th percentile.
pub(crate) fn quantiles(latencies: &Latencies) -> String {
    let shown = |percent| latencies.percentile(percent).map_or_else(|| "–".to_owned(), millis);
    format!("{} / {}", shown(50), shown(99))
}

pub(crate) fn millis(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.1}"),
        ..1000.0 => format!("{value:.0}"),
        _ => whole(value),
    }
}

/// CPU seconds, rounded to about three significant digits.
pub(crate) fn three_digits(value: f64) -> String {
    match value {
        ..1.0 => format!("{value:.3}"),
        ..10.0 => format!("{value:.2}"),
        _ => format!("{value:.1}"),
    }
}

pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.1}", f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / 1e6)
}

pub(crate) fn whole(value: f64) -> String {
    let whole = format!("{value:.0}");
    whole.parse().map_or(whole, with_separators)
}

/// `12345` as `12,345`.
pub(crate) fn with_separators(value: usize) -> String {
    let digits = value.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_significant_digits_only() {
        assert_eq!([0.084, 1.83, 45.2].map(three_digits), ["0.084", "1.83", "45.2"]);
        assert_eq!([0.84, 23.4, 1234.5].map(millis), ["0.8", "23", "1,234"]);
        assert_eq!([7, 1000, 123_456, 1_234_567].map(with_separators), ["7", "1,000", "123,456", "1,234,567"]);
    }
}
