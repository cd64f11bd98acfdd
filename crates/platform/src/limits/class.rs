//! The classes of routes, and which one a request is of.

use http::Method;

/// What a route costs, for who is signed in; a guest's requests are all [`RateClass::Guest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateClass {
    /// Whatever a guest asks for, by address.
    Guest,
    /// Safe methods, unless the route says otherwise.
    Reads,
    /// All other methods, unless the route says otherwise.
    Writes,
    /// Orders that are placed.
    Orders,
    /// Whatever calls the payment provider.
    Payments,
}

impl RateClass {
    /// Every class.
    pub const ALL: [Self; 5] = [Self::Guest, Self::Reads, Self::Writes, Self::Orders, Self::Payments];

    /// As clients and Redis' keys see it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Reads => "reads",
            Self::Writes => "writes",
            Self::Orders => "orders",
            Self::Payments => "payments",
        }
    }

    /// The class of a method when the route says nothing.
    fn of_method(method: &Method) -> Self {
        if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE) {
            Self::Reads
        } else {
            Self::Writes
        }
    }
}

/// What a service says of its routes: method, route as in the route table, and class; `None` is free. What is not
/// named is counted by its method. Public keys, `OpenAPI` documents and webhooks are free everywhere.
pub type RateClasses = &'static [(&'static str, &'static str, Option<RateClass>)];

/// The class of a request to this route, for who is signed in; `None` when it is free.
pub(crate) fn of(classes: RateClasses, method: &Method, route: Option<&str>) -> Option<RateClass> {
    let route = route.unwrap_or_default();
    if route.ends_with("/openapi.json") || route.ends_with("/jwks.json") {
        return None;
    }
    let mut named = classes.iter();
    match named.find(|(of_method, path, _)| *path == route && *of_method == method.as_str()) {
        Some((_, _, class)) => *class,
        None => Some(RateClass::of_method(method)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_of_the_class_that_its_service_says_or_of_its_methods() {
        let classes: RateClasses =
            &[("POST", "/api/orders", Some(RateClass::Orders)), ("POST", "/api/users/signin", None)];
        let table = [
            ("GET", "/api/orders", Some(RateClass::Reads)),
            ("POST", "/api/orders", Some(RateClass::Orders)),
            ("DELETE", "/api/orders/{id}", Some(RateClass::Writes)),
            ("POST", "/api/users/signin", None),
            ("GET", "/api/users/jwks.json", None),
            ("GET", "/api/orders/openapi.json", None),
            ("BREW", "", Some(RateClass::Writes)),
            ("HEAD", "", Some(RateClass::Reads)),
        ];
        for (method, route, expected) in table {
            assert_eq!(of(classes, &method.parse().unwrap(), Some(route)), expected, "{method} {route}");
        }
    }
}
