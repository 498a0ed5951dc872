//! Plays conversations: flows that use the plugin, on the real engine in memory.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use justping::agents::scenario::{Failure, Scenario, ScenarioReport, SimulateError, Simulator};
use justping::http::{OpenClient, Policy};
use justping::model::{PluginLine, PluginLineKind, PluginSpend};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::stand::{Platform, Terms, known, said, sound};
use super::refused;
use crate::Trouble;
use crate::flow::{documents, tell, trouble};
use crate::source::Source;

/// The members that name flows.
const FLOWS: [&str; 2] = ["flow", "flows"];
/// The members that stand beside what `justping flow simulate` reads.
const BESIDES: [&str; 3] = ["config", "secrets", "logs"];

/// What a scenario says of the plugin.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Besides {
    /// What the business configured.
    pub(super) config: Map<String, Value>,
    /// The secrets that the business gave.
    secrets: BTreeMap<String, String>,
    /// All lines that the plugin writes, in the end.
    logs: Option<Vec<String>>,
}

/// What came of a conversation.
pub(super) struct Played {
    report: ScenarioReport,
    log: Vec<PluginLine>,
    spend: PluginSpend,
}

/// Says whether a scenario is a conversation: it names a flow.
pub(super) fn is_conversation(source: &Source) -> bool {
    FLOWS.iter().any(|name| source.value.get(name).is_some())
}

/// A conversation, in the form that `justping flow simulate` reads, and what is said of the plugin.
pub(super) fn read(source: &Source) -> Result<(Scenario, Besides), Trouble> {
    let mut scenario = source.value.clone();
    let mut besides = Map::new();
    if let Some(members) = scenario.as_object_mut() {
        for name in BESIDES {
            besides.extend(members.remove_entry(name));
        }
    }
    Ok((source.parse_part(&scenario)?, source.parse_part(&Value::Object(besides))?))
}

/// Plays a conversation with the flows it names.
pub(super) async fn play(
    package: Bytes,
    (scenario, besides): (Scenario, Besides),
    source: &Source,
    file: &Path,
) -> Result<Played, Trouble> {
    let documents = documents(&scenario, source, file)?;
    let servers = scenario.servers();
    let http = OpenClient::scripted(Policy::default(), Arc::clone(&servers) as _);
    let platform = Platform::open(http)?;
    let flows = platform.flows().with_ai(scenario.model()).with_http(Arc::clone(&servers) as _);
    sound(&flows, &documents)?;
    let values: Vec<Value> = documents.iter().map(|document| document.value.clone()).collect();
    let stand = platform.set(scenario.stage(Arc::new(flows)), &values).await;
    let mut stand = stand.map_err(|error| trouble(source, SimulateError::Stage(error)))?;
    let terms = Terms { config: besides.config, secrets: besides.secrets, grants: None };
    stand.install(package, &terms).await.map_err(|error| refused(source, &error))?;
    known(&stand, &documents).await?;
    let began = stand.stage.engine().clock().now();
    // The flows are on the stage; there is no model to play the contact but that of the script.
    let simulator = Simulator::new(Default::default());
    let report = simulator.run_on(stand.stage.clone(), servers, &scenario).await;
    let mut report = report.map_err(|error| trouble(source, error))?;
    let log = stand.lines().await?;
    if let Some(expected) = &besides.logs {
        compare(&mut report, expected, &log);
    }
    Ok(Played { report, log, spend: stand.spent(began).await? })
}

/// Looks at the lines that the plugin wrote.
fn compare(report: &mut ScenarioReport, expected: &[String], log: &[PluginLine]) {
    let own =
        |line: &&PluginLine| matches!(line.kind, PluginLineKind::Log | PluginLineKind::Denied);
    let found: Vec<&str> = log.iter().filter(own).map(|line| line.text.as_str()).collect();
    report.checked += 1;
    if found != expected {
        report.passed = false;
        let (expected, found) = (json!(expected), json!(found));
        report.failures.push(Failure { path: "/logs".to_owned(), message: None, expected, found });
    }
}

impl Played {
    pub(super) fn passed(&self) -> bool {
        self.report.passed
    }

    pub(super) fn tell(&self, text: &mut String, source: &Source) {
        let PluginSpend { calls, cpu_micros, peak_bytes, .. } = self.spend;
        let took = format!(
            "; {calls} call(s) took {} ms of processor and {} KiB at most",
            cpu_micros / 1000,
            peak_bytes / 1024
        );
        tell(text, source, &self.report, &took);
        if self.passed() || self.log.is_empty() {
            return;
        }
        // Writing to a string does not fail.
        let _ = writeln!(text, "  the plugin's log:");
        for line in &self.log {
            let _ = writeln!(text, "    {} {}", line.at, said(line));
        }
    }
}
