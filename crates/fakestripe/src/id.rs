//! Ids in Stripe's format: a prefix and random characters.

use rand::Rng;
use rand::distr::Alphanumeric;

/// A new id such as `pi_3x…`.
pub(crate) fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", random(24))
}

pub(crate) fn random(length: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect()
}
