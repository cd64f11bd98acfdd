//! Runs many schedules, each with its own seed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use common::api::Endpoint;
use common::api::users::{NewUser, Password, SignUp};
use common::id::UserId;
use common::text::Text;
use e2e::test_fleet::PASSWORD;
use futures::FutureExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use testkit::app::request::Request;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::context::{Layout, PARTS, SimContext, WHOLE};
use crate::fleet::SimulatedFleet;
use crate::network::Network;
use crate::scenarios::Scenario;
use crate::schedule::Schedule;
use crate::users::{SimUser, UserSession, Users};
use crate::{end_state, invariants};

/// Number of fleets that run schedules concurrently in one test.
const FLEETS: usize = 2;
/// A schedule ends by itself after a minute of actions. After this time it waits for something that never happens.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The schedules of one test.
pub struct Campaign {
    /// Each seed selects one of these scenarios.
    pub scenarios: &'static [Scenario],
    /// Whether every schedule must reach the final state of the scenario's reference run.
    pub deterministic: bool,
    /// Number of schedules, unless `SIMULATION_RUNS` is set.
    pub schedules: usize,
    /// Seeds that once failed; they always run.
    pub regression_seeds: &'static [u64],
}

/// Progress that the fleets of a campaign share.
struct Shared {
    campaign: Campaign,
    seeds: Vec<u64>,
    next: AtomicUsize,
    /// The final state of the reference run of each scenario with each layout.
    reference: Mutex<BTreeMap<(&'static str, Layout), Vec<String>>>,
}

/// Runs a campaign; with `SIMULATION_SEED`, only that seed.
pub async fn run(campaign: Campaign) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let (began, first) = (Instant::now(), u64::from(rand::rng().random::<u32>()));
    let seeds: Vec<u64> = match (number("SIMULATION_SEED"), number("SIMULATION_RUNS")) {
        (Some(seed), _) => vec![seed],
        (None, count) => {
            let count = count.unwrap_or(campaign.schedules as u64);
            campaign.regression_seeds.iter().copied().chain(first..first + count).collect()
        }
    };
    let count = seeds.len();
    println!("{count} schedules, seeds {:?} to {:?}", seeds.first(), seeds.last());
    let shared = Arc::new(Shared { campaign, seeds, next: AtomicUsize::new(0), reference: Mutex::default() });
    let mut fleets = JoinSet::new();
    for _ in 0..FLEETS.min(count) {
        fleets.spawn(run_schedules(Arc::clone(&shared)));
    }
    while let Some(result) = fleets.join_next().await {
        match result {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => panic!("{failure}"),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    println!("{count} schedules in {:.1?}", began.elapsed());
}

/// Runs a scenario on a new fleet in order and without faults. Returns the fleet with what it has stored.
pub async fn run_reference(scenario: &Scenario) -> Result<SimulatedFleet, String> {
    let fleet = SimulatedFleet::new().await.map_err(|error| format!("{error:#}"))?;
    let mut runner = Runner::new(fleet).await;
    runner.run(scenario, WHOLE[0], None).await?;
    Ok(runner.fleet)
}

/// Runs schedules on one fleet until no seed is left.
async fn run_schedules(shared: Arc<Shared>) -> Result<(), String> {
    let Shared { campaign, seeds, next, reference } = &*shared;
    let fleet = SimulatedFleet::new().await.map_err(|error| format!("{error:#}"))?;
    let mut runner = Runner::new(fleet).await;
    while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::SeqCst)) {
        // A different seed from the schedule's, so that the scenario does not determine the faults.
        let mut choices = StdRng::seed_from_u64(!seed);
        let scenario = campaign.scenarios.choose(&mut choices).unwrap();
        let layouts = if campaign.deterministic { &WHOLE[..] } else { &PARTS[..] };
        let layout = *layouts.choose(&mut choices).unwrap();
        let expected = match reference.lock().await.entry((scenario.name, layout)) {
            _ if !campaign.deterministic => None,
            Entry::Occupied(known) => Some(known.get().clone()),
            Entry::Vacant(unknown) => Some(unknown.insert(runner.run(scenario, layout, None).await?).clone()),
        };
        let reached = runner.run(scenario, layout, Some(*seed)).await?;
        if let Some(expected) = expected
            && expected != reached
        {
            let missing: Vec<_> = expected.iter().filter(|line| !reached.contains(line)).collect();
            let instead: Vec<_> = reached.iter().filter(|line| !expected.contains(line)).collect();
            let (name, trace) = (scenario.name, &runner.trace);
            return Err(format!(
                "seed {seed}, {name}, {layout:?}: the final state differs from the reference run\n{trace}\n\
                 missing {missing:#?}\ninstead {instead:#?}"
            ));
        }
    }
    runner.fleet.end().await;
    Ok(())
}

/// Runs scenarios on a fleet.
struct Runner {
    fleet: SimulatedFleet,
    sessions: [UserSession; 4],
    /// Between schedules it keeps the events of users, because users are not deleted.
    network: Network,
    /// What has happened in the latest schedule.
    trace: String,
}

impl Runner {
    async fn new(fleet: SimulatedFleet) -> Self {
        let mut sessions = Vec::new();
        for name in ["Seller", "Ann", "Ben", "Cleo"] {
            sessions.push(sign_up(&fleet, name).await);
        }
        let sessions = sessions.try_into().ok().unwrap();
        Self { fleet, sessions, network: Network::default(), trace: String::new() }
    }

    /// Runs a scenario; without a seed, as the reference run. Returns the final state, or the failure.
    async fn run(&mut self, scenario: &Scenario, layout: Layout, seed: Option<u64>) -> Result<Vec<String>, String> {
        let (clock, card_network) = (self.fleet.clock.clone(), Arc::clone(&self.fleet.card_network));
        let context = SimContext::new(clock, card_network, layout, seed.unwrap_or_default());
        let reached = AssertUnwindSafe(self.run_schedule(scenario, &context, seed)).catch_unwind();
        let failure = match timeout(TIMEOUT, reached).await {
            Ok(Ok(Ok(reached))) => {
                self.trace = context.trace();
                return Ok(reached);
            }
            Ok(Ok(Err(failure))) => failure,
            Ok(Err(panic)) => panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic".to_owned()),
            Err(_) => format!("it waits for something that has not happened within {TIMEOUT:?}"),
        };
        let seed = seed.map_or_else(|| "the reference run".to_owned(), |seed| format!("seed {seed}"));
        Err(format!("{seed}, {}, {layout:?}:\n{}\n{failure}", scenario.name, context.trace()))
    }

    /// Runs a scenario to its end, checks the invariants and describes the final state.
    async fn run_schedule(
        &mut self,
        scenario: &Scenario,
        context: &Arc<SimContext>,
        seed: Option<u64>,
    ) -> Result<Vec<String>, String> {
        let mut network = std::mem::take(&mut self.network);
        network.reset_except("user");
        self.fleet.clear().await.map_err(|error| error.to_string())?;
        let sessions = self.sessions.clone();
        let [seller, ann, ben, cleo] = sessions.map(|session| SimUser { session, context: Arc::clone(context) });
        let session = UserSession { id: UserId::new(), cookie: self.fleet.staff_cookie.clone() };
        let staff = SimUser { session, context: Arc::clone(context) };
        let users = Users { seller, ann, ben, cleo, staff, context: Arc::clone(context) };
        let mut schedule = Schedule::new(&mut self.fleet, Arc::clone(context), network, seed);
        schedule.run((scenario.run)(users.clone())).await?;
        self.network = schedule.into_network();
        context.note("the state is read");
        let data = invariants::read(&self.fleet, &self.network).await.map_err(|error| format!("{error:#}"))?;
        let violations = invariants::violations(&data, context, &self.network);
        if violations.is_empty() {
            context.note("the state is described");
            Ok(end_state::describe(&self.fleet, &data, &users).await)
        } else {
            Err(violations.join("\n"))
        }
    }
}

/// Signs a user up through the API.
async fn sign_up(fleet: &SimulatedFleet, name: &str) -> UserSession {
    let email = Text::new(&format!("{}@example.com", name.to_lowercase()));
    let body = NewUser { email, password: Password::new(PASSWORD), display_name: Some(Text::new(name)) };
    let body = serde_json::to_value(body).unwrap();
    let routes = fleet.routes(auth::NAME, 0);
    let response = Request::new(routes, SignUp::METHOD.as_str(), SignUp::PATH).json(&body).send().await.expect(201);
    let cookies = response.headers.get_all("set-cookie").iter();
    let pairs = cookies.filter_map(|value| value.to_str().ok()?.split(';').next().map(ToOwned::to_owned));
    let user = SignUp::parse_response(StatusCode::CREATED, &response.bytes).unwrap();
    UserSession { id: user.id, cookie: pairs.filter(|pair| pair.starts_with("access=")).collect() }
}
