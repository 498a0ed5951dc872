use std::time::Duration;

use secrecy::SecretString;

/// Live items of a lane unless the configuration says otherwise.
pub const LIVE_MAX_DEFAULT: u32 = 1_000_000;
/// How long a call may take unless the configuration says otherwise.
pub const PATIENCE_DEFAULT: Duration = Duration::from_secs(10);
/// How long a worker may hold an item unless the configuration says otherwise.
const LEASE_DEFAULT: Duration = Duration::from_secs(60);

/// Where RabbitMQ is and how a queue there is.
#[derive(Debug, Clone)]
pub struct RabbitQueueConfig {
    /// `amqp://user:password@host:port/vhost`. TLS belongs into a proxy beside it.
    pub url: SecretString,
    /// What the queue is called; the names of its parts start with it.
    pub name: String,
    /// How long a worker may hold an item. The broker's own `consumer_timeout` must be longer.
    pub lease: Duration,
    /// Most items that wait in a lane.
    pub live_max: u32,
    /// How long a call may take.
    pub patience: Duration,
}

impl RabbitQueueConfig {
    /// A queue with the defaults of this module.
    pub fn new(url: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            url: SecretString::from(url.into()),
            name: name.into(),
            lease: LEASE_DEFAULT,
            live_max: LIVE_MAX_DEFAULT,
            patience: PATIENCE_DEFAULT,
        }
    }
}
