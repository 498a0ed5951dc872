//! The one outbound HTTP client of JustPing.
//!
//! Whatever the code base asks of another server, it asks through one of two clients, which take
//! addresses of two types that cannot be confused:
//!
//! | client | its address | is written by | may be |
//! |---|---|---|---|
//! | [`ConfiguredClient`] | [`ConfiguredUrl`] | the operator | anywhere, loopback too |
//! | [`OpenClient`] | [`OpenUrl`] | a customer | a public web address that the [`Policy`] allows |
//!
//! The guard of open addresses: names are resolved by a resolver whose answers are filtered where
//! the connection is made, so a name cannot change its mind in between; addresses written as
//! numbers are judged as well; each redirect is judged anew; headers that steer proxies or open
//! metadata services are refused; time and sizes are bounded; proxies of the environment are not
//! asked.
//!
//! `address` which addresses are public · `destination` the two kinds of address · `header` what a
//! customer's request may say · `policy` what is allowed · `guard` the judgement · `resolve` names ·
//! `configured` and `open` the clients · `reach` servers of other protocols · `response` reading with bounds · `error` what went wrong.
//!
//! Invariant: no other crate builds a client.

mod address;
mod configured;
mod destination;
mod error;
mod guard;
mod header;
mod method;
mod open;
mod policy;
mod reach;
mod resolve;
mod response;
#[cfg(test)]
mod tests;

pub use reqwest::Url;
pub use reqwest::header::{self as headers, HeaderMap, HeaderName, HeaderValue};

pub use self::address::is_public;
pub use self::configured::{ConfiguredClient, ConfiguredOptions, ConfiguredRequest};
pub use self::destination::{ConfiguredUrl, OpenUrl, URL_MAX_BYTES};
pub use self::error::{HttpError, Refusal, StartError};
pub use self::header::{HEADERS_MAX, HEADERS_MAX_BYTES, check_header};
pub use self::method::Method;
pub use self::open::{Answer, OpenClient, OpenRequest, Script};
pub use self::policy::{
    CONNECT_TIMEOUT, PORTS, Policy, REDIRECTS_MAX, REQUEST_MAX_BYTES, RESPONSE_MAX_BYTES, TIMEOUT,
};
pub use self::reach::reach;
pub use self::response::Response;
