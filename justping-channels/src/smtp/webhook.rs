//! Mails that are handed on: who signed them, and what they are.

use justping_core::model::{Inbound, Timestamp};
use justping_core::port::{ReceiveError, WebhookRequest};

use super::config::Checked;
use super::incoming;
use crate::mac::{TAG_BYTES, same};

/// Bytes of the largest mail that is read.
pub const MAIL_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Seconds that the clocks of both sides may differ, the way of a mail included. What is older is a
/// replay.
pub const TOLERANCE_SECONDS: i64 = 300;

/// The header with the moment of signing, in seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "x-justping-timestamp";
/// The header with the signature: `v1=` and the hexadecimal digits of an HMAC-SHA256 over the
/// timestamp, a dot and the raw mail.
pub const SIGNATURE_HEADER: &str = "x-justping-signature";
/// What stands in front of the digits.
const VERSION: &str = "v1=";

/// Verifies the signature over the raw mail, then reads it.
pub(super) fn news(
    request: &WebhookRequest<'_>,
    sender: &Checked,
    now: Timestamp,
) -> Result<Vec<Inbound>, ReceiveError> {
    if request.body.len() > MAIL_MAX_BYTES {
        return Err(ReceiveError::TooLarge);
    }
    if !is_signed(request, sender, now) {
        return Err(ReceiveError::Unauthorized);
    }
    incoming::read(request.body, sender.from.domain(), sender.from.as_ref())
}

fn is_signed(request: &WebhookRequest<'_>, sender: &Checked, now: Timestamp) -> bool {
    let moment = request.header(TIMESTAMP_HEADER).unwrap_or_default();
    let claimed = request.header(SIGNATURE_HEADER).unwrap_or_default();
    let tag = sender.key.tag(&[moment.as_bytes(), b".", request.body]);
    // Compared as it is written, so that there is one way to write it.
    let genuine = same(signature(&tag).as_bytes(), claimed.as_bytes());
    let is_number = !moment.is_empty() && moment.bytes().all(|b| b.is_ascii_digit());
    let signed_at = Some(moment).filter(|_| is_number).and_then(|text| text.parse::<i64>().ok());
    let fresh = signed_at
        .is_some_and(|at| now.as_second().saturating_sub(at).saturating_abs() <= TOLERANCE_SECONDS);
    genuine && fresh
}

fn signature(tag: &[u8; TAG_BYTES]) -> String {
    let digits = tag.iter().map(|byte| format!("{byte:02x}"));
    std::iter::once(VERSION.to_owned()).chain(digits).collect()
}
