//! The performance targets, and whether this run met them.

use crate::node;
use crate::results::{Case, Results};

#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) limit: String,
    pub(crate) result: String,
    pub(crate) met: bool,
}

/// Evaluates the targets of all measured cases. Results are compared with the best run of the marketplace's Node.js
/// implementation (the Node version).
pub(crate) fn evaluate(results: &Results) -> Vec<Target> {
    let requests = [one_ticket(results), list_row(results), order(results), reserved(results), create_ticket(results)];
    let pages = [search(results), live_memory(results), notification(results)];
    let services = [memory(results), ready(results)];
    requests.into_iter().chain(pages).chain(services).flatten().collect()
}

fn at_most(name: &'static str, unit: &str, limit: f64, result: f64) -> Target {
    let show = |value: f64| format!("{value:.*} {unit}", if value < 10.0 { 3 } else { 1 });
    Target { name, limit: format!("≤ {}", show(limit)), result: show(result), met: result <= limit }
}

fn one_ticket(results: &Results) -> Option<Target> {
    let cpu = results.throughputs.get(&(Case::OneTicket, 0))?.total_cpu();
    let limit = node::result(Case::OneTicket)?.cpu.0 / 10.0;
    Some(at_most("one ticket: a tenth of the Node version's CPU", "CPU-s per 1,000", limit, cpu))
}

fn list_row(results: &Results) -> Option<Target> {
    let cpu = results.throughputs.get(&(Case::FirstPage, 1))?.total_cpu_per_row()?;
    let limit = node::result(Case::FirstPage)?.cpu.0 / node::LIST_ROWS / 20.0;
    // CPU seconds per 1,000 rows are milliseconds per row; times 1,000, microseconds per row.
    let name = "a listed row, 100 on a page: a twentieth of the Node version's CPU";
    Some(at_most(name, "CPU-µs", limit * 1000.0, cpu * 1000.0))
}

fn order(results: &Results) -> Option<Target> {
    let cpu = results.throughputs.get(&(Case::CreateOrder, 0))?.total_cpu();
    let limit = node::result(Case::CreateOrder)?.cpu.0 / 6.0;
    Some(at_most("an order: a sixth of the Node version's CPU", "CPU-s per 1,000", limit, cpu))
}

fn reserved(results: &Results) -> Option<Target> {
    let propagation = results.reserved.iter().find(|propagation| propagation.rate == Some(150))?;
    let p99 = propagation.load.latencies.percentile(99)?;
    Some(at_most("order sent to ticket shown as reserved, 150 per second: p99", "ms", 25.0, p99))
}

fn create_ticket(results: &Results) -> Option<Target> {
    let created = results.throughputs.get(&(Case::CreateTicket, 0))?.load.rate();
    let inserted = results.baselines.get(&(Case::BaselineInsert, 0))?.load.rate();
    let percent = 100.0 * created / inserted;
    Some(Target {
        name: "creating a ticket: 70 % of the bare driver's insert rate",
        limit: "≥ 70 %".to_owned(),
        result: format!("{percent:.0} %"),
        met: percent >= 70.0,
    })
}

fn search(results: &Results) -> Option<Target> {
    let most = results.searches.iter().max_by_key(|search| search.listings)?;
    let p99s = most.latencies.iter().filter_map(|(_, latencies)| latencies.percentile(99));
    Some(at_most("the slowest search, among the most listings: p99", "ms", 50.0, p99s.max_by(f64::total_cmp)?))
}

fn live_memory(results: &Results) -> Option<Target> {
    let resident = u32::try_from(results.live.as_ref()?.resident).ok()?;
    Some(at_most("web with open pages, resident", "MB", 150.0, f64::from(resident) / 1e6))
}

fn notification(results: &Results) -> Option<Target> {
    let p99 = results.live.as_ref()?.notification.percentile(99)?;
    Some(at_most("change sent to notification of each open page: p99", "ms", 250.0, p99))
}

fn memory(results: &Results) -> Option<Target> {
    let bytes = results.footprints.iter().map(|footprint| footprint.idle).reduce(|sum, idle| sum + idle)?;
    Some(at_most("six services together, resident, idle", "MB", 60.0, f64::from(u32::try_from(bytes).ok()?) / 1e6))
}

fn ready(results: &Results) -> Option<Target> {
    let slowest = results.footprints.iter().map(|footprint| footprint.ready_ms).max_by(f64::total_cmp)?;
    Some(at_most("the slowest service's start to ready", "ms", 150.0, slowest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::{load, throughput};
    use crate::results::{Footprint, LivePages, PageSize, Propagation, Search, Throughput};

    fn met(results: &Results) -> Vec<(&'static str, bool)> {
        let targets = evaluate(results).into_iter();
        targets.map(|target| (target.name.split([':', ',']).next().unwrap(), target.met)).collect()
    }

    #[test]
    fn unmeasured_targets_are_omitted() {
        assert!(evaluate(&Results::default()).is_empty());
    }

    #[test]
    fn targets_are_met_at_the_limit_and_missed_beyond_it() {
        let footprint = |idle, ready_ms| Footprint { service: "web", program: 1, ready_ms, idle, loaded: None };
        for (better, expected) in [(true, true), (false, false)] {
            let pick = |good: f64, bad: f64| if better { good } else { bad };
            let mut results = Results::default();
            let cpu = |work: &str, seconds| throughput(work, "tickets", 1000, &[("tickets", seconds)]);
            results.throughputs.insert((Case::OneTicket, 0), cpu("one ticket", pick(0.0839, 0.0841)));
            // A twentieth of 5.9 s per 1,000 lists of 200 rows, for 100 rows.
            let page = cpu("page", pick(0.1474, 0.148));
            let page = Throughput { page: Some(PageSize { rows: 100, bytes: 1 }), ..page };
            results.throughputs.insert((Case::FirstPage, 1), page);
            results.throughputs.insert((Case::CreateOrder, 0), cpu("order", pick(1.83, 1.84)));
            let created = if better { 700 } else { 699 };
            results.throughputs.insert((Case::CreateTicket, 0), throughput("creating", "tickets", created, &[]));
            results.baselines.insert((Case::BaselineInsert, 0), throughput("insert", "mongod", 1000, &[]));
            let millis = if better { 25 } else { 26 };
            results.reserved.push(Propagation { rate: Some(150), load: load(100, millis) });
            let slowest = if better { 50 } else { 51 };
            let latencies = |millis| load(100, millis).latencies;
            results.searches = vec![
                Search { listings: 100_000, latencies: vec![("?q=a", latencies(1)), ("?q=b", latencies(slowest))] },
                Search { listings: 1000, latencies: vec![("?q=a", latencies(99))] },
            ];
            let (resident, notification) =
                if better { (150_000_000, latencies(250)) } else { (150_100_000, latencies(251)) };
            results.live = Some(LivePages { pages: 5000, before: 1, resident, changes: 20, notification });
            results.footprints = vec![footprint(30_000_000, 10.0), footprint(30_000_000, pick(150.0, 151.0))];
            if !better {
                results.footprints.push(footprint(1, 1.0));
            }
            let targets = met(&results);
            assert_eq!(targets.len(), 10, "{targets:?}");
            assert!(targets.iter().all(|(_, met)| *met == expected), "{targets:?}");
        }
    }
}
