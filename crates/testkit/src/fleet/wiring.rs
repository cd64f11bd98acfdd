//! The environment that ties the fleet together.

use std::collections::BTreeMap;

use super::keys::Keys;
use super::options::server_password;
use crate::servers::Servers;

/// Time for the gateway to ask three times whether an instance is ready.
const DRAIN_DELAY: &str = "1500ms";

pub(super) struct Wiring<'a> {
    pub(super) public_url: String,
    pub(super) servers: &'a Servers,
    pub(super) keys: &'a Keys,
    pub(super) stripe_url: String,
    /// Whether another instance can take over while one ends.
    pub(super) several: bool,
    /// Whether each service has a user of its own at NATS and Redis.
    pub(super) server_users: bool,
    /// From the options: below the wiring.
    pub(super) extra: &'a BTreeMap<String, String>,
}

impl Wiring<'_> {
    /// Everything but the addresses to listen on. `others` are the back ends that web calls.
    pub(super) fn of(&self, service: &str, others: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut env = self.extra.clone();
        if !env.contains_key("LOG") && std::env::var_os("LOG").is_none() {
            env.insert("LOG".to_owned(), "info".to_owned());
        }
        if !env.contains_key("LOG_FORMAT") && std::env::var_os("LOG_FORMAT").is_none() {
            env.insert("LOG_FORMAT".to_owned(), "json".to_owned());
        }
        if self.several && !env.contains_key("DRAIN_DELAY") {
            env.insert("DRAIN_DELAY".to_owned(), DRAIN_DELAY.to_owned());
        }
        let mut set = |name: &str, value: &str| env.insert(name.to_owned(), value.to_owned());
        set("PUBLIC_URL", &self.public_url);
        set("MONGODB_URL", &self.servers.mongodb_url());
        set("MONGODB_DATABASE", service);
        set("NATS_URL", &self.nats_url(service));
        set("NATS_PREFIX", "ticketing");
        set("NATS_REPLICAS", &self.servers.nats_members().len().to_string());
        set("REDIS_URL", &self.redis_url(service));
        set("LIMIT_SECRET", &self.keys.limit_secret);
        set("TRUSTED_PROXIES", "127.0.0.1,::1");
        if service == "auth" {
            set("JWT_PRIVATE_KEYS", &self.keys.jwt_private_keys);
        } else {
            set("JWKS", &self.keys.jwks);
        }
        match service {
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
                for (name, url) in others {
                    set(&format!("{}_URL", name.to_uppercase()), url);
                }
            }
            _ => {}
        }
        env
    }

    fn nats_url(&self, service: &str) -> String {
        self.as_user(service, self.servers.nats_url())
    }

    fn redis_url(&self, service: &str) -> String {
        self.as_user(service, self.servers.redis.url())
    }

    fn as_user(&self, service: &str, url: String) -> String {
        if self.server_users { url.replace("://", &format!("://{service}:{}@", server_password(service))) } else { url }
    }
}
