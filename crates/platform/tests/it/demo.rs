//! A service with one aggregate, a few routes and one subscription, whose handler fails as a script says.

use std::time::Duration;

use axum::extract::{FromRef, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Args;
use common::aggregate::{Aggregate, Versioned};
use common::clock::SharedClock;
use common::error::{Error, Rejection};
use common::events::expiration::ExpirationState;
use common::events::user::{UserChange, UserState};
use common::id::UserId;
use common::identity::{CurrentUser, Role, Verifier};
use common::problem::Problem;
use common::timestamp::Timestamp;
use http::StatusCode;
use mongodb::Collection;
use mongodb::bson::{Document, doc};
use mongodb::options::ReadConcern;
use platform::app::App;
use platform::context::Context;
use platform::http::address::ClientAddress;
use platform::http::extract::{Body, CreateRequest, Id};
use platform::limits::class::{RateClass, RateClasses};
use platform::store::Store;
use platform::store::claims::Claims;
use platform::store::error::StoreError;
use platform::store::index;
use platform::store::replica::Replica;
use platform::stream::subscription::{Applied, Delivery, Failure, Subscription};
use serde::{Deserialize, Serialize};
use testkit::app::TestApp;
use validator::Validate;

/// An aggregate with a unique name and a count. It borrows its id type and its events from users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Counter {
    pub(crate) id: UserId,
    pub(crate) name: String,
    pub(crate) count: u64,
    pub(crate) done: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl Counter {
    pub(crate) fn new(name: &str, now: Timestamp) -> Self {
        let id = UserId::new();
        Self { id, name: name.to_owned(), count: 0, done: false, created_at: now, updated_at: now }
    }

    pub(crate) fn incremented(&self) -> Self {
        Self { count: self.count + 1, ..self.clone() }
    }
}

impl Aggregate for Counter {
    type Payload = UserState;
    const COLLECTION: &'static str = "counters";
    // A counter has no status; a test of the scan writes this one into its document.
    const CHANGEABLE_STATUSES: &'static [&'static str] = &["open"];
    fn id(&self) -> String {
        self.id.to_string()
    }
    fn payload(&self) -> UserState {
        let display_name = format!("{} {}", self.name, self.count);
        UserState { id: self.id, display_name, created_at: self.created_at }
    }
    fn present_change(&self) -> UserChange {
        UserChange::Updated
    }
    fn from_payload(payload: UserState) -> Option<Self> {
        let (name, count) = payload.display_name.rsplit_once(' ')?;
        let (name, count) = (name.to_owned(), count.parse().ok()?);
        let (created_at, updated_at) = (payload.created_at, payload.created_at);
        Some(Self { id: payload.id, name, count, done: false, created_at, updated_at })
    }
    fn contradicts(&self, replicated: &Self) -> bool {
        self.name != replicated.name
    }
    fn is_changed_since(&self, replicated: &Self) -> bool {
        self.done || self.updated_at > replicated.updated_at
    }
    fn is_settled(&self) -> bool {
        self.done
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Config {
    #[command(flatten)]
    pub(crate) keys: platform::config::Keys,
    /// A secret word.
    #[arg(long, env = "DEMO_SECRET", hide_env_values = true, value_parser = secret, default_value = "secret-word")]
    pub(crate) secret: String,
}

fn secret(text: &str) -> Result<String, String> {
    if text.starts_with("secret-") { Ok(text.to_owned()) } else { Err("must begin with secret-".to_owned()) }
}

#[derive(Clone, FromRef)]
struct AppState {
    counters: Store<Counter>,
    claims: Claims<UserId, Versioned<Counter>>,
    timers: Replica<ExpirationState>,
    script: Collection<Document>,
    verifier: Verifier,
    clock: SharedClock,
}

pub(crate) const NAME: &str = "demo";

pub(crate) async fn app() -> TestApp {
    app_with(&[]).await
}

pub(crate) async fn app_with(settings: &[(&str, &str)]) -> TestApp {
    TestApp::start(NAME, build, settings).await
}

#[expect(clippy::needless_pass_by_value, reason = "the signature of every service's build")]
pub(crate) fn build(config: Config, context: &Context) -> anyhow::Result<App> {
    let state = AppState {
        counters: context.store(),
        claims: context.claims(),
        timers: context.replica(),
        script: context.database.collection("script"),
        verifier: context.verifier(&config.keys)?,
        clock: context.clock.clone(),
    };
    let routes = Router::new()
        .route("/api/demo", post(create))
        .route("/api/demo/{id}", get(read).put(increment))
        .route("/api/demo/steps", post(create_in_two_steps))
        .route("/api/demo/panic", get(panics))
        .route("/api/demo/slow", get(slow))
        .route("/api/demo/internal", get(internal))
        .route("/api/demo/teapot", get(async || StatusCode::IM_A_TEAPOT))
        .route("/api/demo/busy", get(async || Error::RateLimited(Duration::from_millis(1500))))
        .route("/api/demo/me", get(async |user: CurrentUser| user.id.to_string()))
        .route("/api/demo/staff", get(async |user: CurrentUser| user.require_role(&[Role::Finance])))
        .route("/api/demo/address", get(async |ClientAddress(address): ClientAddress| address.to_string()))
        .route("/api/demo/webhook", post(async || StatusCode::NO_CONTENT))
        .route("/api/demo/other-hook", post(async || StatusCode::NO_CONTENT))
        .route("/api/demo/order", post(async || StatusCode::NO_CONTENT))
        .route("/page", get(async || Html("<p>hello</p>")).post(async || Html("<p>posted</p>")))
        .route("/page/broken", get(panics))
        .route("/page/own", get(async || (StatusCode::CONFLICT, Html("<p>own</p>"))));
    let indexes = vec![index::unique("name_v1", doc! { "state.name": 1 })];
    Ok(App::new(routes.with_state(state.clone()), utoipa::openapi::OpenApi::default())
        .store(&state.counters, indexes)
        .claims()
        .error_page(page)
        .webhooks(&["/api/demo/webhook"])
        .rate_limits(&state.verifier, RATE_CLASSES)
        .gauge("demo_counters", &state, count)
        .subscribe(vec![Subscription::with(state, handle)]))
}

const RATE_CLASSES: RateClasses = &[("POST", "/api/demo/order", Some(RateClass::Orders))];

async fn count(state: AppState) -> Result<f64, StoreError> {
    let found = state.counters.find(doc! {}, 100).await?;
    Ok(found.iter().map(|_| 1.0).sum())
}

fn page(problem: &Problem) -> Response {
    Html(format!("<h1>{}</h1><p>{}</p>", problem.title, problem.instance)).into_response()
}

#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
struct NameBody {
    name: String,
}

async fn create(
    State(state): State<AppState>,
    user: CurrentUser,
    CreateRequest { body, key }: CreateRequest<NameBody>,
) -> Result<Response, Error> {
    let created = |response: Versioned<Counter>| (StatusCode::CREATED, Json(response)).into_response();
    if let Some(claim) = state.claims.find(user.id, key.as_ref()).await?
        && state.counters.get(claim.entity_id).await?.is_some()
    {
        claim.ensure_same_body(key.as_ref())?;
        return Ok(created(claim.response));
    }
    let counter = Counter::new(&body?.name, state.clock.now());
    let (id, now) = (counter.id, counter.created_at);
    let response = Versioned { version: 0, state: counter };
    let claim = state.claims.claim(user.id, key.as_ref(), id, response, now).await?;
    match state.counters.insert(claim.response.state.clone(), UserChange::Registered).await {
        Ok(_) => Ok(created(claim.response)),
        Err(error) if error.is_duplicate_of(index::ID_INDEX) => Ok(created(claim.response)),
        Err(error) if error.is_duplicate_of("name_v1") => {
            Err(Error::Conflict(Rejection::new("name-taken", "Choose another name.")))
        }
        Err(error) => Err(error.into()),
    }
}

async fn read(State(state): State<AppState>, Id(id): Id<UserId>) -> Result<Json<Versioned<Counter>>, Error> {
    state.counters.get(id).await?.map(Json).ok_or(Error::NotFound)
}

async fn increment(State(state): State<AppState>, Id(id): Id<UserId>) -> Result<Json<Versioned<Counter>>, Error> {
    let current = state.counters.get(id).await?.ok_or(Error::NotFound)?;
    Ok(Json(state.counters.save(&current, current.incremented(), UserChange::Updated).await?))
}

/// Creates and increments a counter, with a pause in between.
async fn create_in_two_steps(State(state): State<AppState>, Body(body): Body<NameBody>) -> Result<StatusCode, Error> {
    let counter = Counter::new(&body.name, state.clock.now());
    let first = state.counters.insert(counter, UserChange::Registered).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    state.counters.save(&first, first.incremented(), UserChange::Updated).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn panics() -> &'static str {
    panic!("the password is hunter2")
}

async fn slow() -> &'static str {
    std::future::pending().await
}

async fn internal() -> Error {
    Error::internal_message("the password is hunter2")
}

/// Fails the first `times` calls as the `mode` in this timer's script says; `seen` counts the calls, and `snapshots`
/// the calls with a snapshot.
async fn handle(state: AppState, delivery: Delivery<ExpirationState>) -> Result<Applied, Failure> {
    let id = &delivery.event.subject;
    let counts = doc! { "seen": 1, "snapshots": i32::from(delivery.has_snapshot()) };
    let script = state.script.find_one_and_update(doc! { "_id": id }, doc! { "$inc": counts });
    let script = script.await.map_err(StoreError::from)?.unwrap_or_default();
    let seen = script.get_i32("seen").unwrap_or(0);
    let cause = || Error::internal_message("as the script says");
    if seen < script.get_i32("times").unwrap_or(i32::MAX) {
        match script.get_str("mode").unwrap_or_default() {
            "retry" => return Err(cause().into()),
            "later" => return Err(Failure::Retry { after: Some(Duration::from_millis(700)), cause: cause() }),
            "reject" => return Err(Failure::Reject("the script\nsays so".to_owned())),
            "panic" => panic!("the script says so"),
            "hang" => std::future::pending().await,
            "wait" => wait_until_released(&state, id).await?,
            _ => {}
        }
    }
    Ok(state.timers.put_if_newer(&delivery.event).await?)
}

/// Waits until the test has set `released` in the script.
async fn wait_until_released(state: &AppState, id: &str) -> Result<(), StoreError> {
    while state.script.find_one(doc! { "_id": id, "released": true }).await?.is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Creates a counter through the store.
pub(crate) async fn insert(app: &TestApp, name: &str) -> Versioned<Counter> {
    let store = app.context.store::<Counter>();
    store.insert(Counter::new(name, common::clock::Clock::now(&app.clock)), UserChange::Registered).await.unwrap()
}

/// Reads the document with local concern: the relay does not wait for a majority when it removes an event.
pub(crate) async fn document(app: &TestApp, id: impl ToString) -> Document {
    let documents = app.context.database.collection::<Document>(Counter::COLLECTION);
    let found = documents.find_one(doc! { "_id": id.to_string() }).read_concern(ReadConcern::local());
    found.await.unwrap().expect("a document")
}
