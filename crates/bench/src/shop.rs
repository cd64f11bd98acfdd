//! The fleet under load, who uses it, and a stock of tickets and orders to use up.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use common::api::orders::{CreateOrder, NewOrder};
use common::api::payments::{CreatePayment, NewPayment};
use common::api::tickets::CreateListing;
use common::clock::{Clock, SystemClock};
use common::id::{OrderId, SessionId, TicketId, UserId};
use common::identity::{AUDIENCE, Claims};
use common::text::Text;
use http::HeaderValue;
use testkit::app::users::Signer;
use testkit::fleet::keys::Keys;
use testkit::fleet::options::{FleetOptions, programs_beside_us};
use testkit::fleet::{Fleet, SERVICES};

use crate::catalogue;
use crate::cpu::Processes;
use crate::http1::Connection;
use crate::load::{Outcome, closed};

/// How many requests are in flight unless a row says otherwise.
pub(crate) const CONNECTIONS: usize = 32;

const SELLERS: usize = 100;
const BUYERS: usize = 500;

/// A running marketplace; everything of it ends when it is dropped.
pub(crate) struct Shop {
    pub(crate) fleet: Fleet,
    pub(crate) programs: PathBuf,
    data: PathBuf,
    sellers: Vec<HeaderValue>,
    buyers: Vec<HeaderValue>,
    /// For sale.
    pub(crate) tickets: RefCell<Vec<TicketId>>,
    /// How many were listed so far.
    pub(crate) listed: Cell<usize>,
    /// Not paid yet.
    pub(crate) orders: RefCell<Vec<Order>>,
    /// How many orders were placed so far.
    pub(crate) ordered: Cell<usize>,
}

/// An order that waits for its payment.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) ticket: TicketId,
    pub(crate) cookie: HeaderValue,
}

impl Shop {
    /// Starts a fleet of the programs that lie beside this one, with empty databases on the disk.
    pub(crate) async fn open() -> Result<Self> {
        let programs = programs_beside_us();
        let home = programs.parent().unwrap_or(&programs).join("bench");
        let _ = fs::remove_dir_all(&home);
        let options = FleetOptions { programs: programs.clone(), ..FleetOptions::new(&home) }
            // One client is all the users there are.
            .unlimited()
            .env("SIGNUPS_PER_MINUTE", "1000000")
            // No hold ends, and nothing is announced again, in the middle of another row.
            .env("ORDER_TTL", "2h")
            // A few hundred buyers hold all there is.
            .env("HOLDS_PER_BUYER", "1000000")
            .env("ANNOUNCE_AFTER", "2h");
        let fleet = Fleet::start(&options).await?;
        let keys = Keys::of(&options.data.join("keys"))?;
        let signer = Signer { jwks: keys.jwks, pem: keys.jwt_private_keys };
        let crowd = |size: usize| (0..size).map(|_| cookie(&signer, &fleet.public_url())).collect::<Result<Vec<_>>>();
        let (sellers, buyers) = (crowd(SELLERS)?, crowd(BUYERS)?);
        Ok(Self {
            fleet,
            programs,
            data: options.data,
            sellers,
            buyers,
            tickets: RefCell::default(),
            listed: Cell::default(),
            orders: RefCell::default(),
            ordered: Cell::default(),
        })
    }

    /// Where the databases are.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Stops everything and removes the data.
    pub(crate) async fn close(self) -> Result<()> {
        self.fleet.stop().await?;
        fs::remove_dir_all(&self.data).context("removing the data")
    }

    /// The process ids of now; others after a restart.
    pub(crate) fn processes(&self) -> Result<Processes> {
        let pid = |name: &&str| Ok(((*name).to_owned(), self.fleet.service(name)?.pid()));
        let mut all = SERVICES.iter().map(pid).collect::<Result<Vec<_>>>()?;
        let servers = self.fleet.servers();
        let others = [
            ("mongod", servers.mongodb.pid()),
            ("nats-server", servers.nats.pid()),
            ("redis-server", servers.redis.pid()),
            ("fakestripe", self.fleet.fakestripe().pid()),
        ];
        all.extend(others.map(|(name, pid)| (name.to_owned(), pid)));
        Ok(Processes::new(all))
    }

    /// `127.0.0.1:port` of a service.
    pub(crate) fn address(&self, service: &str) -> Result<String> {
        Ok(self.fleet.service(service)?.address())
    }

    pub(crate) async fn connections(&self, service: &str, count: usize) -> Result<Vec<Connection>> {
        let address = self.address(service)?;
        futures::future::try_join_all((0..count).map(|_| Connection::open(&address))).await
    }

    /// Lists the next ticket.
    pub(crate) async fn list_next(&self, connection: &mut Connection) -> Result<TicketId> {
        let index = self.listed.get();
        self.listed.set(index + 1);
        let body = catalogue::listing(index, catalogue::price(index))?;
        Ok(connection.send(&CreateListing { body }, self.seller(index)).await?.id)
    }

    /// Who listed the ticket of this number.
    pub(crate) fn seller(&self, index: usize) -> Option<&HeaderValue> {
        self.sellers.get(index % SELLERS)
    }

    /// A buyer, another one each time.
    pub(crate) fn buyer(&self, index: usize) -> Result<HeaderValue> {
        self.buyers.get(index % BUYERS).cloned().context("there are buyers")
    }

    /// Lists tickets until so many are in stock; orders knows them then.
    pub(crate) async fn stock_tickets(&self, count: usize) -> Result<()> {
        let missing = count.saturating_sub(self.tickets.borrow().len());
        self.list_more(missing).await
    }

    /// Lists tickets until so many were listed in all; web knows them then.
    pub(crate) async fn list_up_to(&self, count: usize) -> Result<()> {
        self.list_more(count.saturating_sub(self.listed.get())).await
    }

    async fn list_more(&self, count: usize) -> Result<()> {
        if count == 0 {
            return Ok(());
        }
        let missing = Cell::new(count);
        let mut connections = self.connections("tickets", CONNECTIONS).await?;
        let listed = closed(&mut connections, Duration::MAX, async |connection| {
            let Some(left) = missing.get().checked_sub(1) else { return Ok(false) };
            missing.set(left);
            let ticket = self.list_next(connection).await?;
            self.tickets.borrow_mut().push(ticket);
            Ok(true)
        });
        listed.await.context("listing tickets")?;
        self.processes()?.wait_until_idle().await
    }

    /// Orders tickets of the stock as fast as the connections can, so many at most and for so long
    /// at most; the orders go to the stock.
    pub(crate) async fn order(&self, count: usize, duration: Duration) -> Result<Outcome> {
        let left = Cell::new(count);
        let mut connections = self.connections("orders", CONNECTIONS).await?;
        closed(&mut connections, duration, async |connection| {
            let ticket = left.get().checked_sub(1).and_then(|fewer| {
                left.set(fewer);
                self.tickets.borrow_mut().pop()
            });
            let Some(ticket) = ticket else { return Ok(false) };
            let cookie = self.buyer(left.get())?;
            let id = connection.send(&order_of(ticket), Some(&cookie)).await?.id;
            self.keep_order(Order { id, ticket, cookie });
            Ok(true)
        })
        .await
    }

    /// Puts an order that was placed in the stock.
    pub(crate) fn keep_order(&self, order: Order) {
        self.ordered.set(self.ordered.get() + 1);
        self.orders.borrow_mut().push(order);
    }

    /// Places orders until so many are in stock; all of them are confirmed then.
    pub(crate) async fn stock_orders(&self, count: usize) -> Result<()> {
        let missing = count.saturating_sub(self.orders.borrow().len());
        if missing == 0 {
            return Ok(());
        }
        self.stock_tickets(missing).await?;
        self.order(missing, Duration::MAX).await.context("ordering tickets")?;
        self.processes()?.wait_until_idle().await
    }
}

/// The request that orders a ticket.
pub(crate) fn order_of(ticket_id: TicketId) -> CreateOrder {
    CreateOrder { body: NewOrder { ticket_id } }
}

/// The request that pays for an order.
pub(crate) fn payment_of(order: &Order) -> CreatePayment {
    CreatePayment { body: NewPayment { order_id: order.id, payment_method: Text::new("pm_card_visa") } }
}

/// The access cookie of somebody who has just signed in, signed with auth's key.
fn cookie(signer: &Signer, issuer: &str) -> Result<HeaderValue> {
    let now = SystemClock.now().as_seconds();
    let claims = Claims {
        sub: UserId::new(),
        sid: SessionId::new(),
        iss: issuer.to_owned(),
        aud: AUDIENCE.to_owned(),
        iat: now,
        nbf: now,
        exp: now + 7_200,
    };
    Ok(format!("access={}", signer.sign(&claims)).parse()?)
}
