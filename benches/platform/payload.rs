//! Webhooks of the Cloud API as Meta sends them, signed.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use crate::Outcome;

/// The secret of the Meta app.
pub(crate) const SECRET: &str = "bench-app-secret";
/// Contacts that write during a workload.
pub(crate) const CONTACTS: usize = 10_000;
/// Of those, how many a seeded database knows.
pub(crate) const KNOWN: usize = 9_000;
/// One webhook of so many repeats an earlier one.
const REDELIVERED: usize = 20;
/// How far back it reaches.
const REDELIVERED_BACK: usize = 7;

const WORDS: [&str; 5] = [
    "hello there",
    "what is the price of the blue one",
    "is my order on its way",
    "greetings",
    "please call me back",
];

/// The number of a contact that writes.
pub(crate) fn phone(contact: usize) -> String {
    (15_550_000_000_u64 + contact as u64).to_string()
}

/// The number of a contact that a seeded database knows: the first ones write, the others do not.
pub(crate) fn seeded_phone(contact: usize) -> String {
    if contact < KNOWN { phone(contact) } else { phone(contact + 10_000_000) }
}

/// Who writes the message with this number: neighbours are different contacts.
pub(crate) fn author(message: usize) -> usize {
    (message * 7_919) % CONTACTS
}

/// The number of the business that a contact writes to.
pub(crate) fn number_of(contact: usize, numbers: usize) -> usize {
    contact % numbers.max(1)
}

/// The id that Meta gives the phone number of a business.
pub(crate) fn phone_number_id(number: usize) -> String {
    (106_540_352_242_922_u64 + number as u64).to_string()
}

/// One request, ready to be written.
pub(crate) fn request(
    address: &str,
    routes: &[String],
    number_of_message: usize,
) -> Outcome<Vec<u8>> {
    let contact = author(number_of_message);
    let number = number_of(contact, routes.len());
    let route = routes.get(number).ok_or("no route")?;
    let body = message(number_of_message, contact, number);
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
    mac.update(body.as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    let head = format!(
        "POST {route} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         user-agent: facebookexternalua\r\nx-hub-signature-256: sha256={hex}\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    Ok(format!("{head}{body}").into_bytes())
}

/// `count` requests from number `first` on, every twentieth a redelivery.
pub(crate) fn requests(
    address: &str,
    routes: &[String],
    first: usize,
    count: usize,
) -> Outcome<Vec<Vec<u8>>> {
    let number = |at: usize| match at % REDELIVERED {
        last if last + 1 == REDELIVERED => first + at - REDELIVERED_BACK,
        _ => first + at,
    };
    (0..count).map(|at| request(address, routes, number(at))).collect()
}

fn message(id: usize, contact: usize, number: usize) -> String {
    let from = phone(contact);
    let words = WORDS.get(id % WORDS.len()).copied().unwrap_or_default();
    json!({"object": "whatsapp_business_account", "entry": [{"id": "102290129340398",
    "changes": [{"field": "messages", "value": {
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": "15550783881", "phone_number_id": phone_number_id(number)
        },
        "contacts": [{"profile": {"name": format!("Customer {contact}")}, "wa_id": from}],
        "messages": [{"from": from, "id": format!("wamid.HBgLMTY1MDU1NTEyMzQV{id:012}"),
            "timestamp": "1760000000", "type": "text",
            "text": {"body": format!("{words} #{id}")}}],
    }}]}]})
    .to_string()
}
