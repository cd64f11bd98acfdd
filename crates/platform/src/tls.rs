//! TLS to MongoDB, NATS and Redis, whose certificates must be signed by the authority in `TLS_CA_FILE`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use async_nats::ConnectOptions;
use mongodb::options::{ClientOptions, Tls, TlsOptions};
use redis::{Client, ConnectionAddr, TlsCertificates};

/// Reads the certificates of the authority.
pub(crate) fn read(authority: &Path) -> anyhow::Result<Vec<u8>> {
    let pem = fs::read_to_string(authority).with_context(|| format!("{} can't be read", authority.display()))?;
    ensure!(pem.contains("-----BEGIN CERTIFICATE-----"), "{} contains no certificate", authority.display());
    Ok(pem.into_bytes())
}

/// Makes the client use TLS with this authority, unless the URL turns TLS on or off: a managed MongoDB has its own
/// authority.
pub(crate) fn secure_mongodb(options: &mut ClientOptions, authority: &Path) {
    let tls = || Tls::Enabled(TlsOptions::builder().ca_file_path(authority.to_path_buf()).build());
    options.tls.get_or_insert_with(tls);
}

/// Makes the client use TLS. The client reads the file again whenever it connects.
pub(crate) fn secure_nats(options: ConnectOptions, authority: &Path) -> ConnectOptions {
    options.require_tls(true).add_root_certificates(authority.to_path_buf())
}

/// Returns a client that uses TLS. `authority` is in PEM.
pub(crate) fn secure_redis(client: &Client, authority: Vec<u8>) -> anyhow::Result<Client> {
    let connection = client.get_connection_info().clone();
    let address = match connection.addr().clone() {
        ConnectionAddr::Tcp(host, port) => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
        other => other,
    };
    let certificates = TlsCertificates { client_tls: None, root_cert: Some(authority) };
    Ok(Client::build_with_tls(connection.set_addr(address), certificates)?)
}
