//! The requests that a repair sends to the services.

use std::fmt::{self, Display};

use anyhow::{Result, bail};
use common::api::admin::{RAISE, RELEASE, Raise, Raised, Release, Released, Resync, VOID, Void, Voided};

use crate::services::{RequestRejected, Services};

/// A request to the admin port of a service. Its `Display` tells the operator what the service will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Writes an entity again at a version above that of its replicas.
    Raise {
        /// The name of the owning service.
        owner: &'static str,
        /// The name of the entity, such as `order`.
        entity: &'static str,
        /// The databases with the replicas that have the highest version.
        replicas: Vec<&'static str>,
        /// The body of the request.
        request: Raise,
    },
    /// Publishes the present state of entities again.
    Resync { owner: String, ids: Vec<String> },
    /// Voids or refunds a payment.
    Void(Void),
    /// Ends the reservation of a listing's seats for an order.
    Release(Release),
}

impl Action {
    /// Sends the request. Returns a sentence that says what was done.
    ///
    /// # Errors
    /// If the service is not reachable or rejects the request, or if the payment is not voided or refunded yet.
    pub(super) async fn perform(&self, services: &Services) -> Result<String> {
        match self {
            Self::Raise { owner, entity, request, .. } => {
                let Raised { version, is_written } = services.post(owner, RAISE, request).await?;
                let id = &request.id;
                let done = if is_written { "was written at" } else { "is already at" };
                Ok(format!("{entity} {id} {done} version {version}"))
            }
            Self::Resync { owner, ids } => {
                let selection = Resync { ids: ids.clone(), ..Resync::default() };
                let announced = services.resync(owner, &selection).await?;
                Ok(format!("{owner} announced {}", announced.values().sum::<u64>()))
            }
            Self::Void(request) => {
                let Voided { status, is_settled } = services.post("payments", VOID, request).await?;
                let (id, status) = (request.id, status.as_ref());
                if !is_settled {
                    bail!(Unsettled(format!("payment {id} is {status}, and not voided or refunded yet")));
                }
                Ok(format!("payment {id} is {status}, and nothing of it is authorised or charged"))
            }
            Self::Release(request) => {
                let Released { status } = services.post("tickets", RELEASE, request).await?;
                Ok(format!("ticket {} is {}", request.id, status.as_ref()))
            }
        }
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raise { owner, entity, replicas, request: Raise { id, above, state } } => {
                let (replicas, version) = (replicas.join(", "), above.saturating_add(1));
                let written = if state.is_some() {
                    format!("the state of version {above}, as it is in {replicas}")
                } else {
                    format!("its present state, because version {above} is in {replicas}")
                };
                write!(f, "{owner} writes {entity} {id} at version {version}: {written}")
            }
            Self::Resync { owner, ids } => write!(f, "{owner} announces {}", ids.join(", ")),
            Self::Void(Void { id, order_is_lost, .. }) => {
                write!(f, "payments voids or refunds payment {id}, {}", reason(*order_is_lost))
            }
            Self::Release(Release { id, order_id, order_is_lost, .. }) => {
                write!(f, "tickets releases the seats of ticket {id} from order {order_id}, {}", reason(*order_is_lost))
            }
        }
    }
}

/// The error of a void that the service has accepted, but not completed yet.
#[derive(Debug)]
struct Unsettled(String);

impl Display for Unsettled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: run the command again", self.0)
    }
}

impl std::error::Error for Unsettled {}

/// Whether the same request may succeed within seconds, although it has failed with this error.
pub(super) fn is_temporary(error: &anyhow::Error) -> bool {
    let is_rejected_for_now = error.downcast_ref::<RequestRejected>().is_some_and(RequestRejected::is_temporary);
    is_rejected_for_now || error.is::<Unsettled>() || error.is::<reqwest::Error>()
}

/// Why a payment or a reservation is undone.
fn reason(order_is_lost: bool) -> &'static str {
    if order_is_lost { "because orders does not have the order" } else { "because the order is closed" }
}
