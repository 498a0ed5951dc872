use crate::model::{
    Author, Content, Direction, MAIL_SUBJECT_MAX_CHARS, Mail, MediaSource, Message,
};

/// Messages looked through for the mail that an answer belongs to.
pub const THREAD_WITHIN: u32 = 20;

/// How an answer's subject begins (RFC 5322, section 3.6.5).
const ANSWER: &str = "Re: ";

/// Makes a mail of what was written for any channel, as an answer within the conversation: with the
/// subject of its newest mail, to the address the contact last wrote from, and with the reference of the
/// message it follows. `earlier` are the messages before it, the newest first.
///
/// A mail that is one already begins a thread of its own. What has no words stays what it is.
pub fn answer_by_mail(
    content: Content,
    author: &Author,
    earlier: &[Message],
) -> (Content, Option<String>) {
    let Some(text) = words(&content) else { return (content, None) };
    let said = || earlier.iter().filter(|message| message.direction != Direction::Note);
    let follows = said().find_map(|message| message.provider_ref.clone());
    let mails = || said().filter_map(|message| mail(message).map(|mail| (message.direction, mail)));
    let subject =
        mails().map(|(_, mail)| mail.subject.as_str()).find(|subject| !subject.is_empty());
    let written = mails().find(|(direction, _)| *direction == Direction::Inbound);
    let mail = Mail {
        subject: subject.map(answer_to).unwrap_or_default(),
        address: written.and_then(|(_, mail)| mail.address.clone()),
        automatic: matches!(author, Author::Bot(_) | Author::System),
        ..Mail::new("", text)
    };
    (Content::Email(mail), follows)
}

fn mail(message: &Message) -> Option<&Mail> {
    match &message.content {
        Content::Email(mail) => Some(mail),
        _ => None,
    }
}

fn answer_to(subject: &str) -> String {
    let begins =
        subject.get(..ANSWER.len()).is_some_and(|start| start.eq_ignore_ascii_case(ANSWER));
    let whole = if begins { subject.to_owned() } else { format!("{ANSWER}{subject}") };
    whole.chars().take(MAIL_SUBJECT_MAX_CHARS).collect()
}

/// What a mail can say of content: files by their address, places as RFC 5870 writes them.
fn words(content: &Content) -> Option<String> {
    let lines: Vec<String> = match content {
        Content::Text { text } => return Some(text.clone()),
        Content::Media { source: MediaSource::Url(url), caption, .. } => {
            caption.iter().cloned().chain([url.clone()]).collect()
        }
        Content::Location { latitude, longitude, name, address } => {
            let place = format!("geo:{latitude},{longitude}");
            name.iter().chain(address).cloned().chain([place]).collect()
        }
        _ => return None,
    };
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::*;

    fn message(direction: Direction, content: Content, reference: Option<&str>) -> Message {
        let (one, now) = (Uuid::from_u128(1), Timestamp::UNIX_EPOCH);
        let mut conversation = Conversation::new(
            ConversationId::from_uuid(one),
            BusinessId::from_uuid(one),
            ChannelId::from_uuid(one),
            ContactId::from_uuid(one),
            Owner::Queue,
            now,
        );
        let id = MessageId::from_uuid(one);
        let author = Author::System;
        let written = Message::written(id, &mut conversation, direction, author, content, now);
        Message { provider_ref: reference.map(str::to_owned), ..written }
    }

    fn said(content: Content, earlier: &[Message]) -> (Mail, Option<String>) {
        let member = Author::Member(MemberId::from_uuid(Uuid::from_u128(7)));
        match answer_by_mail(content, &member, earlier) {
            (Content::Email(mail), follows) => (mail, follows),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_goes_into_the_newest_mails_thread() {
        let from = |subject: &str, address: &str| {
            let mail = Mail { address: Some(address.to_owned()), ..Mail::new(subject, "?") };
            Content::Email(mail)
        };
        let earlier = [
            message(Direction::Note, Content::text("careful"), Some("note")),
            message(Direction::Outbound, Content::text("Yes"), Some("m3")),
            message(Direction::Inbound, from("Order 7", "ada@work.example"), Some("m2")),
            message(Direction::Inbound, from("Hello", "ada@home.example"), Some("m1")),
        ];
        let (mail, follows) = said(Content::text("It left."), &earlier);
        assert_eq!((&*mail.subject, &*mail.text), ("Re: Order 7", "It left."));
        assert_eq!(mail.address.as_deref(), Some("ada@work.example"));
        assert_eq!((follows.as_deref(), mail.automatic), (Some("m3"), false));
        let again = [message(Direction::Inbound, from("RE: Order 7", "a@b.example"), None)];
        let (mail, follows) = said(Content::text("It left."), &again);
        assert_eq!((&*mail.subject, follows), ("RE: Order 7", None));
        let (mail, follows) = said(Content::text("Hello"), &[]);
        assert_eq!((&*mail.subject, mail.address, follows), ("", None, None));
    }

    #[test]
    fn a_subject_stays_within_its_limit() {
        let long = Mail::new("é".repeat(MAIL_SUBJECT_MAX_CHARS), "?");
        let earlier = [message(Direction::Inbound, Content::Email(long), None)];
        assert_eq!(said(Content::text("x"), &earlier).0.check(), Ok(()));
    }

    #[test]
    fn what_a_bot_writes_is_marked() {
        let bot = Author::Bot(SessionId::from_uuid(Uuid::from_u128(3)));
        let (content, _) = answer_by_mail(Content::text("x"), &bot, &[]);
        assert!(content.is_automatic());
    }

    #[test]
    fn files_and_places_become_words_and_the_rest_stays() {
        let file = Content::Media {
            kind: MediaKind::Document,
            source: MediaSource::Url("https://example.org/a.pdf".to_owned()),
            caption: Some("The bill".to_owned()),
            filename: None,
            mime: None,
        };
        assert_eq!(said(file, &[]).0.text, "The bill\nhttps://example.org/a.pdf");
        let name = Some("Here".to_owned());
        let place = Content::Location { latitude: 52.5, longitude: 13.25, name, address: None };
        assert_eq!(said(place, &[]).0.text, "Here\ngeo:52.5,13.25");
        let own = Content::Email(Mail::new("Own", "thread"));
        let earlier = [message(Direction::Inbound, Content::text("?"), Some("m1"))];
        assert_eq!(answer_by_mail(own.clone(), &Author::System, &earlier), (own, None));
        let reaction = Content::Reaction { target: "m1".to_owned(), emoji: "x".to_owned() };
        assert_eq!(answer_by_mail(reaction.clone(), &Author::System, &earlier), (reaction, None));
    }
}
