//! What people do, whatever the schedule.

pub mod racing;
pub mod settled;

use anyhow::Result;
use futures::future::BoxFuture;

use crate::people::Cast;

/// A scenario under way.
pub type Play = BoxFuture<'static, Result<()>>;

/// What people do, with a name for it.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// For people.
    pub name: &'static str,
    /// Begins it.
    pub play: fn(Cast) -> Play,
}

/// Makes a table of scenarios out of functions.
macro_rules! scenarios {
    ($($name:ident,)*) => {
        /// Every scenario of its kind.
        pub const ALL: &[super::Scenario] =
            &[$(super::Scenario { name: stringify!($name), play: |cast| Box::pin($name(cast)) },)*];
    };
}
use scenarios;
