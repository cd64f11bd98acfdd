//! The figures of a run, as tables.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use testkit::fleet::SERVICES;

use crate::aims;
use crate::baseline;
use crate::cpu::{LOAD_GENERATOR, Used};
use crate::facts::Facts;
use crate::load::Outcome;
use crate::rows::Row;

/// Everything that was measured. Rows are in the order of [`Row`], and within one in the order that
/// the number says.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) rates: BTreeMap<(Row, usize), Rate>,
    pub(crate) floors: BTreeMap<(Row, usize), Rate>,
    pub(crate) reserved: Vec<Reached>,
    pub(crate) sold: Vec<Reached>,
    pub(crate) footprints: Vec<Footprint>,
}

/// How many of something go through, and at what cost.
#[derive(Debug)]
pub(crate) struct Rate {
    pub(crate) work: String,
    /// The process that is asked; none where that is the load generator itself.
    pub(crate) service: Option<&'static str>,
    pub(crate) outcome: Outcome,
    pub(crate) used: Used,
    pub(crate) listed: Option<Listed>,
}

/// What each answer held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed {
    pub(crate) rows: u32,
    pub(crate) bytes: usize,
}

/// How long until a ticket shows what was done.
#[derive(Debug)]
pub(crate) struct Reached {
    /// Arrivals a second; none for one after the other on an idle fleet.
    pub(crate) rate: Option<u32>,
    pub(crate) outcome: Outcome,
}

/// What a service needs for itself.
#[derive(Debug)]
pub(crate) struct Footprint {
    pub(crate) service: &'static str,
    /// Bytes of the program.
    pub(crate) program: u64,
    pub(crate) ready_ms: f64,
    /// Resident bytes, before anything was asked.
    pub(crate) idle: u64,
    /// Resident bytes, at the end.
    pub(crate) loaded: Option<u64>,
}

impl Rate {
    /// CPU-seconds per 1,000 requests, of these CPU-seconds.
    fn per_thousand(&self, used: f64) -> f64 {
        used * 1000.0 / f64::from(self.outcome.count.max(1))
    }

    /// The six services and the three servers, per 1,000 requests.
    pub(crate) fn cpu_of_everything(&self) -> f64 {
        self.per_thousand(self.used.total_but(&["fakestripe", LOAD_GENERATOR]))
    }

    /// CPU-seconds of everything per 1,000 listed rows.
    pub(crate) fn cpu_per_listed_row(&self) -> Option<f64> {
        self.listed.map(|listed| self.cpu_of_everything() / f64::from(listed.rows))
    }
}

/// All tables that this run has figures for.
pub(crate) fn markdown(facts: &Facts, figures: &Figures) -> String {
    let mut text = String::new();
    for (name, fact) in &facts.0 {
        let _ = writeln!(text, "- {name}: {fact}");
    }
    let tables = [
        ("Aims", aims_table(figures)),
        ("Work", rates_table(figures)),
        ("Whose CPU it is", processes_table(figures)),
        ("Order sent to ticket shown reserved", reached_table(&figures.reserved, baseline::reserved)),
        ("Payment sent to ticket shown sold", reached_table(&figures.sold, |_| None)),
        ("Services at rest", footprints_table(figures)),
        ("The floor", floors_table(figures)),
    ];
    for (title, table) in tables.into_iter().filter(|(_, table)| table.has_rows()) {
        let _ = write!(text, "\n### {title}\n\n{}", table.markdown());
    }
    text
}

struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(heads: &[&'static str], rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        Self { heads: heads.to_vec(), rows: rows.into_iter().collect() }
    }

    fn has_rows(&self) -> bool {
        !self.rows.is_empty()
    }

    /// All columns but the first hold figures, and stand to the right.
    fn markdown(&self) -> String {
        let rule: String = self.heads.iter().skip(1).map(|_| "--:|").collect();
        let mut text = format!("| {} |\n|---|{rule}\n", self.heads.join(" | "));
        for row in &self.rows {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        text
    }
}

fn aims_table(figures: &Figures) -> Table {
    let rows = aims::judge(figures).into_iter().map(|aim| {
        vec![aim.what.to_owned(), aim.limit, aim.figure, if aim.met { "met" } else { "**not met**" }.to_owned()]
    });
    Table::new(&["aim", "limit", "this run", ""], rows)
}

fn rates_table(figures: &Figures) -> Table {
    let heads = [
        "work",
        "requests/s",
        "p50 / p99 ms",
        "CPU of the service",
        "CPU of everything",
        "Node: requests/s",
        "Node: p50 / p99 ms",
        "Node: CPU of everything",
        "CPU, ours of Node's",
    ];
    let rows = figures.rates.iter().map(|((row, _), rate)| {
        let everything = rate.cpu_of_everything();
        let original = baseline::of(*row);
        let work = match rate.listed {
            Some(listed) => format!("{} ({} bytes)", rate.work, grouped(listed.bytes)),
            None => rate.work.clone(),
        };
        let everything_shown = match rate.cpu_per_listed_row() {
            Some(each) => format!("{} ({} µs a row)", seconds(everything), seconds(each * 1000.0)),
            None => seconds(everything),
        };
        let share = original.as_ref().map(|original| match rate.cpu_per_listed_row() {
            Some(each) => format!("{} a row", share(each * baseline::LISTED, original.cpu)),
            None => share(everything, original.cpu),
        });
        let (node_rate, node_latency, node_cpu) = original.map_or_else(Default::default, |original| {
            (original.rate, original.latency, format!("{}–{}", original.cpu.0, original.cpu.1))
        });
        vec![
            work,
            per_second(rate.outcome.rate()),
            quantiles(&rate.outcome),
            seconds(rate.per_thousand(rate.used.of(rate.service.unwrap_or_default()))),
            everything_shown,
            node_rate.to_owned(),
            node_latency.to_owned(),
            node_cpu,
            share.unwrap_or_default(),
        ]
    });
    Table::new(&heads, rows)
}

fn processes_table(figures: &Figures) -> Table {
    let others = ["mongod", "nats-server", "redis-server", "fakestripe", LOAD_GENERATOR];
    let names: Vec<&'static str> = SERVICES.into_iter().chain(others).collect();
    let heads: Vec<&'static str> = std::iter::once("CPU-seconds per 1,000").chain(names.iter().copied()).collect();
    let rows = figures.rates.values().map(|rate| {
        let used = names.iter().map(|name| seconds(rate.per_thousand(rate.used.of(name))));
        std::iter::once(rate.work.clone()).chain(used).collect()
    });
    Table::new(&heads, rows)
}

fn reached_table(reached: &[Reached], original: impl Fn(Option<u32>) -> Option<&'static str>) -> Table {
    let rows = reached.iter().map(|one| {
        let (arrivals, achieved) = match one.rate {
            None => ("idle, one after the other".to_owned(), String::new()),
            Some(rate) => (format!("{rate} a second"), per_second(one.outcome.rate())),
        };
        let watched = grouped(one.outcome.latencies.count());
        vec![arrivals, achieved, watched, quantiles(&one.outcome), original(one.rate).unwrap_or_default().to_owned()]
    });
    Table::new(&["arrivals", "achieved a second", "watched", "p50 / p99 ms", "Node: p50 / p99 ms"], rows)
}

fn footprints_table(figures: &Figures) -> Table {
    let megabytes = |bytes: u64| format!("{:.1}", f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / 1e6);
    let each = figures.footprints.iter().map(|one| {
        let loaded = one.loaded.map(megabytes).unwrap_or_default();
        vec![
            one.service.to_owned(),
            format!("{:.0}", one.ready_ms),
            megabytes(one.idle),
            loaded,
            megabytes(one.program),
        ]
    });
    let sum = |of: fn(&Footprint) -> u64| megabytes(figures.footprints.iter().map(of).sum());
    let all = || {
        let loaded = figures.footprints.iter().map(|one| one.loaded).sum::<Option<u64>>();
        let loaded = loaded.map(megabytes).unwrap_or_default();
        vec!["all six".to_owned(), String::new(), sum(|one| one.idle), loaded, sum(|one| one.program)]
    };
    let all = (!figures.footprints.is_empty()).then(all);
    let heads = ["service", "start to ready, ms", "resident idle, MB", "resident after the load, MB", "program, MB"];
    Table::new(&heads, each.chain(all))
}

fn floors_table(figures: &Figures) -> Table {
    let rows = figures.floors.values().map(|floor| {
        let server = floor.service.map(|name| seconds(floor.per_thousand(floor.used.of(name))));
        let client = seconds(floor.per_thousand(floor.used.of(LOAD_GENERATOR)));
        let work = floor.work.clone();
        vec![work, per_second(floor.outcome.rate()), quantiles(&floor.outcome), server.unwrap_or_default(), client]
    });
    Table::new(&["work", "a second", "p50 / p99 ms", "CPU of the server", "CPU of the client"], rows)
}

fn quantiles(outcome: &Outcome) -> String {
    let shown = |percent| outcome.latencies.percentile(percent).map_or_else(|| "–".to_owned(), millis);
    format!("{} / {}", shown(50), shown(99))
}

fn millis(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.1}"),
        ..1000.0 => format!("{value:.0}"),
        _ => per_second(value),
    }
}

/// CPU-seconds, with as many digits as a tick of 10 ms allows for.
fn seconds(value: f64) -> String {
    match value {
        ..1.0 => format!("{value:.3}"),
        ..10.0 => format!("{value:.2}"),
        _ => format!("{value:.1}"),
    }
}

fn per_second(value: f64) -> String {
    let whole = format!("{value:.0}");
    whole.parse().map_or(whole, grouped)
}

/// `12345` as `12,345`.
fn grouped(value: usize) -> String {
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

/// Ours as a part of the original's range: against its worst round and against its best.
fn share(ours: f64, (best, worst): (f64, f64)) -> String {
    format!("{:.0}–{:.0} %", 100.0 * ours / worst, 100.0 * ours / best)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::latency::Latencies;

    /// `count` requests of `millis` each within a second.
    pub(crate) fn outcome(count: u32, millis: u64) -> Outcome {
        let mut latencies = Latencies::default();
        (0..count).for_each(|_| latencies.record(Duration::from_millis(millis)));
        Outcome { count, latencies, elapsed: Duration::from_secs(1) }
    }

    pub(crate) fn rate(work: &str, service: &'static str, count: u32, used: &[(&str, f64)]) -> Rate {
        let used = Used::new(used.iter().map(|(name, seconds)| ((*name).to_owned(), *seconds)));
        Rate { work: work.to_owned(), service: Some(service), outcome: outcome(count, 3), used, listed: None }
    }

    #[test]
    fn neither_the_load_generator_nor_fakestripe_is_counted_with_the_rest() {
        let used = [("tickets", 1.0), ("mongod", 0.5), ("fakestripe", 8.0), (LOAD_GENERATOR, 4.0)];
        let rate = rate("one ticket", "tickets", 2000, &used);
        assert!((rate.cpu_of_everything() - 0.75).abs() < 1e-9);
        let listed = Rate { listed: Some(Listed { rows: 100, bytes: 60_000 }), ..rate };
        assert!((listed.cpu_per_listed_row().unwrap() - 0.0075).abs() < 1e-9);
    }

    #[test]
    fn tables_say_what_was_measured_and_leave_out_what_was_not() {
        let mut figures = Figures::default();
        let used = [("tickets", 1.0), ("mongod", 0.5), (LOAD_GENERATOR, 4.0)];
        figures.rates.insert((Row::OneTicket, 0), rate("one ticket", "tickets", 10_000, &used));
        figures.reserved.push(Reached { rate: Some(150), outcome: outcome(1500, 12) });
        let text = markdown(&Facts(vec![("date", "2026-01-02".to_owned())]), &figures);
        let expected = [
            "- date: 2026-01-02\n",
            "| one ticket | 10,000 | 3.0 / 3.0 | 0.100 | 0.150 | 1,410–1,641 | 18–22 / 38–44 | 0.84–0.95 | 16–18 % |\n",
            "| one ticket | 0.000 | 0.100 |",
            "| 150 a second | 1,500 | 1,500 | 12 / 12 | 38–310 / 144–3,010 |\n",
        ];
        for part in expected {
            assert!(text.contains(part), "{part}\nis not in\n{text}");
        }
        assert!(!text.contains("### The floor") && !text.contains("sold"), "{text}");
    }

    #[test]
    fn figures_have_the_digits_that_they_are_good_for() {
        assert_eq!([0.084, 1.83, 45.2].map(seconds), ["0.084", "1.83", "45.2"]);
        assert_eq!([0.84, 23.4, 1234.5].map(millis), ["0.8", "23", "1,234"]);
        assert_eq!([7, 1000, 123_456, 1_234_567].map(grouped), ["7", "1,000", "123,456", "1,234,567"]);
        assert_eq!(share(1.0, (10.0, 20.0)), "5–10 %");
    }
}
