//! Replaces keys and passwords under load, as docs/operations.md says under "Keys and passwords".

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testkit::tools::progress;
use tokio::time::{Instant, sleep};

use super::Cluster;
use super::deploy::rolled_out;
use super::gateway::GatewayForward;
use super::kube::SERVICE_SELECTOR;
use super::load::Load;
use super::operator::{audit, mongosh};

/// How long the container `setup` may take to change a user's password.
const SETUP_TIMEOUT: Duration = Duration::from_secs(120);
/// The service whose passwords are replaced.
const SERVICE: &str = "orders";

/// Replaces each kind of secret. The new values are kept for later steps.
pub(super) async fn rotate(cluster: &Cluster) -> Result<()> {
    let gateway = GatewayForward::open(cluster).await?;
    let mut load = Load::start(&gateway.connector);
    sleep(Duration::from_secs(5)).await;
    let (jwt, pass) = (Pair::create(cluster, "jwt.pem")?, Pair::create(cluster, "pass.pem")?);

    rotate_without_a_server(cluster, &pass).await?;
    report(&mut load, "the key of passes, the webhook secret and the secret of limits")?;
    rotate_signing_key(cluster, &gateway, &jwt).await?;
    report(&mut load, "the signing key of auth")?;
    rotate_at_mongodb(cluster).await?;
    report(&mut load, &format!("the password of {SERVICE} at MongoDB"))?;
    rotate_at_server(cluster, "nats", "statefulset/nats").await?;
    report(&mut load, &format!("the password of {SERVICE} at NATS"))?;
    rotate_at_server(cluster, "redis", "deployment/redis").await?;
    report(&mut load, &format!("the password of {SERVICE} at Redis"))?;

    let (requests, purchases, _) = load.stop().await?;
    // Nobody has a token of the old key any more.
    patch(cluster, "auth", "JWT_PRIVATE_KEYS", &jwt.new).await?;
    patch(cluster, "orders", "PASS_PRIVATE_KEYS", &pass.new).await?;
    sync(cluster, "jwks").await?;
    sync(cluster, "payments").await?;
    restart_services(cluster).await?;
    progress("Rotated", &format!("everything during {requests} requests and {purchases} purchases"));
    progress("Audited", &audit(cluster).await?);
    Ok(())
}

/// Prints what the rotation cost the visitors. Fails if a request failed.
fn report(load: &mut Load, what: &str) -> Result<()> {
    let cost = load.take_cost()?;
    ensure!(cost.failed == 0, "{what}: {cost}");
    progress("Rotated", &format!("{what}: {cost}"));
    Ok(())
}

/// A private key and the one that replaces it: PKCS#8, PEM.
struct Pair {
    old: String,
    new: String,
}

impl Pair {
    fn create(cluster: &Cluster, file: &str) -> Result<Self> {
        let old = cluster.overlay.key(file)?;
        cluster.overlay.renew(file)?;
        Ok(Self { old, new: cluster.overlay.key(file)? })
    }

    /// Both keys; the first one signs.
    fn both(&self, first_is_new: bool) -> String {
        let (first, second) = if first_is_new { (&self.new, &self.old) } else { (&self.old, &self.new) };
        format!("{}\n{}", first.trim_end(), second)
    }
}

/// Replaces what only the services know, or what they may know two of.
async fn rotate_without_a_server(cluster: &Cluster, pass: &Pair) -> Result<()> {
    let webhook = cluster.overlay.secret("payments", "STRIPE_WEBHOOK_SECRETS")?;
    patch(cluster, "payments", "STRIPE_WEBHOOK_SECRETS", &format!("whsec_next,{webhook}")).await?;
    patch(cluster, "orders", "PASS_PRIVATE_KEYS", &pass.both(true)).await?;
    cluster.overlay.renew("limit-secret")?;
    sync(cluster, "limits").await?;
    restart_services(cluster).await
}

/// `auth` signs with the new key once all services accept it.
async fn rotate_signing_key(cluster: &Cluster, gateway: &GatewayForward, keys: &Pair) -> Result<()> {
    patch(cluster, "auth", "JWT_PRIVATE_KEYS", &keys.both(false)).await?;
    restart(cluster, &["deployment/auth"]).await?;
    let client = gateway.connector.client()?.build()?;
    let url = format!("{}/api/users/jwks.json", gateway.connector.shop);
    let jwks = client.get(url).send().await?.error_for_status()?.text().await?;
    patch(cluster, "jwks", "JWKS", &jwks).await?;
    restart_services(cluster).await?;
    patch(cluster, "auth", "JWT_PRIVATE_KEYS", &keys.both(true)).await?;
    restart(cluster, &["deployment/auth"]).await
}

/// A second user bridges the time in which old pods have the old password.
async fn rotate_at_mongodb(cluster: &Cluster) -> Result<()> {
    let (bridge, password) = (format!("{SERVICE}-next"), "a1b2c3d4e5f6");
    let roles = format!("[{{ role: 'readWrite', db: '{SERVICE}' }}]");
    mongosh(cluster, &format!("admin.createUser({{ user: '{bridge}', pwd: '{password}', roles: {roles} }});")).await?;
    let url = cluster.overlay.secret(SERVICE, "MONGODB_URL")?;
    let (_, hosts) = url.split_once('@').context("MONGODB_URL has no password")?;
    patch(cluster, SERVICE, "MONGODB_URL", &format!("mongodb://{bridge}:{password}@{hosts}")).await?;
    restart(cluster, &[&format!("deployment/{SERVICE}")]).await?;

    cluster.overlay.renew(&format!("mongodb-{SERVICE}.password"))?;
    sync(cluster, "mongodb").await?;
    let step_down = "const { me, hosts } = admin.hello();\n\
                     if (me.startsWith('mongodb-0.') && hosts.length > 1) rs.stepDown();";
    mongosh(cluster, step_down).await?;
    cluster.kube.run(&["delete", "pod", "mongodb-0"]).await?;
    rolled_out(cluster).await?;
    wait_for_setup(cluster).await?;
    sync(cluster, SERVICE).await?;
    restart(cluster, &[&format!("deployment/{SERVICE}")]).await?;
    mongosh(cluster, &format!("admin.dropUser('{bridge}');")).await.map(drop)
}

/// Waits until the container `setup` has changed the passwords.
async fn wait_for_setup(cluster: &Cluster) -> Result<()> {
    let started = Instant::now();
    loop {
        let printed = cluster.kube.run(&["logs", "mongodb-0", "--container", "setup"]).await.unwrap_or_default();
        if printed.contains("users are up to date") {
            return Ok(());
        }
        ensure!(started.elapsed() < SETUP_TIMEOUT, "the container setup of mongodb-0 printed:\n{printed}");
        sleep(Duration::from_secs(1)).await;
    }
}

/// Restarts the server with the new password, and then the service.
async fn rotate_at_server(cluster: &Cluster, server: &str, workload: &str) -> Result<()> {
    cluster.overlay.renew(&format!("{server}-{SERVICE}.password"))?;
    sync(cluster, server).await?;
    sync(cluster, SERVICE).await?;
    restart(cluster, &[workload]).await?;
    restart(cluster, &[&format!("deployment/{SERVICE}")]).await
}

/// Stores the generated values in a Secret of the cluster.
async fn sync(cluster: &Cluster, secret: &str) -> Result<()> {
    for (key, value) in cluster.overlay.values(secret)? {
        patch(cluster, secret, &key, &value).await?;
    }
    Ok(())
}

/// Stores one value in a Secret of the cluster.
async fn patch(cluster: &Cluster, secret: &str, key: &str, value: &str) -> Result<()> {
    let patch = json!({ "stringData": { key: value } }).to_string();
    cluster.kube.run(&["patch", "secret", secret, "--patch", &patch]).await.map(drop)
}

async fn restart_services(cluster: &Cluster) -> Result<()> {
    restart(cluster, &["deployment", "--selector", SERVICE_SELECTOR]).await
}

/// Restarts workloads, and waits until the old pods are gone.
async fn restart(cluster: &Cluster, workloads: &[&str]) -> Result<()> {
    cluster.kube.run(&[&["rollout", "restart"], workloads].concat()).await?;
    rolled_out(cluster).await.map(drop)
}
