//! Mails that are handed on.

use proptest::prelude::*;

use super::*;
use crate::smtp::bounce::Report;
use crate::smtp::incoming;

fn message(news: &[Inbound]) -> &InboundMessage {
    match news {
        [Inbound::Message(message)] => message,
        other => panic!("{other:?}"),
    }
}

fn mail(news: &[Inbound]) -> &Mail {
    match &message(news).content {
        Content::Email(mail) => mail,
        other => panic!("{other:?}"),
    }
}

fn with(headers: &str) -> Vec<u8> {
    format!("From: ada@example.org\r\nMessage-ID: <m@example.org>\r\n{headers}\r\nHi\r\n")
        .into_bytes()
}

#[tokio::test]
async fn a_mail_is_a_message_of_its_sender() {
    assert_eq!(received(MAIL.as_bytes()).await, [genuine()]);
}

#[tokio::test]
async fn a_signature_is_good_for_five_minutes() {
    let (channel, body) = (deaf(), MAIL.as_bytes());
    let moments = [-301, -300, 0, 300, 301].map(|offset| NOW + offset);
    for at in moments.into_iter().chain([i64::MIN, i64::MAX]) {
        let good = (NOW - 300..=NOW + 300).contains(&at);
        let headers = sign(body, at);
        let taken = hand_on(&channel, body, &headers).await;
        assert_eq!(taken.is_ok(), good, "{at}: {taken:?}");
        if !good {
            assert_eq!(taken, Err(ReceiveError::Unauthorized));
        }
    }
    // The moment is signed: a younger one for an old signature is a forgery.
    let mut headers = sign(body, NOW - 1000);
    headers[0].1 = NOW.to_string();
    assert_eq!(hand_on(&channel, body, &headers).await, Err(ReceiveError::Unauthorized));
    let headers = sign(body, NOW);
    let capitals = vec![headers[0].clone(), (headers[1].0.clone(), headers[1].1.to_uppercase())];
    assert_eq!(hand_on(&channel, body, &capitals).await, Err(ReceiveError::Unauthorized));
}

#[tokio::test]
async fn threads_go_by_references_where_there_is_no_answer() {
    let news = received(&with("References: <a@x.example>\r\n <b@x.example>\r\n")).await;
    assert_eq!(message(&news).reply_to.as_deref(), Some("b@x.example"));
    let news = received(&with("In-Reply-To: <c@x.example>\r\nReferences: <a@x.example>\r\n")).await;
    assert_eq!(message(&news).reply_to.as_deref(), Some("c@x.example"));
    let bare = received(b"From: ada@example.org\r\n\r\nHi").await;
    let again = received(b"From: ada@example.org\r\n\r\nHi").await;
    assert_eq!(bare, again);
    assert_eq!(message(&bare).provider_ref.len(), 40);
    assert_eq!(message(&bare).reply_to, None);
}

#[tokio::test]
async fn what_a_program_wrote_is_marked() {
    for headers in [
        "Auto-Submitted: auto-replied\r\n",
        "Auto-Submitted: auto-generated (vacation)\r\n",
        "Precedence: bulk\r\n",
        "Precedence: Auto_Reply\r\n",
        "X-Autoreply: yes\r\n",
        "List-Id: <news.example.org>\r\n",
        "Return-Path: <>\r\n",
    ] {
        assert!(mail(&received(&with(headers)).await).automatic, "{headers}");
    }
    for headers in [
        "",
        "Auto-Submitted: no\r\n",
        "Precedence: first-class\r\n",
        "Return-Path: <ada@example.org>\r\n",
    ] {
        assert!(!mail(&received(&with(headers)).await).automatic, "{headers}");
    }
}

#[tokio::test]
async fn text_comes_from_html_where_there_is_none_and_files_by_name() {
    let body = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Hello <b>there</b></p><script>x()</script>\r\n\
        --b\r\nContent-Type: application/pdf; name=\"bill.pdf\"\r\n\
        Content-Disposition: attachment; filename=\"bill.pdf\"\r\n\r\n%PDF\r\n--b--\r\n";
    let news = received(&with(body)).await;
    let mail = mail(&news);
    assert_eq!((mail.text.as_str(), &mail.html), ("Hello there", &None));
    let file = Attachment { name: "bill.pdf".to_owned(), mime: Some("application/pdf".to_owned()) };
    assert_eq!(mail.attachments, [file]);
}

#[tokio::test]
async fn a_mail_of_our_own_address_is_no_message() {
    let news = received(b"From: hello@ACME.example\r\nMessage-ID: <x@y.example>\r\n\r\nHi").await;
    let raw = json!({"message_id": "x@y.example"});
    assert_eq!(news, [Inbound::Unsupported { kind: "own_mail".to_owned(), raw }]);
}

#[tokio::test]
async fn large_and_odd_mails_stay_within_bounds() {
    let long = format!(
        "From: a@b.example\r\nSubject: {}\r\n\r\n{}",
        "s".repeat(5000),
        "ä".repeat(400_000)
    );
    let news = received(long.as_bytes()).await;
    let read = mail(&news);
    assert!(read.text.len() <= MAIL_TEXT_MAX_BYTES && read.subject.chars().count() <= 250);
    let odd = received(b"From: a@b.example\r\nSubject: a\0b\r\n\r\nx\0y\x07z\r\n").await;
    assert_eq!(mail(&odd).text, "xyz");
    for body in [&b""[..], b"\r\n\r\n", b"Subject: x\r\n\r\ny", b"From: nobody\r\n\r\ny"] {
        let refused = hand_on(&deaf(), body, &sign(body, NOW)).await;
        assert!(matches!(refused, Err(ReceiveError::Malformed(_))), "{refused:?}");
    }
}

fn report(action: &str, status: &str, id: &str) -> Vec<u8> {
    format!(
        "From: MAILER-DAEMON@mx.example\r\nMessage-ID: <r@mx.example>\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
        --b\r\n\r\nIt did not work.\r\n\
        --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n\
        Final-Recipient: rfc822; ada@example.org\r\nAction: {action}\r\nStatus: {status}\r\n\
        Diagnostic-Code: smtp; 550-5.1.1 no such\r\n user\r\n\
        --b\r\nContent-Type: text/rfc822-headers\r\n\r\nFrom: hello@acme.example\r\n\
        Message-ID: <{id}>\r\n\r\n--b--\r\n"
    )
    .into_bytes()
}

#[tokio::test]
async fn a_report_is_news_of_the_message_it_names() {
    let ours = format!("{KEY}@acme.example");
    let news = received(&report("failed", "5.1.1", &ours)).await;
    let [Inbound::Status(update)] = news.as_slice() else { panic!("{news:?}") };
    assert_eq!((&*update.provider_ref, update.key.as_deref()), (&*ours, Some(KEY)));
    assert_eq!(update.status, DeliveryStatus::Failed);
    let failure = update.failure.as_ref().unwrap();
    assert_eq!(
        (failure.kind, failure.code.as_deref()),
        (FailureKind::InvalidRecipient, Some("5.1.1"))
    );
    let full = received(&report("failed", "5.2.2", &ours)).await;
    let [Inbound::Status(StatusUpdate { failure: Some(failure), .. })] = full.as_slice() else {
        panic!("{full:?}")
    };
    assert_eq!(failure.kind, FailureKind::Rejected);
    let there = received(&report("delivered", "2.0.0", &ours)).await;
    let [Inbound::Status(StatusUpdate { status, failure: None, .. })] = there.as_slice() else {
        panic!("{there:?}")
    };
    assert_eq!(*status, DeliveryStatus::Delivered);
    for (action, id) in
        [("delayed", &*ours), ("failed", "x@other.example"), ("failed", "x@acme.example")]
    {
        let news = received(&report(action, "4.0.0", id)).await;
        assert!(matches!(news.as_slice(), [Inbound::Unsupported { .. }]), "{news:?}");
    }
}

#[test]
fn a_vague_report_is_read_by_its_diagnosis() {
    let read = |text: &str| {
        let report = Report::read(text);
        (report.reply(), report.status)
    };
    let vague = "Action: FAILED\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 5.1.1 unknown";
    assert_eq!(read(vague), (550, "5.1.1".to_owned()));
    assert_eq!(read("Status: 4.4.7\nDiagnostic-Code: x"), (450, "4.4.7".to_owned()));
    assert_eq!(read("Diagnostic-Code: smtp;554 no"), (554, String::new()));
    assert_eq!(read(""), (550, String::new()));
}

proptest! {
    #[test]
    fn reading_is_total(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = incoming::read(&bytes, "acme.example", "hello@acme.example");
    }

    #[test]
    fn damaged_mails_are_read(at in 0usize..900, byte: u8, report_too: bool) {
        let mut body = if report_too {
            report("failed", "5.1.1", &format!("{KEY}@acme.example"))
        } else {
            MAIL.as_bytes().to_vec()
        };
        let at = at % body.len();
        body[at] = byte;
        let _ = incoming::read(&body, "acme.example", "hello@acme.example");
        body.truncate(at);
        let _ = incoming::read(&body, "acme.example", "hello@acme.example");
    }

    #[test]
    fn reports_are_read_whatever_they_say(text in "(?s).{0,300}") {
        let _ = Report::read(&text).reply();
    }
}
