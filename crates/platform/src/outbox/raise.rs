//! Raise: writes an aggregate again at a version above the one that its replicas have, because the owner's database was
//! restored to an earlier moment than theirs.
//!
//! # Why
//! Consumers ignore the versions that they have already seen. An owner that is behind would use these versions again
//! for other states, and its consumers would not learn of them. The raised version has one change event, like any
//! other; the versions that are skipped had theirs before the restore.
//!
//! A snapshot follows the change event: only a snapshot makes the consumers publish snapshots of those entities of
//! their own that the aggregate waits for. From these, this service learns the states whose events it has missed.

use common::aggregate::{Aggregate, Versioned};
use common::api::admin::{Raise, Raised};
use common::error::Error;
use serde_json::Value;

use crate::store::Store;
use crate::store::error::StoreError;

/// The index of every collection's `_id`.
const ID_INDEX: &str = "_id_";

/// Maximum number of versions that a raise skips. A typing error must not use up the versions of an entity.
const MAX_SKIPPED: u64 = 1_000_000;

impl<A: Aggregate> Store<A> {
    /// Writes the requested state, or the present one, above the requested version. Does nothing if the aggregate is
    /// above it already. Returns `None` if there is no aggregate and no state, or if the state is not published.
    ///
    /// # Errors
    /// Invalid if the state is not the whole state of this aggregate or has another value of an immutable field, or if
    /// more than [`MAX_SKIPPED`] versions would be skipped. A conflict if the state violates a unique index, or if the
    /// aggregate was changed after it or has ended: then only the present state can be written.
    pub(crate) async fn raise_above(&self, request: &Raise) -> Result<Option<Raised>, Error> {
        let Raise { id, above, state } = request;
        let adopted = state.as_ref().map(|state| adopted_state::<A>(id, state)).transpose()?;
        let version = above.saturating_add(1);
        loop {
            let current = self.get_confirming_absence(id).await?;
            if let Some(current) = current.as_ref().filter(|current| current.version > *above) {
                return Ok(Some(Raised { version: current.version, is_written: false }));
            }
            if let (Some(current), Some(adopted)) = (&current, &adopted) {
                ensure_replaceable(&current.state, adopted)?;
            }
            let next = adopted.clone().or_else(|| current.as_ref().map(|current| current.state.clone()));
            let Some(next) = next.filter(A::is_announced) else { return Ok(None) };
            let present = current.as_ref().map_or(0, |current| current.version);
            if above.saturating_sub(present) > MAX_SKIPPED {
                return Err(Error::field("above", format!("is more than {MAX_SKIPPED} above the entity's version")));
            }
            match self.write_at(version, current.as_ref(), next).await {
                Ok(raised) => {
                    self.relay.announce_when_free(self.snapshot(&raised)).await;
                    return Ok(Some(Raised { version, is_written: true }));
                }
                // Another writer was faster: decide again with what it wrote.
                Err(StoreError::VersionConflict) => {}
                Err(error) if error.is_duplicate_of(ID_INDEX) => {}
                Err(StoreError::Duplicate(index)) => {
                    let detail = format!("Another entity has its place in the unique index {index}.");
                    return Err(Error::conflict("place-taken", detail));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn write_at(
        &self,
        version: u64,
        current: Option<&Versioned<A>>,
        next: A,
    ) -> Result<Versioned<A>, StoreError> {
        let event = Some(self.raised_event(&next, version));
        match current {
            Some(current) => self.write(current, version, next, event).await,
            None => self.create(version, next, event).await,
        }
    }
}

/// Fails unless the stored state may be replaced by one from replicas.
fn ensure_replaceable<A: Aggregate>(stored: &A, adopted: &A) -> Result<(), Error> {
    if stored.contradicts(adopted) {
        return Err(Error::field("state", "has another value of an immutable field than the stored state"));
    }
    if stored.is_changed_since(adopted) {
        let detail = "The entity was changed after the state that was to be restored, or it has ended.";
        return Err(Error::conflict("changed-since", detail));
    }
    Ok(())
}

/// The aggregate that this payload describes. Fails unless the payload is its whole state and has this id.
fn adopted_state<A: Aggregate>(id: &str, payload: &Value) -> Result<A, Error> {
    let payload: A::Payload =
        serde_json::from_value(payload.clone()).map_err(|error| Error::field("state", error.to_string()))?;
    let state = A::from_payload(payload).filter(|state| state.id() == id);
    state.ok_or_else(|| Error::field("state", "is not the whole state of the entity with this id"))
}
