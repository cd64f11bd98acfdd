//! Application state shared by pages and event handlers.

use std::sync::Arc;

use anyhow::Context as _;
use axum::extract::FromRef;
use common::api::tickets::ListingRules;
use common::clock::SharedClock;
use common::events::envelope::Envelope;
use common::events::ticket::TicketState;
use common::id::{OrderId, ShowId, TicketId};
use common::identity::Verifier;
use platform::context::Context;
use platform::lifecycle::Tasks;
use platform::limits::marker;

use crate::config::Config;
use crate::domain::filter::SearchRules;
use crate::live::hub::Hub;
use crate::live::pending::PendingShows;
use crate::live::recent::RecentEvents;
use crate::service_client::ServiceClient;
use crate::store::drafts::DraftStore;
use crate::store::model::ReadModel;
use crate::store::show_watches::ShowWatchStore;
use crate::store::sitemap::SitemapCache;
use crate::store::user_data::UserDataStore;

/// Application state; cheap to clone.
#[derive(Clone, FromRef)]
pub(crate) struct AppState {
    /// Replicas of the other services' entities.
    pub model: ReadModel,
    /// Watches and read marks of users.
    pub user_data: UserDataStore,
    /// Watched shows.
    pub show_watches: ShowWatchStore,
    /// What sellers have typed and not listed yet.
    pub drafts: DraftStore,
    /// Verifies the access tokens in cookies.
    pub verifier: Verifier,
    /// Calls the public APIs of `auth`, `tickets` and `orders`.
    pub services: ServiceClient,
    /// Publishes updates to open pages.
    pub hub: Hub,
    /// Recent listing events, for pages that connect just after one was published.
    pub recent_ticket_events: RecentEvents<TicketId, Arc<Envelope<TicketState>>>,
    /// Versions of recent order events.
    pub recent_order_versions: RecentEvents<OrderId, u64>,
    /// The listing of a show that changed last, with its version.
    pub recent_show_changes: RecentEvents<ShowId, (TicketId, u64)>,
    /// Shows whose open pages are about to be told what is for sale.
    pub pending_shows: PendingShows,
    /// Sitemaps that were built a short while ago.
    pub sitemaps: SitemapCache,
    pub clock: SharedClock,
    /// Background tasks and the shutdown signal.
    pub tasks: Tasks,
    /// Validation rules of listings, the same as in the tickets service.
    pub listing_rules: ListingRules,
    /// Validation rules of searches.
    pub search_rules: SearchRules,
    pub config: Arc<Config>,
    /// Public base URL, without a trailing slash.
    pub public_url: Arc<str>,
}

impl AppState {
    pub(crate) fn new(config: Config, context: &Context) -> anyhow::Result<Self> {
        Ok(Self {
            model: ReadModel::new(context, config.smoke_test_seller),
            user_data: UserDataStore::new(&context.database),
            show_watches: ShowWatchStore::new(&context.database),
            drafts: DraftStore::new(&context.database),
            verifier: context.verifier(&config.keys)?,
            services: ServiceClient::new(&config, marker::header_value(&context.counters))?,
            hub: Hub::default(),
            recent_ticket_events: RecentEvents::default(),
            recent_order_versions: RecentEvents::default(),
            recent_show_changes: RecentEvents::default(),
            pending_shows: PendingShows::default(),
            sitemaps: SitemapCache::default(),
            clock: Arc::clone(&context.clock),
            tasks: context.tasks.clone(),
            listing_rules: ListingRules {
                clock: Arc::clone(&context.clock),
                currencies: config.currencies.clone().into(),
            },
            search_rules: SearchRules {
                first_currency: config.currencies.first().cloned().context("no currency is configured")?,
                currencies: config.currencies.clone(),
            },
            config: Arc::new(config),
            public_url: context.config.public_url.as_str().into(),
        })
    }
}

impl AsRef<SearchRules> for AppState {
    fn as_ref(&self) -> &SearchRules {
        &self.search_rules
    }
}
