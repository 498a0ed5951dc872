//! What an author should hear before publishing, though the flow could run.
//!
//! `variable` what is read before it is set · `kind` comparisons that never hold · `habit` ways of
//! writing flows that go wrong · `circle` circles that wait nowhere · `hours` hand-offs · `trigger`
//! words that start flows · `channel` how channels show it · `fix` what puts a finding right.

pub(super) mod channel;
mod circle;
pub(super) mod fix;
mod habit;
mod hours;
mod kind;
#[cfg(test)]
mod tests;
pub(super) mod trigger;
mod variable;

use justping_core::port::{Finding, Patch};

use super::Draft;

/// Adds the findings that do not keep a document from running.
pub(super) fn all(draft: &mut Draft) {
    let mut findings = Vec::new();
    for ((base, flow), circles) in draft.all().zip(circle::endless(draft)) {
        let mut of = trigger::opt_out(flow);
        of.extend(kind::mismatches(flow));
        of.extend(variable::unset(flow));
        of.extend(habit::all(flow));
        of.extend(circles);
        of.extend(hours::out_of_hours(flow));
        findings.extend(of.into_iter().map(|finding| within(&base, finding)));
    }
    draft.findings.append(&mut findings);
    for finding in &mut draft.findings {
        if finding.fix.is_empty() {
            finding.fix = fix::suggest(finding);
        }
    }
}

/// The same finding about a flow at another place of the document.
fn within(base: &str, mut finding: Finding) -> Finding {
    finding.path.insert_str(0, base);
    for patch in &mut finding.fix {
        match patch {
            Patch::Add { path, .. } | Patch::Remove { path } => path.insert_str(0, base),
        }
    }
    finding
}
