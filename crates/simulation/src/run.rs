//! Many schedules, each from a seed of its own.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use axum::http::StatusCode;
use common::api::Endpoint;
use common::api::users::{NewUser, Password, SignUp};
use common::text::Text;
use e2e::shop::PASSWORD;
use futures::FutureExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use testkit::app::request::Request;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::fleet::Fleet;
use crate::network::Network;
use crate::people::{Cast, Identity, Person, Stage};
use crate::scenarios::Scenario;
use crate::schedule::Schedule;
use crate::{outcome, truth};

/// How many fleets work side by side in one test.
const FLEETS: usize = 2;

/// How each scenario ends in the straight run.
type Straight = Mutex<BTreeMap<&'static str, Vec<String>>>;

/// What a test runs.
pub struct Plan {
    /// Of these, each seed takes one.
    pub scenarios: &'static [Scenario],
    /// Whether each of them ends in one way alone, that of the straight run.
    pub settled: bool,
    /// How many schedules, unless `SIMULATION_RUNS` says otherwise.
    pub schedules: usize,
    /// Seeds that once showed a fault.
    pub known: &'static [u64],
}

/// Runs a plan's schedules. `SIMULATION_SEED` runs that one alone.
pub async fn run(plan: Plan) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let (began, first) = (Instant::now(), rand::rng().random::<u32>());
    let seeds: Vec<u64> = match (number("SIMULATION_SEED"), number("SIMULATION_RUNS")) {
        (Some(seed), _) => vec![seed],
        (None, count) => {
            let count = count.unwrap_or(plan.schedules as u64);
            plan.known.iter().copied().chain(u64::from(first)..u64::from(first) + count).collect()
        }
    };
    println!("{} schedules, seeds {:?} to {:?}", seeds.len(), seeds.first(), seeds.last());
    let (plan, seeds, next) = (Arc::new(plan), Arc::new(seeds), Arc::new(AtomicUsize::new(0)));
    let mut fleets = JoinSet::new();
    let straight = Arc::default();
    for _ in 0..FLEETS.min(seeds.len()) {
        fleets.spawn(work(Arc::clone(&plan), Arc::clone(&seeds), Arc::clone(&next), Arc::clone(&straight)));
    }
    while let Some(ended) = fleets.join_next().await {
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => panic!("{failure}"),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    println!("{} schedules in {:.1?}", seeds.len(), began.elapsed());
}

/// One fleet plays schedules as long as there are any.
async fn work(
    plan: Arc<Plan>,
    seeds: Arc<Vec<u64>>,
    next: Arc<AtomicUsize>,
    straight: Arc<Straight>,
) -> Result<(), String> {
    let fleet = Fleet::new().await.map_err(|error| format!("{error:#}"))?;
    let mut theatre = Theatre::open(fleet).await;
    while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::SeqCst)) {
        let scenario = plan.scenarios.choose(&mut StdRng::seed_from_u64(!seed)).unwrap();
        let expected = match straight.lock().await.entry(scenario.name) {
            _ if !plan.settled => None,
            Entry::Occupied(known) => Some(known.get().clone()),
            Entry::Vacant(unknown) => Some(unknown.insert(theatre.play(scenario, None).await?).clone()),
        };
        let ended = theatre.play(scenario, Some(*seed)).await?;
        if let Some(expected) = expected
            && expected != ended
        {
            let missing: Vec<_> = expected.iter().filter(|line| !ended.contains(line)).collect();
            let instead: Vec<_> = ended.iter().filter(|line| !expected.contains(line)).collect();
            let trace = theatre.trace.join("\n");
            return Err(format!(
                "seed {seed}, {}: not as in the straight run\n{trace}\nmissing {missing:#?}\ninstead {instead:#?}",
                scenario.name
            ));
        }
    }
    theatre.fleet.end().await;
    Ok(())
}

/// A fleet with its people.
struct Theatre {
    fleet: Fleet,
    people: [Identity; 4],
    /// What happened to users, who stay from one schedule to the next.
    network: Network,
    trace: Vec<String>,
}

impl Theatre {
    async fn open(fleet: Fleet) -> Self {
        let mut people = Vec::new();
        for name in ["Seller", "Ann", "Ben", "Cleo"] {
            people.push(sign_up(&fleet, name).await);
        }
        let people = people.try_into().ok().unwrap();
        Self { fleet, people, network: Network::default(), trace: Vec::new() }
    }

    /// Plays a scenario, straight unless there is a seed; how it ended, or what was wrong.
    async fn play(&mut self, scenario: &Scenario, seed: Option<u64>) -> Result<Vec<String>, String> {
        let mut network = std::mem::take(&mut self.network);
        network.forget_all_but("user");
        self.fleet.clear().await.map_err(|error| error.to_string())?;
        let stage = Stage::new(self.fleet.clock.clone(), Arc::clone(&self.fleet.card_network));
        let [seller, ann, ben, cleo] =
            self.people.clone().map(|identity| Person { identity, stage: Arc::clone(&stage) });
        let cast = Cast { seller, ann, ben, cleo, stage: Arc::clone(&stage) };
        let mut schedule = Schedule::new(&mut self.fleet, Arc::clone(&stage), network, seed);
        let played = AssertUnwindSafe(schedule.play((scenario.play)(cast.clone()))).catch_unwind().await;
        self.trace = schedule.trace().to_vec();
        self.network = schedule.into_network();
        let failure = match played {
            Ok(Ok(())) => {
                let world = truth::read(&self.fleet, &self.network).await.map_err(|error| format!("{error:#}"))?;
                let faults = truth::faults(&world, &stage, &self.network);
                if faults.is_empty() {
                    return Ok(outcome::of(&self.fleet, &world, &cast).await);
                }
                faults.join("\n")
            }
            Ok(Err(failure)) => failure,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                text.unwrap_or_else(|| "a panic".to_owned())
            }
        };
        let seed = seed.map_or_else(|| "the straight run".to_owned(), |seed| format!("seed {seed}"));
        Err(format!("{seed}, {}:\n{}\n{failure}", scenario.name, self.trace.join("\n")))
    }
}

/// Somebody opens an account by the front door.
async fn sign_up(fleet: &Fleet, name: &str) -> Identity {
    let email = Text::new(&format!("{}@example.com", name.to_lowercase()));
    let body = NewUser { email, password: Password::new(PASSWORD), display_name: Some(Text::new(name)) };
    let body = serde_json::to_value(body).unwrap();
    let routes = fleet.routes(auth::NAME, 0);
    let answer = Request::new(routes, SignUp::METHOD.as_str(), SignUp::PATH).json(&body).send().await.expect(201);
    let cookies = answer.headers.get_all("set-cookie").iter();
    let pairs = cookies.filter_map(|value| value.to_str().ok()?.split(';').next().map(ToOwned::to_owned));
    let user = SignUp::read(StatusCode::CREATED, &answer.bytes).unwrap();
    Identity { id: user.id, cookie: pairs.filter(|pair| pair.starts_with("access=")).collect() }
}
