//! What the headers of a customer's request may say.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::error::Refusal;

/// Most headers of an open request.
pub const HEADERS_MAX: usize = 32;
/// Most bytes in the names and values of an open request's headers.
pub const HEADERS_MAX_BYTES: usize = 16 * 1024;

/// What belongs to the connection, or opens the metadata services of clouds.
const DENIED: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "metadata",
    "metadata-flavor",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-google-metadata-request",
    "x-metadata-token",
];
/// The same by how they begin.
const DENIED_PREFIXES: &[&str] = &["proxy-", "x-aws-ec2-metadata-token"];

/// What a request keeps when it is redirected to another origin.
const HARMLESS: &[&str] = &["accept", "accept-language", "content-type", "user-agent"];

/// Reads the name of a header that an open request may have.
///
/// # Errors
/// [`Refusal::Header`], [`Refusal::HeaderName`].
pub fn check_header(name: &str) -> Result<HeaderName, Refusal> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Refusal::Header)?;
    // Some servers take an underline for a hyphen.
    let plain = name.as_str().replace('_', "-");
    let is_denied = DENIED.contains(&plain.as_str())
        || DENIED_PREFIXES.iter().any(|prefix| plain.starts_with(prefix));
    if is_denied { Err(Refusal::HeaderName) } else { Ok(name) }
}

/// Adds a header.
pub(crate) fn append(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), Refusal> {
    let name = check_header(name)?;
    let mut value = HeaderValue::from_str(value).map_err(|_| Refusal::Header)?;
    value.set_sensitive(true);
    let bytes: usize = headers.iter().map(|(name, value)| size(name, value)).sum();
    if headers.len() >= HEADERS_MAX || bytes + size(&name, &value) > HEADERS_MAX_BYTES {
        return Err(Refusal::HeaderSize);
    }
    headers.append(name, value);
    Ok(())
}

/// Removes what another origin must not see: whatever may be a credential.
pub(crate) fn drop_credentials(headers: &mut HeaderMap) {
    let lost: Vec<HeaderName> =
        headers.keys().filter(|name| !HARMLESS.contains(&name.as_str())).cloned().collect();
    for name in lost {
        headers.remove(name);
    }
}

fn size(name: &HeaderName, value: &HeaderValue) -> usize {
    name.as_str().len() + value.len()
}
