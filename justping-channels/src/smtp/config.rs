use std::net::{IpAddr, SocketAddr};

use justping_core::model::{ChannelConfig, ChannelSecrets, MailAddress};
use justping_core::port::{ChannelConfigError, Rate};
use justping_http::Policy;
use lettre::Address;
use lettre::transport::smtp::authentication::Credentials;
use serde::{Deserialize, Serialize};

use crate::mac::MacKey;

/// The name of the secret that the user signs in with.
pub const PASSWORD: &str = "password";
/// The name of the secret that signs incoming mails: at least [`WEBHOOK_SECRET_MIN`] random bytes.
pub const WEBHOOK_SECRET: &str = "webhook_secret";
/// Bytes of the shortest webhook secret: as many as the signature has.
pub const WEBHOOK_SECRET_MIN: usize = 32;
/// The port of a server unless the settings name another (RFC 6409).
pub const PORT: u16 = 587;
/// The port on which everything is encrypted (RFC 8314).
pub const TLS_PORT: u16 = 465;
/// The ports that servers of mail may have.
pub const PORTS: &[u16] = &[25, TLS_PORT, PORT, 2525];
/// Mails a second unless the settings name another number.
pub const THROUGHPUT_DEFAULT: u32 = 10;
/// Characters of the sender's name and of the subject.
pub const NAME_MAX: usize = 100;
/// Bytes of the address at which people unsubscribe.
const UNSUBSCRIBE_MAX: usize = 900;

/// The settings of an e-mail channel, as [`ChannelConfig::settings`] carries them.
///
/// ```json
/// { "host": "smtp.acme.example", "from": "hello@acme.example", "from_name": "Acme",
///   "user": "hello@acme.example" }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpSettings {
    /// The server: a public name.
    pub host: String,
    /// Its port; [`TLS_PORT`] where security is `tls`, else [`PORT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How the connection is encrypted.
    #[serde(default)]
    pub security: Security,
    /// The sender's address, which servers must know for one of the user's.
    pub from: String,
    /// The sender's name; without one it is the channel's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_name: Option<String>,
    /// Where answers go, if not to the sender's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Who signs in; without a user, nobody does. The secret is [`PASSWORD`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The subject of mails that have none; without one it is the sender's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Where people unsubscribe: an address that begins with `mailto:` or `https://` (RFC 2369; one of
    /// the web must take RFC 8058's POST).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_unsubscribe: Option<String>,
    /// Mails a second; [`THROUGHPUT_DEFAULT`] unless the server's operator allows another number.
    #[serde(default = "throughput")]
    pub messages_per_second: u32,
}

const fn throughput() -> u32 {
    THROUGHPUT_DEFAULT
}

/// How a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// It begins plain and goes on encrypted, or not at all (RFC 3207).
    #[default]
    Starttls,
    /// All of it is encrypted.
    Tls,
    /// Not at all; only to addresses that the operator of this server allows.
    None,
}

/// Settings and secrets, checked and ready for use.
pub(super) struct Checked {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    pub(super) from: Address,
    pub(super) from_name: String,
    pub(super) reply_to: Option<Address>,
    pub(super) credentials: Option<Credentials>,
    pub(super) subject: String,
    pub(super) list_unsubscribe: Option<String>,
    pub(super) rate: Rate,
    pub(super) key: MacKey,
}

/// Reads and checks the settings and secrets of a channel.
pub(super) fn check(
    config: &ChannelConfig,
    secrets: &ChannelSecrets,
    policy: &Policy,
) -> Result<Checked, ChannelConfigError> {
    let settings = SmtpSettings::deserialize(&config.settings)
        .map_err(|error| wrong("settings", &error.to_string()))?;
    let usual = if settings.security == Security::Tls { TLS_PORT } else { PORT };
    let port = settings.port.unwrap_or(usual);
    check_place(&settings, port, policy)?;
    let from = address("from", &settings.from)?;
    let from_name = line("from_name", settings.from_name.as_deref().unwrap_or(&config.name))?;
    let subject = line("subject", settings.subject.as_deref().unwrap_or(&from_name))?;
    if settings.messages_per_second == 0 {
        return Err(wrong("messages_per_second", "it must be 1 at least"));
    }
    Ok(Checked {
        port,
        security: settings.security,
        from,
        from_name,
        reply_to: settings.reply_to.as_deref().map(|to| address("reply_to", to)).transpose()?,
        credentials: credentials(settings.user.as_deref(), secrets)?,
        subject,
        list_unsubscribe: settings.list_unsubscribe.map(unsubscribe).transpose()?,
        rate: Rate::within(settings.messages_per_second),
        key: key(secrets)?,
        host: settings.host,
    })
}

/// Refuses a server that the policy does not allow, and one that is to be spoken to in the open.
fn check_place(
    settings: &SmtpSettings,
    port: u16,
    policy: &Policy,
) -> Result<(), ChannelConfigError> {
    policy.check_host(&settings.host, port).map_err(|refusal| match refusal {
        justping_http::Refusal::Port => wrong("port", &refusal.to_string()),
        justping_http::Refusal::Url => wrong("host", "it is neither a name nor an address"),
        _ => wrong("host", &refusal.to_string()),
    })?;
    let literal = settings.host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let allowed = literal.is_ok_and(|ip| policy.except.contains(&SocketAddr::new(ip, port)));
    if settings.security == Security::None && !allowed {
        return Err(wrong("security", "a connection through the internet must be encrypted"));
    }
    Ok(())
}

fn address(field: &str, text: &str) -> Result<Address, ChannelConfigError> {
    let address = MailAddress::parse(text).and_then(|address| address.as_str().parse().ok());
    address.ok_or_else(|| wrong(field, "it is no mail address"))
}

/// A text that stands in a header.
fn line(field: &str, text: &str) -> Result<String, ChannelConfigError> {
    if text.chars().any(char::is_control) {
        return Err(wrong(field, "it must be one line"));
    }
    if text.chars().count() > NAME_MAX {
        return Err(wrong(field, &format!("it must have at most {NAME_MAX} characters")));
    }
    Ok(text.trim().to_owned())
}

fn unsubscribe(text: String) -> Result<String, ChannelConfigError> {
    let known = text.starts_with("mailto:") || text.starts_with("https://");
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b','));
    if known && plain && text.len() <= UNSUBSCRIBE_MAX {
        return Ok(text);
    }
    Err(wrong("list_unsubscribe", "it looks like https://… or mailto:…"))
}

fn credentials(
    user: Option<&str>,
    secrets: &ChannelSecrets,
) -> Result<Option<Credentials>, ChannelConfigError> {
    let Some(user) = user else { return Ok(None) };
    let password = secrets.get(PASSWORD).unwrap_or_default();
    if password.is_empty() {
        return Err(wrong(PASSWORD, "the secret is missing"));
    }
    Ok(Some(Credentials::new(user.to_owned(), password.to_owned())))
}

fn key(secrets: &ChannelSecrets) -> Result<MacKey, ChannelConfigError> {
    let secret = secrets.get(WEBHOOK_SECRET).unwrap_or_default();
    if secret.is_empty() {
        return Err(wrong(WEBHOOK_SECRET, "the secret is missing"));
    }
    if secret.len() < WEBHOOK_SECRET_MIN {
        let message = format!("the secret must have at least {WEBHOOK_SECRET_MIN} bytes");
        return Err(wrong(WEBHOOK_SECRET, &message));
    }
    MacKey::new(secret).ok_or_else(|| wrong(WEBHOOK_SECRET, "the secret is missing"))
}

fn wrong(field: &str, message: &str) -> ChannelConfigError {
    ChannelConfigError { field: field.to_owned(), message: message.to_owned() }
}
