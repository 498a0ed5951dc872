//! Where a customer's server is that speaks another protocol than HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Name, Resolve};

use crate::address::is_public;
use crate::destination::{Host, OpenUrl};
use crate::error::{HttpError, Refusal};
use crate::guard::{self, Judge};
use crate::policy::Policy;
use crate::resolve::{GuardedResolver, SystemResolver};

impl Policy {
    /// Judges a host and port that a customer wrote for another protocol than HTTP, as far as that is
    /// possible without the network. The host is a name, or an address as a number.
    ///
    /// # Errors
    /// [`Refusal`] says what is not allowed.
    pub fn check_host(&self, host: &str, port: u16) -> Result<(), Refusal> {
        guard::check(self, is_public, &url(host, port)?)
    }
}

/// Finds the addresses of a customer's server that speaks another protocol than HTTP, and leaves out
/// those that may not be connected to. Whoever connects takes these very addresses and asks for no
/// others: a name may have changed its mind by then.
///
/// # Errors
/// [`HttpError::Refused`] when nothing of it may be connected to; [`HttpError::Connect`] when the name
/// leads nowhere.
pub async fn reach(policy: &Policy, host: &str, port: u16) -> Result<Vec<SocketAddr>, HttpError> {
    find(policy, (is_public, Arc::new(SystemResolver)), host, port).await
}

pub(crate) async fn find(
    policy: &Policy,
    (judge, upstream): (Judge, Arc<dyn Resolve>),
    host: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, HttpError> {
    let url = url(host, port)?;
    guard::check(policy, judge, &url)?;
    let name = match url.host() {
        Host::Address(address) => return Ok(vec![SocketAddr::new(address, port)]),
        Host::Name(name) => name,
    };
    let nowhere = |detail: String| HttpError::Connect { detail };
    let name: Name = name.parse().map_err(|_| Refusal::Url)?;
    let found = GuardedResolver { upstream, judge }.resolve(name);
    let found = tokio::time::timeout(policy.connect_timeout, found).await;
    let found = found.map_err(|_| nowhere("the name is not answered in time".to_owned()))?;
    let found = found.map_err(|error| match error.downcast::<Refusal>() {
        Ok(refusal) => HttpError::Refused(*refusal),
        Err(error) => nowhere(error.to_string()),
    })?;
    let found: Vec<SocketAddr> = found.map(|at| SocketAddr::new(at.ip(), port)).collect();
    if found.is_empty() { Err(nowhere("the name leads nowhere".to_owned())) } else { Ok(found) }
}

/// The host as web addresses have it, so that it is judged as they are.
fn url(host: &str, port: u16) -> Result<OpenUrl, Refusal> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    let bare = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
    if host.is_empty() || !bare || !host.chars().all(allowed) {
        return Err(Refusal::Url);
    }
    OpenUrl::parse(&format!("http://{host}:{port}/"))
}
