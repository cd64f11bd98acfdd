//! The development fleet's secrets: made once per data folder, never in git.

use std::fs;
use std::io::Read as _;
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

/// Read from the data folder, made where they are missing.
#[derive(Clone)]
pub struct Keys {
    /// auth's private key: PKCS#8, PEM.
    pub jwt_private_keys: String,
    /// Its public half as a JWK set.
    pub jwks: String,
    /// orders' private key for passes: PKCS#8, PEM.
    pub pass_private_keys: String,
    /// What payments shows to fakestripe.
    pub stripe_key: String,
    /// What fakestripe signs its webhooks with.
    pub webhook_secret: String,
    /// What hides accounts and addresses in Redis' keys.
    pub limit_secret: String,
}

impl Keys {
    /// Those of this folder.
    pub fn of(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let (pem, key) = signing_key(&folder.join("jwt.pem"))?;
        let (pass_private_keys, _) = signing_key(&folder.join("pass.pem"))?;
        let token = |prefix: &str| {
            anyhow::Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random()?).replace(['-', '_'], "0")))
        };
        Ok(Self {
            jwt_private_keys: pem,
            jwks: json!({ "keys": [jwk(&key)] }).to_string(),
            pass_private_keys,
            stripe_key: kept(&folder.join("stripe-key"), || token("sk_test_"))?,
            limit_secret: kept(&folder.join("limit-secret"), || token("limit_"))?,
            webhook_secret: kept(&folder.join("webhook-secret"), || token("whsec_"))?,
        })
    }
}

/// The Ed25519 key in this file, made where it is missing; with its PEM.
fn signing_key(file: &Path) -> Result<(String, SigningKey)> {
    let pem = kept(file, || {
        let keypair = KeypairBytes { secret_key: random()?, public_key: None };
        keypair.to_pkcs8_pem(LineEnding::LF).map(|pem| pem.to_string()).context("encoding a key")
    })?;
    let key = SigningKey::from_pkcs8_pem(&pem)
        .with_context(|| format!("{} is not an Ed25519 key; `--fresh` makes another", file.display()))?;
    Ok((pem, key))
}

/// The public key, named by its RFC 7638 thumbprint.
fn jwk(key: &SigningKey) -> Value {
    let x = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    let kid = URL_SAFE_NO_PAD.encode(Sha256::digest(members));
    json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "alg": "EdDSA", "use": "sig" })
}

/// The file's text, or what `make` gives, written for us alone to read.
fn kept(file: &Path, make: impl FnOnce() -> Result<String>) -> Result<String> {
    if let Ok(text) = fs::read_to_string(file) {
        return Ok(text);
    }
    let text = make()?;
    let unfinished = file.with_extension("unfinished");
    let mut options = fs::File::options();
    let mut out = options.create(true).write(true).truncate(true).mode(0o600).open(&unfinished)?;
    std::io::Write::write_all(&mut out, text.as_bytes())?;
    fs::rename(&unfinished, file)?;
    Ok(text)
}

fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_thumbprint_of_rfc_8037() {
        // Appendix A.2 and A.3 of RFC 8037.
        let d = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let jwk = jwk(&SigningKey::from_bytes(&d.try_into().unwrap()));
        assert_eq!(jwk["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(jwk["kid"], "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn keys_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (Keys::of(folder.path()).unwrap(), Keys::of(folder.path()).unwrap());
        assert_eq!((&one.jwt_private_keys, &one.jwks), (&two.jwt_private_keys, &two.jwks));
        assert_eq!(one.stripe_key, two.stripe_key);
        assert_eq!(one.pass_private_keys, two.pass_private_keys);
        assert_ne!(one.pass_private_keys, one.jwt_private_keys, "a pass is no access token");
        assert!(one.webhook_secret.starts_with("whsec_") && one.webhook_secret == two.webhook_secret);
    }
}
