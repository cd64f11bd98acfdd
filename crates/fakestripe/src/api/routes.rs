//! The routes of `/v1` in one table, and the handlers that are too small for a module of their own in `flows`.

use axum::http::Method;
use serde_json::Value;

use self::Access::{Public, Secret};
use crate::error::ApiError;
use crate::flows::{cancel, capture, confirm, create, find, payment_method, refund, update};
use crate::objects::charge::{self, Charge};
use crate::objects::event::{self, Event};
use crate::objects::refund::Refund;
use crate::objects::{intent, payment_method as method_object, refund as refund_object};
use crate::params::Params;
use crate::store::expand::expand;
use crate::store::page::{LIST_PARAMS, paginate};
use crate::store::{Context, Store};

/// Handles a request under the store's lock; the text is the id in the path, empty where there is none.
type Handler = fn(&mut Store, &Context, &str, &Params) -> Result<Value, ApiError>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Requires the secret key.
    Secret,
    /// Also callable from a browser with the publishable key.
    Public,
}

const ROUTES: [(&str, &str, Access, Handler); 18] = [
    ("POST", "payment_intents", Secret, |store, context, _, params| create::create(store, context, params)),
    ("GET", "payment_intents", Secret, list_intents),
    ("GET", "payment_intents/{id}", Public, get_intent),
    ("POST", "payment_intents/{id}", Secret, update::update),
    ("POST", "payment_intents/{id}/confirm", Public, confirm::confirm),
    ("POST", "payment_intents/{id}/capture", Secret, capture::capture),
    ("POST", "payment_intents/{id}/cancel", Secret, cancel::cancel),
    ("GET", "charges", Secret, list_charges),
    ("GET", "charges/{id}", Secret, |store, _, id, params| found("charge", id, params, store.charge_json(id))),
    ("GET", "charges/{id}/refunds", Secret, list_charge_refunds),
    ("POST", "refunds", Secret, |store, context, _, params| refund::create(store, context, params)),
    ("GET", "refunds", Secret, list_refunds),
    ("GET", "refunds/{id}", Secret, |store, _, id, params| {
        found("refund", id, params, store.refunds.get(id).map(refund_object::render))
    }),
    ("POST", "refunds/{id}", Secret, |store, _, id, params| refund::update(store, id, params)),
    ("POST", "payment_methods", Public, create_method),
    ("GET", "payment_methods/{id}", Secret, get_method),
    ("GET", "events", Secret, list_events),
    ("GET", "events/{id}", Secret, |store, _, id, params| {
        found("event", id, params, store.events.get(id).map(event::render))
    }),
];

/// A known endpoint, with the id in its path.
pub(crate) struct Route {
    pub(crate) is_public: bool,
    id: String,
    handler: Handler,
}

impl Route {
    /// The route of a method and a path, if there is one.
    pub(crate) fn of(method: &Method, path: &str) -> Option<Self> {
        let path: Vec<&str> = path.strip_prefix("/v1/")?.split('/').collect();
        let matches = |template: &str| {
            let parts = template.split('/');
            parts.clone().count() == path.len()
                && parts.zip(&path).all(|(part, given)| part == *given || (part == "{id}" && !given.is_empty()))
        };
        let mut routes = ROUTES.into_iter();
        let (.., access, handler) = routes.find(|(verb, template, ..)| method == verb && matches(template))?;
        let id = path.get(1).copied().unwrap_or_default().to_owned();
        Some(Self { is_public: access == Public, id, handler })
    }

    /// Handles the request and expands ids in the response.
    pub(crate) fn run(&self, store: &mut Store, context: &Context, params: &Params) -> Result<Value, ApiError> {
        let mut response = (self.handler)(store, context, &self.id, params)?;
        expand(store, &mut response, &params.list("expand"));
        Ok(response)
    }
}

fn get_intent(store: &mut Store, context: &Context, id: &str, params: &Params) -> Result<Value, ApiError> {
    params.reject_unknown("client_secret expand key is_stripe_sdk")?;
    find(store, context, id, params.text("client_secret")).map(intent::render)
}

fn found(noun: &str, id: &str, params: &Params, object: Option<Value>) -> Result<Value, ApiError> {
    params.reject_unknown("expand")?;
    object.ok_or_else(|| ApiError::no_such(noun, id, "id"))
}

fn create_method(store: &mut Store, _: &Context, _: &str, params: &Params) -> Result<Value, ApiError> {
    params.reject_unknown("allow_redisplay billing_details card expand key metadata type")?;
    let method = payment_method::from_params(params, "")?;
    let response = method_object::render(&method);
    store.methods.insert(method);
    Ok(response)
}

fn get_method(store: &mut Store, _: &Context, id: &str, params: &Params) -> Result<Value, ApiError> {
    params.reject_unknown("expand")?;
    let method = payment_method::find(store, id).map_err(|error| error.status(404))?;
    Ok(method_object::render(&method))
}

/// Rejects all parameters except `supported`, which this list accepts, and those that every list accepts.
fn check_list_params(params: &Params, supported: &str) -> Result<(), ApiError> {
    params.reject_unknown(&format!("{LIST_PARAMS} {supported}"))
}

/// Whether a list filter is absent or equals the value.
fn accepts(params: &Params, filter: &str, value: &str) -> bool {
    params.text(filter).is_none_or(|filter| filter == value)
}

/// Customers are not emulated, so a `customer` filter matches nothing.
fn accepts_no_customer(params: &Params) -> bool {
    params.text("customer").is_none()
}

fn list_intents(store: &mut Store, _: &Context, _: &str, params: &Params) -> Result<Value, ApiError> {
    check_list_params(params, "customer customer_account")?;
    paginate(&store.intents, params, "/v1/payment_intents", |_| accepts_no_customer(params), intent::render)
}

fn list_charges(store: &mut Store, _: &Context, _: &str, params: &Params) -> Result<Value, ApiError> {
    check_list_params(params, "customer payment_intent transfer_group")?;
    let keep =
        |charge: &Charge| accepts_no_customer(params) && accepts(params, "payment_intent", &charge.payment_intent);
    paginate(&store.charges, params, "/v1/charges", keep, |charge| charge::render(charge, &store.refunds))
}

fn list_charge_refunds(store: &mut Store, _: &Context, id: &str, params: &Params) -> Result<Value, ApiError> {
    let url = format!("/v1/charges/{id}/refunds");
    paginate(&store.refunds, params, &url, |refund| refund.charge == id, refund_object::render)
}

fn list_refunds(store: &mut Store, _: &Context, _: &str, params: &Params) -> Result<Value, ApiError> {
    check_list_params(params, "charge payment_intent")?;
    let keep = |refund: &Refund| {
        accepts(params, "payment_intent", &refund.payment_intent) && accepts(params, "charge", &refund.charge)
    };
    paginate(&store.refunds, params, "/v1/refunds", keep, refund_object::render)
}

fn list_events(store: &mut Store, _: &Context, _: &str, params: &Params) -> Result<Value, ApiError> {
    check_list_params(params, "type types delivery_success")?;
    let mut types = params.list("types");
    types.extend(params.string("type"));
    let keep = |event: &Event| types.is_empty() || types.iter().any(|filter| matches_type(filter, &event.kind));
    paginate(&store.events, params, "/v1/events", keep, event::render)
}

/// Whether an event type matches a filter, in which `charge.*` matches every event of a charge.
fn matches_type(filter: &str, kind: &str) -> bool {
    match filter.strip_suffix('*') {
        Some(start) => kind.starts_with(start),
        None => filter == kind,
    }
}
