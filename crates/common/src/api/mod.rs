//! The HTTP API as types: the request and the response of each route, public or (in [`admin`]) not.
//!
//! # Why
//! The service that owns a route and the clients that call it use the same types, so the compiler finds where they
//! disagree. These types are payloads. What a service stores is its own domain model.

pub mod admin;
pub mod orders;
pub mod page;
pub mod payments;
pub mod tickets;
pub mod users;

use http::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

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

/// A route of the public API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its method.
    pub method: Method,
    /// Its path, with `{id}` where an entity's id goes.
    pub path: &'static str,
    /// Status and code of the problems that it answers with, beside those that follow from what it takes.
    pub problems: &'static [(u16, &'static str)],
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

    /// Path and query of this request; an error if the query is no flat list of parameters.
    fn target(&self) -> Result<String, serde_urlencoded::ser::Error> {
        let query = self.query().map(serde_urlencoded::to_string).transpose()?.filter(|query| !query.is_empty());
        Ok(query.map_or_else(|| self.path(), |query| format!("{}?{query}", self.path())))
    }

    /// Reads the response to this request.
    fn read(status: StatusCode, body: &[u8]) -> Result<Self::Answer, ApiError> {
        // 204 has no body, which as JSON is null.
        let body = if body.is_empty() { b"null" } else { body };
        let error = if status.is_success() {
            match serde_json::from_slice(body) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            }
        } else {
            match serde_json::from_slice::<Problem>(body) {
                Ok(problem) if problem.status == status.as_u16() => return Err(ApiError::Problem(Box::new(problem))),
                Ok(problem) => serde::de::Error::custom(format_args!("a problem of the status {}", problem.status)),
                Err(error) => error,
            }
        };
        Err(ApiError::Unreadable { status, error, body: String::from_utf8_lossy(body).into_owned() })
    }
}

/// Why a request was not answered with what it asks for.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The service says why.
    #[error("{} ({}): {}", .0.status, .0.code(), .0.detail)]
    Problem(Box<Problem>),
    /// The body is neither what the route answers nor a problem of this status, so it may come from something in
    /// between.
    #[error("{status} with an unexpected body")]
    Unreadable {
        /// The status code.
        status: StatusCode,
        /// What is wrong with the body.
        #[source]
        error: serde_json::Error,
        /// The body; it may be personal, and is not for logs.
        body: String,
    },
}

impl ApiError {
    /// The status code.
    pub fn status(&self) -> u16 {
        match self {
            Self::Problem(problem) => problem.status,
            Self::Unreadable { status, .. } => status.as_u16(),
        }
    }

    /// What tells the kinds of problem apart, such as `conflict`; empty where the service named none.
    pub fn code(&self) -> &str {
        match self {
            Self::Problem(problem) => problem.code(),
            Self::Unreadable { .. } => "",
        }
    }
}

/// Declares the routes of a service: `Name { id: Id, body: Body } = METHOD "/path" -> Answer, 409 "code";`.
macro_rules! endpoints {
    ($service:ident; $(
        $(#[$doc:meta])*
        $name:ident { $($field:ident: $kind:ty),* } = $method:ident $path:literal -> $answer:ty
            $(, $status:literal $code:literal)*;
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

        /// All of them.
        pub const ROUTES: &[$crate::api::Route] = &[$($crate::api::Route {
            method: http::Method::$method,
            path: $path,
            problems: &[$(($status, $code)),*],
        }),*];
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
