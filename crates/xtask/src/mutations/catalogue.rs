//! The catalogue of mutations: for each, the edits of the sources that break one rule of the product, and the violation
//! or the failed test that must reveal it.
//!
//! # Why
//! A patch with context lines could still apply after the surrounding code has changed its meaning. An edit replaces an
//! exact text, which must occur exactly once. If the code changes, a fast unit test shows that the edit must change,
//! too.

use anyhow::{Result, ensure};

/// A deliberate defect, which breaks one rule of the product.
#[derive(Debug)]
pub(super) struct Mutation {
    /// The name on the command line, in the table and in docs/reliability.md.
    pub(super) name: &'static str,
    /// What the mutated services do wrong.
    pub(super) breaks: &'static str,
    /// The edits of the sources; none for a control.
    pub(super) edits: &'static [Edit],
    /// What must happen with the mutated services.
    pub(super) expected: Expected,
}

/// A replacement in one file.
#[derive(Debug)]
pub(super) struct Edit {
    /// The path, relative to the root of the workspace.
    pub(super) file: &'static str,
    /// The text to replace, which must occur exactly once.
    pub(super) old: &'static str,
    /// The replacement.
    pub(super) new: &'static str,
}

/// What must happen with a mutated fleet.
#[derive(Debug)]
pub(super) enum Expected {
    /// Chaos finds nothing. Such a run is a control: it shows that the findings of the other runs are due to their
    /// mutations.
    NoFinding,
    /// Chaos finds a violation of at least one of these invariants. Each is named as in the findings, such as
    /// `9 replicas`.
    Violation(&'static [&'static str]),
    /// This test of the crate `e2e` fails, and its output contains this message.
    FailedTest {
        /// The test's name with its module.
        name: &'static str,
        /// A part of the failed assertion.
        message: &'static str,
    },
}

const LOCAL_READS: Edit = Edit {
    file: "crates/platform/src/mongo.rs",
    old: "    options.read_concern = Some(ReadConcern::majority());\n",
    new: "    options.read_concern = Some(ReadConcern::local());\n",
};

const NEAREST_READS: Edit = Edit {
    file: "crates/platform/src/mongo.rs",
    old: "SelectionCriteria::ReadPreference(ReadPreference::Primary)",
    new: "SelectionCriteria::ReadPreference(ReadPreference::nearest(None))",
};

/// The test in which 200 buyers compete for the seats of each listing. It counts those that got some.
const CONTENTION: &str = "contention::each_seat_of_50_listings_goes_to_one_of_200_concurrent_buyers";

/// All mutations, the control first.
pub(super) static MUTATIONS: [Mutation; 9] = [
    Mutation { name: "control", breaks: "nothing", edits: &[], expected: Expected::NoFinding },
    Mutation {
        name: "ack-before-write",
        breaks: "a message is acknowledged before its handler has run",
        edits: &[Edit {
            file: "crates/platform/src/stream/consumer.rs",
            old: "        let acked = match self.handle(newest, group, in_flight).await {\n",
            new: "        group.ack(|| AckKind::Ack).await.ok();\n        \
                  let acked = match self.handle(newest, group, in_flight).await {\n",
        }],
        expected: Expected::Violation(&[
            "3 paid-once",
            "4 refunded",
            "5 ticket-status",
            "6 hold-expiry",
            "9 replicas",
            "18 at-rest",
        ]),
    },
    Mutation {
        name: "relay-off",
        breaks: "neither the relay nor the sweeper publishes what is in the outboxes",
        edits: &[
            Edit {
                file: "crates/platform/src/outbox/queue.rs",
                old: "        self.queue.try_send(QueuedEvent { origin: Some(Origin { collection, id }), event, \
                      _permit: permit }).ok();\n",
                new: "        drop((collection, id, event, permit));\n",
            },
            Edit {
                file: "crates/platform/src/outbox/queue.rs",
                old: "            self.queue.send(QueuedEvent { origin, event, _permit: None }).await.ok();\n",
                new: "            drop((origin, event));\n",
            },
        ],
        expected: Expected::Violation(&["8 one-event"]),
    },
    Mutation {
        name: "nearest-reads",
        breaks: "reads are local reads from any member",
        edits: &[LOCAL_READS, NEAREST_READS],
        expected: Expected::Violation(&["15 monotonic-reads"]),
    },
    Mutation {
        name: "local-reads",
        breaks: "reads are local reads from the primary",
        edits: &[LOCAL_READS],
        expected: Expected::FailedTest {
            name: "reads::every_read_of_a_purchase_is_a_majority_read",
            message: r#""level": "local""#,
        },
    },
    Mutation {
        name: "forgotten-winner",
        breaks: "an authorised order looks at the payments that are not declined, not at the one that it names",
        edits: &[Edit {
            file: "services/orders/src/store/mod.rs",
            old: "        Status::Authorized { payment_id } => match seen.filter(|seen| seen.id == payment_id) {
            Some(seen) => Ok(vec![seen]),
            None => Ok(payments.get(payment_id).await?.into_iter().collect()),
        },
",
            new: "        Status::Authorized { .. } => Ok(payments.find_in(&NOT_DECLINED, order.id).await?),\n",
        }],
        expected: Expected::Violation(&["3 paid-once", "18 at-rest"]),
    },
    Mutation {
        name: "capture-without-a-won-order",
        breaks: "an authorised payment is captured at once, unless its order is closed",
        edits: &[Edit {
            file: "services/payments/src/domain/reconcile.rs",
            old: "        PaymentStatus::Authorized if order.payment_id == Some(payment.id) => {\n",
            new: "        PaymentStatus::Authorized => {\n",
        }],
        expected: Expected::Violation(&["11 transitions"]),
    },
    Mutation {
        name: "seats-not-unique",
        breaks: "the index over the slots of open orders is not unique",
        edits: &[Edit {
            file: "services/orders/src/store/mod.rs",
            old: "OrderStatus::Authorized, OrderStatus::Completed],\n    unique: true,\n",
            new: "OrderStatus::Authorized, OrderStatus::Completed],\n    unique: false,\n",
        }],
        // The first listings are sold whole, so their orders are inserted without reading others.
        expected: Expected::FailedTest { name: CONTENTION, message: "left: {201: 200}" },
    },
    Mutation {
        name: "blind-choice",
        breaks: "an order takes the lowest seats of its listing, whether or not an open order has them",
        edits: &[Edit {
            file: "services/orders/src/domain/choice.rs",
            old: "    let is_free = |slot| !taken.contains(&slot);\n",
            new: "    let is_free = |_: Slot| taken.len() < usize::MAX;\n",
        }],
        // One of three pairs is sold.
        expected: Expected::FailedTest { name: CONTENTION, message: "left: {201: 1, 409: 199}" },
    },
];

impl Edit {
    /// Applies the replacement to the text of the file. Fails unless the replaced text occurs exactly once.
    pub(super) fn apply(&self, text: &str) -> Result<String> {
        let count = text.matches(self.old).count();
        ensure!(count == 1, "{} has this text {count} times instead of once:\n{}", self.file, self.old);
        Ok(text.replacen(self.old, self.new, 1))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use testkit::tools::workspace_root;

    use super::*;

    #[test]
    fn every_mutation_applies_to_the_sources() {
        for mutation in &MUTATIONS {
            for edit in mutation.edits {
                let text = std::fs::read_to_string(workspace_root().join(edit.file)).unwrap();
                let mutated = edit.apply(&text).unwrap_or_else(|error| panic!("{}: {error}", mutation.name));
                assert_ne!(mutated, text, "{}", mutation.name);
            }
        }
    }

    #[test]
    fn text_that_is_missing_or_ambiguous_is_an_error() {
        let edit = Edit { file: "a.rs", old: "one", new: "two" };
        assert_eq!(edit.apply("one step").unwrap(), "two step");
        assert!(edit.apply("a step").unwrap_err().to_string().starts_with("a.rs has this text 0 times"));
        assert!(edit.apply("one by one").unwrap_err().to_string().starts_with("a.rs has this text 2 times"));
    }

    #[test]
    fn every_mutation_is_documented() {
        let document = std::fs::read_to_string(workspace_root().join("docs/reliability.md")).unwrap();
        let names: BTreeSet<_> = MUTATIONS.iter().map(|mutation| mutation.name).collect();
        assert_eq!(names.len(), MUTATIONS.len(), "names are unique");
        for name in names {
            assert!(document.contains(&format!("| `{name}` |")), "{name} is missing in docs/reliability.md");
        }
    }

    #[test]
    fn expected_test_exists() {
        for mutation in &MUTATIONS {
            if let Expected::FailedTest { name, .. } = mutation.expected {
                let (module, test) = name.split_once("::").unwrap();
                let file = workspace_root().join(format!("crates/e2e/tests/it/{module}.rs"));
                assert!(std::fs::read_to_string(file).unwrap().contains(&format!("fn {test}()")), "{name}");
            }
        }
    }
}
