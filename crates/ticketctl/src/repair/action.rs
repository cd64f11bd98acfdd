//! What a repair asks a service to do.

use std::fmt::{self, Display};

use anyhow::{Result, ensure};
use common::api::admin::{RAISE, RELEASE, Raise, Raised, Release, Released, Resync, VOID, Void, Voided};

use crate::services::Services;

/// A request to the admin port of a service, displayed as what will be done.
#[derive(Debug, Clone)]
pub(super) enum Action {
    /// To write an entity above the version that its replicas have.
    Raise {
        /// The service and the name of the entity.
        owner: &'static str,
        entity: &'static str,
        /// The databases with the replicas that have the highest version.
        replicas: Vec<&'static str>,
        request: Raise,
    },
    /// To announce entities.
    Resync { owner: String, ids: Vec<String> },
    /// To void or refund a payment.
    Void(Void),
    /// To release a listing.
    Release(Release),
}

impl Action {
    /// Sends the request. Returns what was done.
    ///
    /// # Errors
    /// If the service is not reachable or refuses, or if the payment provider has not taken the action yet.
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
                ensure!(is_settled, "payment {id} is {status}, and not voided or refunded yet: run the command again");
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
                let whose = if state.is_some() {
                    format!("the state of version {above}, as it is in {replicas}")
                } else {
                    format!("its present state, because version {above} is in {replicas}")
                };
                write!(f, "{owner} writes {entity} {id} at version {version}: {whose}")
            }
            Self::Resync { owner, ids } => write!(f, "{owner} announces {}", ids.join(", ")),
            Self::Void(Void { id, order_is_lost }) => {
                write!(f, "payments voids or refunds payment {id}, {}", reason(*order_is_lost))
            }
            Self::Release(Release { id, order_id, order_is_lost }) => {
                write!(f, "tickets releases ticket {id} from order {order_id}, {}", reason(*order_is_lost))
            }
        }
    }
}

fn reason(order_is_lost: bool) -> &'static str {
    if order_is_lost { "because orders does not have the order" } else { "because the order is closed" }
}
