//! What a run measures: the rows, and the figures of each.

use std::collections::BTreeMap;

use clap::ValueEnum;

use crate::cpu::{LOAD_GENERATOR, Used};
use crate::latency::Latencies;
use crate::load::Outcome;

/// A row, or a few that belong together. Each floor follows what stands on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Row {
    /// Time from start to readiness, resident memory, and size of the executable.
    Footprint,
    /// GET of one ticket.
    OneTicket,
    /// The driver alone: `find_one` by id.
    FloorFind,
    /// GET of the first page: 20 rows, and 100.
    FirstPage,
    /// GET of the home page, a list and a ticket's page, with their Lighthouse scores.
    Pages,
    /// Searches among as many listings as there are by now.
    Search,
    /// Thousands of open pages, and how soon they are told of a change.
    OpenPages,
    /// POST of a ticket.
    CreateTicket,
    /// The driver alone: `insert_one`, majority and journal.
    FloorInsert,
    /// JetStream alone: acknowledged publishes.
    FloorPublish,
    /// POST of an order, each for another ticket.
    CreateOrder,
    /// Time from sending an order until its ticket is shown reserved.
    Reserved,
    /// POST of a payment.
    Pay,
    /// Time from sending a payment until the ticket is shown sold.
    Sold,
    /// POST of an order with many earlier orders.
    CreateOrderGrown,
    /// The same searches among many listings.
    SearchGrown,
    /// Opening an account.
    SignUp,
    /// Signing in.
    SignIn,
    /// Argon2id alone.
    FloorHash,
}

impl Row {
    /// For the progress.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Footprint => "start to ready, memory, size",
            Self::OneTicket => "one ticket",
            Self::FloorFind => "floor: find_one",
            Self::FirstPage => "first page",
            Self::Pages => "pages",
            Self::Search => "searches",
            Self::SearchGrown => "searches among many listings",
            Self::OpenPages => "open pages",
            Self::CreateTicket => "creating a ticket",
            Self::FloorInsert => "floor: insert_one",
            Self::FloorPublish => "floor: acknowledged publishes",
            Self::CreateOrder => "creating an order",
            Self::CreateOrderGrown => "creating an order with many earlier ones",
            Self::Pay => "paying",
            Self::Reserved => "order sent to ticket shown reserved",
            Self::Sold => "payment sent to ticket shown sold",
            Self::SignUp => "signing up",
            Self::SignIn => "signing in",
            Self::FloorHash => "floor: argon2id",
        }
    }
}

/// All measurements. The keys sort them as the report prints them: by [`Row`], then by the number of the measurement
/// within its row.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) rates: BTreeMap<(Row, usize), Rate>,
    pub(crate) floors: BTreeMap<(Row, usize), Rate>,
    pub(crate) reserved: Vec<Reached>,
    pub(crate) sold: Vec<Reached>,
    pub(crate) footprints: Vec<Footprint>,
    pub(crate) pages: Vec<Page>,
    /// Among few listings, then among many.
    pub(crate) searches: Vec<Search>,
    pub(crate) open: Option<Open>,
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

/// A page, asked for by one browser at a time.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) name: &'static str,
    /// As it comes over the wire, compressed.
    pub(crate) bytes: usize,
    /// Until the first byte of the answer.
    pub(crate) first_byte: Latencies,
    /// Out of 100, by Lighthouse on an emulated phone.
    pub(crate) performance: Option<u32>,
}

/// The searches of the list, among so many listings.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) listings: usize,
    /// One for each search of the list, in its order.
    pub(crate) took: Vec<(&'static str, Latencies)>,
}

/// Pages that are open in browsers, and hear of a change.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) pages: usize,
    /// Resident bytes of web before they were opened, and with them.
    pub(crate) before: u64,
    pub(crate) resident: u64,
    pub(crate) changes: usize,
    /// From sending the change until each page was told.
    pub(crate) told: Latencies,
}

impl Rate {
    /// CPU-seconds per 1,000 requests, of these CPU-seconds.
    pub(crate) fn per_thousand(&self, used: f64) -> f64 {
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

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;

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
}
