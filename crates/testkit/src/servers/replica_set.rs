//! MongoDB's replica set as a whole: its formation, its primary, and whether its members have caught up.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::mongo_wire::{self, MemberStatus};
use super::{START_TIMEOUT, Server, Servers};

/// Maximum time until every member has replicated the writes that it lacks.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(120);

impl Servers {
    /// Waits for a primary of MongoDB's replica set and returns it.
    pub async fn mongodb_primary(&self) -> Result<&Server> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            for server in self.mongodb_members() {
                if mongo_wire::is_primary(server.port()).await.unwrap_or(false) {
                    return Ok(server);
                }
            }
            let report = || self.mongodb.process.exit_error();
            ensure!(Instant::now() < deadline, "no member of rs0 is primary; {}", report());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until MongoDB's replica set has a primary and every member has replicated the newest write that any member
    /// had at first. Then no acknowledged write is lost with one member.
    pub async fn mongodb_caught_up(&self) -> Result<()> {
        let deadline = Instant::now() + CATCH_UP_TIMEOUT;
        let mut newest = None;
        loop {
            if let Ok(members) = self.mongodb_statuses().await {
                // Writes that only a deposed primary has are rolled back. They sort before the first write of its
                // successor.
                let newest = *newest.get_or_insert_with(|| members.iter().map(|member| member.applied).max());
                let has_primary = members.iter().any(|member| member.is_primary);
                if has_primary && members.iter().all(|member| Some(member.applied) >= newest) {
                    return Ok(());
                }
            }
            ensure!(Instant::now() < deadline, "the members of rs0 did not catch up within {CATCH_UP_TIMEOUT:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The status of each member of MongoDB's replica set. Fails unless all of them respond.
    async fn mongodb_statuses(&self) -> Result<Vec<MemberStatus>> {
        let mut statuses = Vec::new();
        for server in self.mongodb_members() {
            statuses.push(server.member_status().await?);
        }
        Ok(statuses)
    }

    /// Initiates the replica set and waits for its primary.
    pub(super) async fn form_replica_set(&self) -> Result<()> {
        // Drivers connect to these addresses, whatever addresses are in their URL.
        let members: Vec<_> = self.mongodb_members().iter().map(|server| server.client_address()).collect();
        let deadline = Instant::now() + START_TIMEOUT;
        // The command fails until the first member can reach all of them.
        while let Err(error) = mongo_wire::initiate(self.mongodb.port(), &members).await {
            if let Some(exit) = self.unexpected_exit() {
                return Err(exit);
            }
            if Instant::now() > deadline {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.mongodb_primary().await.map(drop)
    }
}
