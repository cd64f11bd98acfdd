//! The figures of the pages that people see, as tables.

use crate::figures::{Open, Page, Search};
use crate::table::{Table, grouped, megabytes, quantiles};

pub(crate) fn pages_table(pages: &[Page]) -> Table {
    let rows = pages.iter().map(|page| {
        let performance = page.performance.map(|score| score.to_string()).unwrap_or_default();
        vec![page.name.to_owned(), grouped(page.bytes), quantiles(&page.first_byte), performance]
    });
    let heads =
        ["page, one request at a time", "bytes, compressed", "first byte: p50 / p99 ms", "Lighthouse: performance"];
    Table::new(&heads, rows)
}

/// Side by side: a column for each number of listings.
pub(crate) fn searches_table(searches: &[Search]) -> Table {
    let names = searches.first().map(|search| search.took.as_slice()).unwrap_or_default();
    let rows = names.iter().enumerate().map(|(place, (name, _))| {
        let each = searches.iter().map(|search| search.took.get(place).map(|(_, took)| quantiles(took)));
        std::iter::once(format!("`{name}`")).chain(each.map(Option::unwrap_or_default)).collect()
    });
    let heads = searches.iter().map(|search| format!("{} listings: p50 / p99 ms", grouped(search.listings)));
    Table::new(&["what is asked for"], rows).more_heads(heads)
}

pub(crate) fn open_table(open: Option<&Open>) -> Table {
    let rows = open.map(|open| {
        vec![
            grouped(open.pages),
            megabytes(open.before),
            megabytes(open.resident),
            open.changes.to_string(),
            quantiles(&open.told),
        ]
    });
    let heads = [
        "open pages",
        "web before them, MB",
        "web with them, MB",
        "changes",
        "change sent to each page told: p50 / p99 ms",
    ];
    Table::new(&heads, rows)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::latency::Latencies;

    fn millis(all: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::default();
        all.into_iter().for_each(|one| latencies.record(Duration::from_millis(one)));
        latencies
    }

    #[test]
    fn searches_stand_side_by_side() {
        let search = |listings, took| Search { listings, took: vec![("?q=jazz", millis([took]))] };
        let text = searches_table(&[search(1000, 2), search(100_000, 3)]).markdown();
        let expected = "| what is asked for | 1,000 listings: p50 / p99 ms | 100,000 listings: p50 / p99 ms |\n\
                        |---|--:|--:|\n| `?q=jazz` | 2.0 / 2.0 | 3.0 / 3.0 |\n";
        assert_eq!(text, expected);
        assert!(!searches_table(&[]).has_rows());
    }

    #[test]
    fn what_was_not_measured_has_no_row() {
        assert!(!open_table(None).has_rows() && !pages_table(&[]).has_rows());
        let page = Page { name: "home", bytes: 12_345, first_byte: millis(1..=100), performance: Some(99) };
        assert!(pages_table(&[page]).markdown().ends_with("| home | 12,345 | 50 / 99 | 99 |\n"));
    }
}
