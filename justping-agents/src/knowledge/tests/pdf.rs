//! PDFs, good and bad.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use justping_core::model::SourceFormat;
use lopdf::content::{Content, Operation};
use lopdf::{
    Document as Pdf, EncryptionState, EncryptionVersion, Object, Permissions, Stream, dictionary,
};
use proptest::prelude::*;

use crate::knowledge::{ExtractError, PDF_PAGES_MAX, extract};

/// A PDF with a page a text.
fn pdf(pages: &[&str]) -> Pdf {
    let contents = pages.iter().map(|text| {
        let mut operations =
            vec![Operation::new("BT", vec![]), Operation::new("Tf", vec!["F1".into(), 12.into()])];
        for line in text.lines() {
            operations.push(Operation::new("Tj", vec![Object::string_literal(line)]));
            operations.push(Operation::new("T*", vec![]));
        }
        operations.push(Operation::new("ET", vec![]));
        Content { operations }.encode().unwrap()
    });
    of_contents(contents.collect())
}

fn of_contents(contents: Vec<Vec<u8>>) -> Pdf {
    let mut pdf = Pdf::with_version("1.5");
    let pages_id = pdf.new_object_id();
    let font = pdf.add_object(dictionary! {
        "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Courier",
    });
    let resources = pdf.add_object(dictionary! { "Font" => dictionary! { "F1" => font } });
    let kids: Vec<Object> = contents
        .into_iter()
        .map(|content| {
            let mut stream = Stream::new(dictionary! {}, content);
            stream.compress().unwrap();
            let content = pdf.add_object(stream);
            let page = dictionary! {
                "Type" => "Page", "Parent" => pages_id, "Contents" => content,
                "Resources" => resources,
                "MediaBox" => vec![0.into(), 0.into(), 595.into(), 842.into()],
            };
            pdf.add_object(page).into()
        })
        .collect();
    let count = kids.len() as i64;
    let pages = dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => count };
    pdf.objects.insert(pages_id, Object::Dictionary(pages));
    let catalog = pdf.add_object(dictionary! { "Type" => "Catalog", "Pages" => pages_id });
    pdf.trailer.set("Root", catalog);
    pdf
}

fn bytes(mut pdf: Pdf) -> Vec<u8> {
    let mut bytes = Vec::new();
    pdf.save_to(&mut bytes).unwrap();
    bytes
}

#[test]
fn pages_are_read_in_order() {
    let file = bytes(pdf(&["Returns are\nfree of charge.", "Call us."]));
    let document = extract(SourceFormat::Pdf, &file, None).unwrap();
    let told: Vec<_> =
        document.blocks.iter().map(|block| (block.page, block.text.as_str())).collect();
    assert_eq!(told, [(Some(1), "Returns are free of charge."), (Some(2), "Call us.")]);
}

#[test]
fn a_file_that_takes_a_password_is_refused() {
    let mut pdf = pdf(&["secret"]);
    let id = Object::string_literal("0123456789abcdef");
    pdf.trailer.set("ID", vec![id.clone(), id]);
    let version = EncryptionVersion::V2 {
        document: &pdf,
        owner_password: "owner",
        user_password: "user",
        key_length: 128,
        permissions: Permissions::all(),
    };
    let state = EncryptionState::try_from(version).unwrap();
    pdf.encrypt(&state).unwrap();
    assert_eq!(extract(SourceFormat::Pdf, &bytes(pdf), None), Err(ExtractError::Encrypted));
}

#[test]
fn pages_have_a_most_and_pictures_are_no_text() {
    let many = bytes(pdf(&vec!["x"; PDF_PAGES_MAX + 1]));
    assert_eq!(extract(SourceFormat::Pdf, &many, None), Err(ExtractError::TooMany("pages")));
    assert_eq!(extract(SourceFormat::Pdf, &bytes(pdf(&[""])), None), Err(ExtractError::Empty));
}

fn packed(bytes: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    let block = [b' '; 4096];
    for _ in 0..bytes / block.len() {
        encoder.write_all(&block).unwrap();
    }
    encoder.finish().unwrap()
}

/// A file whose objects unpack to far more than it has, one whose page does, and one of many packed objects.
#[test]
fn bombs_do_not_go_off() {
    let bomb = packed(64 * 1024 * 1024);
    assert!(bomb.len() < 1024 * 1024, "{}", bomb.len());
    let started = Instant::now();
    let mut file =
        b"%PDF-1.5\n1 0 obj\n<</Type/ObjStm/N 1/First 4/Filter/FlateDecode/Length ".to_vec();
    let objects = |file: &mut Vec<u8>, bomb: &[u8], name: &[u8]| {
        file.extend_from_slice(b"\n9 0 obj\n<</Type/");
        file.extend_from_slice(name);
        file.extend_from_slice(b"/N 1/First 4/Filter/FlateDecode/Length 9>>\nstream\r\n");
        file.extend_from_slice(bomb);
        file.extend_from_slice(b"\nendstream\nendobj\n");
    };
    objects(&mut file, &bomb, b"ObjStm");
    assert_eq!(extract(SourceFormat::Pdf, &file, None), Err(ExtractError::TooLarge));
    let mut disguised = b"%PDF-1.5\n".to_vec();
    objects(&mut disguised, &bomb, b"Obj#53tm");
    assert_eq!(extract(SourceFormat::Pdf, &disguised, None), Err(ExtractError::TooLarge));
    let mut many = b"%PDF-1.5\n".to_vec();
    let small = packed(4 * 1024 * 1024);
    (0..10).for_each(|_| objects(&mut many, &small, b"ObjStm"));
    assert_eq!(extract(SourceFormat::Pdf, &many, None), Err(ExtractError::TooLarge));
    let page = bytes(of_contents(vec![vec![b' '; 8 * 1024 * 1024]]));
    assert!(page.len() < 1024 * 1024);
    assert_eq!(extract(SourceFormat::Pdf, &page, None), Err(ExtractError::TooLarge));
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

#[test]
fn loops_and_depth_end() {
    let mut looping = pdf(&["x"]);
    let pages = looping.catalog().unwrap().get(b"Pages").unwrap().as_reference().unwrap();
    let kids = vec![Object::Reference(pages), Object::Reference(pages)];
    looping.get_dictionary_mut(pages).unwrap().set("Kids", kids);
    assert!(extract(SourceFormat::Pdf, &bytes(looping), None).is_err());
    let mut deep = b"%PDF-1.5\n1 0 obj\n".to_vec();
    deep.extend(std::iter::repeat_n(b'[', 500_000));
    deep.extend_from_slice(b"\nendobj\ntrailer<</Root 1 0 R>>\nstartxref\n0\n%%EOF");
    assert!(extract(SourceFormat::Pdf, &deep, None).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A good file with some bytes changed, cut off or repeated.
    #[test]
    fn broken_files_are_read_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..30),
        end in any::<prop::sample::Index>(),
    ) {
        let mut file = bytes(pdf(&["Returns are free.", "Call us."]));
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        file.truncate(end.index(file.len() * 2).max(5));
        let _ = extract(SourceFormat::Pdf, &file, None);
    }
}
