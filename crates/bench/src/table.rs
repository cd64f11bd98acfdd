//! Tables in Markdown, and figures as they are shown in them.

use std::fmt::Write as _;

use crate::latency::Latencies;

/// Heads, and rows of as many cells.
pub(crate) struct Table {
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(heads: &[&'static str], rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        Self { heads: heads.iter().map(ToString::to_string).collect(), rows: rows.into_iter().collect() }
    }

    /// Further columns, whose number depends on what was measured.
    pub(crate) fn more_heads(mut self, heads: impl IntoIterator<Item = String>) -> Self {
        self.heads.extend(heads);
        self
    }

    pub(crate) fn has_rows(&self) -> bool {
        !self.rows.is_empty()
    }

    /// All columns but the first hold figures, and stand to the right.
    pub(crate) fn markdown(&self) -> String {
        let rule: String = self.heads.iter().skip(1).map(|_| "--:|").collect();
        let mut text = format!("| {} |\n|---|{rule}\n", self.heads.join(" | "));
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
        _ => per_second(value),
    }
}

/// CPU-seconds, with as many digits as a tick of 10 ms allows for.
pub(crate) fn seconds(value: f64) -> String {
    match value {
        ..1.0 => format!("{value:.3}"),
        ..10.0 => format!("{value:.2}"),
        _ => format!("{value:.1}"),
    }
}

/// Bytes as megabytes.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.1}", f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / 1e6)
}

pub(crate) fn per_second(value: f64) -> String {
    let whole = format!("{value:.0}");
    whole.parse().map_or(whole, grouped)
}

/// `12345` as `12,345`.
pub(crate) fn grouped(value: usize) -> String {
    let digits = value.to_string();
    let mut shown = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_digits_that_they_are_good_for() {
        assert_eq!([0.084, 1.83, 45.2].map(seconds), ["0.084", "1.83", "45.2"]);
        assert_eq!([0.84, 23.4, 1234.5].map(millis), ["0.8", "23", "1,234"]);
        assert_eq!([7, 1000, 123_456, 1_234_567].map(grouped), ["7", "1,000", "123,456", "1,234,567"]);
    }
}
