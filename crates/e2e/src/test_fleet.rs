//! A running fleet for one test, and authenticated users in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use async_nats::jetstream;
use common::api::tickets::NewListing;
use common::api::users::{NewUser, Password, SignUp};
use common::id::UserId;
use common::identity::Claims;
use common::money::Money;
use common::seats::Split;
use common::text::Text;
use serde_json::Value;
use testkit::app::users::Signer;
use testkit::fleet::Fleet;
use testkit::fleet::keys::Keys;
use testkit::fleet::options::FleetOptions;
use testkit::servers::scratch::ScratchDir;
use testkit::tools::{progress, workspace_root};

use crate::fakestripe_client::FakestripeClient;
use crate::response_log::ResponseLog;
use crate::user_client::UserClient;

/// The password of every user who signs up.
pub const PASSWORD: &str = "a long enough secret";

/// A running fleet, which stops when it is dropped.
pub struct TestFleet {
    /// The processes of the fleet.
    pub processes: Fleet,
    /// The folder with one log file per process.
    pub logs: PathBuf,
    /// The responses that all clients received.
    pub responses: Arc<ResponseLog>,
    /// Controls fakestripe, the stand-in for the card network.
    pub fakestripe: FakestripeClient,
    signer: Signer,
    _logs: KeepLogs,
    _scratch: ScratchDir,
}

impl TestFleet {
    /// Starts a fleet whose services have these settings.
    pub async fn start(settings: &[(&str, &str)]) -> Result<Self> {
        Self::start_with(settings, |_| {}).await
    }

    /// Like [`TestFleet::start`], with two instances of every service.
    pub async fn start_two_instances(settings: &[(&str, &str)]) -> Result<Self> {
        Self::start_instances(2, settings).await
    }

    /// Like [`TestFleet::start`], with this number of instances of every service.
    pub async fn start_instances(count: u8, settings: &[(&str, &str)]) -> Result<Self> {
        Self::start_with(settings, |options| options.instances = count).await
    }

    /// Like [`TestFleet::start`], with authentication at NATS and Redis as in a cluster.
    pub async fn start_with_server_auth(settings: &[(&str, &str)]) -> Result<Self> {
        Self::start_with(settings, |options| options.server_auth = true).await
    }

    /// Like [`TestFleet::start_two_instances`], with three members of MongoDB and of NATS, as in production.
    pub async fn start_replicated(settings: &[(&str, &str)]) -> Result<Self> {
        Self::start_with(settings, |options| (options.instances, options.members) = (2, 3)).await
    }

    /// Like [`TestFleet::start_replicated`], with a proxy in front of every server that services use.
    pub async fn start_proxied(settings: &[(&str, &str)]) -> Result<Self> {
        let configure =
            |options: &mut FleetOptions| (options.instances, options.members, options.proxied) = (2, 3, true);
        Self::start_with(settings, configure).await
    }

    /// Starts a fleet with the default limits.
    pub async fn start_with_default_limits() -> Result<Self> {
        let scratch = ScratchDir::new("e2e")?;
        let options = FleetOptions::new(scratch.path());
        Self::launch(scratch, options).await
    }

    async fn start_with(settings: &[(&str, &str)], configure: impl FnOnce(&mut FleetOptions)) -> Result<Self> {
        let scratch = ScratchDir::new("e2e")?;
        let options = FleetOptions::new(scratch.path()).without_rate_limits();
        // The limits on holds are practically off, because few users generate all load.
        let limits = [("HOLDS_PER_BUYER", "1000"), ("HOLDS_PER_LISTING", "1000")];
        let mut options =
            limits.iter().chain(settings).fold(options, |options, (name, value)| options.env(name, value));
        configure(&mut options);
        Self::launch(scratch, options).await
    }

    async fn launch(scratch: ScratchDir, mut options: FleetOptions) -> Result<Self> {
        options.fleet_file = Some(scratch.path().join("fleet.json"));
        let processes = Fleet::start(&options).await?;
        let keys = Keys::load_or_create(&options.data.join("keys"))?;
        let signer = Signer { jwks: keys.jwks, pem: keys.jwt_private_keys };
        let fakestripe = FakestripeClient::new(processes.fakestripe().url(), keys.stripe_key);
        let logs = options.logs;
        let responses = Arc::default();
        Ok(Self { processes, _logs: KeepLogs(logs.clone()), logs, responses, fakestripe, signer, _scratch: scratch })
    }

    /// The gateway's URL.
    pub fn url(&self) -> String {
        self.processes.public_url()
    }

    /// A client that is not signed in.
    pub fn anonymous(&self) -> Result<UserClient> {
        UserClient::new(self.url(), None, Arc::clone(&self.responses))
    }

    /// A new user, signed up through the API.
    pub async fn sign_up(&self, name: &str) -> Result<UserClient> {
        let client = self.anonymous()?;
        let email = format!("{}-{}@example.com", name.to_lowercase(), UserId::new());
        let (password, display_name) = (Password::new(PASSWORD), Some(Text::new(name)));
        client.send(&SignUp { body: NewUser { email: Text::new(&email), password, display_name } }).await?;
        Ok(client)
    }

    /// A user without an account: only a token signed by the key of `auth`. No password has to be hashed.
    pub fn token_user(&self) -> Result<UserClient> {
        let claims = Claims { iss: self.url(), ..Signer::claims(UserId::new()) };
        UserClient::new(self.url(), Some(self.signer.sign(&claims)), Arc::clone(&self.responses))
    }

    /// A JetStream client, connected to any NATS member that responds.
    pub async fn jetstream(&self) -> Result<jetstream::Context> {
        let members = self.processes.servers().nats_members();
        let urls: Vec<_> = members.iter().map(|server| server.url()).collect();
        Ok(jetstream::new(async_nats::connect(urls.as_slice()).await?))
    }

    /// The whole state of fakestripe.
    pub async fn fakestripe_state(&self) -> Result<Value> {
        self.fakestripe.state().await
    }
}

/// Copies the logs of a failed test to `target/failed/<process id>`.
struct KeepLogs(PathBuf);

impl Drop for KeepLogs {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let target = workspace_root().join(format!("target/failed/{}", std::process::id()));
        if copy_logs(&self.0, &target).is_ok() {
            progress("Kept", &format!("the logs of the failed test, in {}", target.display()));
        }
    }
}

/// Copies the files of a log folder.
pub(crate) fn copy_logs(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for log in std::fs::read_dir(from)? {
        let log = log?;
        std::fs::copy(log.path(), to.join(log.file_name()))?;
    }
    Ok(())
}

/// A valid listing of one seat without a name, so that a seller may list several.
#[expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "the time and the currency are valid")]
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
        seat: None,
        seats: None,
        quantity: None,
        split: None,
        description: None,
    }
}

/// A listing with this many adjacent seats, which are numbered and sold in blocks of these sizes.
pub fn with_seats(listing: NewListing, blocks: &[u8]) -> NewListing {
    let count: u8 = blocks.iter().sum();
    let seats = (1..=count).map(|number| Text::new(&number.to_string())).collect();
    NewListing { seat: None, seats: Some(seats), split: Some(Split::Sizes(blocks.to_vec())), ..listing }
}
