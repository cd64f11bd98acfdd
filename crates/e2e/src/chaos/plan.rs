//! Which faults are injected, when and for how long. The same seed gives the same plan.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng as _, SeedableRng as _};
use testkit::fleet::SERVICES;
use testkit::proxy::{Direction, Link};

use super::HOLD;

/// Bounds of the time between the starts of two faults, in milliseconds; the mean is 2.6 s.
const PAUSE: std::ops::Range<u64> = 1_300..3_900;
/// Clock offsets at the limit of what the services tolerate.
const CLOCK_OFFSETS: [&str; 2] = ["2m", "-2m"];
/// Delay of a link that is slow in both directions.
const DELAY: Duration = Duration::from_millis(150);

/// How many processes the fleet has.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Instances of each service.
    pub instances: usize,
    /// Members of MongoDB and of NATS.
    pub members: usize,
}

/// What a fault hits: a process, or the connections to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// An instance of a service.
    Service(&'static str, usize),
    /// A member of the replica set.
    Mongodb(usize),
    /// A member of the cluster.
    Nats(usize),
    /// The only Redis server.
    Redis,
    /// fakestripe. It keeps its state in memory, so it is never killed.
    CardNetwork,
    /// The gateway.
    Gateway,
}

/// A failure of the card network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderFault {
    /// Responses take longer than usual.
    Slow,
    /// Captures take longer than `payments` waits.
    SlowCaptures,
    /// Half of the requests get a 500 after they have been processed.
    FailsAfterwards,
    /// Many requests get a 429, or a 500 before or after they have been processed.
    Unreliable,
    /// Webhooks arrive late, in another order and several times.
    ReordersWebhooks,
    /// No webhook arrives.
    DropsWebhooks,
}

/// A fault. Processes and connections that it harms are restored when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process is killed (SIGKILL).
    Kill(Target),
    /// The process is asked to stop (SIGTERM).
    Stop(Target),
    /// The process is suspended (SIGSTOP).
    Hang(Target),
    /// The connections to the target change to this state.
    Link(Target, Link),
    /// A member is killed and starts with an empty disk.
    LoseDisk(Target),
    /// Redis loses all its data (`FLUSHALL`).
    Flush,
    /// The card network fails in this way.
    Provider(ProviderFault),
    /// An instance's clock is wrong by this offset.
    WrongClock(&'static str, usize, &'static str),
    /// The instances of a service are restarted one after the other.
    RollingRestart(&'static str),
    /// The primary of MongoDB takes writes that no other member gets, and crashes.
    IsolatePrimary,
}

/// A resource that at most one fault may use at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Resource {
    /// The majority of the members of MongoDB.
    Mongodb,
    /// The majority of the members of NATS.
    Nats,
    /// The permission to have a wrong clock. Only one instance of all services has it at a time, and nobody has it for
    /// [`HOLD`] afterwards. Otherwise an instance of `expiration` with a fast clock could fire a timer early, and then
    /// an instance of `orders` with a fast clock could end the hold.
    Clock,
    /// A process outside MongoDB and NATS.
    Process(Target),
}

/// A planned fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Time from the start of the run to the start of the fault.
    pub at: Duration,
    /// The fault.
    pub fault: Fault,
    /// Duration, without the recovery.
    pub lasts: Duration,
}

/// Every process of a fleet of this shape, in an order in which they can be started.
pub(super) fn targets(shape: Shape) -> impl Iterator<Item = Target> {
    let members = (0..shape.members).flat_map(|index| [Target::Mongodb(index), Target::Nats(index)]);
    let services =
        SERVICES.into_iter().flat_map(move |name| (0..shape.instances).map(move |index| Target::Service(name, index)));
    members.chain([Target::Redis, Target::CardNetwork]).chain(services).chain([Target::Gateway])
}

impl Target {
    /// The resource that a fault of this target uses.
    pub(super) fn resource(self) -> Resource {
        match self {
            Self::Mongodb(_) => Resource::Mongodb,
            Self::Nats(_) => Resource::Nats,
            other => Resource::Process(other),
        }
    }
}

impl Fault {
    /// The name of the kind, without the target.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Kill(_) => "kill",
            Self::Stop(_) => "stop",
            Self::Hang(_) => "hang",
            Self::Link(_, Link::Delayed(_)) => "delay",
            Self::Link(_, Link::HalfOpen(_)) => "half-open",
            Self::Link(_, Link::Stalled) => "stall",
            Self::Link(..) => "cut",
            Self::LoseDisk(_) => "lose disk",
            Self::Flush => "flush",
            Self::Provider(_) => "card network",
            Self::WrongClock(..) => "wrong clock",
            Self::RollingRestart(_) => "rolling restart",
            Self::IsolatePrimary => "isolate primary",
        }
    }

    /// The resources that the fault uses, in ascending order, so that waiting faults can't deadlock.
    pub(super) fn resources(&self, shape: Shape) -> BTreeSet<Resource> {
        let instances =
            |service| (0..shape.instances).map(move |index| Resource::Process(Target::Service(service, index)));
        match *self {
            Self::Kill(target)
            | Self::Stop(target)
            | Self::Hang(target)
            | Self::Link(target, _)
            | Self::LoseDisk(target) => BTreeSet::from([target.resource()]),
            Self::Flush => BTreeSet::from([Resource::Process(Target::Redis)]),
            Self::Provider(_) => BTreeSet::from([Resource::Process(Target::CardNetwork)]),
            Self::WrongClock(service, ..) => instances(service).chain([Resource::Clock]).collect(),
            Self::RollingRestart(service) => instances(service).collect(),
            Self::IsolatePrimary => BTreeSet::from([Resource::Mongodb]),
        }
    }

    /// Bounds of the duration, in milliseconds; zero for instantaneous faults.
    fn duration(&self) -> std::ops::RangeInclusive<u64> {
        match self {
            Self::Kill(_) | Self::Stop(_) => 500..=5_000,
            Self::Hang(_) => 2_000..=12_000,
            Self::Link(..) => 2_000..=10_000,
            Self::Provider(_) => 3_000..=10_000,
            Self::WrongClock(..) => 5_000..=15_000,
            // Longer than the time until the sweeper finds an unpublished event, and shorter than the election timeout.
            Self::IsolatePrimary => 6_000..=6_000,
            Self::LoseDisk(_) | Self::Flush | Self::RollingRestart(_) => 0..=0,
        }
    }

    /// Estimated duration of the recovery.
    fn recovery(&self, shape: Shape) -> Duration {
        let is_of_member = |resource: &Resource| matches!(resource, Resource::Mongodb | Resource::Nats);
        let seconds = if self.resources(shape).iter().any(is_of_member) { 10 } else { 4 };
        Duration::from_secs(if let Self::RollingRestart(_) = self { 12 } else { seconds })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(name, index) => write!(f, "{name}-{}", index + 1),
            Self::Mongodb(index) => write!(f, "mongodb-{}", index + 1),
            Self::Nats(index) => write!(f, "nats-{}", index + 1),
            Self::Redis => f.write_str("redis"),
            Self::CardNetwork => f.write_str("card network"),
            Self::Gateway => f.write_str("gateway"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match *self {
            Self::Kill(target) | Self::Stop(target) | Self::Hang(target) | Self::LoseDisk(target) => {
                write!(f, "{kind} {target}")
            }
            Self::Link(target, Link::HalfOpen(Direction::ToServer)) => write!(f, "{kind} {target}, requests lost"),
            Self::Link(target, Link::HalfOpen(Direction::ToClient)) => write!(f, "{kind} {target}, responses lost"),
            Self::Link(target, _) => write!(f, "{kind} {target}"),
            Self::Flush | Self::IsolatePrimary => f.write_str(kind),
            Self::Provider(fault) => write!(f, "{kind} {fault:?}"),
            Self::WrongClock(service, index, offset) => {
                write!(f, "{kind} {}, {offset}", Target::Service(service, index))
            }
            Self::RollingRestart(service) => write!(f, "{kind} {service}"),
        }
    }
}

/// Every fault that can be injected into a fleet of this shape.
fn catalogue(shape: Shape) -> Vec<Fault> {
    let services =
        move || SERVICES.into_iter().flat_map(move |name| (0..shape.instances).map(move |index| (name, index)));
    let members = move || (0..shape.members).flat_map(|index| [Target::Mongodb(index), Target::Nats(index)]);
    let restartable = targets(shape).filter(|target| *target != Target::CardNetwork);
    let links = [
        Link::Down,
        Link::Stalled,
        Link::Delayed(DELAY),
        Link::HalfOpen(Direction::ToServer),
        Link::HalfOpen(Direction::ToClient),
    ];
    let provider = [
        ProviderFault::Slow,
        ProviderFault::SlowCaptures,
        ProviderFault::FailsAfterwards,
        ProviderFault::Unreliable,
        ProviderFault::ReordersWebhooks,
        ProviderFault::DropsWebhooks,
    ];
    let mut faults = vec![Fault::Flush, Fault::IsolatePrimary];
    faults.extend(restartable.flat_map(|target| [Fault::Kill(target), Fault::Stop(target)]));
    faults.extend(targets(shape).map(Fault::Hang));
    let linked = members().chain([Target::Redis, Target::CardNetwork]);
    faults.extend(linked.flat_map(|target| links.map(|link| Fault::Link(target, link))));
    faults.extend(members().map(Fault::LoseDisk));
    faults.extend(provider.map(Fault::Provider));
    faults.extend(
        services().flat_map(|(name, index)| CLOCK_OFFSETS.map(|offset| Fault::WrongClock(name, index, offset))),
    );
    faults.extend(SERVICES.map(Fault::RollingRestart));
    faults
}

/// Plans the faults of a run: first one of each kind, then random ones. Faults that use the same `Resource` do not
/// overlap, so MongoDB and NATS each keep a majority of their members, apart from `Fault::IsolatePrimary`.
pub fn plan(seed: u64, duration: Duration, shape: Shape) -> Vec<Planned> {
    let mut by_kind: BTreeMap<&str, Vec<Fault>> = BTreeMap::new();
    for fault in catalogue(shape) {
        by_kind.entry(fault.kind()).or_default().push(fault);
    }
    let kinds: Vec<&str> = by_kind.keys().copied().collect();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut missing = kinds.clone();
    missing.shuffle(&mut rng);
    let mut busy_until: BTreeMap<Resource, Duration> = BTreeMap::new();
    let mut planned = Vec::new();
    let mut at = Duration::from_millis(rng.random_range(PAUSE));
    while at < duration {
        let is_free = |fault: &Fault| {
            let mut resources = fault.resources(shape).into_iter();
            resources.all(|resource| busy_until.get(&resource).is_none_or(|until| *until <= at))
        };
        let mut others = kinds.clone();
        others.shuffle(&mut rng);
        // The first kind of which there is a fault that can be injected now.
        let fault = missing.iter().chain(&others).find_map(|kind| {
            let free: Vec<Fault> = by_kind[kind].iter().copied().filter(is_free).collect();
            free.choose(&mut rng).copied()
        });
        if let Some(fault) = fault {
            let lasts = Duration::from_millis(rng.random_range(fault.duration()));
            let until = at + lasts + fault.recovery(shape);
            let until = |resource| if resource == Resource::Clock { until + HOLD } else { until };
            busy_until.extend(fault.resources(shape).into_iter().map(|resource| (resource, until(resource))));
            missing.retain(|kind| *kind != fault.kind());
            planned.push(Planned { at, fault, lasts });
        }
        at += Duration::from_millis(rng.random_range(PAUSE));
    }
    planned
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { instances: 2, members: 3 };

    fn kinds(faults: impl IntoIterator<Item = Fault>) -> BTreeSet<&'static str> {
        faults.into_iter().map(|fault| fault.kind()).collect()
    }

    #[test]
    fn plan_is_determined_by_the_seed() {
        let plan = |seed| plan(seed, Duration::from_secs(120), SHAPE);
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
    }

    #[test]
    fn two_minutes_have_every_kind_and_ten_have_two_hundred_faults() {
        let all = kinds(catalogue(SHAPE));
        assert_eq!(all.len(), 13);
        for seed in 0..50 {
            let short = plan(seed, Duration::from_secs(120), SHAPE);
            assert_eq!(kinds(short.iter().map(|planned| planned.fault)), all, "seed {seed}");
            let long = plan(seed, Duration::from_secs(600), SHAPE);
            assert!(long.len() >= 200, "seed {seed}: {} faults", long.len());
        }
    }

    #[test]
    fn faults_that_use_the_same_resource_do_not_overlap() {
        for seed in 0..50 {
            let plan = plan(seed, Duration::from_secs(600), SHAPE);
            for (index, later) in plan.iter().enumerate() {
                for earlier in &plan[..index] {
                    let shared = earlier.fault.resources(SHAPE);
                    let is_shared = !shared.is_disjoint(&later.fault.resources(SHAPE));
                    assert!(!is_shared || earlier.at + earlier.lasts < later.at, "{earlier:?} and {later:?}");
                }
            }
        }
    }

    #[test]
    fn the_card_network_keeps_its_state() {
        let loses_state = [Fault::Kill(Target::CardNetwork), Fault::Stop(Target::CardNetwork)];
        assert!(catalogue(SHAPE).iter().all(|fault| !loses_state.contains(fault)));
    }
}
