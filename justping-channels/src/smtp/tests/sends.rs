//! Sending to a real server.

use std::net::TcpListener;

use super::*;
use crate::testing::{Encryption, TakenMail};

fn mail(subject: &str, text: &str) -> Content {
    Content::Email(Mail::new(subject, text))
}

fn locked(server: &MailServer, encryption: &str, password: &str) -> (SmtpProvider, ChannelConfig) {
    let more = json!({"user": "acme"});
    let config = config(settings(server.address(), encryption, &more));
    let _ = password;
    (provider().allowing([server.address()]), config)
}

async fn sent(more: Value, outbound: &Outbound) -> TakenMail {
    let server = MailServer::open();
    let channel = channel_at(server.address(), &more);
    let receipt = channel.send(outbound).await.unwrap();
    let taken = server.next();
    let id = format!("<{}>", receipt.provider_ref.unwrap());
    assert_eq!(taken.header("message-id"), Some(id));
    taken
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_written() {
    let text = "Liebe Ada,\n\n.dots and äöü stay\n\nAcme";
    let content = Content::Email(Mail {
        html: Some("<p>Liebe <b>Ada</b></p>".to_owned()),
        automatic: true,
        ..Mail::new("Grüße aus Köln", text)
    });
    let more =
        json!({"reply_to": "help@acme.example", "list_unsubscribe": "https://acme.example/u?c=1"});
    let taken = sent(more, &to("ada@example.org", content)).await;
    assert_eq!(
        (&*taken.from, &*taken.to),
        ("hello@acme.example", &["ada@example.org".to_owned()][..])
    );
    assert_eq!(taken.header("message-id"), Some(format!("<{KEY}@acme.example>")));
    assert_eq!(taken.header("from").as_deref(), Some("Acme <hello@acme.example>"));
    assert_eq!(taken.header("to").as_deref(), Some("ada@example.org"));
    assert_eq!(taken.header("reply-to").as_deref(), Some("help@acme.example"));
    assert_eq!(taken.header("date").as_deref(), Some("Mon, 05 Jan 2026 09:00:00 +0000"));
    assert_eq!(taken.header("auto-submitted").as_deref(), Some("auto-generated"));
    assert_eq!(taken.header("list-unsubscribe").as_deref(), Some("<https://acme.example/u?c=1>"));
    let one_click = Some("List-Unsubscribe=One-Click".to_owned());
    assert_eq!(taken.header("list-unsubscribe-post"), one_click);
    assert_eq!(taken.header("in-reply-to"), None);
    let read = taken.parsed();
    assert_eq!(read.subject(), Some("Grüße aus Köln"));
    assert!(taken.header("content-type").unwrap().starts_with("multipart/alternative"));
    assert_eq!(read.body_text(0).unwrap().replace("\r\n", "\n").trim_end(), text);
    assert_eq!(read.body_html(0).unwrap().trim_end(), "<p>Liebe <b>Ada</b></p>");
}

#[tokio::test]
async fn text_becomes_a_mail_with_the_channels_subject_and_threads() {
    let mut outbound = to("ada@example.org", Content::text("It left."));
    outbound.reply_to = Some("m1@example.org".to_owned());
    let taken = sent(json!({"subject": "News of Acme"}), &outbound).await;
    assert_eq!(taken.header("subject").as_deref(), Some("News of Acme"));
    assert_eq!(taken.header("in-reply-to").as_deref(), Some("<m1@example.org>"));
    assert_eq!(taken.header("references").as_deref(), Some("<m1@example.org>"));
    assert_eq!(taken.header("auto-submitted"), None);
    assert!(taken.header("content-type").unwrap().starts_with("text/plain"));
    let taken = sent(json!({}), &to("ada@example.org", Content::text("Hi"))).await;
    assert_eq!(taken.header("subject").as_deref(), Some("Acme"));
}

#[tokio::test]
async fn a_repeat_is_the_same_mail() {
    let server = MailServer::open();
    let channel = channel_at(server.address(), &json!({}));
    let html = Some("<p>hi</p>".to_owned());
    let content = Content::Email(Mail { html, ..Mail::new("Hello", "hi") });
    let outbound = to("ada@example.org", content);
    let first = channel.send(&outbound).await.unwrap();
    assert_eq!(channel.send(&outbound).await, Ok(first));
    assert_eq!(server.next().raw, server.next().raw);
}

#[tokio::test]
async fn nothing_in_a_message_begins_another_header() {
    let evil = "Hello\r\nBcc: eve@evil.example\r\n\r\nbody";
    let mut outbound =
        to("ada@example.org", mail(evil, "text\r\n.\r\nMAIL FROM:<eve@evil.example>\r\n"));
    outbound.reply_to = Some("m1>\r\nBcc: <eve@evil.example".to_owned());
    outbound.idempotency_key = "key\r\nBcc: eve@evil.example".to_owned();
    let taken = sent(json!({}), &outbound).await;
    assert_eq!(taken.to, ["ada@example.org"]);
    let head = taken.raw.windows(4).position(|end| end == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&taken.raw[..head]).to_ascii_lowercase();
    assert!(!head.contains("\nbcc") && !head.contains("in-reply-to"), "{head}");
    assert!(taken.parsed().body_text(0).unwrap().contains("MAIL FROM:<eve@evil.example>"));
    let address = "ada@example.org>\r\nRCPT TO:<eve@evil.example";
    let refused = deaf().send(&to(address, mail("a", "b"))).await;
    assert_eq!(refused, Err(SendError::InvalidRecipient { code: None }));
    let named = json!({"from_name": "Acme\r\nBcc: eve@evil.example"});
    let config = config(settings(server_nowhere(), "none", &named));
    let error = provider().allowing([server_nowhere()]).open_channel(&config, &secrets(""));
    assert_eq!(error.unwrap_err().field, "from_name");
}

fn server_nowhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9))
}

#[tokio::test]
async fn the_address_a_mail_names_is_taken_if_it_is_the_contacts() {
    let mail_to = |address: &str| {
        let address = Some(address.to_owned());
        Content::Email(Mail { address, ..Mail::new("a", "b") })
    };
    let mut outbound = to("ada@home.example", mail_to("Ada@Work.example"));
    outbound.to.push(Identity::new(ChannelKind::EMAIL, "Ada@work.example"));
    assert_eq!(sent(json!({}), &outbound).await.to, ["Ada@work.example"]);
    outbound.content = mail_to("eve@evil.example");
    assert_eq!(sent(json!({}), &outbound).await.to, ["ada@home.example"]);
}

#[tokio::test]
async fn what_cannot_be_a_mail_is_rejected() {
    let reaction = Content::Reaction { target: "m1".to_owned(), emoji: "x".to_owned() };
    let refused = deaf().send(&to("ada@example.org", reaction)).await;
    assert!(matches!(refused, Err(SendError::Rejected { .. })), "{refused:?}");
}

/// Says whether a refusal is the right one.
type Right<'a> = &'a dyn Fn(&SendError) -> bool;

#[tokio::test]
async fn replies_are_sorted() {
    let server = MailServer::open();
    let channel = channel_at(server.address(), &json!({}));
    let retry = |error: &SendError| matches!(error, SendError::Retry { .. });
    let slow = |error: &SendError| matches!(error, SendError::RateLimited { .. });
    let nobody = |error: &SendError| {
        *error == SendError::InvalidRecipient { code: Some("550 5.1.1".to_owned()) }
    };
    let bare =
        |error: &SendError| *error == SendError::InvalidRecipient { code: Some("550".to_owned()) };
    let rejected = |error: &SendError| matches!(error, SendError::Rejected { code: Some(_), .. });
    let reconnect = |error: &SendError| matches!(error, SendError::Unauthorized { .. });
    let table: [(&str, Right<'_>); 12] = [
        ("rcpt.450", &retry),
        ("rcpt.451.4.3.0", &retry),
        ("rcpt.452.4.2.2", &retry),
        ("rcpt.450.4.7.1", &slow),
        ("data.421.4.7.0", &slow),
        ("rcpt.550.5.1.1", &nobody),
        ("rcpt.550", &bare),
        ("rcpt.550.5.7.1", &rejected),
        ("data.550.5.7.1", &rejected),
        ("data.552.5.3.4", &rejected),
        ("data.554.5.7.1", &rejected),
        ("rcpt.530.5.7.0", &reconnect),
    ];
    for (local, is_right) in table {
        let refused = channel.send(&to(&format!("{local}@example.org"), mail("a", "b"))).await;
        assert!(is_right(refused.as_ref().unwrap_err()), "{local}: {refused:?}");
    }
    assert_eq!(server.rest(), []);
    channel.send(&to("ada@example.org", mail("a", "b"))).await.unwrap();
    assert_eq!(server.next().to, ["ada@example.org"]);
}

#[tokio::test]
async fn a_server_that_dies_before_the_mail_leaves_no_doubt_and_after_it_does() {
    for (local, doubt) in [("die.rcpt", false), ("die.data", true)] {
        let server = MailServer::open();
        let channel = channel_at(server.address(), &json!({}));
        // A connection that is kept must make no difference.
        channel.send(&to("ada@example.org", mail("a", "b"))).await.unwrap();
        let lost = channel.send(&to(&format!("{local}@example.org"), mail("a", "b"))).await;
        match lost {
            Err(SendError::Unknown { .. }) => assert!(doubt, "{local}"),
            Err(SendError::Retry { .. }) => assert!(!doubt, "{local}"),
            other => panic!("{other:?}"),
        }
        let gone = channel.send(&to("ada@example.org", mail("a", "b"))).await;
        assert!(matches!(gone, Err(SendError::Retry { .. })), "{gone:?}");
    }
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_opened_anew() {
    let server = MailServer::open();
    let address = server.address();
    let channel = channel_at(address, &json!({}));
    channel.send(&to("ada@example.org", mail("a", "b"))).await.unwrap();
    server.kill();
    let gone = channel.send(&to("ada@example.org", mail("a", "b"))).await;
    assert!(matches!(gone, Err(SendError::Retry { .. })), "{gone:?}");
}

#[tokio::test]
async fn nobody_listens_or_somebody_says_nothing_and_nothing_left() {
    let gone = deaf().send(&to("ada@example.org", mail("a", "b"))).await;
    assert!(matches!(gone, Err(SendError::Retry { .. })), "{gone:?}");
    assert!(matches!(deaf().verify().await, Err(SendError::Retry { .. })));
    let rude = TcpListener::bind("127.0.0.1:0").unwrap();
    let channel = channel_at(rude.local_addr().unwrap(), &json!({}));
    let (answer, ()) = tokio::join!(channel.verify(), async {
        let accepted = tokio::task::spawn_blocking(move || {
            use std::io::Write as _;
            let (mut stream, _) = rude.accept().unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        });
        accepted.await.unwrap();
    });
    assert!(matches!(answer, Err(SendError::Retry { .. })), "{answer:?}");
}

#[tokio::test]
async fn who_signs_in_wrongly_is_unauthorized() {
    let server = MailServer::start(Encryption::None, Some(("acme", "s3cret")));
    let (provider, config) = locked(&server, "none", "wrong");
    let wrong = provider.open_channel(&config, &secrets("wrong")).unwrap();
    for refused in
        [wrong.verify().await, wrong.send(&to("ada@example.org", mail("a", "b"))).await.map(drop)]
    {
        assert!(matches!(refused, Err(SendError::Unauthorized { .. })), "{refused:?}");
    }
    assert!(!format!("{wrong:?}").contains("wrong"));
    let right = provider.open_channel(&config, &secrets("s3cret")).unwrap();
    assert_eq!(right.verify().await, Ok(()));
    right.send(&to("ada@example.org", mail("a", "b"))).await.unwrap();
    assert_eq!(server.next().user, "acme");
    let nobody = channel_at(server.address(), &json!({}));
    let refused = nobody.send(&to("ada@example.org", mail("a", "b"))).await;
    assert!(matches!(refused, Err(SendError::Unauthorized { .. })), "{refused:?}");
    assert_eq!(server.rest(), []);
}

#[tokio::test]
async fn a_certificate_of_nobody_is_refused_and_a_trusted_one_is_taken() {
    for (encryption, name) in [(Encryption::Starttls, "starttls"), (Encryption::Tls, "tls")] {
        let server = MailServer::start(encryption, Some(("acme", "s3cret")));
        let (provider, config) = locked(&server, name, "s3cret");
        let strange = provider.open_channel(&config, &secrets("s3cret")).unwrap();
        let outbound = to("ada@example.org", mail("a", "b"));
        let refused = strange.send(&outbound).await;
        let Err(SendError::Retry { detail, .. }) = refused else { panic!("{refused:?}") };
        assert!(detail.contains("certificate"), "{detail}");
        assert_eq!(server.rest(), []);
        let provider = provider.trusting(server.authority().as_bytes()).unwrap();
        let known = provider.open_channel(&config, &secrets("s3cret")).unwrap();
        known.send(&outbound).await.unwrap();
        let taken = server.next();
        assert_eq!((taken.encrypted, &*taken.user), (true, "acme"), "{name}");
    }
    assert!(provider().trusting(b"nothing").is_err());
}

#[tokio::test]
async fn a_server_without_encryption_is_told_nothing() {
    let server = MailServer::start(Encryption::None, Some(("acme", "s3cret")));
    let (provider, config) = locked(&server, "starttls", "s3cret");
    let channel = provider.open_channel(&config, &secrets("s3cret")).unwrap();
    let refused = channel.send(&to("ada@example.org", mail("a", "b"))).await;
    assert!(matches!(refused, Err(SendError::Retry { .. })), "{refused:?}");
    assert_eq!(server.rest(), []);
}
