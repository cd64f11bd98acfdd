//! What was aimed at, and whether this run got there.

use crate::baseline;
use crate::figures::{Figures, Row};

/// One aim, with what this run has to show for it.
#[derive(Debug)]
pub(crate) struct Aim {
    pub(crate) what: &'static str,
    pub(crate) limit: String,
    pub(crate) figure: String,
    pub(crate) met: bool,
}

/// Those whose rows were measured. The original is taken at its best round.
pub(crate) fn judge(figures: &Figures) -> Vec<Aim> {
    let aims = [one_ticket(figures), listed_row(figures), order(figures), reserved(figures), creating(figures)];
    let pages = searches(figures).into_iter().chain(open_pages(figures).into_iter().flatten());
    aims.into_iter().flatten().chain(pages).chain(memory(figures)).chain(ready(figures)).collect()
}

fn at_most(what: &'static str, unit: &str, limit: f64, figure: f64) -> Aim {
    let show = |value: f64| format!("{value:.*} {unit}", if value < 10.0 { 3 } else { 1 });
    Aim { what, limit: format!("≤ {}", show(limit)), figure: show(figure), met: figure <= limit }
}

fn one_ticket(figures: &Figures) -> Option<Aim> {
    let used = figures.rates.get(&(Row::OneTicket, 0))?.cpu_of_everything();
    let limit = baseline::of(Row::OneTicket)?.cpu.0 / 10.0;
    Some(at_most("one ticket: a tenth of the original's CPU", "CPU-s per 1,000", limit, used))
}

fn listed_row(figures: &Figures) -> Option<Aim> {
    let used = figures.rates.get(&(Row::FirstPage, 1))?.cpu_per_listed_row()?;
    let limit = baseline::of(Row::FirstPage)?.cpu.0 / baseline::LISTED / 20.0;
    Some(at_most(
        "a listed row, 100 on a page: a twentieth of the original's CPU",
        "CPU-µs",
        limit * 1000.0,
        used * 1000.0,
    ))
}

fn order(figures: &Figures) -> Option<Aim> {
    let used = figures.rates.get(&(Row::CreateOrder, 0))?.cpu_of_everything();
    let limit = baseline::of(Row::CreateOrder)?.cpu.0 / 6.0;
    Some(at_most("an order: a sixth of the original's CPU", "CPU-s per 1,000", limit, used))
}

fn reserved(figures: &Figures) -> Option<Aim> {
    let reached = figures.reserved.iter().find(|reached| reached.rate == Some(150))?;
    let p99 = reached.outcome.latencies.percentile(99)?;
    Some(at_most("order sent to ticket shown reserved, 150 a second: p99", "ms", 25.0, p99))
}

fn creating(figures: &Figures) -> Option<Aim> {
    let created = figures.rates.get(&(Row::CreateTicket, 0))?.outcome.rate();
    let inserted = figures.floors.get(&(Row::FloorInsert, 0))?.outcome.rate();
    let share = 100.0 * created / inserted;
    Some(Aim {
        what: "creating a ticket: 70 % of the bare driver's insert rate",
        limit: "≥ 70 %".to_owned(),
        figure: format!("{share:.0} %"),
        met: share >= 70.0,
    })
}

/// The slowest search of the list, among the most listings.
fn searches(figures: &Figures) -> Option<Aim> {
    let most = figures.searches.iter().max_by_key(|search| search.listings)?;
    let slowest = most.took.iter().filter_map(|(_, took)| took.percentile(99)).max_by(f64::total_cmp)?;
    Some(at_most("the slowest search, among the most listings: p99", "ms", 50.0, slowest))
}

fn open_pages(figures: &Figures) -> Option<[Aim; 2]> {
    let open = figures.open.as_ref()?;
    let resident = f64::from(u32::try_from(open.resident).ok()?) / 1e6;
    Some([
        at_most("web with its open pages, resident", "MB", 150.0, resident),
        at_most("a change sent to each open page told: p99", "ms", 250.0, open.told.percentile(99)?),
    ])
}

fn memory(figures: &Figures) -> Option<Aim> {
    let bytes = u32::try_from(figures.footprints.iter().map(|one| one.idle).sum::<u64>()).ok()?;
    let some = !figures.footprints.is_empty();
    some.then(|| at_most("six services resident together, idle", "MB", 60.0, f64::from(bytes) / 1e6))
}

fn ready(figures: &Figures) -> Option<Aim> {
    let slowest = figures.footprints.iter().map(|one| one.ready_ms).max_by(f64::total_cmp)?;
    Some(at_most("the slowest service's start to ready", "ms", 150.0, slowest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::tests::{outcome, rate};
    use crate::figures::{Footprint, Listed, Open, Rate, Reached, Search};

    fn met(figures: &Figures) -> Vec<(&'static str, bool)> {
        judge(figures).into_iter().map(|aim| (aim.what.split([':', ',']).next().unwrap(), aim.met)).collect()
    }

    #[test]
    fn nothing_is_said_of_what_was_not_measured() {
        assert!(judge(&Figures::default()).is_empty());
    }

    #[test]
    fn each_aim_is_met_at_its_limit_and_missed_beyond_it() {
        let footprint = |idle, ready_ms| Footprint { service: "web", program: 1, ready_ms, idle, loaded: None };
        for (better, expected) in [(true, true), (false, false)] {
            let pick = |good: f64, bad: f64| if better { good } else { bad };
            let mut figures = Figures::default();
            let used = |row: &str, seconds| rate(row, "tickets", 1000, &[("tickets", seconds)]);
            figures.rates.insert((Row::OneTicket, 0), used("one ticket", pick(0.0839, 0.0841)));
            // 5.9 s per 1,000 lists of 200 rows, a twentieth of it, for 100 rows.
            let page = used("page", pick(0.1474, 0.148));
            let page = Rate { listed: Some(Listed { rows: 100, bytes: 1 }), ..page };
            figures.rates.insert((Row::FirstPage, 1), page);
            figures.rates.insert((Row::CreateOrder, 0), used("order", pick(1.83, 1.84)));
            let created = if better { 700 } else { 699 };
            figures.rates.insert((Row::CreateTicket, 0), rate("creating", "tickets", created, &[]));
            figures.floors.insert((Row::FloorInsert, 0), rate("insert", "mongod", 1000, &[]));
            let millis = if better { 25 } else { 26 };
            figures.reserved.push(Reached { rate: Some(150), outcome: outcome(100, millis) });
            let slowest = if better { 50 } else { 51 };
            let took = |millis| outcome(100, millis).latencies;
            figures.searches = vec![
                Search { listings: 100_000, took: vec![("?q=a", took(1)), ("?q=b", took(slowest))] },
                Search { listings: 1000, took: vec![("?q=a", took(99))] },
            ];
            let (resident, told) = if better { (150_000_000, took(250)) } else { (150_100_000, took(251)) };
            figures.open = Some(Open { pages: 5000, before: 1, resident, changes: 20, told });
            figures.footprints = vec![footprint(30_000_000, 10.0), footprint(30_000_000, pick(150.0, 151.0))];
            if !better {
                figures.footprints.push(footprint(1, 1.0));
            }
            let aims = met(&figures);
            assert_eq!(aims.len(), 10, "{aims:?}");
            assert!(aims.iter().all(|(_, met)| *met == expected), "{aims:?}");
        }
    }
}
