//! The table of `/v1`: which address means what, who may call it, and the work behind it.

use axum::http::Method;
use serde_json::Value;

use crate::error::ApiError;
use crate::flows::{cancel, capture, confirm, create, find, payment_method, refund, update};
use crate::objects::charge::Charge;
use crate::objects::event::{self, Event};
use crate::objects::refund::Refund;
use crate::objects::{intent, payment_method as method_object, refund as refund_object};
use crate::params::Params;
use crate::table::Row;
use crate::world::expand::expand;
use crate::world::page::{LIST_PARAMS, page};
use crate::world::{Caller, World};

/// An address that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    CreateIntent,
    ListIntents,
    GetIntent(String),
    UpdateIntent(String),
    ConfirmIntent(String),
    CaptureIntent(String),
    CancelIntent(String),
    ListCharges,
    GetCharge(String),
    ChargeRefunds(String),
    CreateRefund,
    ListRefunds,
    GetRefund(String),
    UpdateRefund(String),
    CreateMethod,
    GetMethod(String),
    ListEvents,
    GetEvent(String),
}

impl Route {
    /// The route of a method and a path, if there is one.
    pub(crate) fn of(method: &Method, path: &str) -> Option<Self> {
        let post = method == Method::POST;
        if !post && method != Method::GET {
            return None;
        }
        let parts: Vec<&str> = path.strip_prefix("/v1/")?.split('/').collect();
        let route = match (post, parts.as_slice()) {
            (true, ["payment_intents"]) => Self::CreateIntent,
            (false, ["payment_intents"]) => Self::ListIntents,
            (false, ["payment_intents", id]) => Self::GetIntent((*id).to_owned()),
            (true, ["payment_intents", id]) => Self::UpdateIntent((*id).to_owned()),
            (true, ["payment_intents", id, "confirm"]) => Self::ConfirmIntent((*id).to_owned()),
            (true, ["payment_intents", id, "capture"]) => Self::CaptureIntent((*id).to_owned()),
            (true, ["payment_intents", id, "cancel"]) => Self::CancelIntent((*id).to_owned()),
            (false, ["charges"]) => Self::ListCharges,
            (false, ["charges", id]) => Self::GetCharge((*id).to_owned()),
            (false, ["charges", id, "refunds"]) => Self::ChargeRefunds((*id).to_owned()),
            (true, ["refunds"]) => Self::CreateRefund,
            (false, ["refunds"]) => Self::ListRefunds,
            (false, ["refunds", id]) => Self::GetRefund((*id).to_owned()),
            (true, ["refunds", id]) => Self::UpdateRefund((*id).to_owned()),
            (true, ["payment_methods"]) => Self::CreateMethod,
            (false, ["payment_methods", id]) => Self::GetMethod((*id).to_owned()),
            (false, ["events"]) => Self::ListEvents,
            (false, ["events", id]) => Self::GetEvent((*id).to_owned()),
            _ => return None,
        };
        let empty = parts.iter().any(|part| part.is_empty());
        Some(route).filter(|_| !empty)
    }

    /// What a page may call with the publishable key.
    pub(crate) fn is_public(&self) -> bool {
        matches!(self, Self::GetIntent(_) | Self::ConfirmIntent(_) | Self::CreateMethod)
    }

    /// Does the work; the caller holds the world's lock.
    pub(crate) fn run(&self, world: &mut World, caller: &Caller, params: &Params) -> Result<Value, ApiError> {
        let mut answer = match self {
            Self::CreateIntent => create::create(world, caller, params),
            Self::UpdateIntent(id) => update::update(world, caller, id, params),
            Self::ConfirmIntent(id) => confirm::confirm(world, caller, id, params),
            Self::CaptureIntent(id) => capture::capture(world, caller, id, params),
            Self::CancelIntent(id) => cancel::cancel(world, caller, id, params),
            Self::GetIntent(id) => {
                params.only("client_secret expand key is_stripe_sdk")?;
                find(world, caller, id, params.text("client_secret")).map(intent::render)
            }
            Self::GetCharge(id) => params.only("expand").and_then(|()| {
                let charge = world.charge_json(id);
                charge.ok_or_else(|| ApiError::no_such("charge", id, "id"))
            }),
            Self::CreateRefund => refund::create(world, caller, params),
            Self::UpdateRefund(id) => refund::update(world, id, params),
            Self::GetRefund(id) => params.only("expand").and_then(|()| {
                let refund = world.refunds.get(id).map(refund_object::render);
                refund.ok_or_else(|| ApiError::no_such("refund", id, "id"))
            }),
            Self::CreateMethod => create_method(world, params),
            Self::GetMethod(id) => params
                .only("expand")
                .and_then(|()| payment_method::find(world, id).map(|method| method_object::render(&method))),
            Self::GetEvent(id) => params.only("expand").and_then(|()| {
                let event = world.events.get(id).map(event::render);
                event.ok_or_else(|| ApiError::no_such("event", id, "id"))
            }),
            Self::ListIntents | Self::ListCharges | Self::ListRefunds | Self::ListEvents => self.list(world, params),
            Self::ChargeRefunds(id) => {
                let keep = |refund: &Refund| refund.charge == *id;
                let url = format!("/v1/charges/{id}/refunds");
                page(&world.refunds, params, &url, keep, refund_object::render)
            }
        }?;
        expand(world, &mut answer, &params.list("expand"));
        Ok(answer)
    }

    fn list(&self, world: &World, params: &Params) -> Result<Value, ApiError> {
        let own = match self {
            Self::ListIntents => "customer customer_account",
            Self::ListCharges => "customer payment_intent transfer_group",
            Self::ListRefunds => "charge payment_intent",
            _ => "type types delivery_success",
        };
        params.only(&format!("{LIST_PARAMS} {own}"))?;
        let intent = params.text("payment_intent");
        let charge = params.text("charge");
        let of_intent = |id: &str| intent.is_none_or(|wanted| wanted == id);
        // No customer exists, so nothing is any customer's.
        let anyone = params.text("customer").is_none();
        match self {
            Self::ListIntents => {
                let url = "/v1/payment_intents";
                page(&world.intents, params, url, |_| anyone, intent::render)
            }
            Self::ListCharges => {
                let keep = |charge: &Charge| anyone && of_intent(&charge.payment_intent);
                let render = |charge: &Charge| world.charge_json(charge.id()).unwrap_or_default();
                page(&world.charges, params, "/v1/charges", keep, render)
            }
            Self::ListRefunds => {
                let keep = |refund: &Refund| {
                    of_intent(&refund.payment_intent) && charge.is_none_or(|wanted| wanted == refund.charge)
                };
                let url = "/v1/refunds";
                page(&world.refunds, params, url, keep, refund_object::render)
            }
            _ => {
                let mut types = params.list("types");
                types.extend(params.owned("type"));
                let keep = |event: &Event| types.is_empty() || wanted(&types, &event.kind);
                page(&world.events, params, "/v1/events", keep, event::render)
            }
        }
    }
}

/// `charge.*` stands for every event of a charge.
fn wanted(types: &[String], kind: &str) -> bool {
    types.iter().any(|wanted| match wanted.strip_suffix('*') {
        Some(start) => kind.starts_with(start),
        None => wanted == kind,
    })
}

fn create_method(world: &mut World, params: &Params) -> Result<Value, ApiError> {
    params.only("allow_redisplay billing_details card expand key metadata type")?;
    let method = payment_method::from_params(params, "")?;
    let answer = method_object::render(&method);
    world.methods.insert(method);
    Ok(answer)
}
