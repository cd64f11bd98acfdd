//! How bad things are in one schedule.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// How bad things are.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// Everything happens in order, once, on the first instance, and at once.
    pub straight: bool,
    /// How often what was begun lies still for a while.
    pub rest: f64,
    /// How often what lies still dies.
    pub crash: f64,
    /// How often something is said or done twice, because what it had done was not noted.
    pub repeat: f64,
    /// How often an event is lost.
    pub lose: f64,
    /// Whether announcements are lost too: then a resync heals what anti-entropy can't.
    pub lose_announcements: bool,
    /// How often the card network answers with an error, after or before its work.
    pub card_faults: f64,
}

impl Weather {
    /// Nothing ever goes wrong.
    pub const CALM: Self = Self {
        straight: false,
        rest: 0.0,
        crash: 0.0,
        repeat: 0.0,
        lose: 0.0,
        lose_announcements: false,
        card_faults: 0.0,
    };
    /// Nothing goes wrong, and everything happens in order.
    pub const STRAIGHT: Self = Self { straight: true, ..Self::CALM };

    /// Each kind of fault is absent from some schedules, so that it does not hide what others show.
    pub(super) fn random(rng: &mut StdRng) -> Self {
        let mut one = |of: &[f64]| *of.choose(rng).unwrap();
        Self {
            straight: false,
            rest: one(&[0.1, 0.3, 0.6]),
            crash: one(&[0.0, 0.1, 0.4]),
            repeat: one(&[0.0, 0.1, 0.3]),
            lose: one(&[0.0, 0.0, 0.05, 0.15]),
            lose_announcements: one(&[0.0, 1.0]) > 0.5,
            card_faults: one(&[0.0, 0.0, 0.1]),
        }
    }
}
