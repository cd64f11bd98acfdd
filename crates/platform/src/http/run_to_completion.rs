//! Lets requests that may write finish even if the client disconnects.
//!
//! # Why
//! When a connection breaks, the handler's future is dropped at an await point. Work that a crash leaves half done is
//! repaired, but a client can disconnect on purpose as often as it likes, for example between the insert of a hold and
//! the check of its limits. So a handler that may write runs in its own task. The request timeout still applies.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use common::error::Error;
use tokio::sync::oneshot;

use crate::lifecycle::Tasks;

/// Runs requests with an unsafe method in a detached task.
pub(crate) async fn detach_unsafe(State(tasks): State<Tasks>, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let (sender, response) = oneshot::channel();
    tasks.detach(async move {
        // Fails if the client has disconnected.
        sender.send(next.run(request).await).ok();
    });
    response.await.unwrap_or_else(|_| Error::internal_message("the handler's task panicked").into_response())
}
