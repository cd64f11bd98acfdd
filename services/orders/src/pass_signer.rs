//! Signs passes. Anybody who has the public keys can verify a pass offline, such as at the venue's door.
//!
//! # Why
//! A pass is signed on request from the completed order and never stored. So no event and no replica contains a
//! usable pass, and a key can be replaced: the new key signs every pass from then on, and printed passes stay valid
//! while the old key is in the set. Every request returns the same text nevertheless: a completed order never
//! changes, and Ed25519 signatures are deterministic.

use std::sync::Arc;

use axum::response::Response;
use common::error::Error;
use platform::keys::SigningKeys;

use crate::domain::order::Order;
use crate::domain::pass::{KIND, Pass};

/// Signs passes; cheap to clone.
#[derive(Clone)]
pub struct PassSigner {
    keys: SigningKeys,
    issuer: Arc<str>,
}

impl PassSigner {
    /// Reads concatenated PEM keys, of which the first signs. `issuer` is the marketplace's public address.
    pub fn read(pems: &str, issuer: &str) -> anyhow::Result<Self> {
        Ok(Self { keys: SigningKeys::read(pems)?, issuer: issuer.into() })
    }

    /// The response with the public keys.
    pub fn serve_keys(&self) -> Response {
        self.keys.serve()
    }

    /// The pass of a completed order, as a compact JWS.
    pub fn sign(&self, order: &Order) -> Result<String, Error> {
        self.keys.sign(KIND, &Pass::of(order, &self.issuer)?)
    }
}
