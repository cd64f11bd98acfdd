//! Renders the results as Markdown tables. CPU time is in seconds per 1,000 requests or rows, which is the same number
//! as milliseconds per request or row. “Node” is the project's Node version.

use std::fmt::Write as _;

use testkit::fleet::SERVICES;

use crate::cpu::LOAD_GENERATOR;
use crate::database::DatabaseWork;
use crate::load::LoadResult;
use crate::node;
use crate::results::{Footprint, LivePages, Page, Propagation, Results, Search};
use crate::table::{Table, megabytes, quantiles, three_digits, whole, with_separators};
use crate::targets;

/// The environment, and a table of each kind of result that was measured.
pub(crate) fn markdown(environment: &[(&'static str, String)], results: &Results) -> String {
    let mut text = String::new();
    for (name, value) in environment {
        let _ = writeln!(text, "- {name}: {value}");
    }
    let tables = [
        ("Targets", targets_table(results)),
        ("Throughput", throughput_table(results)),
        ("CPU by process", processes_table(results)),
        ("Order sent to ticket shown as reserved", propagation_table(&results.reserved, node::reserved)),
        ("Payment sent to ticket shown as sold", propagation_table(&results.sold, |_| None)),
        ("Pages", pages_table(&results.pages)),
        ("Search", search_table(&results.searches)),
        ("Open pages", live_table(results.live.as_ref())),
        ("Idle services", footprints_table(results)),
        ("Baselines without our services", baselines_table(results)),
    ];
    for (title, table) in tables.into_iter().filter(|(_, table)| table.has_rows()) {
        let _ = write!(text, "\n### {title}\n\n{}", table.markdown());
    }
    text
}

fn targets_table(results: &Results) -> Table {
    let rows = targets::evaluate(results).into_iter().map(|target| {
        let met = if target.met { "met" } else { "**not met**" };
        vec![target.name.to_owned(), target.limit, target.result, met.to_owned()]
    });
    Table::new(["target", "limit", "this run", ""], rows)
}

fn throughput_table(results: &Results) -> Table {
    let headers = [
        "work",
        "requests/s",
        "p50 / p99 ms",
        "CPU of the service",
        "total CPU",
        "MongoDB: commands / flushes",
        "Node: requests/s",
        "Node: p50 / p99 ms",
        "Node: total CPU",
        "CPU, in % of Node's",
    ];
    let rows = results.throughputs.iter().map(|((case, _), throughput)| {
        let (mut work, database) = (throughput.work.clone(), throughput.database);
        let mut cpu = three_digits(throughput.total_cpu());
        if let Some((page, per_row)) = throughput.page.zip(throughput.total_cpu_per_row()) {
            let _ = write!(work, " ({} bytes)", with_separators(page.bytes));
            let _ = write!(cpu, " ({} µs per row)", three_digits(per_row * 1000.0));
        }
        let mut row = vec![
            work,
            whole(throughput.load.rate()),
            quantiles(&throughput.load.latencies),
            three_digits(throughput.per_thousand(throughput.cpu.of(throughput.process.unwrap_or_default()))),
            cpu,
            database_work(database, &throughput.load),
        ];
        row.extend(node::result(*case).map_or_else(Default::default, |node| {
            let ratio = match throughput.total_cpu_per_row() {
                Some(per_row) => format!("{} per row", ratio(per_row * node::LIST_ROWS, node.cpu)),
                None => ratio(throughput.total_cpu(), node.cpu),
            };
            [node.rate.to_owned(), node.latency.to_owned(), format!("{}–{}", node.cpu.0, node.cpu.1), ratio]
        }));
        row
    });
    Table::new(headers, rows)
}

fn processes_table(results: &Results) -> Table {
    let others = ["mongod", "nats-server", "redis-server", "fakestripe", LOAD_GENERATOR];
    let names: Vec<&'static str> = SERVICES.into_iter().chain(others).collect();
    let headers = std::iter::once("CPU-seconds per 1,000").chain(names.iter().copied());
    let rows = results.throughputs.values().map(|throughput| {
        let cpu = names.iter().map(|name| three_digits(throughput.per_thousand(throughput.cpu.of(name))));
        std::iter::once(throughput.work.clone()).chain(cpu).collect()
    });
    Table::new(headers, rows)
}

fn propagation_table(propagations: &[Propagation], node: impl Fn(Option<u32>) -> Option<&'static str>) -> Table {
    let rows = propagations.iter().map(|Propagation { rate, load, database }| {
        let (arrivals, achieved) = match rate {
            None => ("idle, sequential".to_owned(), String::new()),
            Some(rate) => (format!("{rate} per second"), whole(load.rate())),
        };
        let node = node(*rate).unwrap_or_default().to_owned();
        let (measured, work) = (with_separators(load.latencies.count()), database_work(*database, load));
        vec![arrivals, achieved, measured, quantiles(&load.latencies), work, node]
    });
    let headers = [
        "arrivals",
        "achieved per second",
        "measured",
        "p50 / p99 ms",
        "MongoDB: commands / flushes",
        "Node: p50 / p99 ms",
    ];
    Table::new(headers, rows)
}

/// MongoDB's commands and flushes for each request.
fn database_work(work: DatabaseWork, load: &LoadResult) -> String {
    [work.commands, work.flushes].map(|count| three_digits(count / f64::from(load.count.max(1)))).join(" / ")
}

fn pages_table(pages: &[Page]) -> Table {
    let rows = pages.iter().map(|page| {
        let performance = page.performance.map(|score| score.to_string()).unwrap_or_default();
        vec![page.name.to_owned(), with_separators(page.bytes), quantiles(&page.first_byte), performance]
    });
    let headers =
        ["page, one request at a time", "bytes, compressed", "first byte: p50 / p99 ms", "Lighthouse: performance"];
    Table::new(headers, rows)
}

/// One column for each number of listings.
fn search_table(searches: &[Search]) -> Table {
    let paths = searches.first().map(|search| search.latencies.as_slice()).unwrap_or_default();
    let rows = paths.iter().enumerate().map(|(index, (path, _))| {
        let cells =
            searches.iter().map(|search| search.latencies.get(index).map(|(_, latencies)| quantiles(latencies)));
        std::iter::once(format!("`{path}`")).chain(cells.map(Option::unwrap_or_default)).collect()
    });
    let headers = searches.iter().map(|search| format!("{} listings: p50 / p99 ms", with_separators(search.listings)));
    Table::new(std::iter::once("search".to_owned()).chain(headers), rows)
}

fn live_table(live: Option<&LivePages>) -> Table {
    let rows = live.map(|live| {
        let (before, resident) = (megabytes(live.before), megabytes(live.resident));
        vec![with_separators(live.pages), before, resident, live.changes.to_string(), quantiles(&live.notification)]
    });
    let headers = [
        "open pages",
        "web before them, MB",
        "web with them, MB",
        "changes",
        "change sent to notification of each page: p50 / p99 ms",
    ];
    Table::new(headers, rows)
}

fn footprints_table(results: &Results) -> Table {
    let footprints = &results.footprints;
    let row = |service: &str, ready: String, idle, loaded: Option<u64>, program| {
        let loaded = loaded.map(megabytes).unwrap_or_default();
        vec![service.to_owned(), ready, megabytes(idle), loaded, megabytes(program)]
    };
    let rows = footprints.iter().map(|one| {
        let Footprint { service, program, ready_ms, idle, loaded } = *one;
        row(service, format!("{ready_ms:.0}"), idle, loaded, program)
    });
    let total = (!footprints.is_empty()).then(|| {
        let loaded = footprints.iter().map(|one| one.loaded).sum();
        let sum = |of: fn(&Footprint) -> u64| footprints.iter().map(of).sum();
        row("all six", String::new(), sum(|one| one.idle), loaded, sum(|one| one.program))
    });
    let headers = ["service", "start to ready, ms", "resident idle, MB", "resident after the load, MB", "program, MB"];
    Table::new(headers, rows.chain(total))
}

fn baselines_table(results: &Results) -> Table {
    let rows = results.baselines.values().map(|baseline| {
        let cpu = |process| three_digits(baseline.per_thousand(baseline.cpu.of(process)));
        vec![
            baseline.work.clone(),
            whole(baseline.load.rate()),
            quantiles(&baseline.load.latencies),
            baseline.process.map(cpu).unwrap_or_default(),
            cpu(LOAD_GENERATOR),
        ]
    });
    Table::new(["work", "per second", "p50 / p99 ms", "CPU of the server", "CPU of the client"], rows)
}

/// Our CPU as a percentage of the Node version's: of its worst run and of its best run.
fn ratio(ours: f64, (best, worst): (f64, f64)) -> String {
    format!("{:.0}–{:.0} %", 100.0 * ours / worst, 100.0 * ours / best)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::latency::Latencies;
    use crate::results::Case;
    use crate::results::tests::{load, throughput};

    fn millis(all: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::default();
        all.into_iter().for_each(|one| latencies.record(Duration::from_millis(one)));
        latencies
    }

    #[test]
    fn only_measured_results_are_rendered() {
        let mut results = Results::default();
        let cpu = [("tickets", 1.0), ("mongod", 0.5), (LOAD_GENERATOR, 4.0)];
        results.throughputs.insert((Case::OneTicket, 0), throughput("one ticket", "tickets", 10_000, &cpu));
        let database = DatabaseWork { commands: 6000.0, flushes: 1500.0 };
        results.reserved.push(Propagation { rate: Some(150), load: load(1500, 12), database });
        let text = markdown(&[("date", "2026-01-02".to_owned())], &results);
        let expected = [
            "- date: 2026-01-02\n",
            "| one ticket | 10,000 | 3.0 / 3.0 | 0.100 | 0.150 | 0.000 / 0.000 | 1,410–1,641 | 18–22 / 38–44 | 0.84–0.95 | 16–18 % |\n",
            "| one ticket | 0.000 | 0.100 |",
            "| 150 per second | 1,500 | 1,500 | 12 / 12 | 4.00 / 1.00 | 38–310 / 144–3,010 |\n",
        ];
        for part in expected {
            assert!(text.contains(part), "{part}\nis not in\n{text}");
        }
        assert!(!text.contains("### Baselines") && !text.contains("sold"), "{text}");
    }

    #[test]
    fn ratio_is_of_the_worst_and_the_best_run() {
        assert_eq!(ratio(1.0, (10.0, 20.0)), "5–10 %");
    }

    #[test]
    fn search_table_has_one_column_per_number_of_listings() {
        let search = |listings, latency| Search { listings, latencies: vec![("?q=jazz", millis([latency]))] };
        let text = search_table(&[search(1000, 2), search(100_000, 3)]).markdown();
        let expected = "| search | 1,000 listings: p50 / p99 ms | 100,000 listings: p50 / p99 ms |\n\
                        |---|--:|--:|\n| `?q=jazz` | 2.0 / 2.0 | 3.0 / 3.0 |\n";
        assert_eq!(text, expected);
        assert!(!search_table(&[]).has_rows());
    }

    #[test]
    fn unmeasured_pages_have_no_rows() {
        assert!(!live_table(None).has_rows() && !pages_table(&[]).has_rows());
        let page = Page { name: "home", bytes: 12_345, first_byte: millis(1..=100), performance: Some(99) };
        assert!(pages_table(&[page]).markdown().ends_with("| home | 12,345 | 50 / 99 | 99 |\n"));
    }
}
