//! What is measured, in this order.

mod creating;
mod floor;
pub(crate) mod footprint;
mod pages;
mod paying;
mod reaching;
mod reading;
mod searching;
mod signing_in;
mod watching;

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::ValueEnum;

use crate::load::Outcome;
use crate::report::{Figures, Rate};
use crate::shop::Shop;

/// A row, or a few that belong together. Each floor follows what stands on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Row {
    /// Start to ready, resident memory, size of the program.
    Footprint,
    /// GET of one ticket.
    OneTicket,
    /// The driver alone: `find_one` by id.
    FloorFind,
    /// GET of the first page: 20 rows, and 100.
    FirstPage,
    /// GET of the home page, a list and a ticket's page; what Lighthouse thinks of them.
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

    /// Measures it.
    pub(crate) async fn measure(self, shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
        match self {
            Self::Footprint => footprint::before_load(shop, scale, figures).await,
            Self::OneTicket => reading::one_ticket(shop, scale, figures).await,
            Self::FirstPage => reading::first_page(shop, scale, figures).await,
            Self::Pages => pages::pages(shop, scale, figures).await,
            Self::Search => searching::among_few(shop, scale, figures).await,
            Self::SearchGrown => searching::among_many(shop, scale, figures).await,
            Self::OpenPages => watching::open_pages(shop, scale, figures).await,
            Self::CreateTicket => creating::tickets(shop, scale, figures).await,
            Self::CreateOrder => creating::orders(shop, scale, figures).await,
            Self::CreateOrderGrown => creating::orders_grown(shop, scale, figures).await,
            Self::Pay => paying::pay(shop, scale, figures).await,
            Self::Reserved => reaching::reserved(shop, scale, figures).await,
            Self::Sold => reaching::sold(shop, scale, figures).await,
            Self::SignUp => signing_in::sign_up(shop, scale, figures).await,
            Self::SignIn => signing_in::sign_in(shop, scale, figures).await,
            Self::FloorFind => floor::find(shop, scale, figures).await,
            Self::FloorInsert => floor::insert(shop, scale, figures).await,
            Self::FloorPublish => floor::publish(shop, scale, figures).await,
            Self::FloorHash => floor::hash(shop, scale, figures).await,
        }
    }
}

/// How much is done for each figure.
#[derive(Debug)]
pub(crate) struct Scale {
    /// How long each closed loop runs.
    duration: Duration,
    /// How long it runs before that, unmeasured.
    warm_up: Duration,
    /// Tickets to read from.
    listings: usize,
    /// Tickets to search among in the end.
    many_listings: usize,
    /// How often each search is made, and each page asked for.
    searches: usize,
    /// How many pages are open at once.
    pages: usize,
    /// How many changes they are told of.
    changes: usize,
    /// Tickets or orders that a loop may use up.
    stock: usize,
    /// Orders before the loop that measures how much they slow it down.
    earlier_orders: usize,
    /// Sequential orders on an idle fleet.
    idle_orders: usize,
    /// Seconds of arrivals at each rate.
    arrivals: usize,
    /// How often each service is started.
    starts: usize,
    /// How long nothing is asked of the fleet before its memory is read.
    idle: Duration,
}

impl Scale {
    pub(crate) const FULL: Self = Self {
        duration: Duration::from_secs(7),
        warm_up: Duration::from_secs(1),
        listings: 1000,
        many_listings: 100_000,
        searches: 200,
        pages: 5000,
        changes: 20,
        stock: 10_000,
        earlier_orders: 20_000,
        idle_orders: 200,
        arrivals: 10,
        starts: 5,
        idle: Duration::from_secs(10),
    };
    pub(crate) const QUICK: Self = Self {
        duration: Duration::from_secs(1),
        warm_up: Duration::from_millis(300),
        listings: 200,
        many_listings: 5000,
        searches: 20,
        pages: 500,
        changes: 3,
        stock: 1500,
        earlier_orders: 2000,
        idle_orders: 30,
        arrivals: 2,
        starts: 2,
        idle: Duration::from_secs(2),
    };
}

/// Runs the load twice, first to warm up, and takes the CPUs' use from rest to rest.
async fn rate(
    shop: &Shop,
    scale: &Scale,
    work: &str,
    service: Option<&'static str>,
    mut load: impl AsyncFnMut(Duration) -> Result<Outcome>,
) -> Result<Rate> {
    load(scale.warm_up).await?;
    let processes = shop.processes()?;
    processes.settle().await?;
    let before = processes.read()?;
    let outcome = load(scale.duration).await?;
    processes.settle().await?;
    let used = processes.read()?.since(&before)?;
    ensure!(outcome.count > 0, "nothing was left to measure after the warm-up");
    Ok(Rate { work: work.to_owned(), service, outcome, used, listed: None })
}
