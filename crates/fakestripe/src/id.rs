//! Ids as Stripe makes them: a prefix and random characters.

use rand::Rng;
use rand::distr::Alphanumeric;

/// A fresh id such as `pi_3x…`.
pub(crate) fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", random(24))
}

/// Random letters and digits.
pub(crate) fn random(length: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect()
}
