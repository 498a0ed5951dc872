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
            tell(&mut text, &source, &report);
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

/// Plays one with the flows it names, which stand beside it.
async fn play(
    simulator: &Simulator,
    source: &Source,
    file: &Path,
) -> Result<ScenarioReport, Trouble> {
    let scenario: Scenario = source.parse()?;
    if scenario.flows.is_empty() {
        let reason = "names no `flow`".to_owned();
        return Err(Trouble::File { path: source.path.clone(), reason });
    }
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut documents = Vec::new();
    for flow in &scenario.flows {
        documents.push(Source::read(&folder.join(flow))?.value);
    }
    let trouble =
        |pointer: &str, reason: String| Trouble::File { path: source.at(pointer), reason };
    simulator.run(&documents, &scenario).await.map_err(|error| match error {
        SimulateError::Invalid(problems) => match problems.into_iter().next() {
            Some(problem) => trouble(&problem.path, problem.message),
            None => trouble("", "is out of bounds".to_owned()),
        },
        SimulateError::Stage(StageError::Publish(PublishError::Invalid(findings))) => {
            let first = findings.into_iter().map(|finding| finding.message).next();
            let reason = first.unwrap_or_default();
            trouble("/flow", format!("the flow has errors, see `justping flow lint`: {reason}"))
        }
        error => trouble("", error.to_string()),
    })
}

fn tell(text: &mut String, source: &Source, report: &ScenarioReport) {
    if report.passed {
        let _ = writeln!(text, "ok      {} ({} checked)", source.path, report.checked);
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
