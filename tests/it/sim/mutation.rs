//! The simulation finds bugs: a store that breaks its contract is found out within a few seeds, by
//! the law it breaks.

use super::drive::{Outcome, simulate};
use super::law::Law;
use super::log::Echo;
use super::mutant::Mutation;
use super::{STEPS, shortest};

/// Seeds within which every mutant is found.
const SEEDS: u64 = 40;

/// Runs seeds until one finds the mutant; it has to be by one of these laws.
fn is_found(mutation: Mutation, laws: &[Law]) {
    let (seed, outcome) = first(mutation);
    let violation = outcome.violation.unwrap();
    assert!(laws.contains(&violation.law), "{mutation:?} by seed {seed}: {violation}");
}

/// The first seed that finds a mutant, and how.
fn first(mutation: Mutation) -> (u64, Outcome) {
    let mut outcomes = (1..=SEEDS).map(|seed| {
        let outcome = simulate(seed, STEPS, mutation, Echo::Quiet);
        (seed, outcome)
    });
    let found = outcomes.find(|(_, outcome)| outcome.violation.is_some());
    found.unwrap_or_else(|| panic!("{mutation:?} was not found"))
}

#[test]
fn a_failure_is_told_as_shortly_as_it_can_be() {
    let (seed, long) = first(Mutation::GivesTwice);
    let (steps, short) = shortest(seed, STEPS, Mutation::GivesTwice, long.clone());
    assert!(short.violation.is_some() && steps < STEPS && short.steps <= long.steps);
    let again = simulate(seed, steps, Mutation::GivesTwice, Echo::Quiet);
    assert_eq!(again, short, "the shorter story is told again as it was");
}

#[test]
fn a_store_that_forgets_duplicates_is_found() {
    is_found(Mutation::ForgetsDuplicates, &[Law::Once]);
}

#[test]
fn a_store_that_forgets_the_fence_is_found() {
    is_found(Mutation::ForgetsTheFence, &[Law::Consumed]);
}

#[test]
fn a_store_that_gives_a_send_twice_is_found() {
    is_found(Mutation::GivesTwice, &[Law::Effect, Law::Order]);
}

#[test]
fn a_store_whose_statuses_go_back_is_found() {
    is_found(Mutation::GoesBack, &[Law::Forward]);
}

#[test]
fn a_store_that_forgets_the_generation_is_found() {
    is_found(Mutation::ForgetsTheGeneration, &[Law::TakeOver]);
}

#[test]
fn a_store_that_forgets_the_opt_out_is_found() {
    is_found(Mutation::ForgetsTheOptOut, &[Law::Silence]);
}

#[test]
fn a_store_that_hears_repeated_wishes_is_found() {
    is_found(Mutation::HearsRepeatedWishes, &[Law::Silence]);
}

#[test]
fn a_store_that_forgets_the_doubt_is_found() {
    is_found(Mutation::ForgetsTheDoubt, &[Law::Effect, Law::Truth]);
}

#[test]
fn a_store_that_mixes_businesses_is_found() {
    is_found(Mutation::MixesBusinesses, &[Law::Tenant]);
}

#[test]
fn a_store_that_counts_a_retry_as_sent_is_found() {
    is_found(Mutation::CountsARetryAsSent, &[Law::Truth]);
}

#[test]
fn a_store_that_loses_the_last_word_is_found() {
    is_found(Mutation::LosesTheLastWord, &[Law::Replay]);
}

#[test]
fn a_store_that_loses_events_is_found() {
    is_found(Mutation::LosesEvents, &[Law::Events]);
}
