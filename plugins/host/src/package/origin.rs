use std::borrow::Cow;

use url::{Host, Url};

use super::Dialect;

/// Why a text is not a host that a plugin may ask for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// It is no address.
    #[error("is not an address such as https://api.example.com")]
    Malformed,
    /// Something stands for many hosts.
    #[error("names many hosts at once; each must be listed")]
    Wildcard,
    /// The scheme is another one.
    #[error("must begin with https://")]
    Scheme,
    /// There is more than scheme, host and port, or they are written in another way.
    #[error("must be scheme, host and port only: {0}")]
    NotPlain(Cow<'static, str>),
}

/// Checks that a text is scheme, host and, if it is not the usual one, port, written as a browser
/// writes an origin: so two texts are the same place exactly when they are the same text.
///
/// # Errors
/// [`OriginError`].
pub fn check_origin(text: &str, dialect: Dialect) -> Result<(), OriginError> {
    if text.contains('*') {
        return Err(OriginError::Wildcard);
    }
    let url = Url::parse(text).map_err(|_| OriginError::Malformed)?;
    let allowed = match url.scheme() {
        "https" => true,
        "http" => dialect == Dialect::Development,
        _ => false,
    };
    if !allowed {
        return Err(OriginError::Scheme);
    }
    if matches!(url.host(), None | Some(Host::Domain(""))) {
        return Err(OriginError::Malformed);
    }
    if !url.username().is_empty() || url.password().is_some() {
        // What stands there may be a secret.
        return Err(OriginError::NotPlain(Cow::Borrowed("no name or password may stand in it")));
    }
    let plain = url.origin().ascii_serialization();
    if plain != text {
        return Err(OriginError::NotPlain(Cow::Owned(format!("write {plain}"))));
    }
    Ok(())
}
