//! The private keys: they sign access tokens, and their public halves are what others verify by.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use common::error::Error;
use common::id::{SessionId, UserId};
use common::identity::{AUDIENCE, Claims};
use common::timestamp::Timestamp;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";

/// Signs access tokens.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    key: EncodingKey,
    header: Header,
    jwks: String,
    issuer: String,
    lifetime: Duration,
}

impl Keys {
    /// Reads the keys (PEM, one behind the other). Tokens are issued by `issuer`, the public address,
    /// signed by the first key and good for `lifetime`.
    pub fn read(pems: &str, issuer: &str, lifetime: Duration) -> anyhow::Result<Self> {
        let mut pems = pems.split(BEGIN);
        if pems.next().is_some_and(|before| !before.trim().is_empty()) {
            bail!("must begin with {BEGIN}");
        }
        let mut first = None;
        let mut set = JwkSet { keys: Vec::new() };
        for (number, pem) in (1..).zip(pems) {
            let key = EncodingKey::from_ed_pem(format!("{BEGIN}{pem}").as_bytes());
            let (key, jwk) = key
                .and_then(|key| public_half(&key).map(|jwk| (key, jwk)))
                .with_context(|| format!("key {number} is not an Ed25519 private key in PKCS#8"))?;
            let kid = jwk.common.key_id.clone();
            if set.keys.iter().any(|known| known.common.key_id == kid) {
                bail!("key {number} is there twice");
            }
            set.keys.push(jwk);
            first = first.or(Some((key, Header { kid, ..Header::new(Algorithm::EdDSA) })));
        }
        let Some((key, header)) = first else { bail!("holds no key") };
        let jwks = serde_json::to_string(&set)?;
        Ok(Self(Arc::new(Inner { key, header, jwks, issuer: issuer.to_owned(), lifetime })))
    }

    /// The public halves, as a JWK set (JSON).
    pub fn jwks(&self) -> &str {
        &self.0.jwks
    }

    /// How long a token is good for.
    pub fn lifetime(&self) -> Duration {
        self.0.lifetime
    }

    /// An access token, good from now on.
    pub fn sign(&self, user: UserId, session: SessionId, now: Timestamp) -> Result<String, Error> {
        let claims = Claims {
            sub: user,
            sid: session,
            iss: self.0.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            iat: now.as_seconds(),
            nbf: now.as_seconds(),
            exp: now.plus(self.0.lifetime).as_seconds(),
        };
        encode(&self.0.header, &claims, &self.0.key).map_err(Error::internal)
    }
}

/// The public key, named by its RFC 7638 thumbprint.
fn public_half(key: &EncodingKey) -> jsonwebtoken::errors::Result<Jwk> {
    let mut jwk = Jwk::from_encoding_key(key, Algorithm::EdDSA)?;
    jwk.common.key_id = Some(jwk.thumbprint(ThumbprintHash::SHA256)?);
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
    /// A key of another kind (P-256).
    const P256: &str = "-----BEGIN PRIVATE KEY-----\n\
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2\n\
        OF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r\n\
        1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G\n\
        -----END PRIVATE KEY-----\n";

    fn read(pems: &str) -> anyhow::Result<Keys> {
        Keys::read(pems, "http://localhost:8080", Duration::from_secs(900))
    }

    #[test]
    fn a_key_is_named_by_its_thumbprint() {
        let keys = read(RFC_8037).unwrap();
        let jwks: serde_json::Value = serde_json::from_str(keys.jwks()).unwrap();
        let expected = serde_json::json!({ "keys": [{
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        }] });
        assert_eq!(jwks, expected);
    }

    #[test]
    fn wrong_keys_are_told_apart() {
        let two = format!("{RFC_8037}{RFC_8037}");
        let cut = RFC_8037.replace("cVpezJpGXA7rAMcrn9g", "");
        let other = format!("{RFC_8037}{P256}");
        let certificate = format!("-----BEGIN CERTIFICATE-----\n{RFC_8037}");
        for (pems, why) in [
            ("", "holds no key"),
            ("  \n", "holds no key"),
            ("secret", "must begin with"),
            (certificate.as_str(), "must begin with"),
            (two.as_str(), "key 2 is there twice"),
            (cut.as_str(), "key 1 is not an Ed25519"),
            (other.as_str(), "key 2 is not an Ed25519"),
        ] {
            let Err(error) = read(pems) else { panic!("{pems}") };
            assert!(error.to_string().starts_with(why), "{error}");
        }
    }
}
