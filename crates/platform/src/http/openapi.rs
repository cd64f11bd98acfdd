//! The OpenAPI 3.1 document of a service, generated from its routes and served with them. Requests under `/api/` with a
//! query parameter that the document does not list are rejected.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use common::api::Route;
use common::error::Error;
use common::identity::CookieNames;
use common::problem::{FieldError, Problem};
use http::{Method, header};
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::schema::{ArrayItems, Schema};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use super::problem_responses;

/// Splits documented routes into a router and their `OpenAPI` document, which the router serves at `path`. `contract`
/// declares the problems that are specific to a route.
pub fn mount<S: Clone + Send + Sync + 'static>(
    routes: OpenApiRouter<S>,
    title: &str,
    path: &'static str,
    contract: &[Route],
) -> (Router<S>, OpenApi) {
    let (router, mut document) = routes.split_for_parts();
    document.info = InfoBuilder::new().title(title).version("1.0.0").build();
    let components = document.components.get_or_insert_with(Default::default);
    let mut nested = Vec::new();
    Problem::schemas(&mut nested);
    components.schemas.extend(nested);
    components.schemas.insert("Problem".to_owned(), Problem::schema());
    let (secure, plain) = (CookieNames::for_scheme(true), CookieNames::for_scheme(false));
    for (name, cookie, about) in [
        ("session", secure.access, "The access token, set by signing in, when the marketplace is served over HTTPS."),
        ("sessionOverHttp", plain.access, "The same over plain HTTP, for development."),
        ("refresh", secure.refresh, "The refresh token, set by signing in, when the marketplace is served over HTTPS."),
        ("refreshOverHttp", plain.refresh, "The same over plain HTTP, for development."),
    ] {
        let scheme = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(cookie, about)));
        components.add_security_scheme(name, scheme);
    }
    reference_page_items(&mut components.schemas);
    // The document's own route has no query parameters.
    let reading = [Method::GET, Method::HEAD].map(|method| ((path.to_owned(), method), Vec::new()));
    let mut queries = Queries::from(reading);
    for (route_path, item) in &mut document.paths.paths {
        let operations = [
            (Method::GET, &mut item.get),
            (Method::PUT, &mut item.put),
            (Method::POST, &mut item.post),
            (Method::DELETE, &mut item.delete),
            (Method::PATCH, &mut item.patch),
        ];
        // Webhooks are exempt: their URLs, with queries, are configured at the provider.
        let is_checked = route_path.starts_with("/api/") && !route_path.contains("/webhooks/");
        for (method, operation) in operations {
            let Some(operation) = operation else { continue };
            describe(operation);
            describe_headers(operation);
            let route = contract.iter().find(|route| route.path == route_path && route.method == method);
            problem_responses::add(operation, &method, route);
            if is_checked {
                let parameters: Vec<_> = operation.parameters.iter().flatten().filter_map(query_parameter).collect();
                if method == Method::GET {
                    queries.insert((route_path.clone(), Method::HEAD), parameters.clone());
                }
                queries.insert((route_path.clone(), method), parameters);
            }
        }
    }
    let body = serde_json::to_string(&document).unwrap_or_default();
    let router = router.route(path, get(async move || ([(header::CONTENT_TYPE, "application/json")], body.clone())));
    (router.layer(middleware::from_fn_with_state(Arc::new(queries), reject_unknown)), document)
}

/// utoipa inlines the item schema in `Page<T>`. A reference instead gives clients one type instead of two.
fn reference_page_items(schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    let items: Vec<_> = schemas.keys().filter_map(|name| Some(name.strip_prefix("Page_")?.to_owned())).collect();
    for item in items.iter().filter(|item| schemas.contains_key(*item)).cloned().collect::<Vec<_>>() {
        if let Some(RefOr::T(Schema::Object(page))) = schemas.get_mut(&format!("Page_{item}"))
            && let Some(RefOr::T(Schema::Array(list))) = page.properties.get_mut("items")
        {
            list.items = ArrayItems::RefOrSchema(Box::new(Ref::from_schema_name(item).into()));
        }
    }
}

/// Adds the descriptions that `OpenAPI` requires for responses.
fn describe(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            let status = status.parse().ok().and_then(|code: u16| http::StatusCode::from_u16(code).ok());
            status.and_then(|status| status.canonical_reason()).unwrap_or("Done").clone_into(&mut response.description);
        }
    }
}

/// Describes the values of the headers that the extractors of this crate read.
fn describe_headers(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(parameter) = parameter else { continue };
        let (pattern, example) = match parameter.name.as_str() {
            "If-Match" => (IF_MATCH_PATTERN, "\"3\""),
            "Idempotency-Key" => ("^[ -~]{1,255}$", "01970000-0000-7000-8000-000000000001"),
            _ => continue,
        };
        if let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema {
            schema.pattern = Some(pattern.to_owned());
            schema.examples = vec![example.into()];
        }
    }
}

/// `*`, or a list of entity tags.
const IF_MATCH_PATTERN: &str = r#"^(\*|(W/)?"[^" ]*"( *, *(W/)?"[^" ]*")*)$"#;

/// Maximum number of unknown parameters in an error.
const MAX_REPORTED: usize = 10;

/// The query parameters of each operation under `/api/`, by path and method.
type Queries = HashMap<(String, Method), Vec<String>>;

fn query_parameter(parameter: &RefOr<Parameter>) -> Option<String> {
    let RefOr::T(parameter) = parameter else { return None };
    (parameter.parameter_in == ParameterIn::Query).then(|| parameter.name.clone())
}

/// Rejects unknown query parameters: a misspelt one would otherwise be ignored.
async fn reject_unknown(
    State(queries): State<Arc<Queries>>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let route = path.map(|path| (path.as_str().to_owned(), request.method().clone()));
    if let (Some(query), Some(known)) = (request.uri().query(), route.and_then(|route| queries.get(&route))) {
        let given: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        let names = given.into_iter().map(|(name, _)| name);
        let unknown: BTreeSet<_> = names.filter(|name| !known.contains(name)).collect();
        let message = match known.as_slice() {
            [] => "is unknown: this route has no query parameters".to_owned(),
            known => format!("is unknown; the query parameters of this route are {}", known.join(", ")),
        };
        if !unknown.is_empty() {
            let fault = |field: String| FieldError::new(field, message.clone());
            return Error::Invalid(unknown.into_iter().take(MAX_REPORTED).map(fault).collect()).into_response();
        }
    }
    next.run(request).await
}
