//! `cargo xtask secrets`: generates the secrets and certificates of a development cluster, which are never checked in,
//! or the initial secrets of another cluster, to be stored in its secret store.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use testkit::fleet::SERVICES;
use testkit::fleet::keys::{Keys, random, read_or_create, write_private_file};
use testkit::tools::workspace_root;

use crate::certificates;

/// The NATS users besides the services: `audit` for the audit, `operator` for people, `routes` for connections between
/// the servers of a cluster.
const OTHER_NATS_USERS: [&str; 3] = ["audit", "operator", "routes"];

/// Generates missing keys and passwords, keeps existing ones, and writes one file for each Secret of the
/// manifests.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct SecretsArgs {
    /// Output folder. By default infra/k8s-dev/setup/secrets, which git ignores, and which also gets the certificates.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Number of members of MongoDB's replica set.
    #[arg(long, default_value_t = 1)]
    pub(crate) mongodb_members: u8,
}

/// Writes the secrets and prints their folder.
pub(crate) fn run(args: &SecretsArgs) -> Result<()> {
    println!("secrets are in {}", generate(args)?.display());
    Ok(())
}

/// The folder of the development cluster's secrets.
fn development() -> PathBuf {
    workspace_root().join("infra/k8s-dev/setup/secrets")
}

/// Ensures that the secrets of the development cluster exist, which rendering its manifests requires.
pub(crate) fn ensure_development() -> Result<PathBuf> {
    generate(&SecretsArgs { out: None, mongodb_members: 1 })
}

/// Generates missing secrets, writes all files and returns their folder.
pub(crate) fn generate(args: &SecretsArgs) -> Result<PathBuf> {
    let folder = args.out.clone().unwrap_or_else(development);
    if args.out.is_none() {
        certificates::ensure_valid(&folder.join("tls"))?;
    }
    let keys_folder = folder.join("keys");
    let keys = Keys::load_or_create(&keys_folder)?;
    let password = |name: &str| password(&keys_folder.join(format!("{name}.password")));

    let mut redis = vec![("REDIS_PASSWORD".to_owned(), password("redis")?)];
    let mut mongodb = vec![
        ("MONGODB_KEYFILE".to_owned(), password("mongodb-keyfile")?),
        ("MONGODB_ROOT_PASSWORD".to_owned(), password("mongodb-root")?),
        ("MONGODB_PASSWORD_AUDIT".to_owned(), password("mongodb-audit")?),
    ];
    let mut nats = Vec::new();
    for user in OTHER_NATS_USERS {
        nats.push((format!("NATS_PASSWORD_{}", user.to_uppercase()), password(&format!("nats-{user}"))?));
    }
    let members: Vec<_> = (0..args.mongodb_members).map(|member| format!("mongodb-{member}.mongodb:27017")).collect();
    for service in SERVICES {
        let own_password = |server: &str| password(&format!("{server}-{service}"));
        let (at_mongodb, at_nats, at_redis) = (own_password("mongodb")?, own_password("nats")?, own_password("redis")?);
        let mut values = vec![
            ("MONGODB_URL", format!("mongodb://{service}:{at_mongodb}@{}/?replicaSet=rs0", members.join(","))),
            ("NATS_URL", format!("nats://{service}:{at_nats}@nats:4222")),
            ("REDIS_URL", format!("redis://{service}:{at_redis}@redis:6379")),
        ];
        match service {
            "payments" => values.extend([
                ("STRIPE_KEY", keys.stripe_key.clone()),
                ("STRIPE_WEBHOOK_SECRETS", keys.webhook_secret.clone()),
            ]),
            "web" => values.push(("STRIPE_PUBLISHABLE_KEY", "pk_test_development".to_owned())),
            _ => {}
        }
        write(&folder, service, &values)?;
        mongodb.push((format!("MONGODB_PASSWORD_{}", service.to_uppercase()), at_mongodb));
        nats.push((format!("NATS_PASSWORD_{}", service.to_uppercase()), at_nats));
        redis.push((format!("REDIS_PASSWORD_{}", service.to_uppercase()), at_redis));
    }
    write(&folder, "mongodb", &mongodb)?;
    write(&folder, "nats", &nats)?;
    write(&folder, "redis", &redis)?;
    write(&folder, "limits", &[("LIMIT_SECRET", keys.limit_secret)])?;
    write(&folder, "jwks", &[("JWKS", keys.jwks)])?;
    write(&folder, "mongodb-audit", &[("STRIPE_KEY", keys.stripe_key.clone())])?;
    let fakestripe = [("FAKESTRIPE_KEY", keys.stripe_key), ("FAKESTRIPE_WEBHOOK_SECRET", keys.webhook_secret)];
    write(&folder, "fakestripe", &fakestripe)?;
    Ok(folder)
}

/// Writes one line per value, as kustomize expects. Only the owner may read the file. A file that does not change is
/// not touched, so that programs that watch it do not redeploy.
fn write(folder: &Path, secret: &str, values: &[(impl AsRef<str>, String)]) -> Result<()> {
    let mut lines = String::new();
    for (name, value) in values {
        writeln!(lines, "{}={value}", name.as_ref())?;
    }
    let file = folder.join(format!("{secret}.env"));
    if fs::read_to_string(&file).is_ok_and(|present| present == lines) {
        return Ok(());
    }
    write_private_file(&file, &lines)
}

/// Reads the password from this file or generates it. It consists of letters and digits, which need no quoting in
/// addresses and configurations, and begins with a letter, since NATS would parse a leading digit as a number.
fn password(file: &Path) -> Result<String> {
    read_or_create(file, || {
        let bytes: [u8; 24] = random()?;
        Ok(bytes.iter().fold("p".to_owned(), |text, byte| format!("{text}{byte:02x}")))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn secrets_are_persisted_and_consistent() {
        let folder = std::env::temp_dir().join(format!("secrets-{}", std::process::id()));
        let args = |members| SecretsArgs { out: Some(folder.clone()), mongodb_members: members };
        let read = |name: &str| fs::read_to_string(folder.join(format!("{name}.env"))).unwrap();
        let value = |name: &str, key: &str| {
            let line = read(name).lines().find(|line| line.starts_with(&format!("{key}="))).unwrap().to_owned();
            line.split_once('=').unwrap().1.to_owned()
        };
        // A file that is written again is a new one.
        let number = |name: &str| fs::metadata(folder.join(format!("{name}.env"))).unwrap().ino();
        run(&args(1)).unwrap();
        let before = (read("orders"), read("nats"), number("orders"));
        run(&args(1)).unwrap();
        assert_eq!((read("orders"), read("nats"), number("orders")), before);
        let (mongodb, nats) = (value("mongodb", "MONGODB_PASSWORD_ORDERS"), value("nats", "NATS_PASSWORD_ORDERS"));
        assert_eq!(value("orders", "NATS_URL"), format!("nats://orders:{nats}@nats:4222"));
        let redis = value("redis", "REDIS_PASSWORD_ORDERS");
        assert_eq!(value("orders", "REDIS_URL"), format!("redis://orders:{redis}@redis:6379"));
        assert!(value("limits", "LIMIT_SECRET").len() >= 32);
        run(&args(3)).unwrap();
        assert_eq!(
            value("orders", "MONGODB_URL"),
            format!(
                "mongodb://orders:{mongodb}@mongodb-0.mongodb:27017,mongodb-1.mongodb:27017,mongodb-2.mongodb:27017/?replicaSet=rs0"
            )
        );
        assert_ne!(mongodb, nats);
        fs::remove_dir_all(&folder).unwrap();
    }
}
