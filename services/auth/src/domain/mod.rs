//! Users, sessions and the rules about them; pure.

pub(crate) mod email;
pub(crate) mod password;
pub mod session;
pub(crate) mod throttle;
pub(crate) mod user;
