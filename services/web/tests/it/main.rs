//! Integration tests of the web service against real servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests may panic")]

mod accounts;
mod browse;
mod browse_filters;
mod commands;
mod configuration;
mod crawlers;
mod duplicate_seats;
mod events;
mod fake_services;
mod form_fields;
mod fuzz;
mod holding;
mod home;
mod live;
mod orders;
mod page_chrome;
mod rebuild;
mod refresh;
mod sell_drafts;
mod sell_form;
mod sell_shows;
mod sell_times;
mod show_notices;
mod show_watches;
mod shows;
mod smoke_test_seller;
mod support;
mod ticket;
