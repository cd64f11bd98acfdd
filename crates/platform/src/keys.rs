//! Ed25519 signing keys from the configuration: they sign tokens, and their public keys are served as a JWK set.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use axum::response::{IntoResponse, Response};
use common::error::Error;
use http::header;
use jsonwebtoken::jwk::{self, Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;
use utoipa::ToSchema;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";

/// Ed25519 keys. The first one signs. Cheap to clone.
#[derive(Clone)]
pub struct SigningKeys(Arc<Inner>);

struct Inner {
    key: EncodingKey,
    kid: Option<String>,
    jwks: String,
}

/// A JWK set (RFC 7517). Only for the `OpenAPI` document: the served JSON is encoded in advance.
#[derive(Serialize, ToSchema)]
pub struct JwkSet {
    /// Ed25519 public keys; the first belongs to the signing key.
    keys: Vec<serde_json::Map<String, serde_json::Value>>,
}

impl SigningKeys {
    /// Reads concatenated PEM blocks with PKCS#8. The error has the number of the invalid key, and nothing of its text.
    pub fn read(pems: &str) -> anyhow::Result<Self> {
        Self::read_with_short_ids(pems, usize::MAX)
    }

    /// Like [`SigningKeys::read`], with only the first `chars` characters of the thumbprints as the ids of the keys,
    /// for tokens that must be short. Keys with the same id are reported as one that occurs twice.
    pub fn read_with_short_ids(pems: &str, chars: usize) -> anyhow::Result<Self> {
        let mut pems = pems.split(BEGIN);
        if pems.next().is_some_and(|before| !before.trim().is_empty()) {
            bail!("must begin with {BEGIN}");
        }
        let mut first = None;
        let mut set = jwk::JwkSet { keys: Vec::new() };
        for (number, pem) in (1..).zip(pems) {
            let key = EncodingKey::from_ed_pem(format!("{BEGIN}{pem}").as_bytes());
            let (key, jwk) = key
                .and_then(|key| public_key(&key, chars).map(|jwk| (key, jwk)))
                .with_context(|| format!("key {number} is not an Ed25519 private key in PKCS#8"))?;
            let kid = jwk.common.key_id.clone();
            if set.keys.iter().any(|known| known.common.key_id == kid) {
                bail!("key {number} occurs twice");
            }
            set.keys.push(jwk);
            first = first.or(Some((key, kid)));
        }
        let Some((key, kid)) = first else { bail!("contains no key") };
        Ok(Self(Arc::new(Inner { key, kid, jwks: serde_json::to_string(&set)? })))
    }

    /// The public keys as a JWK set (JSON).
    pub fn jwks(&self) -> &str {
        &self.0.jwks
    }

    /// The response of the route that serves the public keys, described by [`JwkSet`].
    pub fn serve(&self) -> Response {
        let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=300")];
        (headers, self.0.jwks.clone()).into_response()
    }

    /// Signs the claims as a compact JWS. `kind` is the `typ` in its header, which distinguishes types of tokens.
    pub fn sign(&self, kind: &str, claims: &impl Serialize) -> Result<String, Error> {
        let kid = self.0.kid.clone();
        let header = Header { typ: Some(kind.to_owned()), kid, ..Header::new(Algorithm::EdDSA) };
        encode(&header, claims, &self.0.key).map_err(Error::internal)
    }
}

/// The public key, with the first `chars` characters of its RFC 7638 thumbprint as its id.
fn public_key(key: &EncodingKey, chars: usize) -> jsonwebtoken::errors::Result<Jwk> {
    let mut jwk = Jwk::from_encoding_key(key, Algorithm::EdDSA)?;
    jwk.common.key_id = Some(jwk.thumbprint(ThumbprintHash::SHA256)?.chars().take(chars).collect());
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    Ok(jwk)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The private key of RFC 8037, appendix A.1.
    const RFC_8037: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";
    /// A key of another type (P-256).
    const P256: &str = "-----BEGIN PRIVATE KEY-----\n\
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2\n\
        OF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r\n\
        1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G\n\
        -----END PRIVATE KEY-----\n";

    #[test]
    fn key_id_is_the_thumbprint() {
        let keys = SigningKeys::read(RFC_8037).unwrap();
        let jwks: serde_json::Value = serde_json::from_str(keys.jwks()).unwrap();
        let expected = serde_json::json!({ "keys": [{
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        }] });
        assert_eq!(jwks, expected);
    }

    #[test]
    fn short_key_id_is_the_beginning_of_the_thumbprint() {
        let keys = SigningKeys::read_with_short_ids(RFC_8037, 6).unwrap();
        let jwks: serde_json::Value = serde_json::from_str(keys.jwks()).unwrap();
        let token = keys.sign("pass", &serde_json::json!({})).unwrap();
        assert_eq!(jwks["keys"][0]["kid"], "kPrK_q");
        assert_eq!(jsonwebtoken::decode_header(&token).unwrap().kid.as_deref(), Some("kPrK_q"));
    }

    #[test]
    fn token_has_typ_and_kid_and_is_deterministic() {
        let keys = SigningKeys::read(RFC_8037).unwrap();
        let claims = serde_json::json!({ "sub": "ana" });
        let token = keys.sign("receipt+jwt", &claims).unwrap();
        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!((header.typ.as_deref(), header.alg), (Some("receipt+jwt"), Algorithm::EdDSA));
        assert_eq!(header.kid.as_deref(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
        assert_eq!(keys.sign("receipt+jwt", &claims).unwrap(), token);
        assert_ne!(keys.sign("JWT", &claims).unwrap(), token);
    }

    #[test]
    fn invalid_key_is_reported_by_number() {
        let two = format!("{RFC_8037}{RFC_8037}");
        let cut = RFC_8037.replace("cVpezJpGXA7rAMcrn9g", "");
        let other = format!("{RFC_8037}{P256}");
        let certificate = format!("-----BEGIN CERTIFICATE-----\n{RFC_8037}");
        for (pems, why) in [
            ("", "contains no key"),
            ("  \n", "contains no key"),
            ("secret", "must begin with"),
            (certificate.as_str(), "must begin with"),
            (two.as_str(), "key 2 occurs twice"),
            (cut.as_str(), "key 1 is not an Ed25519"),
            (other.as_str(), "key 2 is not an Ed25519"),
        ] {
            let Err(error) = SigningKeys::read(pems) else { panic!("{pems}") };
            assert!(error.to_string().starts_with(why), "{error}");
        }
    }
}
