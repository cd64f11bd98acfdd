//! The routes of shows. Members of the staff change shows; sellers make and join them by their listings.

pub(super) mod cancel;
pub(super) mod list;
pub(super) mod merge;
pub(super) mod read;
pub(super) mod replace;
pub(super) mod tickets;
mod view;

use common::identity::Role;

/// The roles that may change shows, and see what is listed twice.
pub(super) const STAFF: [Role; 2] = [Role::Support, Role::Operator];
