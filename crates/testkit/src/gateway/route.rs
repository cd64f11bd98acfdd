//! Reads an `HTTPRoute` of the Gateway API, as far as the development gateway understands it:
//! `PathPrefix` and Exact, one Service per rule. Anything else is an error that names it.

use anyhow::{Result, anyhow, bail};
use serde::Deserialize;
use serde_yaml_ng::Value;

/// One match and where it leads; `parse` gives them in the order in which they are to be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) path: PathMatch,
    pub(super) service: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PathMatch {
    /// This path and no other.
    Exact(String),
    /// This path and what lies below it, by whole segments; without a slash at its end.
    Prefix(String),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HttpRoute {
    api_version: String,
    kind: String,
    #[serde(rename = "metadata")]
    _metadata: Value,
    spec: RouteSpec,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RouteSpec {
    #[serde(rename = "parentRefs")]
    _parent_refs: Value,
    rules: Vec<RouteRule>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RouteRule {
    #[serde(rename = "name")]
    _name: Option<String>,
    #[serde(default)]
    matches: Vec<RouteMatch>,
    backend_refs: Vec<BackendRef>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteMatch {
    path: Option<RoutePath>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoutePath {
    #[serde(rename = "type", default = "path_prefix")]
    kind: String,
    #[serde(default = "root")]
    value: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BackendRef {
    name: String,
    #[serde(rename = "port")]
    _port: u16,
}

fn path_prefix() -> String {
    "PathPrefix".to_owned()
}

fn root() -> String {
    "/".to_owned()
}

/// The rules, first match first: Exact before `PathPrefix`, then the longer path; among equals the
/// one that the file has first, as the Gateway API demands.
pub(super) fn parse(text: &str) -> Result<Vec<Rule>> {
    let route: HttpRoute = serde_yaml_ng::from_str(text)?;
    if route.kind != "HTTPRoute" || route.api_version != "gateway.networking.k8s.io/v1" {
        bail!(
            "kind {} of {} is not understood, only HTTPRoute of gateway.networking.k8s.io/v1",
            route.kind,
            route.api_version
        );
    }
    let mut rules = Vec::new();
    for (index, rule) in route.spec.rules.into_iter().enumerate() {
        let [backend] = <[BackendRef; 1]>::try_from(rule.backend_refs)
            .map_err(|all| anyhow!("spec.rules[{index}].backendRefs: {} of them, only one is understood", all.len()))?;
        let mut matches = rule.matches;
        if matches.is_empty() {
            matches.push(RouteMatch { path: None });
        }
        for one in matches {
            let path = one.path.unwrap_or_else(|| RoutePath { kind: path_prefix(), value: root() });
            rules.push(Rule { path: path_match(index, &path)?, service: backend.name.clone() });
        }
    }
    rules.sort_by_key(|rule| match &rule.path {
        PathMatch::Exact(_) => (0, 0),
        PathMatch::Prefix(prefix) => (1, usize::MAX - prefix.len()),
    });
    Ok(rules)
}

fn path_match(index: usize, path: &RoutePath) -> Result<PathMatch> {
    let RoutePath { kind, value } = path;
    if !value.starts_with('/') {
        bail!("spec.rules[{index}]: path {value} does not begin with a slash");
    }
    match kind.as_str() {
        "Exact" => Ok(PathMatch::Exact(value.clone())),
        "PathPrefix" => Ok(PathMatch::Prefix(value.trim_end_matches('/').to_owned())),
        other => bail!("spec.rules[{index}]: path type {other} is not understood, only PathPrefix and Exact"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(rules: &str) -> String {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: x}}\n\
             spec:\n  parentRefs: [{{name: x}}]\n  rules:\n{rules}"
        )
    }

    fn rule(kind: &str, value: &str, service: &str) -> String {
        format!(
            "  - matches: [{{path: {{type: {kind}, value: {value}}}}}]\n    backendRefs: [{{name: {service}, port: 3000}}]\n"
        )
    }

    fn refusal(text: &str) -> String {
        format!("{:#}", parse(text).unwrap_err())
    }

    #[test]
    fn exact_goes_before_prefix_and_long_before_short() {
        let text = [
            rule("PathPrefix", "/", "web"),
            rule("PathPrefix", "/api/", "short"),
            rule("PathPrefix", "/api/users", "long"),
            rule("Exact", "/api", "exact"),
            rule("PathPrefix", "/api/users", "second"),
        ];
        let order: Vec<String> = parse(&route(&text.concat())).unwrap().into_iter().map(|rule| rule.service).collect();
        assert_eq!(order, ["exact", "long", "second", "short", "web"]);
    }

    #[test]
    fn defaults_are_those_of_the_gateway_api() {
        let rules = parse(&route("  - backendRefs: [{name: web, port: 80}]\n")).unwrap();
        assert_eq!(rules, [Rule { path: PathMatch::Prefix(String::new()), service: "web".to_owned() }]);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let regex = route(&rule("RegularExpression", "/a.*", "web"));
        assert_eq!(
            refusal(&regex),
            "spec.rules[0]: path type RegularExpression is not understood, only PathPrefix and Exact"
        );
        let filters = route("  - backendRefs: [{name: web, port: 80}]\n    filters: []\n");
        assert!(refusal(&filters).contains("spec.rules[0]: unknown field `filters`"), "{}", refusal(&filters));
        let headers = route("  - matches: [{headers: []}]\n    backendRefs: [{name: web, port: 80}]\n");
        assert!(refusal(&headers).contains("unknown field `headers`"), "{}", refusal(&headers));
        let weight = route("  - backendRefs: [{name: web, port: 80, weight: 2}]\n");
        assert!(refusal(&weight).contains("unknown field `weight`"), "{}", refusal(&weight));
        let two = route("  - backendRefs: [{name: a, port: 80}, {name: b, port: 80}]\n");
        assert_eq!(refusal(&two), "spec.rules[0].backendRefs: 2 of them, only one is understood");
        let grpc = route(&rule("Exact", "/", "web")).replace("HTTPRoute", "GRPCRoute");
        assert!(refusal(&grpc).starts_with("kind GRPCRoute"), "{}", refusal(&grpc));
        let hosts = format!("{}  hostnames: [a.example]\n", route(&rule("Exact", "/", "web")));
        assert!(refusal(&hosts).contains("unknown field `hostnames`"), "{}", refusal(&hosts));
        let relative = route(&rule("Exact", "api", "web"));
        assert_eq!(refusal(&relative), "spec.rules[0]: path api does not begin with a slash");
    }

    #[test]
    fn the_checked_in_routes_are_understood() {
        let services = super::super::services_of(&super::super::routes_file()).unwrap();
        let expected = ["auth", "orders", "payments", "tickets", "web"];
        assert_eq!(services.into_iter().collect::<Vec<_>>(), expected);
    }
}
