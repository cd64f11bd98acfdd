//! Parses the subset of the Gateway API's `HTTPRoute` that the development gateway supports:
//! `PathPrefix` and `Exact` matches, one Service per rule. Anything else is an error that names it.

use anyhow::{Result, anyhow, bail, ensure};
use serde::Deserialize;
use serde_yaml_ng::Value;

/// A path match and the service that it routes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) path: PathMatch,
    pub(super) service: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PathMatch {
    /// Exactly this path.
    Exact(String),
    /// This path and everything below it, by whole segments; without a trailing slash.
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

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RouteMatch {
    path: RoutePath,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RoutePath {
    #[serde(rename = "type")]
    kind: String,
    value: String,
}

impl Default for RoutePath {
    fn default() -> Self {
        Self { kind: "PathPrefix".to_owned(), value: "/".to_owned() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BackendRef {
    name: String,
    #[serde(rename = "port")]
    _port: u16,
}

/// Returns the rules in the order of precedence that the Gateway API demands: `Exact` before
/// `PathPrefix`, longer prefixes before shorter ones, then the order of the file.
pub(super) fn parse(text: &str) -> Result<Vec<Rule>> {
    let HttpRoute { api_version, kind, spec, .. } = serde_yaml_ng::from_str(text)?;
    ensure!(
        kind == "HTTPRoute" && api_version == "gateway.networking.k8s.io/v1",
        "kind {kind} of {api_version} is not supported, only HTTPRoute of gateway.networking.k8s.io/v1"
    );
    let mut rules = Vec::new();
    for (index, mut rule) in spec.rules.into_iter().enumerate() {
        let [backend] = <[BackendRef; 1]>::try_from(rule.backend_refs)
            .map_err(|all| anyhow!("spec.rules[{index}].backendRefs: {} backends, only one is supported", all.len()))?;
        if rule.matches.is_empty() {
            rule.matches.push(RouteMatch::default());
        }
        for RouteMatch { path } in rule.matches {
            let path = path_match(&path).map_err(|error| error.context(format!("spec.rules[{index}]")))?;
            rules.push(Rule { path, service: backend.name.clone() });
        }
    }
    rules.sort_by_key(|rule| match &rule.path {
        PathMatch::Exact(_) => (0, 0),
        PathMatch::Prefix(prefix) => (1, usize::MAX - prefix.len()),
    });
    Ok(rules)
}

fn path_match(RoutePath { kind, value }: &RoutePath) -> Result<PathMatch> {
    ensure!(value.starts_with('/'), "path {value} does not begin with a slash");
    match kind.as_str() {
        "Exact" => Ok(PathMatch::Exact(value.clone())),
        "PathPrefix" => Ok(PathMatch::Prefix(value.trim_end_matches('/').to_owned())),
        other => bail!("path type {other} is not supported, only PathPrefix and Exact"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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

    fn error(text: &str) -> String {
        format!("{:#}", parse(text).unwrap_err())
    }

    #[test]
    fn exact_precedes_prefix_and_long_precedes_short() {
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
    fn missing_match_defaults_to_the_root_prefix() {
        let rules = parse(&route("  - backendRefs: [{name: web, port: 80}]\n")).unwrap();
        assert_eq!(rules, [Rule { path: PathMatch::Prefix(String::new()), service: "web".to_owned() }]);
    }

    #[test]
    fn errors_name_what_is_not_supported() {
        let regex = route(&rule("RegularExpression", "/a.*", "web"));
        assert_eq!(
            error(&regex),
            "spec.rules[0]: path type RegularExpression is not supported, only PathPrefix and Exact"
        );
        let filters = route("  - backendRefs: [{name: web, port: 80}]\n    filters: []\n");
        assert!(error(&filters).contains("spec.rules[0]: unknown field `filters`"), "{}", error(&filters));
        let headers = route("  - matches: [{headers: []}]\n    backendRefs: [{name: web, port: 80}]\n");
        assert!(error(&headers).contains("unknown field `headers`"), "{}", error(&headers));
        let weight = route("  - backendRefs: [{name: web, port: 80, weight: 2}]\n");
        assert!(error(&weight).contains("unknown field `weight`"), "{}", error(&weight));
        let two = route("  - backendRefs: [{name: a, port: 80}, {name: b, port: 80}]\n");
        assert_eq!(error(&two), "spec.rules[0].backendRefs: 2 backends, only one is supported");
        let grpc = route(&rule("Exact", "/", "web")).replace("HTTPRoute", "GRPCRoute");
        assert!(error(&grpc).starts_with("kind GRPCRoute"), "{}", error(&grpc));
        let hosts = format!("{}  hostnames: [a.example]\n", route(&rule("Exact", "/", "web")));
        assert!(error(&hosts).contains("unknown field `hostnames`"), "{}", error(&hosts));
        let relative = route(&rule("Exact", "api", "web"));
        assert_eq!(error(&relative), "spec.rules[0]: path api does not begin with a slash");
    }

    #[test]
    fn checked_in_routes_are_supported() {
        let rules = super::super::read_routes().unwrap();
        let services: BTreeSet<_> = rules.iter().map(|rule| rule.service.as_str()).collect();
        assert_eq!(services, BTreeSet::from(["auth", "orders", "payments", "tickets", "web"]));
    }
}
