//! Flows, looked over before they are on the stage.

use justping::agents::Flows;
use justping::port::{Finding, FlowRuntime as _, Severity};

use super::Stand;
use crate::Trouble;
use crate::flow::described;
use crate::source::Source;

/// Refuses documents with errors.
pub(crate) fn sound(flows: &Flows, documents: &[Source]) -> Result<(), Trouble> {
    let mut errors = Vec::new();
    for document in documents {
        errors.extend(told(document, &flows.check(&document.value)));
    }
    refused(&errors)
}

/// Refuses documents whose nodes of the plugin are not as the plugin has them.
pub(crate) async fn known(stand: &Stand, documents: &[Source]) -> Result<(), Trouble> {
    let mut errors = Vec::new();
    for document in documents {
        let found = stand.platform.plugins.check_flow(stand.stage.business(), &document.value);
        let found = found.await.map_err(|error| Trouble::Other(error.to_string()))?;
        errors.extend(told(document, &found));
    }
    refused(&errors)
}

fn told(document: &Source, findings: &[Finding]) -> Vec<String> {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(|finding| described(document, finding)).collect()
}

fn refused(errors: &[String]) -> Result<(), Trouble> {
    if errors.is_empty() { Ok(()) } else { Err(Trouble::Other(errors.join("\n"))) }
}
