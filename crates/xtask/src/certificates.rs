//! The certificate of the development cluster's Gateway, and the authority that signs it.
//!
//! # Why
//! The authority is generated once per checkout, so that browsers that trust it also trust every later certificate. It
//! may only sign names below `localhost`, so its key is of no use against other sites. openssl generates both, since
//! none of our dependencies can create certificates.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use testkit::certificates::openssl;
use testkit::fleet::keys::{random, write_private_file};

/// Validity of the authority.
const AUTHORITY_DAYS: &str = "3650";
/// Validity of the certificate. Some browsers reject certificates that are valid for more than 825 days.
const DAYS: &str = "800";
/// The certificate is replaced in the last 30 days of its validity.
const RENEWAL_SECONDS: &str = "2592000";

/// Configuration of openssl. Changing it replaces the certificate, but not the authority.
const CONFIG: &str = "[req]
prompt = no
distinguished_name = name
[name]
CN = Ticketing development
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
nameConstraints = critical, @names
[names]
permitted;DNS.0 = localhost
excluded;IP.0 = 0.0.0.0/0.0.0.0
excluded;IP.1 = 0:0:0:0:0:0:0:0/0:0:0:0:0:0:0:0
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:ticketing.localhost, DNS:stripe.ticketing.localhost
";

/// Ensures that the folder contains the authority (`authority.crt` and `.key`) and a certificate that is valid for at
/// least 30 days (`ticketing.crt` and `.key`).
pub(crate) fn ensure_valid(folder: &Path) -> Result<()> {
    let has = |file: &str| folder.join(file).is_file();
    let has_authority = has("authority.key") && has("authority.crt");
    if has_authority && is_current(folder) {
        return Ok(());
    }
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let write = |file: &str, text: &str| write_private_file(&folder.join(file), text);
    // An interrupted run must not leave a certificate alongside a configuration that it was not created with.
    let _ = fs::remove_file(folder.join("ticketing.crt"));
    write("openssl.conf", CONFIG)?;
    if !has_authority {
        write("authority.key", &private_key(folder)?)?;
        let request = ["req", "-new", "-x509", "-sha256", "-key", "authority.key", "-days", AUTHORITY_DAYS];
        let extensions = ["-config", "openssl.conf", "-extensions", "authority"];
        write("authority.crt", &openssl(folder, &[&request[..], &extensions].concat())?)?;
    }
    write("ticketing.key", &private_key(folder)?)?;
    write("ticketing.crt", &sign(folder)?)
}

/// Whether the certificate was created with the present configuration and does not expire soon.
fn is_current(folder: &Path) -> bool {
    let has_config = fs::read_to_string(folder.join("openssl.conf")).is_ok_and(|config| config == CONFIG);
    let check = ["x509", "-in", "ticketing.crt", "-noout", "-checkend", RENEWAL_SECONDS];
    has_config && folder.join("ticketing.key").is_file() && openssl(folder, &check).is_ok()
}

/// Generates a key of the curve that all browsers support.
fn private_key(folder: &Path) -> Result<String> {
    openssl(folder, &["ecparam", "-name", "prime256v1", "-genkey", "-noout"])
}

/// Returns a certificate of `ticketing.key`, signed by the authority.
fn sign(folder: &Path) -> Result<String> {
    let request = ["req", "-new", "-sha256", "-key", "ticketing.key", "-config", "openssl.conf"];
    let request = openssl(folder, &[&request[..], &["-subj", "/CN=ticketing.localhost"]].concat())?;
    write_private_file(&folder.join("ticketing.csr"), &request)?;
    // Browsers reject two certificates of an authority that have the same serial number.
    let serial = format!("0x01{}", hex::encode(random::<8>()?));
    let issuer = ["-CA", "authority.crt", "-CAkey", "authority.key", "-set_serial", serial.as_str(), "-days", DAYS];
    let extensions = ["-extfile", "openssl.conf", "-extensions", "server"];
    let subject = ["x509", "-req", "-sha256", "-in", "ticketing.csr"];
    openssl(folder, &[&subject[..], &issuer, &extensions].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authority_lasts_and_signs_only_names_below_localhost() {
        let folder = std::env::temp_dir().join(format!("certificates-{}", std::process::id()));
        let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
        let verify = |host: &str| {
            let trust = ["verify", "-x509_strict", "-CAfile", "authority.crt", "-purpose", "sslserver"];
            openssl(&folder, &[&trust[..], &["-verify_hostname", host, "ticketing.crt"]].concat())
        };
        ensure_valid(&folder).unwrap();
        verify("ticketing.localhost").unwrap();
        verify("stripe.ticketing.localhost").unwrap();
        verify("www.ticketing.localhost").unwrap_err();

        let (authority, certificate) = (read("authority.crt"), read("ticketing.crt"));
        ensure_valid(&folder).unwrap();
        assert_eq!(read("ticketing.crt"), certificate, "a valid certificate is kept");
        fs::write(folder.join("openssl.conf"), CONFIG.replace("stripe.", "")).unwrap();
        ensure_valid(&folder).unwrap();
        assert_ne!(read("ticketing.crt"), certificate, "the names have changed");
        assert_eq!(read("authority.crt"), authority, "browsers trust it already");
        verify("stripe.ticketing.localhost").unwrap();

        let names = "DNS:ticketing.localhost, DNS:stripe.ticketing.localhost";
        for other in ["DNS:www.example.com", "IP:192.0.2.1", "IP:2001:db8:0:0:0:0:0:1"] {
            fs::write(folder.join("openssl.conf"), CONFIG.replace(names, other)).unwrap();
            fs::write(folder.join("ticketing.crt"), sign(&folder).unwrap()).unwrap();
            let error = openssl(&folder, &["verify", "-CAfile", "authority.crt", "ticketing.crt"]).unwrap_err();
            assert!(error.to_string().contains("subtree violation"), "{other}: {error}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
