//! Pages and forms as visitors use them: they retry while something fails.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use common::id::TicketId;
use tokio::time::sleep;

use crate::user_client::{Page, TimedOut, UserClient};

/// For how long a visitor retries a failing page or form.
const PATIENCE: Duration = Duration::from_secs(60);

/// The path of a ticket's page.
pub(super) fn ticket_page(ticket: TicketId) -> String {
    format!("/tickets/{ticket}")
}

/// Opens a page, retrying until it returns 200.
pub(super) async fn open(client: &UserClient, path: &str) -> Result<Page> {
    visit_until(client, path, None, |status| status == 200).await
}

/// Submits a form, retrying after 404, 429 and 5xx.
pub(super) async fn submit(client: &UserClient, path: &str, fields: &[(&str, &str)]) -> Result<Page> {
    visit_until(client, path, Some(fields), |status| status < 500 && status != 404 && status != 429).await
}

async fn visit_until(
    client: &UserClient,
    path: &str,
    form: Option<&[(&str, &str)]>,
    is_accepted: fn(u16) -> bool,
) -> Result<Page> {
    let began = Instant::now();
    loop {
        let last = match client.visit(path, form).await {
            Ok(page) if is_accepted(page.status) => return Ok(page),
            Ok(page) => format!("{} {}", page.path, page.status),
            Err(error) => error.to_string(),
        };
        if began.elapsed() > PATIENCE {
            // The form's target can't be opened. `extent` opens the ticket's page instead, to see whether it works
            // again.
            let (path, expected) = (path.strip_suffix("/hold").unwrap_or(path).to_owned(), "shown".to_owned());
            bail!(TimedOut { client: client.clone(), path, expected, last });
        }
        sleep(Duration::from_millis(250)).await;
    }
}
