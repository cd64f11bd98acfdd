//! Requests to the public API. Responses of GETs are not parsed, which would take CPU from the fleet.

use std::cell::Cell;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use common::api::tickets::{ListListings, ListingQuery, ReadListing};
use common::api::users::{Credentials, NewUser, Password, SignIn, SignUp};
use common::events::payment::PaymentStatus;
use common::text::Text;

use super::workload::Workload;
use crate::http1::api;
use crate::load::run_closed_loop;
use crate::results::{Case, PageSize, Results, Throughput};
use crate::testbed::{CONNECTIONS, TestBed};

/// Signing up and in are bound by Argon2id.
const AUTH_CONNECTIONS: usize = 16;
/// Number of accounts, which sign in round robin.
const ACCOUNTS: usize = 64;

pub(super) async fn one_ticket(bed: &TestBed, workload: &Workload, results: &mut Results) -> Result<()> {
    bed.stock_tickets(workload.listings).await?;
    let requests = bed.tickets.borrow().iter().map(|&id| api(&ReadListing { id }, None)).collect::<Result<Vec<_>>>()?;
    let mut connections = bed.connections("tickets", CONNECTIONS).await?;
    let next = Cell::new(0);
    let measured = workload.measure(bed, "one ticket", Some("tickets"), &mut connections, async |connection| {
        let request = requests.get(next.replace(next.get() + 1) % requests.len()).context("no tickets")?;
        connection.fetch(request.clone()).await?;
        Ok(true)
    });
    results.throughputs.insert((Case::OneTicket, 0), measured.await?);
    Ok(())
}

pub(super) async fn first_page(bed: &TestBed, workload: &Workload, results: &mut Results) -> Result<()> {
    bed.stock_tickets(workload.listings).await?;
    for (index, (rows, limit)) in [(20, None), (100, Some(100))].into_iter().enumerate() {
        let request = api(&ListListings { query: ListingQuery { limit, ..ListingQuery::default() } }, None)?;
        let bytes = Cell::new(0);
        let mut connections = bed.connections("tickets", CONNECTIONS).await?;
        let work = format!("first page, {rows} rows");
        let measured = workload.measure(bed, &work, Some("tickets"), &mut connections, async |connection| {
            bytes.set(connection.fetch(request.clone()).await?.len());
            Ok(true)
        });
        let measured = measured.await?;
        let page = Some(PageSize { rows, bytes: bytes.get() });
        results.throughputs.insert((Case::FirstPage, index), Throughput { page, ..measured });
    }
    Ok(())
}

pub(super) async fn create_ticket(bed: &TestBed, workload: &Workload, results: &mut Results) -> Result<()> {
    let mut connections = bed.connections("tickets", CONNECTIONS).await?;
    let create = async |connection: &mut _| bed.list_next(connection).await;
    let measured = workload.measure(bed, "creating a ticket", Some("tickets"), &mut connections, create).await?;
    results.throughputs.insert((Case::CreateTicket, 0), measured);
    Ok(())
}

pub(super) async fn create_order(bed: &TestBed, workload: &Workload, results: &mut Results) -> Result<()> {
    bed.stock_tickets(workload.stock).await?;
    let measured = measure_orders(bed, workload, "creating an order").await?;
    results.throughputs.insert((Case::CreateOrder, 0), measured);
    Ok(())
}

pub(super) async fn create_order_grown(bed: &TestBed, workload: &Workload, results: &mut Results) -> Result<()> {
    let missing = workload.earlier_orders.saturating_sub(bed.ordered.get());
    bed.stock_tickets(workload.stock + missing).await?;
    bed.place_orders(missing).await?;
    let work = format!("creating an order, {} earlier ones", bed.ordered.get());
    results.throughputs.insert((Case::CreateOrderGrown, 0), measure_orders(bed, workload, &work).await?);
    Ok(())
}

async fn measure_orders(bed: &TestBed, workload: &Workload, work: &str) -> Result<Throughput> {
    let mut connections = bed.connections("orders", CONNECTIONS).await?;
    let order = async |connection: &mut _| bed.order_next(connection).await;
    workload.measure(bed, work, Some("orders"), &mut connections, order).await
}

pub(super) async fn pay(bed: &TestBed, workload: &Workload, results: &mut Results) -> Result<()> {
    bed.stock_orders(workload.stock / 2).await?;
    let mut connections = bed.connections("payments", CONNECTIONS).await?;
    let measured = workload.measure(bed, "paying", Some("payments"), &mut connections, async |connection| {
        let order = bed.orders.borrow_mut().pop();
        let Some(order) = order else { return Ok(false) };
        let paid = connection.send(&order.payment(), Some(&order.cookie)).await?;
        ensure!(matches!(paid.status, PaymentStatus::Authorized | PaymentStatus::Captured), "{:?}", paid.status);
        Ok(true)
    });
    results.throughputs.insert((Case::Pay, 0), measured.await?);
    Ok(())
}

pub(super) async fn sign_up(bed: &TestBed, workload: &Workload, results: &mut Results) -> Result<()> {
    let mut connections = bed.connections("auth", AUTH_CONNECTIONS).await?;
    let next = Cell::new(0);
    let measured = workload.measure(bed, "signing up", Some("auth"), &mut connections, async |connection| {
        connection.send(&sign_up_request("new", next.replace(next.get() + 1)), None).await?;
        Ok(true)
    });
    results.throughputs.insert((Case::SignUp, 0), measured.await?);
    Ok(())
}

pub(super) async fn sign_in(bed: &TestBed, workload: &Workload, results: &mut Results) -> Result<()> {
    let mut connections = bed.connections("auth", AUTH_CONNECTIONS).await?;
    let next = Cell::new(0);
    let created = run_closed_loop(&mut connections, Duration::MAX, async |connection| {
        let index = next.replace(next.get() + 1);
        if index < ACCOUNTS {
            connection.send(&sign_up_request("old", index), None).await?;
        }
        Ok(index < ACCOUNTS)
    });
    created.await?;
    let measured = workload.measure(bed, "signing in", Some("auth"), &mut connections, async |connection| {
        let email = email("old", next.replace(next.get() + 1) % ACCOUNTS);
        connection.send(&SignIn { body: Credentials { email, password: password() } }, None).await?;
        Ok(true)
    });
    results.throughputs.insert((Case::SignIn, 0), measured.await?);
    Ok(())
}

fn sign_up_request(name: &str, index: usize) -> SignUp {
    SignUp { body: NewUser { email: email(name, index), password: password(), display_name: None } }
}

fn email(name: &str, index: usize) -> Text {
    Text::new(&format!("{name}-{index}@example.com"))
}

fn password() -> Password {
    Password::new("a long enough secret")
}
