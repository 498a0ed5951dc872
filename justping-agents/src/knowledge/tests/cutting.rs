//! Cutting documents.

use std::collections::BTreeSet;

use justping_core::model::Chunk;
use proptest::prelude::*;

use crate::knowledge::{Block, CutOptions, Document, ExtractError, cut};

fn block(section: &str, page: u32, text: &str) -> Block {
    Block { section: section.to_owned(), page: Some(page), text: text.to_owned() }
}

fn document(blocks: Vec<Block>) -> Document {
    Document { title: None, blocks }
}

fn texts(chunks: &[Chunk]) -> Vec<&str> {
    chunks.iter().map(|chunk| chunk.text.as_str()).collect()
}

#[test]
fn chunks_end_with_sentences_and_overlap() {
    let text = "One is first. Two is next. Three comes third. Four ends.";
    let options = CutOptions { chars: 40, overlap: 20 };
    let chunks = cut(&document(vec![block("A", 1, text)]), options).unwrap();
    let expected = [
        "One is first. Two is next.",
        "Two is next. Three comes third.",
        "Three comes third. Four ends.",
    ];
    assert_eq!(texts(&chunks), expected);
    assert_eq!(chunks.iter().map(|chunk| chunk.ordinal).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn headings_part_chunks_and_pages_begin_them() {
    let blocks = vec![
        block("A", 1, "Short."),
        block("A", 2, "Also short."),
        block("B", 3, "Elsewhere."),
        block("A", 4, "Back."),
    ];
    let chunks = cut(&document(blocks), CutOptions::default()).unwrap();
    let told: Vec<_> =
        chunks.iter().map(|c| (c.section.as_str(), c.page, c.text.as_str())).collect();
    let expected = [
        ("A", Some(1), "Short.\n\nAlso short."),
        ("B", Some(3), "Elsewhere."),
        ("A", Some(4), "Back."),
    ];
    assert_eq!(told, expected);
}

#[test]
fn ids_are_of_what_is_said() {
    let options = CutOptions { chars: 60, overlap: 0 };
    let blocks = |middle: &str| {
        ["Intro", "Body", "End"]
            .map(|section| block(section, 1, &format!("{section} says {middle}")))
    };
    let mut changed = blocks("this.");
    changed[1].text = "Body says that.".to_owned();
    let ids = |blocks: [Block; 3]| -> Vec<_> {
        let chunks = cut(&document(blocks.to_vec()), options).unwrap();
        chunks.into_iter().map(|chunk| chunk.id).collect()
    };
    let (before, after) = (ids(blocks("this.")), ids(changed));
    assert_eq!(before, ids(blocks("this.")), "the same every time");
    assert_eq!((before[0], before[2]), (after[0], after[2]));
    assert_ne!(before[1], after[1]);
    let twice = vec![block("A", 1, "Same."), block("B", 1, "Same."), block("A", 9, "Same.")];
    let chunks = cut(&document(twice), options).unwrap();
    assert_eq!(chunks.len(), 2, "what is said twice under one heading is kept once");
    assert_ne!(chunks[0].id, chunks[1].id);
}

#[test]
fn there_is_a_most() {
    let blocks = (0..10_001).map(|n| block(&n.to_string(), 1, "x")).collect();
    let refused = cut(&document(blocks), CutOptions::default());
    assert_eq!(refused, Err(ExtractError::TooMany("chunks")));
}

proptest! {
    #[test]
    fn nothing_is_lost_and_nothing_is_too_large(
        texts in prop::collection::vec("[a-z .!?\u{4e00}-\u{4e20}\u{301}]{0,200}", 1..6),
        chars in 1usize..120,
        overlap in 0usize..200,
    ) {
        let blocks = texts.iter().enumerate().map(|(n, text)| block(&(n / 2).to_string(), 1, text));
        let blocks: Vec<Block> = blocks.collect();
        let chunks = cut(&document(blocks), CutOptions { chars, overlap }).unwrap();
        for chunk in &chunks {
            prop_assert!(chunk.text.chars().count() <= chars.max(1) + 4, "{chunk:?}");
            prop_assert!(!chunk.text.trim().is_empty());
        }
        let words = |text: &str| -> BTreeSet<char> {
            text.chars().filter(|c| !c.is_whitespace()).collect()
        };
        let kept = words(&chunks.iter().map(|chunk| chunk.text.as_str()).collect::<String>());
        prop_assert_eq!(kept, words(&texts.concat()));
        let ids: BTreeSet<_> = chunks.iter().map(|chunk| chunk.id).collect();
        prop_assert_eq!(ids.len(), chunks.len());
    }
}
