//! Nothing that is given to the linter or the interpreter makes it panic.

use std::sync::{Arc, LazyLock};

use justping_agents::fetch::ScriptedFetcher;
use justping_agents::{Flows, apply_fix, code, known_channels};
use justping_core::memory::ScriptedAi;
use justping_core::port::{Finding, FlowRuntime, STATE_MAX_BYTES, Severity};
use proptest::prelude::*;

use crate::generate::{any_document, any_json, damaged_document, event, input};

/// Every node, made once: their schemas are costly.
static FLOWS: LazyLock<Flows> = LazyLock::new(|| {
    Flows::new().with_ai(Arc::new(ScriptedAi::new())).with_http(Arc::new(ScriptedFetcher::new()))
});

proptest! {
    #[test]
    fn any_json_is_checked(document in any_json()) {
        let flows = &*FLOWS;
        let found = flows.check(&document);
        prop_assert_eq!(&found, &flows.check(&document));
        prop_assert!(found.iter().any(|finding| finding.severity == Severity::Error));
        prop_assert!(flows.compile(&document).is_err());
    }

    #[test]
    fn damaged_documents_are_checked(document in damaged_document()) {
        let flows = &*FLOWS;
        let found = flows.check(&document);
        prop_assert_eq!(&found, &flows.check(&document));
        for finding in &found {
            let exists = finding.path.is_empty() || finding.path.starts_with('/');
            prop_assert!(exists, "{}", finding.path);
        }
        // Some errors keep a flow from being published, not from running.
        let spared = [code::UNKNOWN_VARIABLE, code::TYPE_MISMATCH, code::HIDDEN_CYCLE];
        let spares = |code: &str| spared.contains(&code);
        let has_errors = found
            .iter()
            .any(|finding| finding.severity == Severity::Error && !spares(&finding.code));
        prop_assert_eq!(flows.compile(&document).is_err(), has_errors);
    }

    #[test]
    fn a_fix_takes_its_finding_away(document in prop_oneof![any_document(), damaged_document()]) {
        let flows = &*FLOWS;
        let found = flows.check(&document);
        for finding in found.iter().filter(|finding| !finding.fix.is_empty()) {
            let fixed = apply_fix(&document, &finding.fix).unwrap();
            let count = |found: &[Finding]| {
                found.iter().filter(|other| other.code == finding.code).count()
            };
            prop_assert!(count(&flows.check(&fixed)) < count(&found), "{finding:?}");
        }
    }

    #[test]
    fn any_document_is_shown_on_every_channel(document in damaged_document()) {
        for kind in known_channels() {
            for note in FLOWS.channel_notes(&document, kind) {
                prop_assert_eq!(note.severity, Severity::Note);
            }
        }
    }

    #[test]
    fn damaged_states_are_survived(
        document in any_document(),
        events in prop::collection::vec(event(), 2..6),
        cut in any::<prop::sample::Index>(),
        other in "\\PC{0,3}",
    ) {
        let Ok(program) = FLOWS.compile(&document) else { return Ok(()) };
        let mut state: Option<String> = None;
        for (number, event) in events.into_iter().enumerate() {
            let outcome = program.step(state.as_deref(), &input(number as i64, event));
            prop_assert!(outcome.state.len() <= STATE_MAX_BYTES);
            let mut text: Vec<char> = outcome.state.chars().collect();
            let at = cut.index(text.len());
            text.splice(at..=at, other.chars());
            state = Some(text.into_iter().collect());
        }
    }
}
