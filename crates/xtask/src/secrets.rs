//! `cargo xtask secrets`: the secrets of a development cluster, made once and never in git; or the first
//! ones of another cluster, to be put into its secret store.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use testkit::fleet::SERVICES;
use testkit::fleet::keys::Keys;
use testkit::tools::workspace_root;

/// Who has a NATS user beside the services: people, and the servers of a cluster among themselves.
const OTHER_NATS_USERS: [&str; 2] = ["operator", "routes"];

/// Keys and passwords are made where they are missing and kept where they are; the files that name them
/// are written anew, one for each Secret of the manifests.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct SecretsArgs {
    /// The folder; infra/k8s-dev/secrets, which git ignores, unless told.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// How many members MongoDB's replica set has.
    #[arg(long, default_value_t = 1)]
    pub(crate) mongodb_members: u8,
}

/// Writes them, and says where.
pub(crate) fn run(args: &SecretsArgs) -> Result<()> {
    println!("secrets are in {}", make(args)?.display());
    Ok(())
}

/// Those of the development cluster, without which its manifests can't be rendered.
pub(crate) fn of_development() -> Result<()> {
    make(&SecretsArgs { out: None, mongodb_members: 1 }).map(|_| ())
}

/// Makes what is missing; the folder.
pub(crate) fn make(args: &SecretsArgs) -> Result<PathBuf> {
    let folder = args.out.clone().unwrap_or_else(|| workspace_root().join("infra/k8s-dev/secrets"));
    let keys_folder = folder.join("keys");
    let keys = Keys::of(&keys_folder)?;
    let password = |of: &str| password(&keys_folder.join(format!("{of}.password")));

    let mut redis = vec![("REDIS_PASSWORD".to_owned(), password("redis")?)];
    let mut mongodb = vec![
        ("MONGODB_KEYFILE".to_owned(), password("mongodb-keyfile")?),
        ("MONGODB_ROOT_PASSWORD".to_owned(), password("mongodb-root")?),
    ];
    let mut nats = Vec::new();
    for user in OTHER_NATS_USERS {
        nats.push((format!("NATS_PASSWORD_{}", user.to_uppercase()), password(&format!("nats-{user}"))?));
    }
    let members: Vec<_> = (0..args.mongodb_members).map(|member| format!("mongodb-{member}.mongodb:27017")).collect();
    for service in SERVICES {
        let own_password = |server: &str| password(&format!("{server}-{service}"));
        let (of_mongodb, of_nats, of_redis) = (own_password("mongodb")?, own_password("nats")?, own_password("redis")?);
        let mut own = vec![
            ("MONGODB_URL", format!("mongodb://{service}:{of_mongodb}@{}/?replicaSet=rs0", members.join(","))),
            ("NATS_URL", format!("nats://{service}:{of_nats}@nats:4222")),
            ("REDIS_URL", format!("redis://{service}:{of_redis}@redis:6379")),
        ];
        match service {
            "payments" => own.extend([
                ("STRIPE_KEY", keys.stripe_key.clone()),
                ("STRIPE_WEBHOOK_SECRETS", keys.webhook_secret.clone()),
            ]),
            "web" => own.push(("STRIPE_PUBLISHABLE_KEY", "pk_test_development".to_owned())),
            _ => {}
        }
        write(&folder, service, &own)?;
        mongodb.push((format!("MONGODB_PASSWORD_{}", service.to_uppercase()), of_mongodb));
        nats.push((format!("NATS_PASSWORD_{}", service.to_uppercase()), of_nats));
        redis.push((format!("REDIS_PASSWORD_{}", service.to_uppercase()), of_redis));
    }
    write(&folder, "mongodb", &mongodb)?;
    write(&folder, "nats", &nats)?;
    write(&folder, "redis", &redis)?;
    write(&folder, "limits", &[("LIMIT_SECRET", keys.limit_secret)])?;
    write(&folder, "jwks", &[("JWKS", keys.jwks)])?;
    let fakestripe = [("FAKESTRIPE_KEY", keys.stripe_key), ("FAKESTRIPE_WEBHOOK_SECRET", keys.webhook_secret)];
    write(&folder, "fakestripe", &fakestripe)?;
    Ok(folder)
}

/// One line for each value, as kustomize reads them; for us alone to read.
fn write(folder: &Path, secret: &str, values: &[(impl AsRef<str>, String)]) -> Result<()> {
    let mut lines = String::new();
    for (name, value) in values {
        writeln!(lines, "{}={value}", name.as_ref())?;
    }
    private(&folder.join(format!("{secret}.env")), &lines)
}

/// The password in this file, made where there is none: letters and digits, which need no quoting in any
/// address or configuration, and a letter first, since NATS would read a digit as the start of a number.
fn password(file: &Path) -> Result<String> {
    if let Ok(text) = fs::read_to_string(file) {
        return Ok(text);
    }
    let mut bytes = [0_u8; 24];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let mut text = "p".to_owned();
    for byte in bytes {
        write!(text, "{byte:02x}")?;
    }
    private(file, &text)?;
    Ok(text)
}

fn private(file: &Path, text: &str) -> Result<()> {
    let unfinished = file.with_extension("unfinished");
    let write = || {
        let mut out = fs::File::options().create(true).write(true).truncate(true).mode(0o600).open(&unfinished)?;
        out.write_all(text.as_bytes())?;
        fs::rename(&unfinished, file)
    };
    write().with_context(|| format!("writing {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_kept_and_agree_with_each_other() {
        let folder = std::env::temp_dir().join(format!("secrets-{}", std::process::id()));
        let args = |members| SecretsArgs { out: Some(folder.clone()), mongodb_members: members };
        let read = |name: &str| fs::read_to_string(folder.join(format!("{name}.env"))).unwrap();
        let value = |name: &str, key: &str| {
            let line = read(name).lines().find(|line| line.starts_with(&format!("{key}="))).unwrap().to_owned();
            line.split_once('=').unwrap().1.to_owned()
        };
        run(&args(1)).unwrap();
        let before = (read("orders"), read("nats"));
        run(&args(1)).unwrap();
        assert_eq!((read("orders"), read("nats")), before);
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
