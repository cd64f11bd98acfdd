//! The test bed: the fleet under load, its users, and a stock of tickets and orders to use up.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use common::api::orders::{CreateOrder, NewOrder};
use common::api::payments::{CreatePayment, NewPayment};
use common::api::tickets::CreateListing;
use common::id::{OrderId, TicketId, UserId};
use common::identity::Claims;
use common::text::Text;
use http::HeaderValue;
use mongodb::Client;
use testkit::app::users::Signer;
use testkit::fleet::keys::Keys;
use testkit::fleet::options::{FleetOptions, current_binary_dir};
use testkit::fleet::{Fleet, SERVICES};

use crate::catalogue;
use crate::cpu::Processes;
use crate::http1::Connection;
use crate::load::run_closed_loop;

/// Default number of concurrent requests.
pub(crate) const CONNECTIONS: usize = 32;

const SELLERS: usize = 100;
const BUYERS: usize = 500;

/// A running fleet, which ends when this is dropped.
pub(crate) struct TestBed {
    pub(crate) fleet: Fleet,
    /// Reads MongoDB's counters.
    pub(crate) mongodb: Client,
    pub(crate) programs: PathBuf,
    /// The directory of the databases.
    pub(crate) data: PathBuf,
    sellers: Vec<HeaderValue>,
    buyers: Vec<HeaderValue>,
    next_buyer: Cell<usize>,
    /// Tickets for sale.
    pub(crate) tickets: RefCell<Vec<TicketId>>,
    /// Number of tickets listed so far.
    pub(crate) listed: Cell<usize>,
    /// Unpaid orders.
    pub(crate) orders: RefCell<Vec<Order>>,
    /// Number of orders placed so far.
    pub(crate) ordered: Cell<usize>,
}

#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) ticket: TicketId,
    pub(crate) cookie: HeaderValue,
}

impl TestBed {
    /// Starts a fleet of the programs in the directory of this one, with empty databases on the disk.
    pub(crate) async fn start() -> Result<Self> {
        let programs = current_binary_dir();
        let home = programs.parent().unwrap_or(&programs).join("bench");
        let _ = fs::remove_dir_all(&home);
        let options = FleetOptions { programs: programs.clone(), ..FleetOptions::new(&home) }
            // A single client sends the requests of all users.
            .without_rate_limits()
            .env("SIGNUPS_PER_MINUTE", "1000000")
            .env("SIGNINS_PER_MINUTE", "1000000")
            // Neither expired holds nor snapshots of unchanged entities may disturb a measurement.
            .env("ORDER_TTL", "2h")
            .env("ANNOUNCE_AFTER", "2h")
            .env("ANNOUNCE_PER_SECOND", "0")
            // A few hundred buyers hold all tickets.
            .env("HOLDS_PER_BUYER", "1000000");
        let fleet = Fleet::start(&options).await?;
        let keys = Keys::load_or_create(&options.data.join("keys"))?;
        let signer = Signer { jwks: keys.jwks, pem: keys.jwt_private_keys };
        let cookies = |count: usize| (0..count).map(|_| access_cookie(&signer, &fleet.public_url())).collect();
        let (sellers, buyers): (Result<_>, Result<_>) = (cookies(SELLERS), cookies(BUYERS));
        Ok(Self {
            sellers: sellers?,
            buyers: buyers?,
            next_buyer: Cell::default(),
            mongodb: Client::with_uri_str(fleet.servers().mongodb.url()).await?,
            fleet,
            programs,
            data: options.data,
            tickets: RefCell::default(),
            listed: Cell::default(),
            orders: RefCell::default(),
            ordered: Cell::default(),
        })
    }

    pub(crate) async fn stop(self) -> Result<()> {
        self.fleet.stop().await?;
        fs::remove_dir_all(&self.data).context("deleting the data")
    }

    /// The current processes; their ids change on a restart.
    pub(crate) fn processes(&self) -> Result<Processes> {
        let pid = |name| Ok((name, self.fleet.service(name)?.pid()));
        let mut all = SERVICES.into_iter().map(pid).collect::<Result<Vec<_>>>()?;
        let servers = self.fleet.servers();
        all.extend([
            ("mongod", servers.mongodb.pid()),
            ("nats-server", servers.nats.pid()),
            ("redis-server", servers.redis.pid()),
            ("fakestripe", self.fleet.fakestripe().pid()),
        ]);
        Ok(Processes::new(all))
    }

    /// `127.0.0.1:port` of a service.
    pub(crate) fn address(&self, service: &str) -> Result<String> {
        Ok(self.fleet.service(service)?.address())
    }

    pub(crate) async fn connect(&self, service: &str) -> Result<Connection> {
        Connection::open(&self.address(service)?).await
    }

    pub(crate) async fn connections(&self, service: &str, count: usize) -> Result<Vec<Connection>> {
        futures::future::try_join_all((0..count).map(|_| self.connect(service))).await
    }

    pub(crate) fn seller(&self, index: usize) -> Option<&HeaderValue> {
        self.sellers.get(index % SELLERS)
    }

    /// Lists the next ticket and puts it in stock.
    pub(crate) async fn list_next(&self, connection: &mut Connection) -> Result<bool> {
        let ticket = self.list_unstocked(connection).await?;
        self.tickets.borrow_mut().push(ticket);
        Ok(true)
    }

    /// Lists the next ticket without putting it in stock.
    pub(crate) async fn list_unstocked(&self, connection: &mut Connection) -> Result<TicketId> {
        let index = self.listed.replace(self.listed.get() + 1);
        let body = catalogue::listing(index, catalogue::price(index))?;
        Ok(connection.send(&CreateListing { body }, self.seller(index)).await?.id)
    }

    /// Lists tickets until this many are in stock and `orders` has replicated them.
    pub(crate) async fn stock_tickets(&self, count: usize) -> Result<()> {
        let missing = count.saturating_sub(self.tickets.borrow().len());
        self.repeat("tickets", missing, async |connection| self.list_next(connection).await).await
    }

    /// Lists tickets until this many were listed in total and `web` has replicated them.
    pub(crate) async fn list_up_to(&self, count: usize) -> Result<()> {
        let missing = count.saturating_sub(self.listed.get());
        self.repeat("tickets", missing, async |connection| self.list_next(connection).await).await
    }

    /// Orders a ticket of the stock; returns false if the stock is empty.
    pub(crate) async fn order_next(&self, connection: &mut Connection) -> Result<bool> {
        let ticket = self.tickets.borrow_mut().pop();
        let Some(ticket) = ticket else { return Ok(false) };
        self.order(ticket, async |request, cookie| Ok(connection.send(&request, Some(&cookie)).await?.id)).await?;
        Ok(true)
    }

    /// Orders a ticket as the next buyer (round robin), using `send`, and puts the order in stock.
    pub(crate) async fn order(
        &self,
        ticket: TicketId,
        send: impl AsyncFnOnce(CreateOrder, HeaderValue) -> Result<OrderId>,
    ) -> Result<()> {
        let buyer = self.next_buyer.replace(self.next_buyer.get() + 1);
        let cookie = self.buyers.get(buyer % BUYERS).cloned().context("no buyers")?;
        let id = send(CreateOrder { body: NewOrder { ticket_id: ticket, quantity: None } }, cookie.clone()).await?;
        self.ordered.set(self.ordered.get() + 1);
        self.orders.borrow_mut().push(Order { id, ticket, cookie });
        Ok(())
    }

    pub(crate) async fn place_orders(&self, count: usize) -> Result<()> {
        self.repeat("orders", count, async |connection| self.order_next(connection).await).await
    }

    /// Places orders until this many are in stock and confirmed.
    pub(crate) async fn stock_orders(&self, count: usize) -> Result<()> {
        let missing = count.saturating_sub(self.orders.borrow().len());
        self.stock_tickets(missing).await?;
        self.place_orders(missing).await
    }

    /// Repeats an operation `count` times, as fast as the connections allow, then waits until the fleet is idle.
    async fn repeat(
        &self,
        service: &str,
        count: usize,
        operation: impl AsyncFn(&mut Connection) -> Result<bool>,
    ) -> Result<()> {
        if count == 0 {
            return Ok(());
        }
        let remaining = Cell::new(count);
        let mut connections = self.connections(service, CONNECTIONS).await?;
        let repeated = run_closed_loop(&mut connections, Duration::MAX, async |connection| {
            let Some(fewer) = remaining.get().checked_sub(1) else { return Ok(false) };
            remaining.set(fewer);
            operation(connection).await
        });
        repeated.await.with_context(|| format!("preparing {count} {service}"))?;
        self.processes()?.wait_until_idle().await
    }
}

impl Order {
    /// The request that pays for the order.
    pub(crate) fn payment(&self) -> CreatePayment {
        CreatePayment { body: NewPayment { order_id: self.id, payment_method: Text::new("pm_card_visa") } }
    }
}

/// The access cookie of a new user, signed with the key of `auth`.
fn access_cookie(signer: &Signer, issuer: &str) -> Result<HeaderValue> {
    let claims = Claims { iss: issuer.to_owned(), ..Signer::claims(UserId::new()) };
    Ok(format!("access={}", signer.sign(&claims)).parse()?)
}
