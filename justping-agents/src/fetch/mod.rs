//! Asking other servers, as nodes see it.
//!
//! `scripted` answers from a script · `open` (feature `http`) asks the web, guarded.

#[cfg(feature = "http")]
mod open;
mod scripted;

use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use self::scripted::ScriptedFetcher;

/// What is to be done with a resource.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FetchMethod {
    /// Reads.
    #[default]
    Get,
    /// Reads the headers only.
    Head,
    /// Creates, or anything else.
    Post,
    /// Replaces.
    Put,
    /// Changes.
    Patch,
    /// Removes.
    Delete,
}

impl FetchMethod {
    /// Says whether doing it twice is the same as doing it once.
    pub fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post | Self::Patch)
    }

    /// Says whether a request of this method may have a body.
    pub fn has_body(self) -> bool {
        !matches!(self, Self::Get | Self::Head)
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchRequest {
    /// What is to be done.
    pub method: FetchMethod,
    /// The address.
    pub url: String,
    /// Names and values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Longest time to the end of the answer, in milliseconds.
    pub timeout_ms: u64,
}

/// An answer, whatever its status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FetchReply {
    /// The status, such as 200.
    pub status: u16,
    /// Names in lowercase, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no answer. Messages hold no address and no text of a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// It is not allowed, or its answer is of no use; trying again changes nothing.
    #[error("{detail}")]
    Refused {
        /// A stable code.
        code: &'static str,
        /// Why, for people.
        detail: String,
    },
    /// The time is over; the request may have arrived.
    #[error("no answer in time")]
    Timeout,
    /// The network failed; the request may have arrived.
    #[error("{detail}")]
    Failed {
        /// A stable code.
        code: &'static str,
        /// Why, for people.
        detail: String,
    },
}

impl FetchError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused { code, .. } | Self::Failed { code, .. } => code,
            Self::Timeout => "timeout",
        }
    }
}

/// Asks other servers for nodes.
///
/// # Contract
/// Addresses come from people who write flows. An implementation decides which may be asked, and
/// decides again where a name or a redirect leads. Answers are bounded in size.
///
/// # Ordering & idempotency
/// One call is one request: whether to repeat it is the caller's decision.
///
/// # Cancellation
/// Dropping the future gives the request up; it may have arrived.
///
/// # Errors
/// [`FetchError`]. An answer with a status of failure is an answer.
///
/// # Implementing
/// ```
/// use justping_agents::fetch::{FetchError, FetchReply, FetchRequest, Fetcher};
///
/// /// Answers what it was asked.
/// #[derive(Debug)]
/// struct Echo;
///
/// #[async_trait::async_trait]
/// impl Fetcher for Echo {
///     async fn fetch(&self, request: &FetchRequest) -> Result<FetchReply, FetchError> {
///         let body = request.body.clone().unwrap_or_default().into_bytes();
///         Ok(FetchReply { status: 200, body, ..FetchReply::default() })
///     }
/// }
/// ```
#[async_trait]
pub trait Fetcher: Send + Sync + Debug + 'static {
    /// Judges an address before a flow that asks it is published.
    ///
    /// # Errors
    /// [`FetchError::Refused`].
    fn check_url(&self, url: &str) -> Result<(), FetchError> {
        let _ = url;
        Ok(())
    }

    /// Judges the name of a header before a flow that sends it is published.
    ///
    /// # Errors
    /// [`FetchError::Refused`].
    fn check_header(&self, name: &str) -> Result<(), FetchError> {
        let _ = name;
        Ok(())
    }

    /// Sends a request, once, and reads the answer.
    async fn fetch(&self, request: &FetchRequest) -> Result<FetchReply, FetchError>;
}
