//! The table of replies.

use proptest::prelude::*;

use crate::smtp::error::{AUTH, Action, ENHANCED, REPLIES, RULES, Stage, enhanced_of, rule};

#[test]
fn the_table_says_what_to_do() {
    use Action::{BadRecipient, Reconnect, Reject, Retry, SlowDown};
    use Stage::{Auth, Data, Hello, Recipient, Sender};
    for (stage, code, enhanced, action) in [
        (Recipient, 421, "", Retry),
        (Recipient, 450, "4.2.1", Retry),
        (Data, 451, "4.3.0", Retry),
        (Sender, 452, "4.3.1", Retry),
        (Auth, 454, "4.7.0", SlowDown),
        (Auth, 454, "", Retry),
        (Sender, 421, "4.7.28", SlowDown),
        (Data, 499, "", Retry),
        (Hello, 554, "5.7.1", Retry),
        (Auth, 535, "5.7.8", Reconnect),
        (Auth, 504, "", Reconnect),
        (Sender, 530, "5.7.0", Reconnect),
        (Sender, 553, "5.1.8", Reject),
        (Sender, 550, "", Reject),
        (Recipient, 550, "5.1.1", BadRecipient),
        (Recipient, 550, "5.1.10", BadRecipient),
        (Recipient, 550, "5.2.1", BadRecipient),
        (Recipient, 552, "5.2.2", Reject),
        (Recipient, 550, "5.7.1", Reject),
        (Recipient, 550, "5.4.6", Reject),
        (Recipient, 550, "", BadRecipient),
        (Recipient, 553, "", BadRecipient),
        (Data, 550, "", Reject),
        (Data, 554, "5.7.1", Reject),
        (Data, 552, "", Reject),
        (Data, 599, "", Reject),
    ] {
        let found = rule(stage, code, enhanced).map(|rule| rule.action);
        assert_eq!(found, Some(action), "{stage:?} {code} {enhanced}");
    }
}

#[test]
fn every_row_is_documented_and_can_be_reached() {
    for (at, row) in RULES.iter().enumerate() {
        assert!([REPLIES, ENHANCED, AUTH].contains(&row.doc) && !row.meaning.is_empty());
        let stage = row.stage.unwrap_or(Stage::Data);
        let reached = (row.first..=row.last).any(|code| {
            rule(stage, code, row.enhanced).is_some_and(|found| std::ptr::eq(found, row))
        });
        assert!(reached, "row {at}: {row:?}");
    }
}

#[test]
fn enhanced_codes_stand_in_front() {
    assert_eq!(enhanced_of("5.1.1 no such user"), "5.1.1");
    assert_eq!(enhanced_of("4.7.650 slow down"), "4.7.650");
    for words in ["", "no such user", "5.1 x", "5.1.1.1 x", "3.1.1 x", "5.1.1000", "5.a.1", "5..1"]
    {
        assert_eq!(enhanced_of(words), "", "{words}");
    }
}

proptest! {
    #[test]
    fn every_refusal_has_a_row(code in 400u16..600, enhanced in "([45]\\.[0-9]{1,3}\\.[0-9]{1,3})?") {
        for stage in [Stage::Hello, Stage::Auth, Stage::Sender, Stage::Recipient, Stage::Data] {
            prop_assert!(rule(stage, code, &enhanced).is_some());
        }
    }

    #[test]
    fn any_words_are_read(words in ".{0,40}") {
        prop_assert!(words.trim_start().starts_with(enhanced_of(&words)));
    }
}
