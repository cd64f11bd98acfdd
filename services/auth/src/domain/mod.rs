//! Users, sessions and the rules about them; pure.

pub mod email;
pub mod password;
pub mod session;
pub mod throttle;
pub mod user;
