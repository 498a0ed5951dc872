//! The contract of [`Channel`]: run it with [`channel_conformance!`](crate::channel_conformance).

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::model::Inbound;
use crate::port::{Channel, HttpMethod, Outbound, ReceiveError, Received, WebhookRequest};

/// What the proof in a webhook's headers covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Every byte of the body.
    Body,
    /// The sender only: a shared secret.
    Sender,
}

/// Makes the headers, with lowercase names, under which the channel believes a body.
pub type Sign = Box<dyn Fn(&[u8]) -> Vec<(String, String)> + Send + Sync>;

/// A channel under test, with a provider behind it that takes what it sends.
pub struct ChannelSubject {
    /// The channel.
    pub channel: Arc<dyn Channel>,
    /// Proves that a body is the provider's.
    pub sign: Sign,
    /// What that proof covers.
    pub proof: Proof,
    /// The body of a genuine webhook.
    pub body: Vec<u8>,
    /// The news it holds, in order; at least one message.
    pub news: Vec<Inbound>,
    /// A message that the provider takes, however often.
    pub outbound: Outbound,
    /// What has to stay alive while the checks run, such as a server.
    pub guard: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for ChannelSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelSubject").field("channel", &self.channel).finish_non_exhaustive()
    }
}

/// Bytes of a body no provider sends.
const HUGE: usize = 64 << 20;
/// Brackets of a body no provider sends.
const DEEP: usize = 100_000;

impl ChannelSubject {
    async fn post(
        &self,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<Received, ReceiveError> {
        let method = HttpMethod::Post;
        self.channel.receive(&WebhookRequest { method, query: &[], headers, body }).await
    }

    /// Hands over a body with its proof.
    async fn signed(&self, body: &[u8]) -> Result<Received, ReceiveError> {
        self.post(&(self.sign)(body), body).await
    }
}

/// What the channel can do holds together.
pub async fn capabilities_hold_together(subject: &ChannelSubject) {
    let can = subject.channel.capabilities();
    assert!(can.text_max > 0);
    assert!(can.rate.per_second >= 1 && can.rate.burst >= 1);
    if can.buttons_max > 0 {
        assert!(can.button_title_max > 0 && can.interactive_text_max > 0 && can.option_id_max > 0);
    }
    if can.list_rows_max > 0 {
        assert!(can.list_title_max > 0 && can.interactive_text_max > 0 && can.option_id_max > 0);
    }
    assert_eq!(can, subject.channel.capabilities());
}

/// A genuine webhook gives its news in order, every time.
pub async fn webhook_gives_its_news(subject: &ChannelSubject) {
    for _ in 0..2 {
        assert_eq!(subject.signed(&subject.body).await, Ok(Received::Events(subject.news.clone())));
    }
}

/// A message says who wrote it, in the channel's kind, and has an id.
pub async fn webhook_messages_are_complete(subject: &ChannelSubject) {
    let kind = &subject.channel.capabilities().kind;
    let messages = subject.news.iter().filter_map(|news| match news {
        Inbound::Message(message) => Some(message),
        _ => None,
    });
    let mut count = 0;
    for message in messages {
        assert!(!message.from.is_empty() && !message.provider_ref.is_empty());
        assert!(
            message.from.iter().all(|identity| identity.kind == *kind && !identity.id.is_empty())
        );
        count += 1;
    }
    assert!(count > 0, "the genuine webhook holds a message");
}

/// Without a proof nothing is believed, and nothing is parsed either.
pub async fn webhook_without_proof_is_refused(subject: &ChannelSubject) {
    for body in [&subject.body[..], b"", b"garbage"] {
        assert_eq!(subject.post(&[], body).await, Err(ReceiveError::Unauthorized));
    }
}

/// A changed, cut, empty or foreign proof is none.
pub async fn webhook_with_a_false_proof_is_refused(subject: &ChannelSubject) {
    let genuine = (subject.sign)(&subject.body);
    let falsify: [fn(&str) -> String; 5] = [
        |_| String::new(),
        |value| value.chars().skip(1).collect(),
        |value| {
            value[..value.len() - value.chars().next_back().map_or(0, char::len_utf8)].to_owned()
        },
        |value| value.chars().rev().collect(),
        |value| format!("{value}0"),
    ];
    for change in falsify {
        let headers: Vec<_> =
            genuine.iter().map(|(name, value)| (name.clone(), change(value))).collect();
        let received = subject.post(&headers, &subject.body).await;
        assert_eq!(received, Err(ReceiveError::Unauthorized), "{headers:?}");
    }
    if subject.proof == Proof::Body {
        let foreign = (subject.sign)(b"another body");
        let received = subject.post(&foreign, &subject.body).await;
        assert_eq!(received, Err(ReceiveError::Unauthorized));
    }
}

/// Where the proof covers the body, no byte of it can be changed, added or left out.
pub async fn webhook_cannot_be_changed(subject: &ChannelSubject) {
    if subject.proof == Proof::Sender {
        return;
    }
    let headers = (subject.sign)(&subject.body);
    for at in 0..subject.body.len() {
        let mut body = subject.body.clone();
        body[at] ^= 1;
        assert_eq!(
            subject.post(&headers, &body).await,
            Err(ReceiveError::Unauthorized),
            "byte {at}"
        );
    }
    let mut longer = subject.body.clone();
    longer.push(b' ');
    assert_eq!(subject.post(&headers, &longer).await, Err(ReceiveError::Unauthorized));
    let shorter = &subject.body[..subject.body.len() - 1];
    assert_eq!(subject.post(&headers, shorter).await, Err(ReceiveError::Unauthorized));
}

/// Whatever a provider signs, the channel reads it or refuses it, and never fails otherwise.
pub async fn webhook_parsing_is_total(subject: &ChannelSubject) {
    let mut bodies: Vec<Vec<u8>> = [
        &b""[..],
        b"null",
        b"0",
        b"[]",
        b"{}",
        b"\"text\"",
        b"{\"object\":1}",
        b"\xff\xfe\x00",
        b"{\"entry\":[null]}",
        b"{\"events\":[null,1,[],{}]}",
        b"a=1&b=%zz&&=",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    bodies.extend((0..subject.body.len()).map(|end| subject.body[..end].to_vec()));
    for at in 0..subject.body.len() {
        for byte in [b'0', b'"', b'{', b']', 0xff] {
            let mut body = subject.body.clone();
            body[at] = byte;
            bodies.push(body);
        }
    }
    for body in bodies {
        let received = subject.signed(&body).await;
        let text = String::from_utf8_lossy(&body);
        assert_ne!(received, Err(ReceiveError::Unauthorized), "{text}");
        if let Ok(Received::Events(events)) = received {
            let anonymous = events.iter().any(|news| match news {
                Inbound::Message(message) => message.from.is_empty(),
                _ => false,
            });
            assert!(!anonymous, "{text}");
        }
    }
}

/// A body that is too large or too deep is refused.
pub async fn webhook_is_bounded(subject: &ChannelSubject) {
    assert!(subject.signed(&vec![b' '; HUGE]).await.is_err());
    assert!(subject.signed(&vec![b'['; DEEP]).await.is_err());
    assert!(subject.signed("{\"a\":".repeat(DEEP).as_bytes()).await.is_err());
}

/// A request that asks for a subscription without a proof gets no challenge.
pub async fn challenge_needs_a_proof(subject: &ChannelSubject) {
    let query: Vec<(String, String)> = [
        ("hub.mode", "subscribe"),
        ("hub.verify_token", "wrong"),
        ("hub.challenge", "1"),
        ("challenge", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    for query in [&query[..], &[]] {
        let method = HttpMethod::Get;
        let request = WebhookRequest { method, query, headers: &[], body: b"" };
        assert!(subject.channel.receive(&request).await.is_err());
    }
}

/// A message is taken, and taken again under the same key.
pub async fn send_is_answered(subject: &ChannelSubject) {
    for _ in 0..2 {
        let receipt = subject.channel.send(&subject.outbound).await.unwrap();
        assert!(receipt.provider_ref.is_none_or(|reference| !reference.is_empty()));
    }
}

/// Settings and secrets that work are found to work.
pub async fn verify_finds_what_works(subject: &ChannelSubject) {
    assert_eq!(subject.channel.verify().await, Ok(()));
}

/// How many checks there are.
pub const CHECKS: usize = 11;

/// Turns the contract of channels into tests; the factory gives a
/// [`ChannelSubject`](crate::conformance::ChannelSubject).
#[macro_export]
macro_rules! channel_conformance {
    ($factory:expr) => {
        $crate::conformance_tests! { channel, $factory, subject => &subject, [
            capabilities_hold_together
            webhook_gives_its_news
            webhook_messages_are_complete
            webhook_without_proof_is_refused
            webhook_with_a_false_proof_is_refused
            webhook_cannot_be_changed
            webhook_parsing_is_total
            webhook_is_bounded
            challenge_needs_a_proof
            send_is_answered
            verify_finds_what_works
        ] }
    };
}
