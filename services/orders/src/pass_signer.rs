//! Signs passes. Anybody who has the public keys can verify a pass offline, such as at the venue's door.
//!
//! # Why
//! A pass is signed on request from the completed order and never stored. So no event and no replica contains a
//! usable pass, and a key can be replaced: the new key signs every pass from then on, and printed passes stay valid
//! while the old key is in the set. Every request returns the same text nevertheless: a completed order never
//! changes, and Ed25519 signatures are deterministic.

use axum::response::Response;
use common::error::Error;
use platform::keys::SigningKeys;

use crate::domain::order::Order;
use crate::domain::pass::{KEY_ID_CHARS, KIND, passes_of};

/// Signs passes; cheap to clone.
#[derive(Clone)]
pub struct PassSigner(SigningKeys);

impl PassSigner {
    /// Reads concatenated keys in PEM. The first key signs; the others are published, so that passes which they signed
    /// stay valid. The ids of keys are short because each pass contains one, and a pass must fit a small QR code.
    pub fn read(pems: &str) -> anyhow::Result<Self> {
        Ok(Self(SigningKeys::read_with_short_ids(pems, KEY_ID_CHARS)?))
    }

    /// The response with the public keys.
    pub fn serve_keys(&self) -> Response {
        self.0.serve()
    }

    /// The passes of a completed order by slot, each as a compact JWS.
    pub fn sign(&self, order: &Order) -> Result<Vec<String>, Error> {
        passes_of(order)?.iter().map(|pass| self.0.sign(KIND, pass)).collect()
    }
}
