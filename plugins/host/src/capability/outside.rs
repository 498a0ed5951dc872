//! Waiting for others.

use std::future::Future;

use tokio::task::JoinHandle;

use super::CallState;

/// A task that ends when nobody waits for it any more.
#[derive(Debug)]
pub(crate) struct AbortOnDrop<T>(pub(crate) JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl CallState {
    /// Does what waits for a store or a server, on the platform's own runtime: a guest that computes
    /// never holds up a connection. `None` when that runtime has ended.
    pub(super) async fn outside<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let mut task = AbortOnDrop(self.home.spawn(work));
        (&mut task.0).await.ok()
    }
}
