//! What can go wrong, by what the caller can do about it.

use std::error::Error;

/// Why a request has no answer. No message holds an address, a header's value or a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The request is not allowed; nothing has left, and trying again changes nothing.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The client does not start; nothing has left.
    #[error(transparent)]
    Start(#[from] StartError),
    /// No connection came about, so nothing has left.
    #[error("no connection: {detail}")]
    Connect {
        /// What the network says.
        detail: String,
    },
    /// The time is over; the request may have arrived.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke; the request may have arrived.
    #[error("the connection broke: {detail}")]
    Broken {
        /// What the network says.
        detail: String,
    },
    /// The answer is larger than allowed.
    #[error("the answer is larger than allowed")]
    TooLarge,
    /// Each answer was another redirect.
    #[error("too many redirects")]
    Redirects,
}

impl HttpError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Start(_) => "no_client",
            Self::Connect { .. } => "no_connection",
            Self::Timeout => "timeout",
            Self::Broken { .. } => "connection_broken",
            Self::TooLarge => "answer_too_large",
            Self::Redirects => "too_many_redirects",
        }
    }

    /// Sorts what the client says. A refusal of the resolver comes out of its depths.
    pub(crate) fn of(error: &reqwest::Error) -> Self {
        if let Some(refusal) = causes(error).find_map(|cause| cause.downcast_ref::<Refusal>()) {
            return Self::Refused(*refusal);
        }
        let detail =
            if error.is_timeout() { "no answer in time".to_owned() } else { root_cause(error) };
        if error.is_connect() || error.is_builder() {
            Self::Connect { detail }
        } else if error.is_timeout() {
            Self::Timeout
        } else {
            Self::Broken { detail }
        }
    }
}

/// Why a request is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The address is not a web address.
    #[error("the address is not a web address")]
    Url,
    /// The address is longer than [`URL_MAX_BYTES`](crate::URL_MAX_BYTES).
    #[error("the address is too long")]
    UrlLength,
    /// The address is neither `http` nor `https`.
    #[error("the address must begin with http:// or https://")]
    Scheme,
    /// The address holds a user or a password.
    #[error("the address must not hold a user or a password")]
    UserInfo,
    /// The name is one of a local network.
    #[error("the host is not a public name")]
    LocalName,
    /// The policy lists the hosts that may be asked, and this is none of them.
    #[error("the host is not allowed here")]
    Host,
    /// The port is none of the policy's.
    #[error("the port is not allowed here")]
    Port,
    /// The host's address does not belong to the public internet.
    #[error("the host's address is not a public one")]
    Address,
    /// The name or value of a header is malformed.
    #[error("a header is malformed")]
    Header,
    /// A header of this name belongs to the connection, or opens metadata services.
    #[error("a header of this name is not allowed")]
    HeaderName,
    /// There are more than [`HEADERS_MAX`](crate::HEADERS_MAX) headers, or more than
    /// [`HEADERS_MAX_BYTES`](crate::HEADERS_MAX_BYTES) in them.
    #[error("the headers are too many or too long")]
    HeaderSize,
    /// The body is larger than the policy's limit.
    #[error("the body is larger than allowed")]
    BodySize,
}

impl Refusal {
    /// A stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Url => "invalid_url",
            Self::UrlLength => "url_too_long",
            Self::Scheme => "scheme_denied",
            Self::UserInfo => "user_info_denied",
            Self::LocalName => "local_name_denied",
            Self::Host => "host_denied",
            Self::Port => "port_denied",
            Self::Address => "address_denied",
            Self::Header => "invalid_header",
            Self::HeaderName => "header_denied",
            Self::HeaderSize => "headers_too_large",
            Self::BodySize => "body_too_large",
        }
    }
}

/// A client does not start: the machine has no root certificates, most likely.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the HTTP client does not start: {detail}")]
pub struct StartError {
    /// What is missing.
    pub detail: String,
}

impl StartError {
    pub(crate) fn of(error: &reqwest::Error) -> Self {
        Self { detail: root_cause(error) }
    }
}

/// The innermost error: it names the trouble and, unlike the outer ones, no address.
fn root_cause(error: &reqwest::Error) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let first: &(dyn Error + 'static) = error;
    std::iter::successors(Some(first), |error: &&(dyn Error + 'static)| (*error).source())
}
