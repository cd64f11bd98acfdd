//! The OpenAPI 3.1 document of a service, generated from its routes and served beside them.

use axum::Router;
use axum::routing::get;
use common::problem::{CONTENT_TYPE, Problem};
use http::header;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{ContentBuilder, InfoBuilder, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;

/// Splits documented routes into a router, which serves the document at `path`, and the document.
/// Every operation is said to answer with problem details where it fails.
pub fn mount<S: Clone + Send + Sync + 'static>(
    routes: OpenApiRouter<S>,
    title: &str,
    path: &'static str,
) -> (Router<S>, OpenApi) {
    let (router, mut document) = routes.split_for_parts();
    document.info = InfoBuilder::new().title(title).version("1.0.0").build();
    let schemas = &mut document.components.get_or_insert_with(Default::default).schemas;
    let mut nested = Vec::new();
    Problem::schemas(&mut nested);
    schemas.extend(nested);
    schemas.insert("Problem".to_owned(), Problem::schema());
    for item in document.paths.paths.values_mut() {
        let operations =
            [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch, &mut item.head];
        for operation in operations.into_iter().flatten() {
            describe(operation);
        }
    }
    let body = serde_json::to_string(&document).unwrap_or_default();
    let router = router.route(path, get(async move || ([(header::CONTENT_TYPE, "application/json")], body.clone())));
    (router, document)
}

/// Every operation may fail, and `OpenAPI` wants a description of each response.
fn describe(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            let status = status.parse().ok().and_then(|code: u16| http::StatusCode::from_u16(code).ok());
            status.and_then(|status| status.canonical_reason()).unwrap_or("Done").clone_into(&mut response.description);
        }
    }
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = ResponseBuilder::new().description("What went wrong (RFC 9457).").content(CONTENT_TYPE, content);
    operation.responses.responses.entry("default".to_owned()).or_insert(RefOr::T(response.build()));
}
