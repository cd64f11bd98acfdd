//! Development secrets: generated once per data folder and never checked in.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The secrets of a fleet.
#[derive(Clone)]
pub struct Keys {
    /// Private key of `auth` for access tokens: PKCS#8, PEM.
    pub jwt_private_keys: String,
    /// The matching public key as a JWK set.
    pub jwks: String,
    /// Private key of `orders` for passes: PKCS#8, PEM.
    pub pass_private_keys: String,
    /// API key that `payments` sends to fakestripe.
    pub stripe_key: String,
    /// Key that fakestripe signs its webhooks with.
    pub webhook_secret: String,
    /// HMAC key that pseudonymises accounts and addresses in Redis' keys.
    pub limit_secret: String,
}

impl Keys {
    /// Reads the secrets from this folder and generates those that are missing.
    pub fn load_or_create(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let (pem, key) = signing_key(&folder.join("jwt.pem"))?;
        let (pass_private_keys, _) = signing_key(&folder.join("pass.pem"))?;
        // Letters and digits only, as in Stripe's keys.
        let token = |prefix: &str| {
            anyhow::Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random::<32>()?).replace(['-', '_'], "0")))
        };
        Ok(Self {
            jwt_private_keys: pem,
            jwks: json!({ "keys": [jwk(&key)] }).to_string(),
            pass_private_keys,
            stripe_key: read_or_create(&folder.join("stripe-key"), || token("sk_test_"))?,
            limit_secret: read_or_create(&folder.join("limit-secret"), || token("limit_"))?,
            webhook_secret: read_or_create(&folder.join("webhook-secret"), || token("whsec_"))?,
        })
    }
}

/// Reads the Ed25519 key from this file or generates it. Returns its PEM, too.
fn signing_key(file: &Path) -> Result<(String, SigningKey)> {
    let pem = read_or_create(file, || {
        let keypair = KeypairBytes { secret_key: random()?, public_key: None };
        keypair.to_pkcs8_pem(LineEnding::LF).map(|pem| pem.to_string()).context("encoding a key")
    })?;
    let key = SigningKey::from_pkcs8_pem(&pem)
        .with_context(|| format!("{} is not an Ed25519 key; `--fresh` generates another one", file.display()))?;
    Ok((pem, key))
}

/// The public key as a JWK; its key id is the RFC 7638 thumbprint.
fn jwk(key: &SigningKey) -> Value {
    let x = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    let kid = URL_SAFE_NO_PAD.encode(Sha256::digest(members));
    json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "alg": "EdDSA", "use": "sig" })
}

/// Returns the file's text, or creates the file from what `generate` returns.
pub fn read_or_create(file: &Path, generate: impl FnOnce() -> Result<String>) -> Result<String> {
    if let Ok(text) = fs::read_to_string(file) {
        return Ok(text);
    }
    let text = generate()?;
    write_private_file(file, &text)?;
    Ok(text)
}

/// Replaces the file atomically. Only its owner may read it.
pub fn write_private_file(file: &Path, text: &str) -> Result<()> {
    let unfinished = file.with_extension("unfinished");
    let write = || {
        let mut out = fs::File::options().create(true).write(true).truncate(true).mode(0o600).open(&unfinished)?;
        out.write_all(text.as_bytes())?;
        fs::rename(&unfinished, file)
    };
    write().with_context(|| format!("writing {}", file.display()))
}

/// Returns cryptographically secure random bytes.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_id_is_the_rfc_7638_thumbprint() {
        // Appendix A.2 and A.3 of RFC 8037.
        let d = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let jwk = jwk(&SigningKey::from_bytes(&d.try_into().unwrap()));
        assert_eq!(jwk["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(jwk["kid"], "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn keys_are_persisted() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (Keys::load_or_create(folder.path()).unwrap(), Keys::load_or_create(folder.path()).unwrap());
        assert_eq!((&one.jwt_private_keys, &one.jwks), (&two.jwt_private_keys, &two.jwks));
        assert_eq!(one.stripe_key, two.stripe_key);
        assert_eq!(one.pass_private_keys, two.pass_private_keys);
        assert_ne!(one.pass_private_keys, one.jwt_private_keys, "passes and access tokens have different keys");
        assert!(one.webhook_secret.starts_with("whsec_") && one.webhook_secret == two.webhook_secret);
    }
}
