//! Texts, prices, dates and numbers in the language and the format of the person who reads the page.
//!
//! | module | contents |
//! |---|---|
//! | [`reader`] | the reader of the current request, by `Accept-Language` and the cookie `timezone` |
//! | [`msg`] | one function for each message of `messages/en/*.ftl`, with its variables in alphabetical order |
//! | [`price`] | amounts of money |
//! | [`date`] | dates and times |
//! | [`localized`] | one value for each locale, for messages to pages that are open |
//!
//! # Why
//! Texts are made where views are made, far from the request, so the reader is a task-local variable rather than an
//! argument of every function. Outside a request, such as in unit tests, the reader is [`Reader::default`].

pub(crate) mod date;
pub(crate) mod localized;
mod message;
#[cfg(test)]
mod message_tests;
pub(crate) mod price;
pub(crate) mod reader;
#[cfg(test)]
pub(crate) mod testing;

/// The messages, in the reader's language.
pub(crate) mod msg {
    use super::message::{Argument, format};

    include!(concat!(env!("OUT_DIR"), "/messages.rs"));
}
