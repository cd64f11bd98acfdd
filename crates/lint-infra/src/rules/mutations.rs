//! Mutation tests of rules: a good example passes, and each way to break it is reported.

use super::{Context, Images};
use crate::objects::Objects;

/// A text of the good example, its replacement, and a part of the problem that it must cause.
pub(super) type Mutation = (&'static str, &'static str, &'static str);

/// Checks a rule with a good example and with each mutation of it.
pub(super) fn assert_each_mutation_is_reported(
    rule: fn(&Context<'_>) -> Vec<String>,
    images: &Images,
    good: &str,
    mutations: &[Mutation],
) {
    let check = |yaml: &str| rule(&Context::new(&Objects::parse(yaml).unwrap(), images));
    assert_eq!(check(good), Vec::<String>::new(), "the good example must pass");
    for (from, to, expected) in mutations {
        assert!(good.contains(from), "the example does not contain {from:?}");
        let problems = check(&good.replacen(from, to, 1));
        let is_reported = problems.iter().any(|problem| problem.contains(expected));
        assert!(is_reported, "{from:?} -> {to:?} should report {expected:?}, but reports {problems:#?}");
    }
}
