//! Reads and inserts in one causally consistent session: after an insert that violated a unique index, a read sees the
//! document that the insert collided with.
//!
//! # Why
//! The error of an insert that violates a unique index does not say which other document exists. Just after an
//! election, a majority read may be older than that document. In the session of the insert, a read waits until its
//! server has everything that the response to the insert was based on. Calls in a session are not batched, so use one
//! only if a collision is followed by another read and another attempt.

use common::aggregate::{Aggregate, ChangeOf, Versioned};
use futures::TryStreamExt as _;
use mongodb::ClientSession;
use mongodb::options::{FindOptions, Hint};

use super::error::StoreError;
use super::index::PartialIndex;
use super::{Store, versioned_fields};

/// A store whose calls happen one after the other in one session. Reads have majority read concern, like all others.
pub struct CausalStore<'a, A> {
    store: &'a Store<A>,
    session: ClientSession,
}

impl<A: Aggregate> Store<A> {
    /// Starts a causally consistent session. This sends nothing to the database.
    pub async fn causal(&self) -> Result<CausalStore<'_, A>, StoreError> {
        let session = self.collection().client().start_session().causal_consistency(true).await?;
        Ok(CausalStore { store: self, session })
    }
}

impl<A: Aggregate> CausalStore<'_, A> {
    /// Like [`Store::insert`], in this session.
    pub async fn insert(&mut self, state: A, change: ChangeOf<A>) -> Result<Versioned<A>, StoreError> {
        let event = self.store.event(&state, change, 0);
        let document = self.store.new_document(0, &state, Some(&event))?;
        self.store.collection().insert_one(document).session(&mut self.session).await?;
        self.store.relay.enqueue(A::COLLECTION, state.id(), event, None);
        Ok(Versioned { version: 0, state })
    }

    /// Like [`Store::find_in`], in this session and in any order.
    pub async fn find_in(
        &mut self,
        index: &'static PartialIndex<impl AsRef<str>>,
        value: impl ToString,
    ) -> Result<Vec<Versioned<A>>, StoreError> {
        let mut filter = index.filter();
        filter.insert(index.field, value.to_string());
        let options = FindOptions::builder().projection(versioned_fields()).hint(Hint::Name(index.name.to_owned()));
        let typed = self.store.collection().clone_with_type::<Versioned<A>>();
        let mut found = typed.find(filter).with_options(options.build()).session(&mut self.session).await?;
        let found: Vec<Versioned<A>> = found.stream(&mut self.session).try_collect().await?;
        Ok(found)
    }
}
