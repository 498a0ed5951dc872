//! Reports of what became of a mail (RFC 3464), and mails that came back.

use justping_core::model::{DeliveryStatus, Inbound, StatusUpdate};
use mail_parser::{Message, MessagePart, MimeHeaders, PartType};

use super::error::{enhanced_of, failure};
use super::incoming::{reference, unsupported};
use super::map::key_of;

/// Bytes of a report's fields that are read.
const REPORT_MAX: usize = 64 * 1024;
/// Bytes of a returned mail's head that are read.
const HEAD_MAX: usize = 64 * 1024;

/// What a report says of the first recipient that it names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// `failed`, `delayed`, `delivered`, `relayed` or `expanded`.
    pub(super) action: String,
    /// The enhanced code, such as `5.1.1`; empty where there is none.
    pub(super) status: String,
    /// What the server said, with its reply code.
    pub(super) diagnostic: String,
    /// The Message-ID of the mail it is about.
    pub(super) message_id: Option<String>,
}

/// The news of a report; `None` for any other mail.
pub(super) fn read(mail: &Message<'_>, domain: &str) -> Option<Vec<Inbound>> {
    let report = report(mail)?;
    let ours = report.message_id.as_deref().and_then(|id| Some((id, key_of(id, domain)?)));
    let Some((id, key)) = ours else { return Some(vec![unsupported("foreign_report", mail)]) };
    let status = match report.action.as_str() {
        "delivered" => DeliveryStatus::Delivered,
        "failed" => DeliveryStatus::Failed,
        _ => return Some(vec![unsupported("report", mail)]),
    };
    let failed = status == DeliveryStatus::Failed;
    Some(vec![Inbound::Status(StatusUpdate {
        provider_ref: id.to_owned(),
        key: Some(key),
        status,
        at: None,
        failure: failed.then(|| failure(report.reply(), &report.status, &report.diagnostic)),
    })])
}

/// Reads a report; `None` for a mail that has none.
pub(super) fn report(mail: &Message<'_>) -> Option<Report> {
    let is = |part: &&MessagePart<'_>, kind: &str, subtypes: &[&str]| {
        part.content_type().is_some_and(|found| {
            let subtype = found.subtype().unwrap_or_default();
            found.ctype().eq_ignore_ascii_case(kind)
                && subtypes.iter().any(|one| subtype.eq_ignore_ascii_case(one))
        })
    };
    let status = ["delivery-status", "global-delivery-status"];
    let fields = mail.parts.iter().find(|part| is(part, "message", &status))?;
    let returned = mail.parts.iter().find_map(|part| match &part.body {
        PartType::Message(message) => reference(message.message_id()),
        _ if is(&part, "text", &["rfc822-headers"])
            || is(&part, "message", &["rfc822", "global"]) =>
        {
            head(part.contents())
        }
        _ => None,
    });
    let text = String::from_utf8_lossy(beginning(fields.contents(), REPORT_MAX)).into_owned();
    Some(Report { message_id: returned, ..Report::read(&text) })
}

/// The Message-ID in the head of a returned mail.
fn head(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(beginning(bytes, HEAD_MAX));
    let head = text.trim_start().lines().take_while(|line| !line.trim().is_empty());
    let fields = fields(head);
    let (_, id) = fields.iter().find(|(name, _)| name == "message-id")?;
    reference(Some(id.trim_start_matches('<').trim_end_matches('>')))
}

fn beginning(bytes: &[u8], max: usize) -> &[u8] {
    bytes.get(..max).unwrap_or(bytes)
}

impl Report {
    /// Reads the fields: those of the whole first, then a block a recipient. Of several recipients the
    /// first counts: our mails have one.
    pub(super) fn read(text: &str) -> Self {
        let mut report = Self::default();
        for (name, value) in fields(text.lines()) {
            let slot = match name.as_str() {
                "action" => &mut report.action,
                "status" => &mut report.status,
                "diagnostic-code" => &mut report.diagnostic,
                _ => continue,
            };
            if slot.is_empty() {
                *slot = value;
            }
        }
        report.action = report.action.to_ascii_lowercase();
        report.status = enhanced_of(&report.status).to_owned();
        let said = report.said();
        if is_vague(&report.status) && !enhanced_of(said).is_empty() {
            report.status = enhanced_of(said).to_owned();
        }
        report
    }

    /// The server's words behind its reply code.
    fn said(&self) -> &str {
        let words = self.diagnostic.split_once(';').map_or("", |(_, words)| words.trim());
        words
            .get(3..)
            .filter(|_| reply_of(words).is_some())
            .unwrap_or(words)
            .trim_start_matches([' ', '-'])
    }

    /// The reply code; where the report has none, the one that its class stands for.
    pub(super) fn reply(&self) -> u16 {
        let words = self.diagnostic.split_once(';').map_or("", |(_, words)| words.trim());
        reply_of(words).unwrap_or(if self.status.starts_with('4') { 450 } else { 550 })
    }
}

/// Says whether a code names a class and no more.
fn is_vague(status: &str) -> bool {
    status.is_empty() || status.ends_with(".0.0")
}

/// The reply code at the beginning of a server's words.
fn reply_of(words: &str) -> Option<u16> {
    let digits = words.get(..3)?;
    let ends = words.as_bytes().get(3).is_none_or(|b| !b.is_ascii_digit() && *b != b'.');
    let code: u16 = digits.parse().ok()?;
    (ends && (200..600).contains(&code)).then_some(code)
}

/// Fields as headers have them, names in lower case, folded lines joined.
fn fields<'t>(lines: impl Iterator<Item = &'t str>) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in lines {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    fields
}
