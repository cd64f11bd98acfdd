//! The benchmark cases and their results.

use std::collections::BTreeMap;

use clap::ValueEnum;

use crate::cpu::{CpuUsage, LOAD_GENERATOR};
use crate::database::DatabaseWork;
use crate::latency::Latencies;
use crate::load::LoadResult;

/// A benchmark case, or several related ones.
///
/// Each baseline measures a driver or library alone, without our services. It follows the cases that are compared with
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Case {
    /// Start-up time, resident memory and size of the executables.
    Footprint,
    /// Reading one ticket.
    OneTicket,
    /// Baseline: the driver's `find_one` by id.
    BaselineFind,
    /// Reading the first page of listings: 20 rows, and 100.
    FirstPage,
    /// The home page, a list and a ticket's page, with their Lighthouse scores.
    Pages,
    /// Searches among few listings.
    Search,
    /// Thousands of open pages, and the latency of their notifications of a change.
    OpenPages,
    /// Creating a ticket.
    CreateTicket,
    /// Baseline: the driver's `insert_one`, with majority and journal.
    BaselineInsert,
    /// Baseline: acknowledged `JetStream` publishes.
    BaselinePublish,
    /// Creating an order, each for another ticket.
    CreateOrder,
    /// Time from sending an order until its ticket is shown as reserved.
    Reserved,
    /// Creating a payment.
    Pay,
    /// Time from sending a payment until the ticket is shown as sold.
    Sold,
    /// Creating an order when there are many earlier orders.
    CreateOrderGrown,
    /// The same searches among many listings.
    SearchGrown,
    /// Signing up.
    SignUp,
    /// Signing in.
    SignIn,
    /// Baseline: Argon2id.
    BaselineHash,
}

impl Case {
    /// The description in `--help`, which is also the label of the case in progress messages and errors.
    pub(crate) fn label(self) -> String {
        self.to_possible_value().and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }
}

/// All results. The keys sort them in the order of the report: by case, then by the index of the measurement within the
/// case.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) throughputs: BTreeMap<(Case, usize), Throughput>,
    pub(crate) baselines: BTreeMap<(Case, usize), Throughput>,
    pub(crate) reserved: Vec<Propagation>,
    pub(crate) sold: Vec<Propagation>,
    pub(crate) footprints: Vec<Footprint>,
    pub(crate) pages: Vec<Page>,
    /// The searches among few listings, then those among many.
    pub(crate) searches: Vec<Search>,
    pub(crate) live: Option<LivePages>,
}

/// The throughput of an operation, and its cost.
#[derive(Debug)]
pub(crate) struct Throughput {
    pub(crate) work: String,
    /// The process under test; `None` if it is the load generator itself.
    pub(crate) process: Option<&'static str>,
    pub(crate) load: LoadResult,
    pub(crate) cpu: CpuUsage,
    /// MongoDB's work, including that of the idle fleet.
    pub(crate) database: DatabaseWork,
    /// The size of each response, if the operation reads a list.
    pub(crate) page: Option<PageSize>,
}

/// The size of a response that contains a page of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageSize {
    pub(crate) rows: u32,
    pub(crate) bytes: usize,
}

/// Propagation latency: the time from sending a request until the ticket's status shows its effect.
#[derive(Debug)]
pub(crate) struct Propagation {
    /// Arrivals per second; `None` for sequential operations on an idle fleet.
    pub(crate) rate: Option<u32>,
    pub(crate) load: LoadResult,
    /// MongoDB's work, including that of the idle fleet.
    pub(crate) database: DatabaseWork,
}

/// The resources of one service.
#[derive(Debug)]
pub(crate) struct Footprint {
    pub(crate) service: &'static str,
    /// Size of the executable in bytes.
    pub(crate) program: u64,
    pub(crate) ready_ms: f64,
    /// Resident bytes before any request.
    pub(crate) idle: u64,
    /// Resident bytes at the end of the run.
    pub(crate) loaded: Option<u64>,
}

/// A web page, requested by one browser at a time.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) name: &'static str,
    /// The compressed size.
    pub(crate) bytes: usize,
    /// Time to first byte.
    pub(crate) first_byte: Latencies,
    /// Lighthouse's score on an emulated phone, out of 100.
    pub(crate) performance: Option<u32>,
}

/// The latencies of all searches, measured with this number of listings in the shop.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) listings: usize,
    /// The URL of each search and its latencies, in the same order for every number of listings.
    pub(crate) latencies: Vec<(&'static str, Latencies)>,
}

/// Open pages, which are notified of changes over WebSockets.
#[derive(Debug)]
pub(crate) struct LivePages {
    pub(crate) pages: usize,
    /// Resident bytes of `web` before the pages were opened.
    pub(crate) before: u64,
    /// Resident bytes of `web` with the open pages.
    pub(crate) resident: u64,
    pub(crate) changes: usize,
    /// The times from sending a change until each page is notified.
    pub(crate) notification: Latencies,
}

impl Throughput {
    /// CPU seconds per 1,000 requests, given CPU seconds of the whole run.
    pub(crate) fn per_thousand(&self, cpu_seconds: f64) -> f64 {
        cpu_seconds * 1000.0 / f64::from(self.load.count.max(1))
    }

    /// CPU seconds of the six services and the three servers per 1,000 requests.
    pub(crate) fn total_cpu(&self) -> f64 {
        self.per_thousand(self.cpu.total_excluding(&["fakestripe", LOAD_GENERATOR]))
    }

    /// Total CPU seconds per 1,000 rows of a list.
    pub(crate) fn total_cpu_per_row(&self) -> Option<f64> {
        self.page.map(|page| self.total_cpu() / f64::from(page.rows))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;

    /// `count` requests of `millis` each within a second.
    pub(crate) fn load(count: u32, millis: u64) -> LoadResult {
        let mut latencies = Latencies::default();
        (0..count).for_each(|_| latencies.record(Duration::from_millis(millis)));
        LoadResult { count, latencies, elapsed: Duration::from_secs(1) }
    }

    pub(crate) fn throughput(work: &str, process: &'static str, count: u32, cpu: &[(&'static str, f64)]) -> Throughput {
        let cpu = CpuUsage::new(cpu.iter().copied());
        Throughput {
            work: work.to_owned(),
            process: Some(process),
            load: load(count, 3),
            cpu,
            database: DatabaseWork::default(),
            page: None,
        }
    }

    #[test]
    fn total_cpu_excludes_the_load_generator_and_fakestripe() {
        let cpu = [("tickets", 1.0), ("mongod", 0.5), ("fakestripe", 8.0), (LOAD_GENERATOR, 4.0)];
        let tickets = throughput("one ticket", "tickets", 2000, &cpu);
        assert!((tickets.total_cpu() - 0.75).abs() < 1e-9);
        let list = Throughput { page: Some(PageSize { rows: 100, bytes: 60_000 }), ..tickets };
        assert!((list.total_cpu_per_row().unwrap() - 0.0075).abs() < 1e-9);
    }

    #[test]
    fn every_case_has_a_label() {
        assert_eq!(Case::SignIn.label(), "Signing in");
        assert!(Case::value_variants().iter().all(|case| !case.label().is_empty()));
    }
}
