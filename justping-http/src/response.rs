//! Reading an answer, within bounds.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::error::HttpError;

/// An answer whose body is still on its way.
#[derive(Debug)]
pub struct Response(pub(crate) reqwest::Response);

impl Response {
    /// The status, such as 200.
    pub fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }

    /// What `Retry-After` asks for, where it is given in seconds.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds))
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// [`HttpError::Timeout`], [`HttpError::Broken`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        self.0.chunk().await.map_err(|error| HttpError::of(&error))
    }

    /// The whole body, read up to `max` bytes.
    ///
    /// # Errors
    /// [`HttpError::TooLarge`], [`HttpError::Timeout`], [`HttpError::Broken`].
    pub async fn read(mut self, max: usize) -> Result<Vec<u8>, HttpError> {
        let mut body = Vec::new();
        while let Some(piece) = self.chunk().await? {
            if body.len() + piece.len() > max {
                return Err(HttpError::TooLarge);
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }
}
