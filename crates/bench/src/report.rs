//! The figures of a run, as tables.

use std::fmt::Write as _;

use testkit::fleet::SERVICES;

use crate::aims;
use crate::baseline;
use crate::cpu::LOAD_GENERATOR;
use crate::facts::Facts;
use crate::figures::{Figures, Footprint, Reached};
use crate::storefront;
use crate::table::{Table, grouped, megabytes, per_second, quantiles, seconds};

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
        ("Pages", storefront::pages_table(&figures.pages)),
        ("Search", storefront::searches_table(&figures.searches)),
        ("Open pages", storefront::open_table(figures.open.as_ref())),
        ("Services at rest", footprints_table(figures)),
        ("The floor", floors_table(figures)),
    ];
    for (title, table) in tables.into_iter().filter(|(_, table)| table.has_rows()) {
        let _ = write!(text, "\n### {title}\n\n{}", table.markdown());
    }
    text
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
            quantiles(&rate.outcome.latencies),
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
        vec![
            arrivals,
            achieved,
            watched,
            quantiles(&one.outcome.latencies),
            original(one.rate).unwrap_or_default().to_owned(),
        ]
    });
    Table::new(&["arrivals", "achieved a second", "watched", "p50 / p99 ms", "Node: p50 / p99 ms"], rows)
}

fn footprints_table(figures: &Figures) -> Table {
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
        vec![
            work,
            per_second(floor.outcome.rate()),
            quantiles(&floor.outcome.latencies),
            server.unwrap_or_default(),
            client,
        ]
    });
    Table::new(&["work", "a second", "p50 / p99 ms", "CPU of the server", "CPU of the client"], rows)
}

/// Ours as a part of the original's range: against its worst round and against its best.
fn share(ours: f64, (best, worst): (f64, f64)) -> String {
    format!("{:.0}–{:.0} %", 100.0 * ours / worst, 100.0 * ours / best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Row;
    use crate::figures::tests::{outcome, rate};

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
    fn a_share_is_of_the_worst_round_and_of_the_best() {
        assert_eq!(share(1.0, (10.0, 20.0)), "5–10 %");
    }
}
