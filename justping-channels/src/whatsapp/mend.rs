//! Makes texts readable that break the rules of Unicode.
//!
//! JSON may escape half a surrogate pair, and a careless sender may cut a text in the middle of a
//! character. Rust's strings can hold neither, and one such text must not cost the other messages
//! of its webhook.

/// The escape of the character that stands for what cannot be read.
const REPLACEMENT: &str = "\\ufffd";
/// Bytes of an escape such as `\ud83d`.
const ESCAPE_BYTES: usize = 6;

/// The body as text, with everything unreadable replaced by U+FFFD.
pub(super) fn mend(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut out = String::with_capacity(text.len());
    let mut rest: &str = &text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let (kept, length) = escape_of(escape);
        out.push_str(kept);
        rest = escape.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// The escape at the start of `text` as it should stand, and how many bytes it takes now.
fn escape_of(text: &str) -> (&str, usize) {
    let Some(unit) = unit(text) else {
        let length = 1 + text.chars().nth(1).map_or(0, char::len_utf8);
        return (text.get(..length).unwrap_or(text), length);
    };
    let second = text.get(ESCAPE_BYTES..).and_then(self::unit);
    match (unit, second) {
        (0xd800..=0xdbff, Some(0xdc00..=0xdfff)) => {
            (text.get(..2 * ESCAPE_BYTES).unwrap_or(text), 2 * ESCAPE_BYTES)
        }
        (0xd800..=0xdfff, _) => (REPLACEMENT, ESCAPE_BYTES),
        _ => (text.get(..ESCAPE_BYTES).unwrap_or(text), ESCAPE_BYTES),
    }
}

/// The UTF-16 unit that an escape at the start of `text` stands for.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then_some(())?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::mend;
    use proptest::prelude::*;

    #[test]
    fn halves_are_replaced_and_pairs_kept() {
        let cases = [
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""\ude00\ud83d""#, r#""\ufffd\ufffd""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\\ud83d \n \u0041 \"""#, r#""\\ud83d \n \u0041 \"""#),
            (r#""\ud8"#, r#""\ud8"#),
            (r"\", r"\"),
        ];
        for (given, wanted) in cases {
            assert_eq!(mend(given.as_bytes()), wanted);
        }
        assert_eq!(mend(b"\"a\xffb\""), "\"a\u{fffd}b\"");
    }

    proptest! {
        #[test]
        fn valid_json_is_left_alone(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(mend(json.as_bytes()), json);
        }

        #[test]
        fn any_units_become_readable(units in prop::collection::vec(any::<u16>(), 0..40)) {
            let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let mended = mend(format!("\"{escaped}\"").as_bytes());
            let text: String = serde_json::from_str(&mended).unwrap();
            prop_assert_eq!(text, String::from_utf16_lossy(&units));
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = mend(&bytes);
        }
    }
}
