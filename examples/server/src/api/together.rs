//! What speaks against flows as they stand among others: told when an agent is saved and a flow is
//! published, and no reason to refuse either.

use std::collections::BTreeSet;

use justping::model::{Agent, AgentId, FlowId, PAGE_MAX, PageRequest};
use justping::port::{Finding, Severity, StoreError};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::flow::FindingView;
use crate::http::Problem;
use crate::http::access::Caller;

/// Something that will not happen as it is drawn, because of what else there is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FlowWarning)]
pub(super) struct WarningView {
    /// The flow it is about.
    #[schema(value_type = String)]
    flow_id: FlowId,
    /// The agent that runs it among others, if that is why.
    #[schema(value_type = Option<String>)]
    agent_id: Option<AgentId>,
    #[serde(flatten)]
    finding: FindingView,
}

impl WarningView {
    fn new(flow_id: FlowId, agent_id: Option<AgentId>, finding: Finding) -> Self {
        let finding = Finding { severity: Severity::Warning, ..finding };
        Self { flow_id, agent_id, finding: finding.into() }
    }
}

/// Triggers of an agent's flows that an earlier one of them leaves nothing to hear. Flows are taken
/// as they run; those that were never published, as they are drawn.
pub(super) async fn of_agent(caller: &Caller, agent: &Agent) -> Result<Vec<WarningView>, Problem> {
    let mut flows = Vec::with_capacity(agent.flows.len());
    for id in &agent.flows {
        let flow = match caller.store().flow(caller.business_id, *id).await {
            Ok(flow) => flow,
            Err(StoreError::NotFound(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        let document = match flow.published {
            Some(version) => {
                caller.store().flow_version(caller.business_id, version).await?.document
            }
            None => flow.draft,
        };
        flows.push((*id, flow.name, document));
    }
    let named: Vec<(&str, &Value)> =
        flows.iter().map(|(_, name, document)| (name.as_str(), document)).collect();
    let findings = caller.flows().check_together(&named).into_iter();
    Ok(findings
        .filter_map(|(at, finding)| {
            Some(WarningView::new(flows.get(at)?.0, Some(agent.id), finding))
        })
        .collect())
}

/// The same for a flow that was published: with the tools and groups that it names and the business
/// does not have, and with every agent that runs it, of the first 200.
pub(super) async fn of_flow(
    caller: &Caller,
    id: FlowId,
    document: &Value,
) -> Result<Vec<WarningView>, Problem> {
    let mut findings = missing_tools(caller, document).await;
    findings.extend(missing_groups(caller, document).await?);
    let mut warnings: Vec<WarningView> =
        findings.into_iter().map(|finding| WarningView::new(id, None, finding)).collect();
    let page = PageRequest::first(PAGE_MAX);
    let agents = caller.store().agents(caller.business_id, &page).await?.items;
    for agent in agents.iter().filter(|agent| agent.flows.contains(&id)) {
        warnings.extend(of_agent(caller, agent).await?);
    }
    Ok(warnings)
}

/// The tools that a document names and the business does not have. A source that cannot say is no
/// reason to say nothing else.
pub(super) async fn missing_tools(caller: &Caller, document: &Value) -> Vec<Finding> {
    let findings = caller.flows().check_tools(caller.business_id, document).await;
    findings.unwrap_or_else(|error| {
        tracing::info!(%error, "the tools of a business are not known now");
        Vec::new()
    })
}

/// The groups that a document names and the business does not have.
pub(super) async fn missing_groups(
    caller: &Caller,
    document: &Value,
) -> Result<Vec<Finding>, Problem> {
    let named = caller.flows().groups(document);
    let mut known = BTreeSet::new();
    // However many a document names, a business has few.
    let mut request = PageRequest::first(PAGE_MAX);
    while !named.is_subset(&known) {
        let page = caller.store().groups(caller.business_id, &request).await?;
        known.extend(page.items.iter().map(|group| group.id));
        let Some(next) = page.next else { break };
        request.after = Some(next);
    }
    Ok(caller.flows().check_groups(document, &known))
}
