//! Signs passes; whoever has the public keys verifies them at the door, without a network.
//!
//! # Why
//! A pass is signed when it is asked for, out of the completed order, and stored nowhere. So no event
//! and no replica holds what lets somebody in, and a key can be replaced: every pass is then signed by
//! the new one, while those that were printed hold as long as the old one is in the set. It is the same
//! text every time nevertheless: a completed order changes no more, and Ed25519 has no randomness.

use std::sync::Arc;

use axum::response::Response;
use common::error::Error;
use platform::keys::SigningKeys;

use crate::domain::order::Order;
use crate::domain::pass::{KIND, Pass};

/// Signs passes; cheap to clone.
#[derive(Clone)]
pub struct Passes {
    keys: SigningKeys,
    issuer: Arc<str>,
}

impl Passes {
    /// Reads the keys (PEM, one behind the other). Passes are issued by `issuer`, the public address,
    /// and signed by the first key.
    pub fn read(pems: &str, issuer: &str) -> anyhow::Result<Self> {
        Ok(Self { keys: SigningKeys::read(pems)?, issuer: issuer.into() })
    }

    /// The answer of the route that serves the public keys.
    pub fn serve_keys(&self) -> Response {
        self.keys.serve()
    }

    /// The pass of a completed order: a compact JWS.
    pub fn sign(&self, order: &Order) -> Result<String, Error> {
        self.keys.sign(KIND, &Pass::of(order, &self.issuer)?)
    }
}
