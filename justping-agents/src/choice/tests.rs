use proptest::prelude::*;

use super::*;

fn options<'a>(titles: &[&'a str]) -> Vec<OptionRef<'a>> {
    const IDS: [&str; 12] = [
        "id-a", "id-b", "id-c", "id-d", "id-e", "id-f", "id-g", "id-h", "id-i", "id-j", "id-k",
        "id-l",
    ];
    titles.iter().zip(IDS).map(|(title, id)| OptionRef { id, title }).collect()
}

fn check(titles: &[&str], cases: &[(&str, Match)]) {
    for (reply, expected) in cases {
        assert_eq!(match_option(&options(titles), reply), *expected, "{reply:?} to {titles:?}");
    }
}

#[test]
fn ids_titles_numbers_and_starts_match() {
    check(
        &["Free trial", "Pro  plan", "Enterprise…", "Straße"],
        &[
            ("id-b", Match::One(1)),
            ("ID-B", Match::None),
            ("free trial", Match::One(0)),
            ("  FREE \n TRIAL!! ", Match::One(0)),
            ("«pro plan»", Match::One(1)),
            ("¿Enterprise?", Match::One(2)),
            ("STRASSE", Match::One(3)),
            ("2", Match::One(1)),
            ("2.", Match::One(1)),
            ("2)", Match::One(1)),
            ("#2", Match::One(1)),
            (" # 2 ", Match::One(1)),
            ("0", Match::None),
            ("5", Match::None),
            ("-1", Match::None),
            ("99999999999999999999", Match::None),
            ("２", Match::None),
            ("ent", Match::One(2)),
            ("en", Match::None),
            ("free trial please", Match::None),
            ("maybe", Match::None),
            ("", Match::None),
            (" \t", Match::None),
            ("?!", Match::None),
        ],
    );
}

#[test]
fn earlier_rules_win() {
    check(&["2", "1"], &[("2", Match::One(0)), ("1", Match::One(1)), ("#2", Match::One(0))]);
    check(&["Yes", "Yes, please"], &[("yes", Match::One(0)), ("yes,", Match::One(0))]);
    let swapped = [OptionRef { id: "x", title: "y" }, OptionRef { id: "y", title: "x" }];
    assert_eq!(match_option(&swapped, "x"), Match::One(0));
}

#[test]
fn what_means_several_is_ambiguous() {
    check(&["Pro monthly", "Pro yearly"], &[("pro", Match::Ambiguous), ("pro y", Match::One(1))]);
    check(&["Same", "same "], &[("same", Match::Ambiguous), ("1", Match::One(0))]);
    check(&["2 nights", "3 nights"], &[("2", Match::Ambiguous), ("3", Match::None)]);
    check(&["1 night", "2 nights"], &[("2", Match::One(1)), ("2 n", Match::One(1))]);
    let twins = [OptionRef { id: "x", title: "a" }, OptionRef { id: "x", title: "b" }];
    assert_eq!(match_option(&twins, "x"), Match::Ambiguous);
}

#[test]
fn punctuation_that_is_the_title_counts() {
    check(&["C", "C++"], &[("c", Match::One(0)), ("C++", Match::One(1)), ("c!", Match::Ambiguous)]);
    check(&["👍", "👎"], &[("👎", Match::One(1)), ("👍!", Match::One(0)), ("ok", Match::None)]);
    check(&["?", "!"], &[("!", Match::One(1)), ("?!", Match::None)]);
}

#[test]
fn no_options_and_giant_replies_match_nothing() {
    check(&[], &[("1", Match::None), ("x", Match::None)]);
    assert_eq!(match_option(&options(&["a"]), &"a ".repeat(1000)), Match::None);
}

proptest! {
    #[test]
    fn a_match_is_in_range(titles in prop::collection::vec(".{0,8}", 0..6), reply in ".{0,8}") {
        let options: Vec<OptionRef<'_>> =
            titles.iter().map(|title| OptionRef { id: "id", title }).collect();
        if let Match::One(index) = match_option(&options, &reply) {
            prop_assert!(index < options.len());
        }
    }

    #[test]
    fn its_own_id_always_finds_an_option(n in 1usize..8, pick in 0usize..8) {
        let ids: Vec<String> = (0..n).map(|i| format!("session:node:{i}")).collect();
        let options: Vec<OptionRef<'_>> =
            ids.iter().map(|id| OptionRef { id, title: "same" }).collect();
        let pick = pick % n;
        prop_assert_eq!(match_option(&options, &ids[pick]), Match::One(pick));
    }
}
