//! Certificates of servers for tests and test clusters, and the authority that signs them. openssl generates both,
//! since none of our dependencies can create certificates.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::fleet::keys::{random, write_private_file};

/// The options for a new private key. It is not encrypted, and all our programs and servers support its curve.
const NEW_KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/// An authority that signs certificates of servers.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
}

/// A server's certificate and its private key.
#[derive(Debug)]
pub struct Certificate {
    /// File with the certificate, in PEM.
    pub certificate: PathBuf,
    /// File with the private key, in PEM.
    pub key: PathBuf,
}

impl Authority {
    /// Load the authority from this folder, or generate one if the folder has none.
    pub fn load_or_create(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        let authority = Self { folder: folder.to_path_buf() };
        if !authority.certificate().is_file() {
            let extensions = "basicConstraints = critical, CA:TRUE, pathlen:0\nkeyUsage = critical, keyCertSign\n";
            write_private_file(&folder.join("ca.conf"), &config("authority", extensions))?;
            let request = ["req", "-new", "-x509", "-sha256", "-days", "3650", "-config", "ca.conf"];
            let output = ["-extensions", "extensions", "-keyout", "ca.key"];
            let certificate = openssl(folder, &[&request[..], &NEW_KEY, &output].concat())?;
            write_private_file(&authority.certificate(), &certificate)?;
        }
        Ok(authority)
    }

    /// The file with the authority's certificate, in PEM.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// Issue a server's certificate, or reuse an existing one with the same names. The server may also present it as a
    /// client. The format of `names` is that of openssl, such as `DNS:localhost` and `IP:127.0.0.1`.
    pub fn issue(&self, server: &str, names: &[String]) -> Result<Certificate> {
        let file = |extension: &str| format!("{server}.{extension}");
        let path = |extension: &str| self.folder.join(file(extension));
        let issued = Certificate { certificate: path("crt"), key: path("key") };
        let extensions = format!(
            "basicConstraints = critical, CA:FALSE\nkeyUsage = critical, digitalSignature\n\
             extendedKeyUsage = serverAuth, clientAuth\nauthorityKeyIdentifier = keyid\nsubjectAltName = {}\n",
            names.join(", ")
        );
        let config = config(server, &extensions);
        if issued.certificate.is_file() && fs::read_to_string(path("conf")).is_ok_and(|present| present == config) {
            return Ok(issued);
        }
        // An interrupted run must not leave a certificate alongside a configuration that it was not created with.
        let _ = fs::remove_file(&issued.certificate);
        write_private_file(&path("conf"), &config)?;
        let (config, key, request) = (file("conf"), file("key"), file("csr"));
        let (config, key, request) = (config.as_str(), key.as_str(), request.as_str());
        let arguments = ["req", "-new", "-sha256", "-config", config, "-keyout", key, "-out", request];
        openssl(&self.folder, &[&arguments[..], &NEW_KEY].concat())?;
        let serial = random::<8>()?.iter().fold("0x01".to_owned(), |text, byte| format!("{text}{byte:02x}"));
        let signer = ["-CA", "ca.crt", "-CAkey", "ca.key", "-set_serial", serial.as_str(), "-days", "3650"];
        let extensions = ["-extfile", config, "-extensions", "extensions"];
        let arguments = [&["x509", "-req", "-sha256", "-in", request][..], &signer, &extensions].concat();
        write_private_file(&issued.certificate, &openssl(&self.folder, &arguments)?)?;
        Ok(issued)
    }
}

/// The configuration file of openssl for a certificate with this common name and these extensions.
fn config(name: &str, extensions: &str) -> String {
    format!(
        "[req]\nprompt = no\ndistinguished_name = name\n[name]\nCN = {name}\n\
         [extensions]\nsubjectKeyIdentifier = hash\n{extensions}"
    )
}

/// Run openssl in this folder and return its standard output.
pub fn openssl(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("openssl").args(arguments).current_dir(folder).stdin(Stdio::null()).output();
    let output = output.context("openssl does not run; install it (Debian: apt-get install openssl)")?;
    let message = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "openssl {} failed: {}", arguments.join(" "), message.trim());
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_for_their_names_and_are_reused() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::load_or_create(folder.path()).unwrap();
        let names = |first: &str| [format!("DNS:{first}"), "IP:127.0.0.1".to_owned()];
        let issued = authority.issue("a", &names("a-0.a")).unwrap();
        let read = || fs::read_to_string(&issued.certificate).unwrap();
        let verify = |arguments: &[&str]| {
            let trust = ["verify", "-x509_strict", "-CAfile", "ca.crt"];
            openssl(folder.path(), &[&trust[..], arguments, &["a.crt"]].concat())
        };
        verify(&["-purpose", "sslserver", "-verify_hostname", "a-0.a"]).unwrap();
        verify(&["-purpose", "sslclient", "-verify_ip", "127.0.0.1"]).unwrap();
        verify(&["-verify_hostname", "b"]).unwrap_err();

        let first = read();
        let again = Authority::load_or_create(folder.path()).unwrap();
        again.issue("a", &names("a-0.a")).unwrap();
        assert_eq!(read(), first);
        again.issue("a", &names("b")).unwrap();
        verify(&["-verify_hostname", "b"]).unwrap();
    }
}
