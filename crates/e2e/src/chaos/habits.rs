//! What real visitors do but the load generator does not: they use pages and the API at once, open two tabs, reload,
//! return to forgotten tabs and pass 3-D Secure late.

use std::time::Duration;

use anyhow::{Result, bail};
use common::api::orders::{CreateOrder, NewOrder, ReadOrder};
use common::api::payments::{CreatePayment, NewPayment};
use common::api::tickets::{CreateListing, NewListing, ReplaceListing, WithdrawListing};
use common::api::users::{Credentials, NewUser, Password, SignIn, SignUp};
use common::events::order::OrderStatus;
use common::events::payment::PaymentStatus;
use common::id::{OrderId, TicketId};
use common::text::Text;
use fakestripe::control::ChallengeResult;
use tokio::time::{sleep, timeout};

use super::HOLD;
use super::pages::{open, submit, ticket_page};
use crate::fakestripe_client::FakestripeClient;
use crate::load::{self, ignore_problem, key, outcome, pay};
use crate::test_fleet::{PASSWORD, listing, with_seats};
use crate::user_client::{Page, UserClient};

const CARD: &str = "pm_card_visa";
const CARD_WITH_CHALLENGE: &str = "pm_card_authenticationRequired";
/// The query of a checkout page that tells the buyer that the price has changed.
const PRICE_NOTICE: &str = "price=new";
/// The outcome of an order whose ticket is sold.
const COMPLETED: &str = "completed";

/// Something that a visitor must never see.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Violation(String);

/// A way to buy or sell.
#[derive(Debug, Clone, Copy)]
pub(super) enum Habit {
    /// Two buyers try to hold one ticket at once, one by its page and one by the API.
    TwoBuyers,
    /// Two buyers hold different numbers of seats of one listing at once, while its seller withdraws what is left.
    SharedListing,
    /// A buyer holds a ticket in two tabs at once, and pays in both.
    TwoTabs,
    /// A buyer reloads while holding a ticket, and again while paying.
    Reload,
    /// The cardholder is authenticated after the hold has expired.
    LateChallenge,
    /// The cardholder is never authenticated.
    UnfinishedChallenge,
    /// The price changes while the buyer looks at the page.
    EditInBetween,
    /// The listing is withdrawn while the buyer looks at the page.
    WithdrawalInBetween,
    /// The seller submits a form that was opened before another change.
    ForgottenTab,
    /// The payment is cancelled in the card network's dashboard.
    DashboardCancellation,
    /// The seller submits a new listing twice at once.
    DoubleClick,
    /// The buyer signs up first. All other users have tokens that `auth` did not issue.
    NewAccount,
}

impl Habit {
    pub(super) const ALL: [Self; 12] = [
        Self::TwoBuyers,
        Self::SharedListing,
        Self::TwoTabs,
        Self::Reload,
        Self::LateChallenge,
        Self::UnfinishedChallenge,
        Self::EditInBetween,
        Self::WithdrawalInBetween,
        Self::ForgottenTab,
        Self::DashboardCancellation,
        Self::DoubleClick,
        Self::NewAccount,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::TwoBuyers => "two buyers",
            Self::SharedListing => "shared listing",
            Self::TwoTabs => "two tabs",
            Self::Reload => "reload",
            Self::LateChallenge => "late 3-D Secure",
            Self::UnfinishedChallenge => "unfinished 3-D Secure",
            Self::EditInBetween => "edit in between",
            Self::WithdrawalInBetween => "withdrawal in between",
            Self::ForgottenTab => "forgotten tab",
            Self::DashboardCancellation => "dashboard cancellation",
            Self::DoubleClick => "double click",
            Self::NewAccount => "new account",
        }
    }
}

/// The users of a journey, and fakestripe, the stand-in for the card network.
#[derive(Clone)]
pub(super) struct Journey {
    pub(super) seller: UserClient,
    pub(super) buyer: UserClient,
    /// Competes with the buyer.
    pub(super) other: UserClient,
    pub(super) fakestripe: FakestripeClient,
}

impl Journey {
    /// Lists a ticket and sells it according to the habit; returns the outcome. Impatient visitors reload after
    /// `impatience`.
    pub(super) async fn take(&self, habit: Habit, impatience: Duration) -> Result<&'static str> {
        if matches!(habit, Habit::NewAccount) {
            let buyer = sign_up(&self.buyer).await?;
            return Self { buyer, ..self.clone() }.sell(habit, impatience).await;
        }
        self.sell(habit, impatience).await
    }

    async fn sell(&self, habit: Habit, impatience: Duration) -> Result<&'static str> {
        let ticket = match habit {
            Habit::DoubleClick => self.list_twice().await?,
            Habit::SharedListing => {
                // A separate row, because a seller can't list the same seat twice.
                let row = Text::non_blank(&key());
                self.list(with_seats(NewListing { row, ..terms(1_000) }, &[2, 2, 2, 2])).await?
            }
            // These need no page, which would ask for the number of seats.
            Habit::LateChallenge | Habit::UnfinishedChallenge | Habit::DashboardCancellation => {
                self.list(NewListing { quantity: Some(3), ..terms(1_000) }).await?
            }
            _ => self.list(terms(1_000)).await?,
        };
        let order = match habit {
            Habit::TwoBuyers => return self.compete(ticket).await,
            Habit::SharedListing => return self.share(ticket).await,
            Habit::TwoTabs => self.hold_in_two_tabs(ticket).await?,
            Habit::Reload => self.hold_and_reload(ticket, impatience).await?,
            Habit::EditInBetween => self.hold_while_the_price_changes(ticket).await?,
            Habit::WithdrawalInBetween => self.hold_while_it_is_withdrawn(ticket).await?,
            Habit::ForgottenTab => self.hold_after_an_outdated_form(ticket).await?,
            Habit::LateChallenge
            | Habit::UnfinishedChallenge
            | Habit::DashboardCancellation
            | Habit::DoubleClick
            | Habit::NewAccount => hold(&self.buyer, ticket, None).await?,
        };
        let Some(order) = order else { return Ok("not held") };
        match habit {
            Habit::TwoTabs => {
                let (one, two) = tokio::join!(pay(&self.buyer, order, CARD), pay(&self.buyer, order, CARD));
                one?;
                two?;
            }
            Habit::Reload => self.pay_and_reload(order, impatience).await?,
            Habit::LateChallenge => {
                let intent = self.start_challenge(order).await?;
                sleep(HOLD + Duration::from_secs(2)).await;
                if let Some(intent) = intent {
                    self.fakestripe.authenticate(&intent, ChallengeResult::Succeed).await?;
                }
            }
            Habit::UnfinishedChallenge => drop(self.start_challenge(order).await?),
            Habit::DashboardCancellation => {
                let payment = pay(&self.buyer, order, CARD).await?;
                if let Some(intent) = payment.and_then(|payment| payment.provider_ref) {
                    self.fakestripe.cancel(&intent).await?;
                }
            }
            _ => _ = pay(&self.buyer, order, CARD).await?,
        }
        outcome(&self.buyer, order).await
    }

    async fn list(&self, body: NewListing) -> Result<TicketId> {
        let request = CreateListing { body };
        Ok(self.seller.send_until_definitive(&request, Some(&key())).await?.body.id)
    }

    async fn list_twice(&self) -> Result<TicketId> {
        let (request, key) = (CreateListing { body: terms(1_000) }, key());
        let click = || self.seller.send_until_definitive(&request, Some(&key));
        let (one, two) = tokio::join!(click(), click());
        let (one, two) = (one?.body.id, two?.body.id);
        if one != two {
            bail!(Violation(format!("one form has listed two tickets, {one} and {two}")));
        }
        Ok(one)
    }

    async fn compete(&self, ticket: TicketId) -> Result<&'static str> {
        let by_page = async { submit_hold(&self.other, ticket, &open(&self.other, &ticket_page(ticket)).await?).await };
        let (one, two) = tokio::join!(hold(&self.buyer, ticket, None), by_page);
        let mut outcomes = Vec::new();
        for (buyer, order) in [(&self.buyer, one?), (&self.other, two?)] {
            let Some(order) = order else { continue };
            pay(buyer, order, CARD).await?;
            outcomes.push(outcome(buyer, order).await?);
        }
        match outcomes.as_slice() {
            [] => Ok("not held"),
            [COMPLETED, COMPLETED] => bail!(Violation(format!("two buyers have bought {ticket}"))),
            [_, two] if *two == COMPLETED => Ok(*two),
            [one, ..] => Ok(*one),
        }
    }

    /// The buyer wants two seats and the other buyer four, of a listing of eight seats in pairs. A buyer who gets seats
    /// pays for all of them.
    async fn share(&self, ticket: TicketId) -> Result<&'static str> {
        let withdrawal = WithdrawListing { id: ticket };
        let (one, two, withdrawn) = tokio::join!(
            hold(&self.buyer, ticket, Some(2)),
            hold(&self.other, ticket, Some(4)),
            self.seller.send_until_definitive(&withdrawal, None)
        );
        ignore_problem(withdrawn)?;
        let (mut outcomes, mut sold) = (Vec::new(), Vec::new());
        for (buyer, order, quantity) in [(&self.buyer, one?, 2), (&self.other, two?, 4)] {
            let Some(order) = order else { continue };
            pay(buyer, order, CARD).await?;
            outcomes.push(outcome(buyer, order).await?);
            let order = buyer.wait_for_order_end(order).await?;
            if order.slots.len() != quantity {
                bail!(Violation(format!("order {} has the seats {:?} instead of {quantity}", order.id, order.slots)));
            }
            if order.status == OrderStatus::Completed {
                sold.extend(order.slots);
            }
        }
        if (1..sold.len()).any(|n| sold[n..].contains(&sold[n - 1])) {
            bail!(Violation(format!("two buyers have bought the same seat of {ticket}: {sold:?}")));
        }
        Ok(outcomes.into_iter().min_by_key(|outcome| *outcome != COMPLETED).unwrap_or("not held"))
    }

    async fn hold_in_two_tabs(&self, ticket: TicketId) -> Result<Option<OrderId>> {
        let path = ticket_page(ticket);
        let tabs = (open(&self.buyer, &path).await?, open(&self.buyer, &path).await?);
        let (one, two) =
            tokio::join!(submit_hold(&self.buyer, ticket, &tabs.0), submit_hold(&self.buyer, ticket, &tabs.1));
        let (one, two) = (one?, two?);
        // The two orders differ if the first hold ended before the second tab's request was processed.
        if let (Some(one), Some(two)) = (one, two)
            && one != two
            && outcome(&self.buyer, one).await? == COMPLETED
            && outcome(&self.buyer, two).await? == COMPLETED
        {
            bail!(Violation(format!("one buyer has bought {ticket} twice, as {one} and {two}")));
        }
        Ok(one.or(two))
    }

    async fn hold_and_reload(&self, ticket: TicketId, impatience: Duration) -> Result<Option<OrderId>> {
        let page = open(&self.buyer, &ticket_page(ticket)).await?;
        // The result of the abandoned request does not matter.
        let _ = timeout(impatience, submit_hold(&self.buyer, ticket, &page)).await;
        submit_hold(&self.buyer, ticket, &page).await
    }

    async fn pay_and_reload(&self, order: OrderId, impatience: Duration) -> Result<()> {
        let body = NewPayment { order_id: order, payment_method: Text::new(CARD) };
        let (request, key) = (CreatePayment { body }, key());
        self.buyer.send_impatiently(&request, &key, impatience).await;
        ignore_problem(self.buyer.send_until_definitive(&request, Some(&key)).await)?;
        // Retry, because the order may not have been known to `payments` yet.
        pay(&self.buyer, order, CARD).await.map(drop)
    }

    async fn hold_while_the_price_changes(&self, ticket: TicketId) -> Result<Option<OrderId>> {
        let path = ticket_page(ticket);
        let page = open(&self.buyer, &path).await?;
        let edit = ReplaceListing { id: ticket, body: terms(2_000) };
        self.seller.send_until_definitive(&edit, None).await?;
        match submit_hold(&self.buyer, ticket, &page).await? {
            Some(order) => Ok(Some(order)),
            None => submit_hold(&self.buyer, ticket, &open(&self.buyer, &path).await?).await,
        }
    }

    async fn hold_while_it_is_withdrawn(&self, ticket: TicketId) -> Result<Option<OrderId>> {
        let page = open(&self.buyer, &ticket_page(ticket)).await?;
        let withdrawal = WithdrawListing { id: ticket };
        let (withdrawn, order) =
            tokio::join!(self.seller.send_until_definitive(&withdrawal, None), submit_hold(&self.buyer, ticket, &page));
        ignore_problem(withdrawn)?;
        order
    }

    /// The seller submits an edit form that was opened before the listing changed. Then the buyer, whose page still
    /// shows the first price, holds the ticket.
    async fn hold_after_an_outdated_form(&self, ticket: TicketId) -> Result<Option<OrderId>> {
        let path = format!("/tickets/{ticket}/edit");
        let form = open(&self.seller, &path).await?;
        let Some(version) = form.hidden_field("version") else {
            bail!(Violation(format!("the seller of {ticket} got {} instead of the form", form.path)));
        };
        let page = open(&self.buyer, &ticket_page(ticket)).await?;
        let edit = ReplaceListing { id: ticket, body: terms(2_000) };
        self.seller.send_until_definitive(&edit, None).await?;
        let listing = ticket.to_string();
        let fields = [
            ("title", "An outdated title"),
            ("venue", "Concert Hall"),
            ("starts_at", "2099-04-02T20:00"),
            ("time_zone", "Europe/Amsterdam"),
            ("price", "30.00"),
            ("currency", "EUR"),
            ("listing", listing.as_str()),
            ("version", version.as_str()),
        ];
        let checked = submit(&self.seller, &form.path, &fields).await?;
        // Usually the outdated changes are refused before the preview, and the seller gets the form again. If `tickets`
        // was unavailable, the preview is shown; then the changes are refused when they are submitted.
        let shown = match checked.hidden_field("revision") {
            Some(revision) => submit(&self.seller, &checked.path, &[("revision", revision.as_str())]).await?.path,
            None => checked.path,
        };
        // A redirect to the listing means that it was changed.
        if shown.split('?').next() == Some(ticket_page(ticket).as_str()) {
            bail!(Violation(format!("an outdated form has changed {ticket}")));
        }
        match submit_hold(&self.buyer, ticket, &page).await? {
            Some(order) => Ok(Some(order)),
            None => hold(&self.buyer, ticket, None).await,
        }
    }

    /// Pays with a card that requires authentication. Returns the id of the intent if it waits for the cardholder.
    async fn start_challenge(&self, order: OrderId) -> Result<Option<String>> {
        let payment = pay(&self.buyer, order, CARD_WITH_CHALLENGE).await?;
        let waiting = payment.filter(|payment| payment.status == PaymentStatus::RequiresAction);
        Ok(waiting.and_then(|payment| payment.provider_ref))
    }
}

fn terms(price: i64) -> NewListing {
    listing("Any night", price)
}

/// Creates an account and returns a client that is signed in to it.
async fn sign_up(visitor: &UserClient) -> Result<UserClient> {
    let client = visitor.signed_out()?;
    let email = format!("{}@example.com", key());
    let (address, password) = (Text::new(&email), Password::new(PASSWORD));
    let account = SignUp { body: NewUser { email: address, password, display_name: None } };
    match client.send_until_definitive(&account, None).await {
        // An earlier attempt created the account, but its response was lost.
        Err(error) if error.status() == Some(409) => {
            let body = Credentials { email: Text::new(&email), password: Password::new(PASSWORD) };
            client.send_until_definitive(&SignIn { body }, None).await?;
        }
        created => drop(created?),
    }
    Ok(client)
}

/// Holds seats by the API; `None` if they can't be held. Fails if the listing does not reach `orders` in time.
async fn hold(buyer: &UserClient, ticket: TicketId, quantity: Option<u8>) -> Result<Option<OrderId>> {
    let request = CreateOrder { body: NewOrder { ticket_id: ticket, quantity } };
    // 404: the listing has not reached `orders` yet.
    match load::send_until_propagated(buyer, &request, &[404]).await {
        Ok(order) => Ok(Some(order.id)),
        Err(error) if error.problem().is_some() && error.status() != Some(404) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Submits the hold form of a ticket's page. Returns the order, or `None` if the response is not its checkout page. It
/// is a violation if the order's price differs from the page's and the checkout page does not tell the buyer.
async fn submit_hold(buyer: &UserClient, ticket: TicketId, page: &Page) -> Result<Option<OrderId>> {
    let (Some(key), Some(price)) = (page.hidden_field("key"), page.hidden_field("price")) else { return Ok(None) };
    let path = format!("/tickets/{ticket}/hold");
    let held = submit(buyer, &path, &[("key", key.as_str()), ("price", price.as_str())]).await?;
    let Some(id) = held.path.strip_prefix("/checkout/").and_then(|id| id.parse().ok()) else { return Ok(None) };
    // Just after an election an order may not be found yet; then the price is not compared.
    if let Ok(order) = buyer.send_until_definitive(&ReadOrder { id }, None).await
        && order.body.unit_price.to_string() != price
        && held.query.as_deref() != Some(PRICE_NOTICE)
    {
        let held_at = order.body.unit_price;
        bail!(Violation(format!(
            "the page showed {price}, but order {id} holds the ticket at {held_at} without a notice"
        )));
    }
    Ok(Some(id))
}
