//! How tests show that a rule works: what is good passes, and each way to break it is told.

use crate::lint_infra::objects::Objects;

/// One way to break a good example: this text, replaced by that one, makes the rule say so.
pub(super) type Break = (&'static str, &'static str, &'static str);

/// Holds a rule against a good example and against each way to break it.
pub(super) fn proves(rule: impl Fn(&Objects) -> Vec<String>, good: &str, breaks: &[Break]) {
    let none = Vec::<String>::new();
    assert_eq!(rule(&Objects::parse(good).unwrap()), none, "the good example must pass");
    for (from, to, says) in breaks {
        assert!(good.contains(from), "the example has no {from:?} to break");
        let broken = good.replacen(from, to, 1);
        let problems = rule(&Objects::parse(&broken).unwrap());
        let is_told = problems.iter().any(|problem| problem.contains(says));
        assert!(is_told, "{from:?} -> {to:?} should say {says:?}, but says {problems:#?}");
    }
}
