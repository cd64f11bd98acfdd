//! View models and presentation rules. Pure: no async, no clock, no I/O.

pub mod amount;
pub mod calendar;
pub mod checkout;
pub mod chips;
pub mod device;
pub mod duplicate_seats;
pub mod filter;
pub mod form;
pub mod listing_form;
#[cfg(test)]
mod listing_form_tests;
pub mod listing_view;
pub mod moment;
pub mod notification;
pub mod offer;
pub mod open_hold;
pub mod order_number;
pub mod order_view;
pub mod period;
pub mod poster;
pub mod problem_text;
#[cfg(test)]
mod problem_text_tests;
pub mod qr;
pub mod search;
pub mod seat_fields;
pub mod seats;
pub mod show_notice;
pub mod show_rows;
pub mod show_view;
pub mod show_watch;
pub mod sitemap;
pub mod sort;
pub mod structured_data;
pub mod typo;
pub mod wall_time;
