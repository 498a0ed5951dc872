use std::time::Duration;

use secrecy::SecretString;

/// What the names of all keys start with unless the configuration says otherwise.
pub const PREFIX_DEFAULT: &str = "justping";
/// How long an answer may take unless the configuration says otherwise.
pub const PATIENCE_DEFAULT: Duration = Duration::from_millis(250);
/// How long a Redis that failed is left alone unless the configuration says otherwise.
pub const BREATHER_DEFAULT: Duration = Duration::from_millis(500);

/// Where Redis is and how much patience it is worth.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// `redis://user:password@host:port/db`, `rediss://…` for TLS, or `redis+unix:///path`.
    pub url: SecretString,
    /// What the names of all keys start with: programs that share a Redis differ in it.
    pub prefix: String,
    /// How long a connection or an answer may take.
    pub patience: Duration,
    /// How long Redis is left alone after it failed.
    pub breather: Duration,
}

impl RedisConfig {
    /// A configuration with the defaults of this module.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: SecretString::from(url.into()),
            prefix: PREFIX_DEFAULT.to_owned(),
            patience: PATIENCE_DEFAULT,
            breather: BREATHER_DEFAULT,
        }
    }
}
