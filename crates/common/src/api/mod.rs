//! The public HTTP API as types: the request and the response of each route.
//!
//! # Why
//! The service that owns a route and the clients that call it use the same types, so the compiler finds where they
//! disagree. These types are payloads. What a service stores is its own domain model.

pub mod orders;
pub mod page;
pub mod payments;
pub mod tickets;
pub mod users;

use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A service that has routes under `/api/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Users and sessions.
    Auth,
    /// Listings.
    Tickets,
    /// Orders.
    Orders,
    /// Payments.
    Payments,
}

/// A request to a route of the public API.
pub trait Endpoint: Sync {
    /// Whose route it is.
    const SERVICE: Service;
    /// Its method.
    const METHOD: Method;
    /// Its path, with `{id}` where an entity's id goes.
    const PATH: &'static str;
    /// What it takes as JSON; `()` when nothing.
    type Body: Serialize + Sync;
    /// What it takes in the query string; `()` when nothing.
    type Query: Serialize + Sync;
    /// What it answers when it succeeds; `()` when nothing.
    type Answer: DeserializeOwned;

    /// The body of this request.
    fn body(&self) -> Option<&Self::Body> {
        None
    }

    /// The query of this request.
    fn query(&self) -> Option<&Self::Query> {
        None
    }

    /// The path of this request.
    fn path(&self) -> String {
        Self::PATH.to_owned()
    }
}

/// Declares the routes of a service: `Name { id: Id, query: Query, body: Body } = "METHOD /path" -> Answer`.
macro_rules! endpoints {
    ($service:ident; $(
        $(#[$doc:meta])*
        $name:ident { $($field:ident: $kind:ty),* } = $method:ident $path:literal -> $answer:ty;
    )*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone)]
            pub struct $name {
                $(#[doc = concat!("The ", stringify!($field), " of the request.")] pub $field: $kind,)*
            }

            impl $crate::api::Endpoint for $name {
                const SERVICE: $crate::api::Service = $crate::api::Service::$service;
                const METHOD: http::Method = http::Method::$method;
                const PATH: &'static str = $path;
                type Answer = $answer;
                $crate::api::parts!($($field: $kind),*);
            }
        )*

        /// Method and path of each.
        pub const ROUTES: &[(http::Method, &str)] = &[$((http::Method::$method, $path)),*];
    };
}

/// The parts of a request that differ between routes.
macro_rules! parts {
    () => {
        type Body = ();
        type Query = ();
    };
    (id: $id:ty) => {
        type Body = ();
        type Query = ();
        $crate::api::parts!(@id);
    };
    (body: $body:ty) => {
        type Body = $body;
        type Query = ();
        $crate::api::parts!(@body);
    };
    (query: $query:ty) => {
        type Body = ();
        type Query = $query;
        fn query(&self) -> Option<&$query> {
            Some(&self.query)
        }
    };
    (id: $id:ty, body: $body:ty) => {
        type Body = $body;
        type Query = ();
        $crate::api::parts!(@id);
        $crate::api::parts!(@body);
    };
    (@id) => {
        fn path(&self) -> String {
            Self::PATH.replace("{id}", &self.id.to_string())
        }
    };
    (@body) => {
        fn body(&self) -> Option<&Self::Body> {
            Some(&self.body)
        }
    };
}

use {endpoints, parts};
