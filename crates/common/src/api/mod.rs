//! The HTTP API as types: the request and the response of each public route, and of the internal ones ([`admin`]).
//!
//! # Why
//! The service that owns a route and the clients that call it use the same types, so the compiler finds disagreements.
//! The types are data transfer objects; each service has its own domain model.

pub mod admin;
pub mod live;
pub mod orders;
pub mod page;
pub mod payments;
pub mod shows;
pub mod tickets;
pub mod users;
pub mod versions;

use http::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// A service with routes under `/api/`.
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
    /// The HTTP method.
    pub method: Method,
    /// The path, with `{id}` as the placeholder of an entity's id.
    pub path: &'static str,
    /// Status and code of the problems (errors in the format of RFC 9457) that are specific to this route. Problems
    /// that follow from its inputs, such as failed validation, are not listed.
    pub problems: &'static [(u16, &'static str)],
}

/// A request to a route of the public API.
///
/// # Examples
///
/// ```
/// use common::api::Endpoint;
/// use common::api::tickets::ReadListing;
/// use common::id::TicketId;
///
/// let request = ReadListing { id: TicketId::new() };
/// assert_eq!(request.target()?, format!("/api/tickets/{}", request.id));
///
/// // Any HTTP client can send the request. The response is parsed as its body or as a problem.
/// let body = br#"{"type":"about:blank","title":"Not found","status":404,"detail":"There is no such listing."}"#;
/// let error = ReadListing::parse_response(http::StatusCode::NOT_FOUND, body).unwrap_err();
/// assert_eq!(error.status(), 404);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Endpoint: Sync {
    /// The service that owns the route.
    const SERVICE: Service;
    /// The HTTP method.
    const METHOD: Method;
    /// The path, with `{id}` as the placeholder of an entity's id.
    const PATH: &'static str;
    /// The JSON body of the request; `()` if none.
    type Body: Serialize + Sync;
    /// The query parameters; `()` if none.
    type Query: Serialize + Sync;
    /// The JSON body of a successful response; `()` if none.
    type Response: DeserializeOwned;

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

    /// Path and query of this request. Fails if the query type does not serialise to a flat list of parameters.
    fn target(&self) -> Result<String, serde_urlencoded::ser::Error> {
        let query = self.query().map(serde_urlencoded::to_string).transpose()?.filter(|query| !query.is_empty());
        Ok(query.map_or_else(|| self.path(), |query| format!("{}?{query}", self.path())))
    }

    /// Parses the response to this request.
    fn parse_response(status: StatusCode, body: &[u8]) -> Result<Self::Response, ApiError> {
        // A 204 has an empty body, which is parsed as null.
        let body = if body.is_empty() { b"null" } else { body };
        let error = if status.is_success() {
            match serde_json::from_slice(body) {
                Ok(response) => return Ok(response),
                Err(error) => error,
            }
        } else {
            match serde_json::from_slice::<Problem>(body) {
                Ok(problem) if problem.status == status.as_u16() => return Err(ApiError::Problem(Box::new(problem))),
                Ok(problem) => serde::de::Error::custom(format_args!("a problem with the status {}", problem.status)),
                Err(error) => error,
            }
        };
        Err(ApiError::Unreadable { status, error, body: String::from_utf8_lossy(body).into_owned() })
    }
}

/// An unsuccessful response, or one that can't be parsed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// A problem document of the service.
    #[error("{} ({}): {}", .0.status, .0.code(), .0.detail)]
    Problem(Box<Problem>),
    /// The body is neither the response type nor a problem with this status. It may come from an intermediary such as a
    /// proxy.
    #[error("{status} with an unexpected body")]
    Unreadable {
        /// The status code.
        status: StatusCode,
        /// The parse error.
        #[source]
        error: serde_json::Error,
        /// The body. It may contain personal data and must not be logged.
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

    /// The problem code, such as `conflict`; empty if the response is not a problem document.
    pub fn code(&self) -> &str {
        match self {
            Self::Problem(problem) => problem.code(),
            Self::Unreadable { .. } => "",
        }
    }
}

/// Declares the routes of a service: `Name { id: Id, body: Body } = METHOD "/path" -> Response, 409 "code";`.
macro_rules! endpoints {
    ($service:ident; $(
        $(#[$doc:meta])*
        $name:ident { $($field:ident: $kind:ty),* } = $method:ident $path:literal -> $response:ty
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
                type Response = $response;
                $crate::api::parts!($($field: $kind),*);
            }
        )*

        /// All routes of the service.
        pub const ROUTES: &[$crate::api::Route] = &[$($crate::api::Route {
            method: http::Method::$method,
            path: $path,
            problems: &[$(($status, $code)),*],
        }),*];
    };
}

/// The associated types and the methods of [`Endpoint`] that depend on the fields of the request.
macro_rules! parts {
    (@types $body:ty, $query:ty) => {
        type Body = $body;
        type Query = $query;
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
    () => {
        $crate::api::parts!(@types (), ());
    };
    (id: $id:ty) => {
        $crate::api::parts!(@types (), ());
        $crate::api::parts!(@id);
    };
    (body: $body:ty) => {
        $crate::api::parts!(@types $body, ());
        $crate::api::parts!(@body);
    };
    (query: $query:ty) => {
        $crate::api::parts!(@types (), $query);
        fn query(&self) -> Option<&$query> {
            Some(&self.query)
        }
    };
    (id: $id:ty, query: $query:ty) => {
        $crate::api::parts!(@types (), $query);
        $crate::api::parts!(@id);
        fn query(&self) -> Option<&$query> {
            Some(&self.query)
        }
    };
    (id: $id:ty, body: $body:ty) => {
        $crate::api::parts!(@types $body, ());
        $crate::api::parts!(@id);
        $crate::api::parts!(@body);
    };
}

use {endpoints, parts};
