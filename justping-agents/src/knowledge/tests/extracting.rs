//! What a file says.

use justping_core::model::{SOURCE_BYTES_MAX, SourceFormat};
use proptest::prelude::*;

use crate::knowledge::{
    Block, CutOptions, Document, ExtractError, charset_of, cut, extract, format_of,
};

const FORMATS: [SourceFormat; 5] = [
    SourceFormat::Text,
    SourceFormat::Markdown,
    SourceFormat::Html,
    SourceFormat::Pdf,
    SourceFormat::Csv,
];

fn read(format: SourceFormat, text: &str) -> Document {
    extract(format, text.as_bytes(), None).unwrap()
}

/// Blocks as `section: text`.
fn told(document: &Document) -> Vec<String> {
    let tell = |block: &Block| format!("{}: {}", block.section, block.text);
    document.blocks.iter().map(tell).collect()
}

#[test]
fn markdown_keeps_headings_lists_tables_and_code() {
    let text = "---\ntitle: no\n---\n# Shop\n\nWe *sell*\n`boats`.\n\n## Returns\n\n- within 30 days\n- \
        with [the form](https://x)\n\n| Size | Price |\n|---|---|\n| S | 5 |\n\n```\nlet  x = 1;\n```\n\n\
        # Contact\n<div><p>Call <b>us</b></p><script>no()</script></div>\n\nor &amp; write";
    let document = read(SourceFormat::Markdown, text);
    assert_eq!(document.title.as_deref(), Some("Shop"));
    let expected = [
        "Shop: We sell boats.",
        "Shop › Returns: within 30 days",
        "Shop › Returns: with the form",
        "Shop › Returns: Size | Price",
        "Shop › Returns: S | 5",
        "Shop › Returns: let  x = 1;",
        "Contact: Call us",
        "Contact: or & write",
    ];
    assert_eq!(told(&document), expected);
}

#[test]
fn html_says_what_a_reader_sees() {
    let page = "<!doctype html><html><head><title>Help &amp; more</title><style>p{}</style></head><body>\
        <nav><a href=/>Home</a><nav>x</nav>y</nav><h1>Help</h1><p>Call <b>us</b>\n today.<br>Or not.</p>\
        <script>var a = '<p>no</p>';</script><h2>Prices</h2><table><tr><th>S</th><th>M</th></tr>\
        <tr><td>5</td><td>7</td></tr></table><ul><li>one<li>two</ul><pre>a\n  b</pre>\
        <noscript>no</noscript><footer>no</footer>&lt;end&gt; &#x20ac;</body></html>";
    let document = read(SourceFormat::Html, page);
    assert_eq!(document.title.as_deref(), Some("Help & more"));
    let expected = [
        "Help: Call us today. Or not.",
        "Help › Prices: S | M",
        "Help › Prices: 5 | 7",
        "Help › Prices: one",
        "Help › Prices: two",
        "Help › Prices: a\n  b",
        "Help › Prices: <end> €",
    ];
    assert_eq!(told(&document), expected);
}

#[test]
fn tables_name_their_columns() {
    for table in ["Name,Price\nBoat,5\n,\n\"A, B\",7,extra", "Name;Price\nBoat;5\n;\nA, B;7;extra"]
    {
        let document = read(SourceFormat::Csv, table);
        assert_eq!(told(&document), [": Name: Boat\nPrice: 5", ": Name: A, B\nPrice: 7\nextra"]);
        let rows: Vec<_> = document.blocks.iter().map(|block| block.page).collect();
        assert_eq!(rows, [Some(1), Some(3)]);
    }
    let wide = vec!["x"; 201].join(",");
    let wide = extract(SourceFormat::Csv, format!("{wide}\n1").as_bytes(), None);
    assert_eq!(wide, Err(ExtractError::TooMany("columns")));
    let long = format!("a\n{}", "1\n".repeat(50_001));
    assert_eq!(
        extract(SourceFormat::Csv, long.as_bytes(), None),
        Err(ExtractError::TooMany("rows"))
    );
}

#[test]
fn plain_text_is_paragraphs() {
    let text = "One para-\ngraph over\n  lines.\r\n\r\n\nAnother – with Fall-\nBack.";
    let document = read(SourceFormat::Text, text);
    assert_eq!(told(&document), [": One paragraph over lines.", ": Another – with Fall- Back."]);
}

#[test]
fn text_is_decoded_as_it_says_or_as_it_fits() {
    let of = |bytes: &[u8], charset| extract(SourceFormat::Text, bytes, charset).map(|d| told(&d));
    assert_eq!(of("Grüße".as_bytes(), None), Ok(vec![": Grüße".to_owned()]));
    assert_eq!(of(b"Gr\xfc\xdfe", None), Ok(vec![": Grüße".to_owned()]));
    assert_eq!(of(b"\x83e\x83X\x83g", Some("shift_jis")), Ok(vec![": テスト".to_owned()]));
    assert_eq!(of(b"\xff\xfeh\0i\0", None), Ok(vec![": hi".to_owned()]));
    assert_eq!(of(b"\xef\xbb\xbfhi", Some("utf-16le")), Ok(vec![": hi".to_owned()]));
    let page = b"<meta charset=\"koi8-r\"><p>\xd4\xc5\xd3\xd4";
    assert_eq!(
        extract(SourceFormat::Html, page, None).map(|d| told(&d)),
        Ok(vec![": тест".to_owned()])
    );
}

#[test]
fn what_cannot_be_read_says_why() {
    let code = |format, bytes: &[u8]| extract(format, bytes, None).unwrap_err().code();
    assert_eq!(code(SourceFormat::Text, b""), "empty");
    assert_eq!(code(SourceFormat::Text, b" \n\t "), "empty");
    assert_eq!(code(SourceFormat::Html, b"<script>only()</script>"), "empty");
    assert_eq!(code(SourceFormat::Text, b"\x7fELF\0\0\0"), "malformed");
    assert_eq!(code(SourceFormat::Pdf, b"no pdf"), "malformed");
    assert_eq!(code(SourceFormat::Text, &vec![b'a'; SOURCE_BYTES_MAX + 1]), "too_large");
}

#[test]
fn nothing_takes_time_that_grows_with_the_square() {
    let many = |piece: &str| piece.repeat(400_000 / piece.len());
    for text in
        ["<div>", "<b><p>", "</p>", "<nav>", "&amp", "<!--", "<a b=c", "<h1>x", "<table><tr><td>"]
    {
        let _ = extract(SourceFormat::Html, many(text).as_bytes(), None);
    }
    for text in
        ["> ", "- ", "[a](", "![", "*a_", "`", "# a\n", "| a |\n|-|\n", "<div>\n", "&#0;", "1. x\n"]
    {
        let _ = extract(SourceFormat::Markdown, many(text).as_bytes(), None);
    }
    for text in ["\"", ",", "\n", "a,\"b\n"] {
        let _ = extract(SourceFormat::Csv, many(text).as_bytes(), None);
    }
}

#[test]
fn media_types_name_formats() {
    assert_eq!(format_of("text/html; charset=utf-8"), Some(SourceFormat::Html));
    assert_eq!(format_of("APPLICATION/PDF"), Some(SourceFormat::Pdf));
    assert_eq!(format_of("image/png"), None);
    assert_eq!(charset_of("text/html; a=b; Charset=\"koi8-r\""), Some("koi8-r"));
    assert_eq!(charset_of("text/html"), None);
}

/// Pieces of the formats in any order.
fn soup() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "<p>",
        "</p>",
        "<script>",
        "</script>",
        "<!--",
        "-->",
        "<nav",
        ">",
        "<pre>",
        "<h1>",
        "</h2>",
        "<title>",
        "<textarea>",
        "&",
        "&#x",
        "# ",
        "> ",
        "- ",
        "```",
        "|",
        "|-|",
        "\n",
        "\n\n",
        "[",
        "](",
        "*",
        "_",
        "\\",
        "\"",
        ",",
        ";",
        "\t",
        "---\n",
        "wört ",
        "語",
        "\u{0}",
        "\u{feff}",
        "\u{202e}",
        "%PDF-1.4\n",
        "1 0 obj",
        "<<",
        ">>",
        "/Type",
        "/ObjStm",
        "stream\n",
        "endstream",
        "endobj",
        "xref\n",
        "trailer",
        "startxref",
        "%%EOF",
        "9999999999",
        "(",
        ")",
    ]);
    prop::collection::vec(pieces, 0..80).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_are_a_document_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for format in FORMATS {
            if let Ok(document) = extract(format, &bytes, None) {
                prop_assert!(document.blocks.iter().all(|block| !block.text.trim().is_empty()));
            }
        }
    }

    #[test]
    fn any_soup_is_a_document_or_an_error(text in soup(), charset in "[a-z0-9-]{0,12}") {
        for format in FORMATS {
            if let Ok(document) = extract(format, text.as_bytes(), Some(&charset)) {
                let chunks = cut(&document, CutOptions { chars: 40, overlap: 10 }).unwrap();
                prop_assert!(!chunks.is_empty());
            }
        }
    }
}
