use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::model::*;
use crate::port::{Capabilities, Rate};

fn capabilities() -> Capabilities {
    Capabilities {
        kind: ChannelKind::MEMORY,
        service_window: true,
        templates: true,
        echoes_key: true,
        text_max: 40,
        buttons_max: 3,
        button_title_max: 20,
        list_rows_max: 10,
        list_title_max: 24,
        list_description_max: 72,
        interactive_text_max: 100,
        option_id_max: 200,
        rate: Rate { per_second: 10, burst: 10 },
    }
}

fn contact(now: Timestamp) -> Contact {
    let id = ContactId::from_uuid(Uuid::from_u128(1));
    let mut contact = Contact::new(id, BusinessId::from_uuid(Uuid::from_u128(2)), now);
    contact.identities.push(Identity::new(ChannelKind::MEMORY, "ada"));
    contact
}

fn conversation(now: Timestamp) -> Conversation {
    Conversation {
        id: ConversationId::from_uuid(Uuid::from_u128(3)),
        business_id: BusinessId::from_uuid(Uuid::from_u128(2)),
        channel_id: ChannelId::from_uuid(Uuid::from_u128(4)),
        contact_id: ContactId::from_uuid(Uuid::from_u128(1)),
        status: ConversationStatus::Pending,
        owner: Owner::Bot,
        generation: 1,
        revision: 1,
        priority: Priority::Normal,
        last_seq: 0,
        last_message_at: now,
        window_expires_at: None,
        waiting_since: None,
        first_reply_at: None,
        created_at: now,
        updated_at: now,
    }
}

fn decide(after: SignedDuration, content: &Content, change: impl FnOnce(&mut Contact)) -> Decision {
    let start = Timestamp::UNIX_EPOCH;
    let mut contact = contact(start);
    change(&mut contact);
    let mut conversation = conversation(start);
    conversation.on_inbound(Owner::Bot, start);
    let now = start.checked_add(after).unwrap();
    can_send(&SendFacts {
        now,
        contact: &contact,
        conversation: &conversation,
        content,
        capabilities: &capabilities(),
    })
}

#[test]
fn the_window_closes_after_a_day_for_all_but_templates() {
    let text = Content::text("hi");
    let last = SERVICE_WINDOW - SignedDuration::from_millis(1);
    assert_eq!(decide(last, &text, |_| ()), Decision::Allow);
    assert_eq!(decide(SERVICE_WINDOW, &text, |_| ()), Decision::NeedsTemplate);
    let template = Content::Template(TemplateContent {
        name: "hello".into(),
        language: "en".into(),
        parameters: vec![],
        components: vec![],
    });
    assert_eq!(decide(SERVICE_WINDOW, &template, |_| ()), Decision::Allow);
}

#[test]
fn silence_wins_over_everything() {
    let silence = BTreeSet::from([ChannelKind::MEMORY]);
    let text = Content::text("hi");
    let opted_out = |contact: &mut Contact| contact.opted_out = silence.clone();
    assert_eq!(
        decide(SignedDuration::ZERO, &text, opted_out),
        Decision::Deny(FailureKind::OptedOut)
    );
    let suppressed = |contact: &mut Contact| contact.suppressed = silence.clone();
    assert_eq!(
        decide(SignedDuration::ZERO, &text, suppressed),
        Decision::Deny(FailureKind::InvalidRecipient)
    );
    let elsewhere = |contact: &mut Contact| contact.opted_out = [ChannelKind::WHATSAPP].into();
    assert_eq!(decide(SignedDuration::ZERO, &text, elsewhere), Decision::Allow);
    let nowhere = |contact: &mut Contact| contact.identities.clear();
    assert_eq!(
        decide(SignedDuration::ZERO, &text, nowhere),
        Decision::Deny(FailureKind::InvalidRecipient)
    );
}

#[test]
fn consent_words_are_exact() {
    assert_eq!(consent_word(" Stop. "), Some(ConsentWord::OptOut));
    assert_eq!(consent_word("UNSUBSCRIBE"), Some(ConsentWord::OptOut));
    assert_eq!(consent_word("start"), Some(ConsentWord::OptIn));
    assert_eq!(consent_word("stop it please"), None);
    assert_eq!(consent_word("cancel"), None);
}

fn options(count: usize, title: &str) -> Vec<Choice> {
    (0..count)
        .map(|n| Choice { id: n.to_string(), title: format!("{title}{n}"), description: None })
        .collect()
}

fn buttons(count: usize, title: &str) -> Content {
    Content::Buttons {
        text: "Pick".into(),
        header: None,
        footer: None,
        options: options(count, title),
    }
}

#[test]
fn buttons_degrade_to_a_list_and_then_to_numbers() {
    let capabilities = capabilities();
    assert_eq!(fit(buttons(3, "o"), &capabilities), vec![buttons(3, "o")]);
    let list = fit(buttons(4, "o"), &capabilities);
    assert!(matches!(list.as_slice(), [Content::List { .. }]), "{list:?}");
    let text = fit(buttons(11, ""), &capabilities);
    let lines: Vec<_> = text.iter().flat_map(|part| part.plain().lines()).collect();
    assert_eq!(lines.first(), Some(&"Pick"));
    assert_eq!(lines.last(), Some(&"11. 10"));
    let alike = [("1", "Yes"), ("2", "Yes ")].map(|(id, title)| Choice {
        id: id.to_owned(),
        title: title.to_owned(),
        description: None,
    });
    let alike =
        Content::Buttons { text: "Pick".into(), header: None, footer: None, options: alike.into() };
    assert!(matches!(fit(alike, &capabilities).as_slice(), [Content::List { .. }]));
    assert!(matches!(
        fit(buttons(2, "a title that is far too long"), &capabilities).as_slice(),
        [Content::Text { .. }, ..]
    ));
}

#[test]
fn too_many_rows_come_in_pages() {
    let capabilities = capabilities();
    let page = fit_in_pages(buttons(25, "o"), &capabilities);
    let [Content::List { sections, .. }] = page.as_slice() else { panic!("{page:?}") };
    let rows: Vec<_> = sections.iter().flat_map(|section| &section.options).collect();
    assert_eq!(rows.len(), 10);
    assert_eq!((rows[8].id.as_str(), rows[9].id.as_str()), ("8", "9+"));
    let section = |title: &str, count| ListSection {
        title: Some(title.to_owned()),
        options: options(count, title),
    };
    let list = |sections| Content::List { text: "Pick".into(), button: "Open".into(), sections };
    let page = fit_in_pages(list(vec![section("a", 9), section("b", 9)]), &capabilities);
    let [Content::List { sections, .. }] = page.as_slice() else { panic!("{page:?}") };
    assert_eq!(sections.len(), 1, "a page ends with the section it ends in");
    assert_eq!(fit_in_pages(buttons(10, "o"), &capabilities), fit(buttons(10, "o"), &capabilities));
    let long = fit_in_pages(buttons(11, "a title that is far too long"), &capabilities);
    assert!(matches!(long.as_slice(), [Content::Text { .. }, ..]), "{long:?}");
    let none = Capabilities { buttons_max: 0, list_rows_max: 1, ..capabilities };
    assert!(matches!(fit_in_pages(buttons(2, "o"), &none).as_slice(), [Content::Text { .. }]));
}

#[test]
fn a_mail_is_text_below_its_subject_elsewhere() {
    let mail = Content::Email(Mail::new("Your order", "It left today."));
    let shown = fit(mail.clone(), &capabilities());
    assert_eq!(shown, [Content::text("Your order\n\nIt left today.")]);
    let long = Content::Email(Mail::new("Your order", "word ".repeat(20)));
    assert!(fit(long.clone(), &capabilities()).len() > 1);
    let by_mail = Capabilities { kind: ChannelKind::EMAIL, ..capabilities() };
    for mail in [mail, long] {
        assert_eq!(fit(mail.clone(), &by_mail), [mail]);
    }
}

#[test]
fn a_mail_asks_for_silence_by_its_first_line_or_subject() {
    let word = |subject: &str, text: &str| consent_of(&Content::Email(Mail::new(subject, text)));
    let quoted = "\nStop.\n\nOn Monday Acme wrote:\n> Sale!";
    assert_eq!(word("Re: Sale", quoted), Some(ConsentWord::OptOut));
    assert_eq!(word("unsubscribe", "Sent from my phone"), Some(ConsentWord::OptOut));
    assert_eq!(word("Re: Sale", "Please stop the delivery\n"), None);
    assert_eq!(word("Re: Sale", "On Monday Acme wrote:\n> stop"), None);
    let away = Mail { automatic: true, ..Mail::new("Stop", "Stop") };
    assert_eq!(consent_of(&Content::Email(away)), None);
}

proptest! {
    #[test]
    fn no_part_is_too_long_and_no_word_is_lost(text in "[a-zé\n ]{0,300}") {
        let parts = fit(Content::text(text.clone()), &capabilities());
        let words = |text: &str| text.split_whitespace().collect::<String>();
        prop_assert!(parts.iter().all(|part| part.plain().chars().count() <= 40));
        let joined: String = parts.iter().map(|part| part.plain()).collect::<Vec<_>>().join(" ");
        prop_assert_eq!(words(&joined), words(&text));
    }

    #[test]
    fn waits_grow_within_bounds(attempts in 1u32..64, salt: u64) {
        let wait = retry_delay(attempts, None, salt);
        prop_assert!(wait >= Duration::from_millis(250) && wait <= Duration::from_secs(300));
        prop_assert_eq!(wait, retry_delay(attempts, None, salt));
        let wish = Duration::from_secs(7);
        prop_assert_eq!(retry_delay(attempts, Some(wish), salt), wish);
    }
}
