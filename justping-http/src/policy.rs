//! What customers may ask of other servers.

use std::net::SocketAddr;
use std::time::Duration;

use crate::address::is_public;
use crate::destination::OpenUrl;
use crate::error::Refusal;
use crate::guard;

/// The ports of the web.
pub const PORTS: &[u16] = &[80, 443];
/// Redirects that are followed.
pub const REDIRECTS_MAX: u32 = 5;
/// The largest body that is sent.
pub const REQUEST_MAX_BYTES: usize = 256 * 1024;
/// The largest body that is read.
pub const RESPONSE_MAX_BYTES: usize = 256 * 1024;
/// Longest time for a connection to open, finding its address included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time from the start to the end of the answer, redirects included.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// What an [`OpenClient`](crate::OpenClient) allows. The default is the public web.
///
/// ```
/// use justping_http::{OpenUrl, Policy, Refusal};
///
/// let policy = Policy { hosts: Some(vec!["*.example.com".to_owned()]), ..Policy::default() };
/// assert_eq!(policy.check(&OpenUrl::parse("https://api.example.com/x").unwrap()), Ok(()));
/// let elsewhere = OpenUrl::parse("https://example.org/").unwrap();
/// assert_eq!(policy.check(&elsewhere), Err(Refusal::Host));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The ports that may be asked.
    pub ports: Vec<u16>,
    /// The hosts that may be asked, `*.` standing for one or more labels; `None` allows all.
    pub hosts: Option<Vec<String>>,
    /// Addresses that may be asked whatever else is said, where they are written as numbers. For
    /// development and tests: names that lead to them are refused all the same.
    pub except: Vec<SocketAddr>,
    /// Redirects that are followed.
    pub redirects_max: u32,
    /// The largest body that is sent.
    pub request_max_bytes: usize,
    /// The largest body that is read.
    pub response_max_bytes: usize,
    /// Longest time for a connection to open.
    pub connect_timeout: Duration,
    /// Longest time from the start to the end of the answer.
    pub timeout: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            ports: PORTS.to_vec(),
            hosts: None,
            except: Vec::new(),
            redirects_max: REDIRECTS_MAX,
            request_max_bytes: REQUEST_MAX_BYTES,
            response_max_bytes: RESPONSE_MAX_BYTES,
            connect_timeout: CONNECT_TIMEOUT,
            timeout: TIMEOUT,
        }
    }
}

impl Policy {
    /// Judges an address as far as that is possible without the network: a name is judged as such,
    /// where it leads only when it is asked.
    ///
    /// # Errors
    /// [`Refusal`] says what is not allowed.
    pub fn check(&self, url: &OpenUrl) -> Result<(), Refusal> {
        guard::check(self, is_public, url)
    }
}
