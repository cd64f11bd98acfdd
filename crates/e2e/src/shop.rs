//! A fleet of its own for one test, with the means to become anybody in it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use async_nats::jetstream;
use common::api::tickets::NewListing;
use common::api::users::{NewUser, Password, SignUp};
use common::clock::{Clock, SystemClock};
use common::id::{SessionId, UserId};
use common::identity::{AUDIENCE, Claims};
use common::money::Money;
use common::text::Text;
use serde_json::Value;
use testkit::app::users::Signer;
use testkit::fleet::Fleet;
use testkit::fleet::keys::Keys;
use testkit::fleet::options::FleetOptions;
use testkit::servers::scratch::ScratchDir;
use testkit::tools::{progress, workspace_root};

use crate::journal::Journal;
use crate::person::Person;

/// What everybody who signs up by the front door chooses.
pub const PASSWORD: &str = "a long enough secret";

/// A running marketplace; everything of it ends when it is dropped.
pub struct Shop {
    /// Its processes.
    pub fleet: Fleet,
    /// One log file per process.
    pub logs: PathBuf,
    /// What everybody was told.
    pub journal: Arc<Journal>,
    signer: Signer,
    _logs: Logs,
    _scratch: ScratchDir,
}

impl Shop {
    /// Opens a shop whose services have these settings.
    pub async fn open(settings: &[(&str, &str)]) -> Result<Self> {
        Self::open_with(settings, |_| {}).await
    }

    /// Like [`Shop::open`], with two instances of every service.
    pub async fn open_twice(settings: &[(&str, &str)]) -> Result<Self> {
        Self::open_with(settings, |options| options.instances = 2).await
    }

    /// Like [`Shop::open`], with the users that NATS has in a cluster: nobody but the services gets in.
    pub async fn open_guarded(settings: &[(&str, &str)]) -> Result<Self> {
        Self::open_with(settings, |options| options.server_users = true).await
    }

    /// Like [`Shop::open_twice`], with three members of MongoDB and of NATS each, as in production.
    pub async fn open_replicated(settings: &[(&str, &str)]) -> Result<Self> {
        let replicated = |options: &mut FleetOptions| (options.instances, options.members) = (2, 3);
        Self::open_with(settings, replicated).await
    }

    /// Opens a shop with the limits that one has unless its operator sets others.
    pub async fn open_limited() -> Result<Self> {
        let scratch = ScratchDir::new("e2e")?;
        let options = FleetOptions::new(scratch.path());
        Self::start(scratch, options).await
    }

    async fn open_with(settings: &[(&str, &str)], be: impl FnOnce(&mut FleetOptions)) -> Result<Self> {
        let scratch = ScratchDir::new("e2e")?;
        // A few people stand for a crowd.
        let usual = [("HOLDS_PER_BUYER", "1000"), ("HOLDS_PER_LISTING", "1000")];
        let mut options = usual
            .iter()
            .chain(settings)
            .fold(FleetOptions::new(scratch.path()).unlimited(), |options, (name, value)| options.env(name, value));
        be(&mut options);
        Self::start(scratch, options).await
    }

    async fn start(scratch: ScratchDir, mut options: FleetOptions) -> Result<Self> {
        options.fleet_file = Some(scratch.path().join("fleet.json"));
        let fleet = Fleet::start(&options).await?;
        let keys = Keys::of(&options.data.join("keys"))?;
        let signer = Signer { jwks: keys.jwks, pem: keys.jwt_private_keys };
        let logs = options.logs;
        Ok(Self { fleet, _logs: Logs(logs.clone()), logs, journal: Arc::default(), signer, _scratch: scratch })
    }

    /// The gateway's address.
    pub fn url(&self) -> String {
        self.fleet.public_url()
    }

    /// Somebody who is not signed in, with a cookie jar of their own.
    pub fn guest(&self) -> Result<Person> {
        Person::new(self.url(), None, Arc::clone(&self.journal))
    }

    /// Somebody who has just signed up by the front door.
    pub async fn sign_up(&self, name: &str) -> Result<Person> {
        let guest = self.guest()?;
        let email = format!("{}-{}@example.com", name.to_lowercase(), UserId::new());
        let (password, display_name) = (Password::new(PASSWORD), Some(Text::new(name)));
        guest.send(&SignUp { body: NewUser { email: Text::new(&email), password, display_name } }).await?;
        Ok(guest)
    }

    /// Somebody whose token was signed with auth's key: a crowd need not hash passwords.
    pub fn anybody(&self) -> Result<Person> {
        let now = SystemClock.now().as_seconds();
        let claims = Claims {
            sub: UserId::new(),
            sid: SessionId::new(),
            iss: self.url(),
            aud: AUDIENCE.to_owned(),
            iat: now,
            nbf: now,
            exp: now + 3_600,
        };
        Person::new(self.url(), Some(self.signer.sign(&claims)), Arc::clone(&self.journal))
    }

    /// NATS' streams, by whichever member answers.
    pub async fn jetstream(&self) -> Result<jetstream::Context> {
        let members = self.fleet.servers().nats_members();
        let urls: Vec<_> = members.iter().map(|server| server.url()).collect();
        Ok(jetstream::new(async_nats::connect(urls.as_slice()).await?))
    }

    /// Everything that fakestripe knows.
    pub async fn card_network(&self) -> Result<Value> {
        let url = format!("{}/_fake/state", self.fleet.fakestripe().url());
        let text = reqwest::get(url).await?.text().await?;
        serde_json::from_str(&text).context("fakestripe's state")
    }
}

/// The logs of a test that fails are kept in `target/failed`, in a folder named by its process.
struct Logs(PathBuf);

impl Drop for Logs {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let kept = workspace_root().join(format!("target/failed/{}", std::process::id()));
        let logs = std::fs::read_dir(&self.0).into_iter().flatten().flatten();
        if std::fs::create_dir_all(&kept).is_ok() {
            for log in logs {
                let _ = std::fs::copy(log.path(), kept.join(log.file_name()));
            }
            progress("Kept", &format!("the logs of the failed test, in {}", kept.display()));
        }
    }
}

/// A listing that is right in every field.
#[expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "these are a time and a currency")]
pub fn listing(title: &str, price: i64) -> NewListing {
    NewListing {
        title: Text::new(title),
        venue: Text::new("Concert Hall"),
        city: Text::non_blank("Utrecht"),
        starts_at: "2099-04-02T18:00:00Z".parse().unwrap(),
        time_zone: Text::non_blank("Europe/Amsterdam"),
        price: Money { amount: price, currency: "EUR".parse().unwrap() },
        face_value: None,
        category: None,
        section: None,
        row: None,
        seat: Text::non_blank("7"),
        description: None,
    }
}
