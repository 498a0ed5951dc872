//! Mails and the addresses they go to.

use std::fmt;

use email_address::{EmailAddress as Syntax, Options};
use serde::{Deserialize, Serialize};

use super::{ChannelKind, Identity};

/// Most characters of a mail's subject.
pub const MAIL_SUBJECT_MAX_CHARS: usize = 250;
/// Most bytes of a mail's text.
pub const MAIL_TEXT_MAX_BYTES: usize = 256 * 1024;
/// Most bytes of a mail's HTML.
pub const MAIL_HTML_MAX_BYTES: usize = 512 * 1024;
/// Most attachments of a mail that are listed.
pub const MAIL_ATTACHMENTS_MAX: usize = 50;

/// An address of e-mail in the one form in which addresses are compared: the domain in lower case, what
/// stands before it as it was written (RFC 5321, section 2.4, leaves its meaning to the receiver).
///
/// ```
/// use justping_core::model::MailAddress;
///
/// let address = MailAddress::parse(" Ada.Lovelace@Example.ORG ").unwrap();
/// assert_eq!(address.as_str(), "Ada.Lovelace@example.org");
/// assert_eq!(address.domain(), "example.org");
/// assert_eq!(MailAddress::parse("Ada <ada@example.org>"), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MailAddress(String);

impl MailAddress {
    /// Reads a bare address with a domain of two names at least; blanks around it are left out. `None`
    /// for what is none, for one with a name beside it, and for one at a number in brackets.
    pub fn parse(text: &str) -> Option<Self> {
        let options =
            Options::default().with_required_tld().without_display_text().without_domain_literal();
        let address = Syntax::parse_with_options(text.trim(), options).ok()?;
        let (local, domain) = (address.local_part(), address.domain());
        let plain = !address.as_str().chars().any(char::is_control);
        plain.then(|| Self(format!("{local}@{}", domain.to_lowercase())))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands behind the `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// How a contact is known by it.
    pub fn identity(&self) -> Identity {
        Identity::new(ChannelKind::EMAIL, self.0.clone())
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A mail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// The subject, at most [`MAIL_SUBJECT_MAX_CHARS`]; where it is empty the channel's own is used.
    #[serde(default)]
    pub subject: String,
    /// The text, at most [`MAIL_TEXT_MAX_BYTES`].
    pub text: String,
    /// The same as HTML, at most [`MAIL_HTML_MAX_BYTES`]. Of what contacts write only the text is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// The contact's address that it goes to or came from; without one, the contact's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Whether a program wrote it (RFC 3834): no bot answers such a mail.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automatic: bool,
    /// What came with it, by name, at most [`MAIL_ATTACHMENTS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

/// A file that came with a mail. The file itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its name.
    pub name: String,
    /// Its MIME type, where the mail says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime: Option<String>,
}

/// Why a mail cannot be sent as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// There is no text; HTML alone is unreadable to some.
    #[error("has no text")]
    Empty,
    /// The subject is longer than [`MAIL_SUBJECT_MAX_CHARS`].
    #[error("has a subject of more than {MAIL_SUBJECT_MAX_CHARS} characters")]
    Subject,
    /// The text or HTML is longer than [`MAIL_TEXT_MAX_BYTES`] or [`MAIL_HTML_MAX_BYTES`].
    #[error("is too long")]
    Size,
    /// The address is none.
    #[error("has an address that is none")]
    Address,
    /// Files can be received, not sent.
    #[error("has attachments, which cannot be sent")]
    Attachments,
}

impl Mail {
    /// A mail of plain text.
    pub fn new(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self { subject: subject.into(), text: text.into(), ..Self::default() }
    }

    /// Says whether it may be sent.
    ///
    /// # Errors
    /// [`MailError`] with the first thing that is wrong.
    pub fn check(&self) -> Result<(), MailError> {
        let html = self.html.as_deref().unwrap_or_default();
        if self.text.trim().is_empty() {
            return Err(MailError::Empty);
        }
        if self.subject.chars().count() > MAIL_SUBJECT_MAX_CHARS {
            return Err(MailError::Subject);
        }
        if self.text.len() > MAIL_TEXT_MAX_BYTES || html.len() > MAIL_HTML_MAX_BYTES {
            return Err(MailError::Size);
        }
        if self.address.as_deref().is_some_and(|address| MailAddress::parse(address).is_none()) {
            return Err(MailError::Address);
        }
        if !self.attachments.is_empty() {
            return Err(MailError::Attachments);
        }
        Ok(())
    }

    /// The mail where there are no mails: its subject stands above its text.
    pub fn as_text(&self) -> String {
        let parts = [self.subject.trim(), self.text.trim()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
    }

    /// What a person would read of it first.
    pub fn plain(&self) -> &str {
        if self.text.trim().is_empty() { &self.subject } else { &self.text }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_compared_by_their_domain_in_lower_case() {
        let read = |text: &str| MailAddress::parse(text).map(|address| address.to_string());
        assert_eq!(read("Ada@EXAMPLE.org").as_deref(), Some("Ada@example.org"));
        assert_eq!(read("ada+tag@mail.example.org").as_deref(), Some("ada+tag@mail.example.org"));
        for bad in [
            "",
            "ada",
            "ada@",
            "@example.org",
            "ada@localhost",
            "ada@[127.0.0.1]",
            "Ada <ada@example.org>",
            "a@example.org,b@example.org",
            "ada@exa mple.org",
            "ada@example.org\r\nBcc: eve@example.org",
            "\"a\r\nb\"@example.org",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_mail_says_what_is_wrong_with_it() {
        let good = Mail::new("Hello", "Hi");
        assert_eq!(good.check(), Ok(()));
        let wrong = |mail: Mail| mail.check().unwrap_err();
        assert_eq!(wrong(Mail::new("x", " ")), MailError::Empty);
        assert_eq!(wrong(Mail::new("x".repeat(251), "t")), MailError::Subject);
        assert_eq!(wrong(Mail::new("", "t".repeat(MAIL_TEXT_MAX_BYTES + 1))), MailError::Size);
        let html = Some("h".repeat(MAIL_HTML_MAX_BYTES + 1));
        assert_eq!(wrong(Mail { html, ..good.clone() }), MailError::Size);
        let address = Some("nobody".to_owned());
        assert_eq!(wrong(Mail { address, ..good.clone() }), MailError::Address);
        let attachments = vec![Attachment { name: "a.pdf".to_owned(), mime: None }];
        assert_eq!(wrong(Mail { attachments, ..good }), MailError::Attachments);
    }

    proptest! {
        #[test]
        fn reading_an_address_is_total_and_settles(text in ".{0,80}") {
            if let Some(address) = MailAddress::parse(&text) {
                prop_assert_eq!(MailAddress::parse(address.as_str()), Some(address.clone()));
                prop_assert!(!address.as_str().chars().any(char::is_control));
            }
        }
    }
}
