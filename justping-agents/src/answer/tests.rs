use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::json;

use super::*;

const NUMBER: AnswerKind = AnswerKind::Number { min: None, max: None, integer: false };

fn phone(region: Option<&str>) -> AnswerKind {
    AnswerKind::Phone { default_region: region.map(str::to_owned) }
}

#[test]
fn numbers_as_people_write_them() {
    let cases = [
        ("36", json!(36)),
        (" 36 \n", json!(36)),
        ("+5", json!(5)),
        ("-3.5", json!(-3.5)),
        ("\u{2212}7", json!(-7)),
        ("-0", json!(0)),
        ("007", json!(7)),
        ("2.0", json!(2)),
        (".5", json!(0.5)),
        ("1,234.50", json!(1234.5)),
        ("1 234,50", json!(1234.5)),
        ("1\u{a0}234,50", json!(1234.5)),
        ("1\u{202f}234", json!(1234)),
        ("1.234,50", json!(1234.5)),
        ("1'234.50", json!(1234.5)),
        ("1,00,000.25", json!(100_000.25)),
        ("1,234,567", json!(1_234_567)),
        ("1.234.567", json!(1_234_567)),
        ("12,5", json!(12.5)),
        ("1234,567", json!(1234.567)),
        // Ambiguous: a comma before three digits groups, a dot does not.
        ("1,234", json!(1234)),
        ("1.234", json!(1.234)),
        ("0,234", json!(0.234)),
        ("9223372036854775807", json!(i64::MAX)),
        ("9223372036854775808", json!(9_223_372_036_854_775_808.0)),
        ("\u{202a}36\u{202c}", json!(36)),
    ];
    for (text, expected) in cases {
        assert_eq!(NUMBER.parse(text), Ok(expected), "{text:?}");
    }
}

fn good(kind: &AnswerKind, cases: &[(&str, Value)]) {
    for (text, value) in cases {
        assert_eq!(kind.parse(text), Ok(value.clone()), "{kind:?} {text:?}");
    }
}

fn bad(kind: &AnswerKind, texts: &[&str]) {
    for text in texts {
        assert!(kind.parse(text).is_err(), "{kind:?} {text:?}");
    }
}

#[test]
fn pages_are_of_the_web() {
    good(
        &AnswerKind::Url {},
        &[
            ("example.com", json!("https://example.com/")),
            (" HTTP://Example.com/A?b=c#d ", json!("http://example.com/A?b=c#d")),
            ("https://bücher.example", json!("https://xn--bcher-kva.example/")),
        ],
    );
    bad(
        &AnswerKind::Url {},
        &[
            "",
            "no",
            "localhost",
            "ftp://a.b",
            "javascript://a.b",
            "https://u:p@a.b",
            "a b.c",
            "http://127.0.0.1/",
            "mailto:a@b.c",
            "https://",
            "//",
        ],
    );
}

#[test]
fn days_and_times_of_day() {
    let day = |order| AnswerKind::Date { order };
    let slashes = json!("2026-04-03");
    good(
        &day(DateOrder::DayFirst),
        &[
            ("2026-12-31", json!("2026-12-31")),
            ("31.12.2026", json!("2026-12-31")),
            ("3/4/2026", slashes.clone()),
            ("29.2.2028", json!("2028-02-29")),
        ],
    );
    good(&day(DateOrder::MonthFirst), &[("4/3/2026", slashes), ("3.4.2026", json!("2026-04-03"))]);
    bad(
        &day(DateOrder::DayFirst),
        &[
            "",
            "tomorrow",
            "31.4.2026",
            "29.2.2027",
            "1.1.26",
            "2026-1",
            "1.1.2026.1",
            "+1.1.2026",
            "1-1-2026",
            "00.01.2026",
        ],
    );
    good(
        &AnswerKind::Time {},
        &[
            ("17:30", json!("17:30")),
            ("9.05", json!("09:05")),
            ("5:30 PM", json!("17:30")),
            ("12am", json!("00:00")),
            ("12 p.m.", json!("12:00")),
            ("5pm", json!("17:00")),
        ],
    );
    bad(
        &AnswerKind::Time {},
        &["", "17", "24:00", "9:60", "13pm", "0am", "9:5:1", "am", "pm.", "-1:00"],
    );
}

#[test]
fn points_and_stars() {
    good(
        &AnswerKind::Rating { max: None },
        &[
            ("4", json!(4)),
            ("⭐⭐⭐", json!(3)),
            ("★ ★", json!(2)),
            ("*****", json!(5)),
            ("4/5", json!(4)),
        ],
    );
    bad(
        &AnswerKind::Rating { max: None },
        &["", "0", "6", "3.5", "good", "4/10", "⭐⭐⭐⭐⭐⭐", "-1"],
    );
    good(&AnswerKind::Rating { max: Some(10) }, &[("10", json!(10)), ("9/10", json!(9))]);
}

#[test]
fn what_is_no_number() {
    let texts = [
        "NaN",
        "inf",
        "-inf",
        "infinity",
        "1e999",
        "1e5",
        "0x10",
        "٣٦",
        "３６",
        "12a",
        "$5",
        "5%",
        "-",
        "+",
        ".",
        ",",
        "5.",
        "1,",
        "--5",
        "+-5",
        "1 2",
        "1,23,4",
        "1,2345,678",
        "1,234 567",
        "1..5",
        "1.234.56",
        "1,234.567.8",
        "1_000",
        "½",
        "5 €",
        "1, 234",
    ];
    for text in texts {
        assert_eq!(NUMBER.parse(text), Err(AnswerProblem::NotANumber), "{text:?}");
    }
    assert_eq!(NUMBER.parse(" \u{7} "), Err(AnswerProblem::Empty));
    assert_eq!(NUMBER.parse(&"9".repeat(65)), Err(AnswerProblem::TooLong { max: 64 }));
}

#[test]
fn numbers_keep_to_their_limits() {
    let age = AnswerKind::Number { min: Some(18.0), max: Some(120.0), integer: true };
    assert_eq!(age.parse("18"), Ok(json!(18)));
    assert_eq!(age.parse("17"), Err(AnswerProblem::TooSmall { min: 18.0 }));
    assert_eq!(age.parse("121"), Err(AnswerProblem::TooLarge { max: 120.0 }));
    assert_eq!(age.parse("18.5"), Err(AnswerProblem::NotAnInteger));
    assert_eq!(age.parse("99999999999999999999"), Err(AnswerProblem::NotAnInteger));
}

#[test]
fn texts_are_cleaned_and_measured_in_characters() {
    let text = AnswerKind::Text { min: Some(2), max: Some(5) };
    assert_eq!(text.parse("  A\u{0}d\ra\u{7f}\n"), Ok(json!("Ada")));
    assert_eq!(text.parse("a\nb"), Ok(json!("a\nb")));
    assert_eq!(text.parse("é"), Err(AnswerProblem::TooShort { min: 2 }));
    assert_eq!(text.parse("éééééé"), Err(AnswerProblem::TooLong { max: 5 }));
    assert_eq!(text.parse("ééééé"), Ok(json!("ééééé")));
    assert_eq!(text.parse(" \t\n"), Err(AnswerProblem::Empty));
    let any = AnswerKind::Text { min: None, max: Some(usize::MAX) };
    assert!(any.parse(&"x".repeat(MAX_TEXT_CHARS)).is_ok());
    let over = any.parse(&"x".repeat(MAX_TEXT_CHARS + 1));
    assert_eq!(over, Err(AnswerProblem::TooLong { max: MAX_TEXT_CHARS }));
}

#[test]
fn emails() {
    let good = [
        (" Ada.L+x@Example.COM ", "Ada.L+x@example.com"),
        ("o'neil@mail.example.co.uk", "o'neil@mail.example.co.uk"),
        ("ada@bücher.example", "ada@bücher.example"),
    ];
    for (text, expected) in good {
        assert_eq!(AnswerKind::Email {}.parse(text), Ok(json!(expected)), "{text}");
    }
    let bad = [
        "ada",
        "ada@",
        "@example.com",
        "ada@localhost",
        "a b@example.com",
        "ada@example..com",
        "ada@[127.0.0.1]",
        "Ada <ada@example.com>",
        "ada@example.com, b@example.com",
        "a@b@c.de",
    ];
    for text in bad {
        assert_eq!(AnswerKind::Email {}.parse(text), Err(AnswerProblem::NotAnEmail), "{text}");
    }
}

#[test]
fn phones() {
    let cases = [
        (Some("IN"), "098765 43210", "+919876543210"),
        (Some("in"), "+49 30 901820", "+4930901820"),
        (None, "+1 (415) 555-2671", "+14155552671"),
        (Some("GB"), "020 7946 0018", "+442079460018"),
        (Some("IN"), "\u{202a}+91 98765 43210\u{202c}", "+919876543210"),
    ];
    for (region, text, expected) in cases {
        assert_eq!(phone(region).parse(text), Ok(json!(expected)), "{text}");
    }
    for text in ["12", "abc", "+999 12345678", "+1 555", "0000000000", "+"] {
        assert_eq!(phone(Some("US")).parse(text), Err(AnswerProblem::NotAPhone), "{text}");
    }
    assert_eq!(phone(None).parse("98765 43210"), Err(AnswerProblem::NotAPhone));
    assert_eq!(phone(Some("XX")).parse("+14155552671"), Err(AnswerProblem::UnknownRegion));
}

#[derive(Deserialize)]
struct Case {
    input: String,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    e164: Option<String>,
    #[serde(default)]
    valid: bool,
}

/// Metadata of the crate and of the cases are some months apart, so a few answers differ.
const MIN_AGREEMENT_PERCENT: usize = 98;

#[test]
fn phones_agree_with_the_reference_cases() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = std::env::var("JUSTPING_CONFORMANCE_DIR");
    let folder = folder.unwrap_or_else(|_| "../shared/conformance".to_owned());
    let Ok(file) = std::fs::read_to_string(root.join(folder).join("phone/numbers.json")) else {
        println!("phone conformance cases: absent, 0 ran");
        return;
    };
    let mut file: Value = serde_json::from_str(&file).unwrap();
    let cases: Vec<Case> = serde_json::from_value(file["cases"].take()).unwrap();
    let mut agreed = 0;
    for case in &cases {
        let region = case.region.as_deref().filter(|region| region.len() == 2);
        let expected = case.e164.as_deref().filter(|_| case.valid);
        let found = phone(region).parse(&case.input).ok();
        if found == expected.map(Value::from) {
            agreed += 1;
        } else {
            println!("{:?} {:?}: {found:?}, expected {expected:?}", case.input, case.region);
        }
    }
    println!("phone conformance cases: {} ran, {agreed} agreed", cases.len());
    assert!(!cases.is_empty());
    assert!(agreed * 100 >= cases.len() * MIN_AGREEMENT_PERCENT, "{agreed} of {}", cases.len());
}

#[test]
fn kinds_are_json_and_strict() {
    let kinds = [
        (json!({"type": "text"}), AnswerKind::Text { min: None, max: None }),
        (
            json!({"type": "number", "min": 1.0, "integer": true}),
            AnswerKind::Number { min: Some(1.0), max: None, integer: true },
        ),
        (json!({"type": "email"}), AnswerKind::Email {}),
        (json!({"type": "phone", "default_region": "IN"}), phone(Some("IN"))),
    ];
    for (value, kind) in kinds {
        assert_eq!(serde_json::from_value::<AnswerKind>(value.clone()).unwrap(), kind);
        assert_eq!(serde_json::to_value(&kind).unwrap(), value);
    }
    for value in [
        json!({"type": "text", "mx": 1}),
        json!({"type": "email", "x": 1}),
        json!({"type": "colour"}),
        json!({}),
    ] {
        assert!(serde_json::from_value::<AnswerKind>(value).is_err());
    }
    let problem = serde_json::to_value(AnswerProblem::TooShort { min: 2 }).unwrap();
    assert_eq!(problem, json!({"problem": "too_short", "min": 2}));
}

proptest! {
    #[test]
    fn nothing_panics(text in any::<String>(), digits in "[+]?[-0-9 (),.x;=#*:/apm⭐]{0,24}") {
        let text_kind = AnswerKind::Text { min: None, max: None };
        let date = AnswerKind::Date { order: DateOrder::MonthFirst };
        let more = [AnswerKind::Url {}, date, AnswerKind::Time {}, AnswerKind::Rating { max: None }];
        let kinds = [text_kind, NUMBER, AnswerKind::Email {}, phone(None), phone(Some("DE"))];
        for kind in kinds.into_iter().chain(more) {
            let _ = kind.parse(&text);
            let _ = kind.parse(&digits);
        }
    }

    #[test]
    fn whole_numbers_read_back(number in any::<i64>()) {
        prop_assert_eq!(NUMBER.parse(&number.to_string()), Ok(json!(number)));
    }
}
