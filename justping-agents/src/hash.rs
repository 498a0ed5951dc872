//! Content hashes of flow documents.
//!
//! A published version is named by what it does, not by how it is drawn: [`strip_layout`] takes the
//! drawing out, [`content_hash`] hashes the rest in the canonical form of RFC 8785 (members sorted
//! by UTF-16 code units, shortest numbers, no blanks). One deviation, on purpose: whole numbers keep
//! all their digits, so two identifiers beyond 2^53 never hash alike.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};
use sha2::{Digest as _, Sha256};

/// Members of a node that say where and how large it is drawn.
pub const NODE_LAYOUT: [&str; 8] = [
    "position",
    "viewport",
    "selected",
    "measured",
    "dragging",
    "width",
    "height",
    "positionAbsolute",
];

/// Decimal exponents from which numbers are written with an exponent, as ECMAScript does.
const POSITIONAL: std::ops::Range<i32> = -6..21;

/// Returns the SHA-256 of the canonical form of `value`.
pub fn content_hash(value: &Value) -> [u8; 32] {
    let mut out = String::new();
    write_value(&mut out, value);
    Sha256::digest(out.as_bytes()).into()
}

/// Returns [`content_hash`] as 64 lowercase hexadecimal digits.
pub fn content_hash_hex(value: &Value) -> String {
    let nibble = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
    content_hash(value).iter().flat_map(|byte| [nibble(byte >> 4), nibble(byte & 15)]).collect()
}

/// Removes what only concerns the drawing of a flow document.
///
/// That is [`NODE_LAYOUT`] of every node, `selected` of every edge and the `viewport`, in the document
/// itself and in the flows it holds.
/// Nothing inside a node's `data` is touched: the `width` of a picture is content.
pub fn strip_layout(document: &mut Value) {
    strip_one(document);
    let called = document.get_mut("flows").and_then(Value::as_object_mut);
    called.into_iter().flat_map(Map::values_mut).for_each(strip_one);
}

fn strip_one(flow: &mut Value) {
    let Value::Object(document) = flow else { return };
    document.remove("viewport");
    for node in objects(document, "nodes") {
        for name in NODE_LAYOUT {
            node.remove(name);
        }
    }
    for edge in objects(document, "edges") {
        edge.remove("selected");
    }
}

fn objects<'d>(
    document: &'d mut Map<String, Value>,
    list: &str,
) -> impl Iterator<Item = &'d mut Map<String, Value>> {
    let items = document.get_mut(list).and_then(Value::as_array_mut);
    items.into_iter().flatten().filter_map(Value::as_object_mut)
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_text(out, text),
        Value::Array(items) => {
            let mut separator = '[';
            for item in items {
                out.push(separator);
                write_value(out, item);
                separator = ',';
            }
            out.push_str(if items.is_empty() { "[]" } else { "]" });
        }
        Value::Object(map) => write_object(out, map),
    }
}

fn write_object(out: &mut String, map: &Map<String, Value>) {
    let mut members: Vec<(&String, &Value)> = map.iter().collect();
    members.sort_by(|(a, _), (b, _)| utf16_order(a, b));
    out.push('{');
    for (index, (name, value)) in members.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_text(out, name);
        out.push(':');
        write_value(out, value);
    }
    out.push('}');
}

fn utf16_order(a: &str, b: &str) -> Ordering {
    a.encode_utf16().cmp(b.encode_utf16())
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn write_number(out: &mut String, number: &Number) {
    match number.as_f64().filter(|_| number.is_f64()) {
        Some(float) => write_float(out, float),
        None => out.push_str(&number.to_string()),
    }
}

/// Writes a finite number as ECMAScript does: `1`, `0.5`, `1e+21`, `5e-7`.
fn write_float(out: &mut String, float: f64) {
    let scientific = format!("{:e}", float.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits = mantissa.replace('.', "");
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if float < 0.0 {
        out.push('-');
    }
    if !POSITIONAL.contains(&exponent) {
        out.push_str(mantissa);
        out.push_str(if exponent < 0 { "e-" } else { "e+" });
        out.push_str(&exponent.unsigned_abs().to_string());
        return;
    }
    let shift = usize::try_from(exponent.unsigned_abs()).unwrap_or(0);
    if exponent < 0 {
        out.push_str("0.");
        out.push_str(&"0".repeat(shift - 1));
        out.push_str(&digits);
        return;
    }
    let (whole, fraction) = digits.split_at((shift + 1).min(digits.len()));
    out.push_str(whole);
    out.push_str(&"0".repeat((shift + 1).saturating_sub(digits.len())));
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn canonical(value: &Value) -> String {
        let mut out = String::new();
        write_value(&mut out, value);
        out
    }

    #[test]
    fn canonical_form_is_pinned() {
        let value = json!({"\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "": []});
        let names = "{\"\":[],\"\\r\":2,\"1\":4,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}";
        assert_eq!(canonical(&value), names);
        let value = json!(["\u{f}\n'\"\\\u{7f}é", {}, null, true, false, [1, [2]]]);
        let text = "[\"\\u000f\\n'\\\"\\\\\u{7f}é\",{},null,true,false,[1,[2]]]";
        assert_eq!(canonical(&value), text);
    }

    #[test]
    fn numbers_are_written_as_ecmascript_does() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (4.50, "4.5"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (2.5e-7, "2.5e-7"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (333_333_333.333_333_3, "333333333.3333333"),
            (1e23, "1e+23"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (9_007_199_254_740_992.0, "9007199254740992"),
        ];
        for (number, text) in cases {
            assert_eq!(canonical(&json!(number)), text);
        }
        assert_eq!(canonical(&json!([u64::MAX, i64::MIN])), format!("[{},{}]", u64::MAX, i64::MIN));
    }

    #[test]
    fn hash_is_sha_256_of_the_canonical_form() {
        let empty = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(content_hash_hex(&json!({})), empty);
        assert_eq!(
            content_hash(&json!({"a": 1, "b": 2.0})),
            content_hash(&json!({"b": 2, "a": 1}))
        );
        assert_ne!(content_hash(&json!("1")), content_hash(&json!(1)));
    }

    #[test]
    fn moving_a_box_is_not_a_change() {
        let mut drawn = json!({
            "schema": "justping.flow/1", "viewport": {"x": 1, "y": 2, "zoom": 1},
            "nodes": [{"id": "a", "type": "media", "position": {"x": 1, "y": 2}, "selected": true,
                "measured": {"width": 1}, "dragging": false, "width": 10, "height": 10,
                "positionAbsolute": {}, "viewport": 1, "data": {"width": 640, "position": "top"}}],
            "edges": [{"id": "e", "source": "a", "selected": true}]
        });
        strip_layout(&mut drawn);
        let bare = json!({
            "schema": "justping.flow/1",
            "nodes": [{"id": "a", "type": "media", "data": {"width": 640, "position": "top"}}],
            "edges": [{"id": "e", "source": "a"}]
        });
        assert_eq!(drawn, bare);
        for mut odd in [json!(null), json!([]), json!({"nodes": {}, "edges": [1]})] {
            strip_layout(&mut odd);
        }
    }

    proptest! {
        #[test]
        fn numbers_keep_their_value(number in any::<f64>()) {
            prop_assume!(number.is_finite());
            let text = canonical(&json!(number));
            prop_assert_eq!(text.parse::<f64>().unwrap(), number);
        }

        #[test]
        fn text_reads_back(text in any::<String>()) {
            let canonical = canonical(&json!(text));
            prop_assert_eq!(serde_json::from_str::<String>(&canonical).unwrap(), text);
        }
    }
}
