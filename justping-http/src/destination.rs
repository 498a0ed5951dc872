//! The two kinds of address: written by the operator, and written by a customer.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

use crate::error::Refusal;

/// The longest open address.
pub const URL_MAX_BYTES: usize = 8192;

/// A web address that the operator of the server configured. It may lead anywhere.
///
/// Its path and query are not shown by `Debug`: some providers have keys there.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfiguredUrl(Url);

impl ConfiguredUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// [`Refusal::Url`], [`Refusal::Scheme`].
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        Url::parse(text).map_err(|_| Refusal::Url)?.try_into()
    }

    /// The address.
    pub fn url(&self) -> &Url {
        &self.0
    }
}

impl TryFrom<Url> for ConfiguredUrl {
    type Error = Refusal;

    fn try_from(url: Url) -> Result<Self, Refusal> {
        check_web(&url)?;
        Ok(Self(url))
    }
}

impl fmt::Debug for ConfiguredUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "ConfiguredUrl", &self.0)
    }
}

/// A web address that a customer wrote, well-formed and without user info. Whether it may be asked
/// is judged by a [`Policy`](crate::Policy).
///
/// Hosts are read as browsers read them: `0x7f.1`, `2130706433` and `①②⑦.0.0.1` are the address
/// `127.0.0.1`. Path and query are not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenUrl {
    url: Url,
    address: Option<IpAddr>,
    port: u16,
}

/// Whom an address names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host<'a> {
    /// In lowercase, without a dot at its end.
    Name(&'a str),
    Address(IpAddr),
}

impl OpenUrl {
    /// Reads an address. Blanks, control characters and backslashes, over which parsers disagree,
    /// are refused, and the fragment is dropped.
    ///
    /// # Errors
    /// [`Refusal::Url`], [`Refusal::UrlLength`], [`Refusal::Scheme`], [`Refusal::UserInfo`].
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.len() > URL_MAX_BYTES {
            return Err(Refusal::UrlLength);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err(Refusal::Url);
        }
        Self::of(Url::parse(text).map_err(|_| Refusal::Url)?)
    }

    /// Reads where a redirect leads.
    pub(crate) fn join(&self, location: &str) -> Result<Self, Refusal> {
        let url = self.url.join(location).map_err(|_| Refusal::Url)?;
        Self::parse(url.as_str())
    }

    fn of(mut url: Url) -> Result<Self, Refusal> {
        check_web(&url)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::UserInfo);
        }
        url.set_fragment(None);
        let host = url.host_str().ok_or(Refusal::Url)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let address = bare.trim_end_matches('.').parse().ok();
        let port = url.port_or_known_default().ok_or(Refusal::Port)?;
        Ok(Self { url, address, port })
    }

    /// Its scheme, host and, unless it is the scheme's own, port: `https://api.example.com:8443`.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// All of it as text: its path and query may hold what others should not read.
    pub fn text(&self) -> &str {
        self.url().as_str()
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    pub(crate) fn host(&self) -> Host<'_> {
        let name = || self.url.host_str().unwrap_or_default().trim_end_matches('.');
        self.address.map_or_else(|| Host::Name(name()), Host::Address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Says whether credentials for one may be shown to the other.
    pub(crate) fn has_origin_of(&self, other: &Self) -> bool {
        self.url.origin() == other.url.origin()
    }
}

impl fmt::Debug for OpenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "OpenUrl", &self.url)
    }
}

fn check_web(url: &Url) -> Result<(), Refusal> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Refusal::Scheme);
    }
    if url.has_host() { Ok(()) } else { Err(Refusal::Url) }
}

fn debug(f: &mut fmt::Formatter<'_>, name: &str, url: &Url) -> fmt::Result {
    f.debug_tuple(name).field(&url.origin().ascii_serialization()).finish()
}
