//! The resources that a fleet used: of each instance, and of all instances together. Compares fleets of different
//! sizes, because some resources must not grow with the number of instances.

use std::fmt::{self, Write as _};

/// What happens while a fleet is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing.
    Rest,
    /// Tickets are sold.
    Load,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rest => "at rest",
            Self::Load => "under load",
        })
    }
}

/// How a quantity differs between instances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The mean of all instances of all services.
    pub mean: f64,
    /// The maximum of all instances.
    pub most: u64,
}

impl Spread {
    /// The spread of these values; 0 if there are none.
    #[expect(clippy::cast_precision_loss, reason = "counts and sizes far below 2^52")]
    pub fn of(values: &[u64]) -> Self {
        let sum: u64 = values.iter().sum();
        Self { mean: sum as f64 / values.len().max(1) as f64, most: values.iter().copied().max().unwrap_or(0) }
    }
}

/// What a fleet used in one phase.
#[derive(Debug, Clone, PartialEq)]
pub struct Usage {
    /// Instances of each service.
    pub instances: u8,
    /// The phase that was measured.
    pub phase: Phase,
    /// How long the phase took, in seconds.
    pub seconds: f64,
    /// CPU time of all instances, MongoDB, NATS and Redis in that time, in seconds.
    pub cpu_seconds: f64,
    /// Connections of an instance to MongoDB at the end of the phase.
    pub mongodb: Spread,
    /// Connections of an instance to NATS.
    pub nats: Spread,
    /// Connections of an instance to Redis.
    pub redis: Spread,
    /// Resident memory of an instance in bytes.
    pub resident: Spread,
    /// Queries of all instances per second.
    pub reads_per_second: f64,
    /// Documents that all instances wrote per second.
    pub written_per_second: f64,
    /// Number of turns that all instances took. One turn is one batch of a periodic task, such as the outbox sweep; the
    /// instance that takes it processes the batch.
    pub turns: i64,
    /// Durable consumers of all services.
    pub consumers: usize,
}

impl Usage {
    /// The CPU seconds of this phase, minus those that the same fleet uses at rest in the same time.
    pub fn cpu_beyond(&self, rest: &Self) -> f64 {
        self.cpu_seconds - rest.cpu_seconds / rest.seconds * self.seconds
    }

    /// Describes what has grown but must not, compared with a fleet of fewer instances that did the same for the same
    /// time: what each instance uses, the durable consumers and, at rest, the turns of periodic tasks. The tolerances
    /// are far below growth in proportion to the number of instances.
    pub fn growth_over(&self, fewer: &Self) -> Vec<String> {
        let mut grown = Vec::new();
        let mut expect_at_most = |what: &str, now: f64, limit: f64| {
            if now > limit {
                let (count, phase, fewer) = (self.instances, self.phase, fewer.instances);
                grown.push(format!(
                    "{what}, {phase}: {now:.1} with {count} instances; limit derived from {fewer}: {limit:.1}"
                ));
            }
        };
        let connections = [
            ("MongoDB", self.mongodb, fewer.mongodb),
            ("NATS", self.nats, fewer.nats),
            ("Redis", self.redis, fewer.redis),
        ];
        for (server, now, before) in connections {
            // A pool opens another connection whenever calls overlap, which they do more on a busy machine.
            expect_at_most(&format!("connections of an instance to {server}"), now.mean, before.mean * 1.5 + 2.0);
        }
        let resident = fewer.resident.mean * 1.25;
        expect_at_most("resident megabytes of an instance", self.resident.mean / 1e6, resident / 1e6);
        if self.consumers != fewer.consumers {
            let (now, before) = (self.consumers, fewer.consumers);
            let (count, fewer) = (self.instances, fewer.instances);
            grown.push(format!("durable consumers: {now} with {count} instances, {before} with {fewer}"));
        }
        if self.phase == Phase::Rest && self.turns > fewer.turns + fewer.turns / 2 + 15 {
            let (now, before) = (self.turns, fewer.turns);
            let (count, fewer) = (self.instances, fewer.instances);
            grown.push(format!("turns at rest: {now} with {count} instances, {before} with {fewer}"));
        }
        grown
    }
}

/// Maximum growth of the CPU of a purchase each time the number of instances doubles.
const CPU_GROWTH_PER_DOUBLING: f64 = 1.1;

/// What a purchase costs, on average: a ticket is listed, ordered and paid.
#[derive(Debug, Clone, PartialEq)]
pub struct PurchaseCost {
    /// Number of purchases that were averaged.
    pub purchases: u32,
    /// CPU time of all services, MongoDB, NATS and Redis, in seconds, without what they use at rest.
    pub cpu_seconds: f64,
    /// Bytes of documents in all databases, before compression.
    pub data: f64,
    /// Bytes of indexes in all databases.
    pub indexes: f64,
    /// Events in all streams.
    pub events: f64,
    /// Bytes of these events.
    pub event_bytes: f64,
}

impl PurchaseCost {
    /// Describes the CPU of a purchase if it is too much more than with fewer instances. Use it for long measurements
    /// only: short ones vary by more than the limit.
    pub fn cpu_growth_over(&self, instances: u8, fewer: (u8, &Self)) -> Option<String> {
        let (fewer_instances, fewer) = fewer;
        let doublings = (f64::from(instances) / f64::from(fewer_instances)).log2();
        let limit = fewer.cpu_seconds * CPU_GROWTH_PER_DOUBLING.powf(doublings);
        (self.cpu_seconds > limit).then(|| {
            let [cpu, limit] = [self.cpu_seconds, limit].map(|seconds| seconds * 1000.0);
            format!(
                "CPU of a purchase: {cpu:.1} ms with {instances} instances; limit derived from {fewer_instances}: \
                 {limit:.1} ms"
            )
        })
    }
}

/// The usages as a Markdown table.
pub fn usage_table<'a>(usages: impl IntoIterator<Item = &'a Usage>) -> String {
    let mut text = "| instances of each service | | CPU | MongoDB connections of an instance: mean / most | NATS | Redis | \
                    resident: mean / most, MB | queries a second: all / one of each service | documents written a second | \
                    turns taken | durable consumers |\n|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
        .to_owned();
    let spread = |spread: Spread| format!("{:.1} / {}", spread.mean, spread.most);
    for usage in usages {
        let Usage { instances, phase, mongodb, nats, redis, resident, turns, consumers, .. } = usage;
        let [mongodb, nats, redis] = [mongodb, nats, redis].map(|connections| spread(*connections));
        let resident = format!("{:.1} / {:.1}", resident.mean / 1e6, megabytes(resident.most));
        let (reads, written) = (usage.reads_per_second, usage.written_per_second);
        let each = reads / f64::from(*instances);
        let cpu = 100.0 * usage.cpu_seconds / usage.seconds;
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "| {instances} | {phase} | {cpu:.0} % | {mongodb} | {nats} | {redis} | {resident} | {reads:.1} / {each:.1} | {written:.1} | \
             {turns} | {consumers} |"
        );
    }
    text
}

/// What purchases cost, with the number of instances of each service, as a Markdown table.
pub fn purchase_table<'a>(all: impl IntoIterator<Item = (u8, &'a PurchaseCost)>) -> String {
    let mut text =
        "| instances of each service | purchases | CPU of one, ms | documents, bytes | indexes, bytes | events | \
                    bytes of these |\n|--:|--:|--:|--:|--:|--:|--:|\n"
            .to_owned();
    for (instances, PurchaseCost { purchases, cpu_seconds, data, indexes, events, event_bytes }) in all {
        let cpu = cpu_seconds * 1000.0;
        let _ = writeln!(
            text,
            "| {instances} | {purchases} | {cpu:.1} | {data:.0} | {indexes:.0} | {events:.1} | {event_bytes:.0} |"
        );
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "a size far below 2^52")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(instances: u8, phase: Phase) -> Usage {
        Usage {
            instances,
            phase,
            seconds: 60.0,
            cpu_seconds: 6.0,
            mongodb: Spread { mean: 6.0, most: 9 },
            nats: Spread { mean: 1.0, most: 1 },
            redis: Spread { mean: 1.5, most: 4 },
            resident: Spread { mean: 17.0e6, most: 19_500_000 },
            reads_per_second: 14.0 * f64::from(instances),
            written_per_second: 0.2,
            turns: 20,
            consumers: 11,
        }
    }

    fn purchase(cpu_seconds: f64) -> PurchaseCost {
        let (data, indexes, events, event_bytes) = (20_480.4, 9_000.0, 12.0, 13_100.0);
        PurchaseCost { purchases: 300, cpu_seconds, data, indexes, events, event_bytes }
    }

    #[test]
    fn cpu_of_a_purchase_may_grow_by_a_tenth_per_doubling() {
        let (one, growth) =
            (purchase(0.02), |instances, cpu| purchase(cpu).cpu_growth_over(instances, (1, &purchase(0.02))));
        assert_eq!(one.cpu_growth_over(1, (1, &one)), None);
        assert_eq!((growth(2, 0.0219), growth(4, 0.0241)), (None, None));
        let expected = "CPU of a purchase: 22.1 ms with 2 instances; limit derived from 1: 22.0 ms";
        assert_eq!(growth(2, 0.0221).as_deref(), Some(expected));
        assert!(growth(4, 0.0243).is_some() && growth(10, 0.03).is_some());
    }

    #[test]
    fn cpu_at_rest_is_no_cpu_of_purchases() {
        let load = Usage { seconds: 30.0, cpu_seconds: 10.0, ..usage(1, Phase::Load) };
        assert!((load.cpu_beyond(&usage(1, Phase::Rest)) - 7.0).abs() < 1e-9);
    }

    #[test]
    fn spread_has_mean_and_maximum() {
        assert_eq!(Spread::of(&[1, 2, 6]), Spread { mean: 3.0, most: 6 });
        assert_eq!(Spread::of(&[]), Spread { mean: 0.0, most: 0 });
    }

    #[test]
    fn constant_usage_is_no_growth() {
        let (one, four) = (usage(1, Phase::Rest), usage(4, Phase::Rest));
        assert_eq!(four.growth_over(&one), Vec::<String>::new());
        let (one, four) = (usage(1, Phase::Load), Usage { turns: 100, ..usage(4, Phase::Load) });
        assert_eq!(four.growth_over(&one), Vec::<String>::new(), "a backlog under load needs more turns");
    }

    #[test]
    fn each_growth_is_named() {
        let (one, four) = (usage(1, Phase::Rest), usage(4, Phase::Rest));
        let table = [
            (
                Usage { mongodb: Spread { mean: 24.0, most: 30 }, ..four.clone() },
                "connections of an instance to MongoDB",
            ),
            (Usage { nats: Spread { mean: 4.0, most: 4 }, ..four.clone() }, "connections of an instance to NATS"),
            (Usage { redis: Spread { mean: 6.0, most: 6 }, ..four.clone() }, "connections of an instance to Redis"),
            (Usage { resident: Spread { mean: 30.0e6, most: 0 }, ..four.clone() }, "resident megabytes of an instance"),
            (Usage { consumers: 44, ..four.clone() }, "durable consumers: 44 with 4 instances, 11 with 1"),
            (Usage { turns: 80, ..four }, "turns at rest: 80 with 4 instances, 20 with 1"),
        ];
        for (grown, expected) in table {
            let found = grown.growth_over(&one);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with(expected), "{found:?}");
        }
    }

    #[test]
    fn tables_have_a_row_for_each_fleet() {
        let table = usage_table([&usage(10, Phase::Rest)]);
        let row = "| 10 | at rest | 10 % | 6.0 / 9 | 1.0 / 1 | 1.5 / 4 | 17.0 / 19.5 | 140.0 / 14.0 | 0.2 | 20 | 11 |";
        assert_eq!(table.lines().nth(2), Some(row));
        let table = purchase_table([(2, &purchase(0.0254))]);
        assert_eq!(table.lines().nth(2), Some("| 2 | 300 | 25.4 | 20480 | 9000 | 12.0 | 13100 |"));
    }
}
