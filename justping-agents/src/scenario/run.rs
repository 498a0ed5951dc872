//! Playing a scenario.

use std::sync::Arc;

use justping_core::memory::ScriptedAi;
use justping_core::port::{AiError, AiProvider, FlowRuntime};
use justping_core::stage::{Stage, StageBuilder, StageError};
use serde_json::Value;

use super::actor::Actor;
use super::customer::{CustomerEnd, Deed, Persona, next_deed};
use super::expect::Comparison;
use super::judge::verdicts;
use super::report::{Failure, ScenarioReport};
use super::{Scenario, ScenarioProblem, Step};
use crate::Flows;
use crate::fetch::ScriptedFetcher;
use crate::knowledge::Knowledge;

/// Why a scenario could not be played.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SimulateError {
    /// It is out of bounds.
    #[error("the scenario has {} problem(s)", .0.len())]
    Invalid(Vec<ScenarioProblem>),
    /// The stage could not be set, or failed.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// A contact is to be played, or a conversation judged, and there is no model to do it.
    #[error("there is no model to play the contact or to judge: give it `answers`")]
    NoModel,
    /// The model that plays the contact, or judges, does not answer.
    #[error("the model that plays or judges does not answer: {0}")]
    Model(#[from] AiError),
}

/// Plays scenarios against the real engine, in memory; nothing leaves but what a played contact or a
/// judge asks of their model.
#[derive(Debug, Clone)]
pub struct Simulator {
    flows: Flows,
    people: Option<Arc<dyn AiProvider>>,
    knowledge: Option<Knowledge>,
}

impl Simulator {
    /// Plays with these nodes. Their model and servers are replaced by those of the script.
    pub fn new(flows: Flows) -> Self {
        Self { flows, people: None, knowledge: None }
    }

    /// Lets this model play contacts and judge, where a scenario has no answers for them.
    #[must_use]
    pub fn with_people(mut self, ai: Arc<dyn AiProvider>) -> Self {
        self.people = Some(ai);
        self
    }

    /// Lets knowledge nodes look up what `knowledge` finds by words; the script answers for the model.
    #[must_use]
    pub fn with_knowledge(self, knowledge: Knowledge) -> Self {
        Self { knowledge: Some(knowledge), ..self }
    }

    /// Plays a scenario with the documents of an agent's flows, in the agent's order.
    ///
    /// # Errors
    /// [`SimulateError`] when it cannot be played. What does not come true is no error: it is in the
    /// report.
    pub async fn run(
        &self,
        documents: &[Value],
        scenario: &Scenario,
    ) -> Result<ScenarioReport, SimulateError> {
        check(scenario)?;
        let servers = scenario.servers();
        let flows = self.flows.clone().without_tools().without_ledger();
        let mut flows = flows.with_ai(scenario.model());
        if let Some(knowledge) = &self.knowledge {
            flows = flows.with_knowledge(knowledge.clone());
        }
        let flows = Arc::new(flows.with_http(Arc::clone(&servers) as _));
        let stage = scenario.stage(flows).open(documents).await?;
        self.play(stage, servers, scenario).await
    }

    /// Plays a scenario on a stage that is [set for it](Scenario::stage), on which its contact never
    /// was. `servers` are those that whatever is on the stage asks.
    ///
    /// # Errors
    /// [`SimulateError`] when it cannot be played. What does not come true is no error: it is in the
    /// report.
    pub async fn run_on(
        &self,
        stage: Stage,
        servers: Arc<ScriptedFetcher>,
        scenario: &Scenario,
    ) -> Result<ScenarioReport, SimulateError> {
        check(scenario)?;
        self.play(stage, servers, scenario).await
    }

    async fn play(
        &self,
        stage: Stage,
        servers: Arc<ScriptedFetcher>,
        scenario: &Scenario,
    ) -> Result<ScenarioReport, SimulateError> {
        let mut actor = Actor::enter(stage, servers, &self.flows, &scenario.given.contact).await?;
        let mut report = ScenarioReport::default();
        for (index, step) in scenario.steps.iter().enumerate() {
            step_on(&mut actor, index, step, &mut report).await?;
        }
        if let Some(persona) = &scenario.customer {
            let end = self.improvise(&mut actor, persona).await?;
            report.expect("/customer/goal", end.reached, end.reason.as_deref());
            report.customer = Some(end);
        }
        let thread = actor.thread().await?;
        if let Some(judge) = &scenario.judge {
            let ai = self.people(&judge.answers)?;
            report.verdicts = verdicts(&*ai, judge, &thread).await?;
            for (index, verdict) in report.verdicts.clone().into_iter().enumerate() {
                let path = format!("/judge/criteria/{index}");
                report.expect(&path, verdict.passed, Some(&verdict.reason));
            }
        }
        report.mails = actor.mails();
        report.sessions = actor.walks().await?;
        report.transcript = thread.into_iter().map(Into::into).collect();
        Ok(report.sealed())
    }

    /// Who plays contacts and judges.
    fn people(&self, answers: &[String]) -> Result<Arc<dyn AiProvider>, SimulateError> {
        if answers.is_empty() {
            return self.people.clone().ok_or(SimulateError::NoModel);
        }
        Ok(Arc::new(scripted(answers)))
    }

    /// Lets a model play the contact until it is done or may speak no more.
    async fn improvise(
        &self,
        actor: &mut Actor,
        persona: &Persona,
    ) -> Result<CustomerEnd, SimulateError> {
        let ai = self.people(&persona.answers)?;
        for turns in 0..persona.max_turns {
            let deed = next_deed(&*ai, persona, &actor.thread().await?).await?;
            let Deed { say, press, done, reason } = deed;
            let step = press.map(Step::Press).or(say.map(Step::Say));
            let stuck = match &step {
                Some(step) => actor.act(step).await?,
                None => None,
            };
            let turns = turns + u32::from(step.is_some());
            match (done, step) {
                (Some(reached), _) => return Ok(CustomerEnd { reached, turns, reason }),
                (None, None) => {
                    let reason = Some("the contact has nothing to say".to_owned());
                    return Ok(CustomerEnd { reached: false, turns, reason });
                }
                (None, Some(_)) => {}
            }
            if stuck.is_some() {
                return Ok(CustomerEnd { reached: false, turns, reason: stuck });
            }
        }
        let reason = Some("the contact may speak no more".to_owned());
        Ok(CustomerEnd { reached: false, turns: persona.max_turns, reason })
    }
}

impl Scenario {
    /// The servers of the script. They say what they were asked.
    pub fn servers(&self) -> Arc<ScriptedFetcher> {
        let servers = ScriptedFetcher::new();
        for reply in &self.replies {
            let body = match &reply.body {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            servers.then(reply.status, body);
        }
        Arc::new(servers)
    }

    /// The model of the script.
    pub fn model(&self) -> Arc<dyn AiProvider> {
        Arc::new(scripted(&self.answers))
    }

    /// A stage on which things are as they are given, for flows of this runtime.
    pub fn stage(&self, flows: Arc<dyn FlowRuntime>) -> StageBuilder {
        let given = &self.given;
        let mut stage = Stage::builder(flows).model(given.agent.model.clone());
        if let Some(instructions) = &given.agent.instructions {
            stage = stage.instructions(instructions);
        }
        if let Some(now) = given.now {
            stage = stage.start(now);
        }
        if let Some(seed) = given.seed {
            stage = stage.seed(seed);
        }
        stage
    }
}

fn check(scenario: &Scenario) -> Result<(), SimulateError> {
    let problems = scenario.problems();
    if problems.is_empty() { Ok(()) } else { Err(SimulateError::Invalid(problems)) }
}

/// A model that gives these answers.
fn scripted(answers: &[String]) -> ScriptedAi {
    let model = ScriptedAi::new();
    for answer in answers {
        model.then(answer.as_str());
    }
    model
}

async fn step_on(
    actor: &mut Actor,
    index: usize,
    step: &Step,
    report: &mut ScenarioReport,
) -> Result<(), SimulateError> {
    let Step::Expect(expectation) = step else {
        if let Some(message) = actor.act(step).await? {
            report.expect(&format!("/steps/{index}"), false, Some(&message));
        }
        return Ok(());
    };
    let path = format!("/steps/{index}/expect");
    let comparison = Comparison::of(&path, expectation, &actor.found().await?);
    report.checked += comparison.checked;
    report.failures.extend(comparison.failures);
    Ok(())
}

impl ScenarioReport {
    /// Counts something that should be so.
    fn expect(&mut self, path: &str, holds: bool, message: Option<&str>) {
        self.checked += 1;
        if !holds {
            let message = message.unwrap_or("it did not come true").to_owned();
            let (expected, found) = (Value::Bool(true), Value::Bool(false));
            let path = path.to_owned();
            self.failures.push(Failure { path, message: Some(message), expected, found });
        }
    }

    fn sealed(mut self) -> Self {
        self.passed = self.failures.is_empty();
        let failed = u32::try_from(self.failures.len()).unwrap_or(u32::MAX);
        let held = f64::from(self.checked.saturating_sub(failed));
        self.score = if self.checked == 0 { 1.0 } else { held / f64::from(self.checked) };
        self
    }
}
