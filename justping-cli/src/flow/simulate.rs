//! Plays scenarios.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use justping::agents::provider::openai::{OpenAiConfig, OpenAiProvider};
use justping::agents::scenario::{Line, Scenario, ScenarioReport, SimulateError, Simulator};
use justping::engine::PublishError;
use justping::model::Direction;
use justping::port::AiProvider;
use justping::stage::StageError;
use serde_json::{Value, json};

use super::{People, flows};
use crate::source::Source;
use crate::{Answer, Trouble};

/// Most flows of a conversation.
pub(crate) const FLOWS_MAX: usize = 50;

pub(super) fn run(files: &[PathBuf], as_json: bool, people: &People) -> Result<Answer, Trouble> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Trouble::Other(error.to_string()))?;
    let simulator = match provider(people)? {
        Some(ai) => Simulator::new(flows()).with_people(ai),
        None => Simulator::new(flows()),
    };
    let (mut text, mut reports, mut failed) = (String::new(), Vec::new(), 0_usize);
    for file in files {
        let source = Source::read(file)?;
        let report = runtime.block_on(play(&simulator, &source, file))?;
        failed += usize::from(!report.passed);
        if as_json {
            reports.push(json!({"file": source.path, "report": report}));
        } else {
            tell(&mut text, &source, &report, "");
        }
    }
    if as_json {
        text = format!("{:#}\n", Value::from(reports));
    } else {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{} scenario(s): {failed} failed", files.len());
    }
    Ok(Answer { text, found: failed > 0, ..Answer::default() })
}

/// The model that plays contacts and judges, if one is wanted. Nothing is asked yet.
fn provider(people: &People) -> Result<Option<Arc<dyn AiProvider>>, Trouble> {
    let Some(model) = &people.people_model else { return Ok(None) };
    let key = people.people_key.clone();
    let mut config = OpenAiConfig::new(key.clone().unwrap_or_default(), model.as_str());
    if key.is_none() {
        config.api_key = None;
    }
    let provider = OpenAiProvider::new(config.at(&people.people_url));
    let provider = provider.map_err(|error| Trouble::Other(error.to_string()))?;
    Ok(Some(Arc::new(provider)))
}

/// Plays one with the flows it names.
async fn play(
    simulator: &Simulator,
    source: &Source,
    file: &Path,
) -> Result<ScenarioReport, Trouble> {
    let scenario: Scenario = source.parse()?;
    let documents: Vec<Value> =
        documents(&scenario, source, file)?.into_iter().map(|document| document.value).collect();
    simulator.run(&documents, &scenario).await.map_err(|error| trouble(source, error))
}

/// Reads the flows that a scenario names, which stand beside it.
pub(crate) fn documents(
    scenario: &Scenario,
    source: &Source,
    file: &Path,
) -> Result<Vec<Source>, Trouble> {
    let bad = |reason: String| Err(Trouble::File { path: source.path.clone(), reason });
    match scenario.flows.len() {
        0 => return bad("names no `flow`".to_owned()),
        1..=FLOWS_MAX => {}
        many => return bad(format!("names {many} flows; at most {FLOWS_MAX} are played")),
    }
    let folder = file.parent().unwrap_or(Path::new(""));
    scenario.flows.iter().map(|flow| Source::read(&folder.join(flow))).collect()
}

/// Why a scenario could not be played, with its place.
pub(crate) fn trouble(source: &Source, error: SimulateError) -> Trouble {
    let at = |pointer: &str, reason: String| Trouble::File { path: source.at(pointer), reason };
    match error {
        SimulateError::Invalid(problems) => match problems.into_iter().next() {
            Some(problem) => at(&problem.path, problem.message),
            None => at("", "is out of bounds".to_owned()),
        },
        SimulateError::Stage(StageError::Publish(PublishError::Invalid(findings))) => {
            let first = findings.into_iter().map(|finding| finding.message).next();
            let reason = first.unwrap_or_default();
            at("/flow", format!("the flow has errors, see `justping flow lint`: {reason}"))
        }
        error => at("", error.to_string()),
    }
}

/// Says what came of a scenario; `more` stands behind what was checked.
pub(crate) fn tell(text: &mut String, source: &Source, report: &ScenarioReport, more: &str) {
    if report.passed {
        let _ = writeln!(text, "ok      {} ({} checked{more})", source.path, report.checked);
        return;
    }
    let failed = report.failures.len();
    let _ = writeln!(text, "FAILED  {} ({failed} of {} failed)", source.path, report.checked);
    for failure in &report.failures {
        let _ = writeln!(text, "  {}: {}: {failure}", source.at(&failure.path), failure.path);
    }
    let _ = writeln!(text, "  what was said:");
    for Line { at, direction, content } in &report.transcript {
        let who = match direction {
            Direction::Inbound => '>',
            Direction::Outbound => '<',
            Direction::Note => '#',
        };
        let _ = writeln!(text, "    {at} {who} {}", content.plain());
    }
}
