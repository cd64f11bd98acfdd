//! Use cases with more than one caller.

pub mod await_version;
pub mod collect_notifications;
pub mod fetch_current_listing;
pub mod find_show;
pub mod find_show_watches;
