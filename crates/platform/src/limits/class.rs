//! The classes of requests that are limited separately, and how a request is classified.

use http::Method;

/// The rate class of a signed-in user's request. All requests of guests are [`RateClass::Guest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateClass {
    /// All requests of guests.
    Guest,
    /// Safe methods, by default.
    Reads,
    /// All other methods, by default.
    Writes,
    /// Placing an order.
    Orders,
    /// Requests that call the payment provider.
    Payments,
}

impl RateClass {
    /// The name in headers and Redis keys.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Reads => "reads",
            Self::Writes => "writes",
            Self::Orders => "orders",
            Self::Payments => "payments",
        }
    }
}

/// A service's rate classes by method and route pattern; `None` exempts the route. Other routes have the class of their
/// method. Public keys, `OpenAPI` documents and webhooks are always exempt.
pub type RateClasses = &'static [(&'static str, &'static str, Option<RateClass>)];

/// The class of a signed-in user's request to this route; `None` if it is exempt.
pub(crate) fn of(classes: RateClasses, method: &Method, route: Option<&str>) -> Option<RateClass> {
    let route = route.unwrap_or_default();
    if route.ends_with("/openapi.json") || route.ends_with("/jwks.json") {
        return None;
    }
    let declared = classes.iter().find(|(of_method, path, _)| *path == route && *of_method == method.as_str());
    let default = if method.is_safe() { RateClass::Reads } else { RateClass::Writes };
    declared.map_or(Some(default), |(_, _, class)| *class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn route_has_its_declared_class_or_that_of_its_method() {
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
