//! The environment variables of each service.

use std::collections::BTreeMap;

use super::keys::Keys;
use super::options::server_password;
use crate::servers::Servers;

/// Long enough for the gateway to see three failed readiness checks of an instance.
const DRAIN_DELAY: &str = "1500ms";

pub(super) struct ServiceEnv<'a> {
    pub(super) public_url: String,
    pub(super) servers: &'a Servers,
    pub(super) keys: &'a Keys,
    pub(super) stripe_url: String,
    /// Whether services have several instances, so that another one takes over while one drains.
    pub(super) has_multiple_instances: bool,
    /// Whether each service has its own user at NATS and Redis.
    pub(super) server_auth: bool,
    /// The variables of the options; the generated ones take precedence.
    pub(super) extra: &'a BTreeMap<String, String>,
    /// URLs of the services that `web` calls.
    pub(super) internal_urls: BTreeMap<String, String>,
}

impl ServiceEnv<'_> {
    /// Returns all variables of a service except the addresses that it listens on.
    pub(super) fn variables(&self, service: &str) -> BTreeMap<String, String> {
        let mut env = self.extra.clone();
        for (name, default) in [("LOG", "info"), ("LOG_FORMAT", "json")] {
            if std::env::var_os(name).is_none() {
                env.entry(name.to_owned()).or_insert_with(|| default.to_owned());
            }
        }
        if self.has_multiple_instances {
            env.entry("DRAIN_DELAY".to_owned()).or_insert_with(|| DRAIN_DELAY.to_owned());
        }
        let with_user = |url: String| {
            let user = format!("://{service}:{}@", server_password(service));
            if self.server_auth { url.replace("://", &user) } else { url }
        };
        let mut set = |name: &str, value: &str| env.insert(name.to_owned(), value.to_owned());
        set("PUBLIC_URL", &self.public_url);
        set("MONGODB_URL", &self.servers.mongodb_url());
        set("MONGODB_DATABASE", service);
        set("NATS_URL", &with_user(self.servers.nats_url()));
        set("NATS_PREFIX", "ticketing");
        set("NATS_REPLICAS", &self.servers.nats_members().len().to_string());
        set("REDIS_URL", &with_user(self.servers.redis.client_url()));
        set("LIMIT_SECRET", &self.keys.limit_secret);
        set("TRUSTED_PROXIES", "127.0.0.1,::1");
        if service != "auth" {
            set("JWKS", &self.keys.jwks);
        }
        match service {
            "auth" => {
                set("JWT_PRIVATE_KEYS", &self.keys.jwt_private_keys);
            }
            "orders" => {
                set("PASS_PRIVATE_KEYS", &self.keys.pass_private_keys);
            }
            "payments" => {
                set("STRIPE_KEY", &self.keys.stripe_key);
                set("STRIPE_URL", &self.stripe_url);
                set("STRIPE_WEBHOOK_SECRETS", &self.keys.webhook_secret);
            }
            "web" => {
                set("STRIPE_PUBLISHABLE_KEY", "pk_test_development");
                set("STRIPE_JS_ORIGIN", &self.stripe_url);
                for (name, url) in &self.internal_urls {
                    set(&format!("{}_URL", name.to_uppercase()), url);
                }
            }
            _ => {}
        }
        env
    }
}
