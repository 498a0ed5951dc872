//! Answers from a script.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{FetchError, FetchReply, FetchRequest, Fetcher};

/// Gives scripted answers in order and remembers what it was asked. Nothing leaves.
#[derive(Debug, Default)]
pub struct ScriptedFetcher {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    answers: VecDeque<Result<FetchReply, FetchError>>,
    requests: Vec<FetchRequest>,
}

impl ScriptedFetcher {
    /// A script without answers: each request fails.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an answer.
    pub fn then(&self, status: u16, body: impl Into<Vec<u8>>) -> &Self {
        self.reply(FetchReply { status, headers: Vec::new(), body: body.into() })
    }

    /// Adds a whole answer.
    pub fn reply(&self, reply: FetchReply) -> &Self {
        self.lock().answers.push_back(Ok(reply));
        self
    }

    /// Adds a failure.
    pub fn then_fail(&self, error: FetchError) -> &Self {
        self.lock().answers.push_back(Err(error));
        self
    }

    /// What it was asked, in order.
    pub fn requests(&self) -> Vec<FetchRequest> {
        self.lock().requests.clone()
    }

    /// Remembers a request and gives the next answer.
    pub(super) fn next(&self, request: FetchRequest) -> Result<FetchReply, FetchError> {
        let mut inner = self.lock();
        inner.requests.push(request);
        inner.answers.pop_front().unwrap_or_else(|| {
            let detail = "the script has no answer".to_owned();
            Err(FetchError::Refused { code: "unscripted", detail })
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Fetcher for ScriptedFetcher {
    async fn fetch(&self, request: &FetchRequest) -> Result<FetchReply, FetchError> {
        self.next(request.clone())
    }
}
