//! Finishes what was asked for, although the client hangs up.
//!
//! # Why
//! When a connection breaks, its request's handler is dropped between any two of its awaits. What a process leaves
//! behind that dies is made up for, but a client can hang up on purpose, as often as it likes: to have a hold stored
//! and not counted, say. So a handler that may write runs on by itself; it is still bound by the request's time.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use common::error::Error;
use tokio::sync::oneshot;

use crate::lifecycle::Tasks;

/// Runs requests of unsafe methods to their end, whoever still waits for it.
pub(crate) async fn detach_unsafe(State(tasks): State<Tasks>, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let (answer, answered) = oneshot::channel();
    tasks.detach(async move {
        // Nobody may be there any more to take it.
        answer.send(next.run(request).await).ok();
    });
    answered.await.unwrap_or_else(|_| Error::internal_message("the handler came to no end").into_response())
}
