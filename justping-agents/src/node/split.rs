//! Goes one of several ways by chance, the same way for the same contact.

use std::collections::HashSet;

use justping_core::model::ContactId;
use justping_core::port::{
    BuiltNode, Effect, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Step,
};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{config, schema};

/// Most arms of a split.
const ARMS_MAX: usize = 20;
/// Greatest weight of an arm.
const WEIGHT_MAX: u32 = 10_000;
/// Most bytes of an experiment's name.
const EXPERIMENT_MAX_BYTES: usize = 80;
/// The event that tells which arm a contact met.
const EXPOSED: &str = "experiment.exposed";

/// Takes one of several arms by their weights; a contact meets the same arm of an experiment for
/// ever.
#[derive(Debug)]
pub(super) struct Split;

#[derive(Debug, Deserialize)]
struct Config {
    #[serde(default)]
    experiment: Option<String>,
    #[serde(default)]
    variable: Option<String>,
    arms: Vec<ArmConfig>,
}

#[derive(Debug, Deserialize)]
struct ArmConfig {
    id: String,
    weight: u32,
}

impl FlowNode for Split {
    fn descriptor(&self) -> NodeDescriptor {
        let arm = json!({
            "id": schema::id("Id"),
            "title": {"type": "string", "title": "Title", "maxLength": 200},
            "weight": {"type": "integer", "title": "Weight", "minimum": 0, "maximum": WEIGHT_MAX}
        });
        NodeDescriptor {
            kind: "split".to_owned(),
            title: "Split".to_owned(),
            summary:
                "Takes one of several arms by their weights, the same one for the same contact."
                    .to_owned(),
            schema: schema::object(
                json!({
                    "experiment": {
                        "type": "string", "title": "Experiment; the node's id unless given",
                        "minLength": 1, "maxLength": EXPERIMENT_MAX_BYTES
                    },
                    "variable": schema::variable("Save the arm's id in"),
                    "arms": {
                        "type": "array", "title": "Arms", "minItems": 1, "maxItems": ARMS_MAX,
                        "items": schema::object(arm, &["id", "weight"])
                    }
                }),
                &["arms"],
            ),
            exits: vec![schema::exit("option:*", "One for each arm")],
            suspends: false,
            calls: false,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let Config { experiment, variable, arms } = config::read(data)?;
        let mut ids = HashSet::new();
        if let Some((at, arm)) = arms.iter().enumerate().find(|(_, arm)| !ids.insert(&arm.id)) {
            return Err(config::duplicate(format!("/arms/{at}/id"), &arm.id));
        }
        if arms.iter().all(|arm| arm.weight == 0) {
            return Err(NodeConfigError::new("/arms", "at least one arm needs a weight"));
        }
        Ok(Box::new(Fork { experiment, variable, arms }))
    }
}

#[derive(Debug)]
struct Fork {
    experiment: Option<String>,
    variable: Option<String>,
    arms: Vec<ArmConfig>,
}

impl Fork {
    /// The arm of a contact. More weight for one arm moves contacts only between neighbours.
    fn arm(&self, experiment: &str, contact: ContactId) -> Option<&ArmConfig> {
        let total = self.arms.iter().map(|arm| u64::from(arm.weight)).sum();
        let mut place = place(experiment, contact, total);
        self.arms.iter().find(|arm| {
            let weight = u64::from(arm.weight);
            let here = place < weight;
            place = place.saturating_sub(weight);
            here
        })
    }
}

/// A number below `total` that experiment and contact decide, evenly spread over contacts.
fn place(experiment: &str, contact: ContactId, total: u64) -> u64 {
    let digest = Sha256::new_with_prefix(contact.uuid().as_bytes()).chain_update(experiment);
    let high = digest.finalize().iter().take(8).fold(0, |sum, byte| (sum << 8) | u128::from(*byte));
    // The product of two numbers below 2⁶⁴ shifted by 64 is below 2⁶⁴.
    u64::try_from((high * u128::from(total)) >> 64).unwrap_or_default()
}

impl BuiltNode for Fork {
    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        let experiment = self.experiment.as_deref().unwrap_or(cx.node);
        let Some(arm) = self.arm(experiment, cx.contact.id) else {
            return Step::Fail { reason: "no arm has a weight".to_owned() };
        };
        let data = json!({"experiment": experiment, "arm": arm.id, "contact_id": cx.contact.id});
        cx.effects.push(Effect::Emit { name: EXPOSED.to_owned(), data });
        if let Some(variable) = &self.variable {
            cx.set(variable, Value::from(arm.id.as_str()));
        }
        Step::Exit(format!("option:{}", arm.id).into())
    }

    fn exits(&self) -> Vec<String> {
        self.arms.iter().map(|arm| format!("option:{}", arm.id)).collect()
    }

    fn writes(&self) -> Vec<String> {
        self.variable.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn arm(id: &str, weight: u32) -> ArmConfig {
        ArmConfig { id: id.to_owned(), weight }
    }

    fn contact(n: u128) -> ContactId {
        ContactId::from_uuid(Uuid::from_u128(n))
    }

    #[test]
    fn arms_get_their_share_of_contacts_within_a_percent() {
        let arms = vec![arm("a", 50), arm("none", 0), arm("b", 30), arm("c", 20)];
        let fork = Fork { experiment: None, variable: None, arms };
        let mut met = std::collections::HashMap::new();
        for n in 0..100_000 {
            *met.entry(fork.arm("prices", contact(n)).unwrap().id.clone()).or_insert(0_i64) += 1;
        }
        for (id, share) in [("a", 50_000), ("b", 30_000), ("c", 20_000)] {
            assert!((met[id] - share).abs() < 1_000, "{id}: {}", met[id]);
        }
        assert!(!met.contains_key("none"));
    }

    #[test]
    fn a_contact_meets_one_arm_and_another_experiment_deals_anew() {
        let fork = Fork { experiment: None, variable: None, arms: vec![arm("a", 1), arm("b", 1)] };
        let of = |experiment: &str, n| fork.arm(experiment, contact(n)).unwrap().id.clone();
        let first = of("x", 7);
        assert!((0..1_000).all(|_| of("x", 7) == first));
        let both = (0..1_000).filter(|n| of("x", *n) == of("y", *n)).count();
        assert!((400..600).contains(&both), "{both}");
    }

    #[test]
    fn a_contact_whose_arm_grows_stays() {
        let before =
            Fork { experiment: None, variable: None, arms: vec![arm("a", 1), arm("b", 9)] };
        let after = Fork { experiment: None, variable: None, arms: vec![arm("a", 2), arm("b", 8)] };
        let of = |fork: &Fork, n| fork.arm("x", contact(n)).unwrap().id.clone();
        assert!((0..1_000).filter(|n| of(&before, *n) == "a").all(|n| of(&after, n) == "a"));
    }
}
