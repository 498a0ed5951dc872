//! Schemas of domain types that the domain itself, which knows no HTTP, cannot give.

use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

fn one_of(values: &[&str]) -> Schema {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(values.iter().copied())).into()
}

pub(super) const ROLES: &[&str] = &["owner", "support", "viewer"];
pub(super) const STATUSES: &[&str] = &["open", "pending", "snoozed", "closed"];
pub(super) const PRIORITIES: &[&str] = &["low", "normal", "high", "urgent"];
pub(super) const DIRECTIONS: &[&str] = &["inbound", "outbound", "note"];
pub(super) const DELIVERIES: &[&str] =
    &["received", "queued", "sent", "delivered", "read", "failed"];
pub(super) const SESSIONS: &[&str] = &["waiting", "completed", "failed", "cancelled"];
pub(super) const POLICIES: &[&str] = &["finish", "migrate", "restart", "end"];
pub(super) const STRANDED: &[&str] = &["finish", "restart", "end"];
pub(super) const UNKNOWN_POLICIES: &[&str] = &["at_most_once", "at_least_once"];

pub(super) const PLUGIN_LINE_KINDS: &[&str] = &["log", "denied", "failed", "changed"];
pub(super) const PLUGIN_LEVELS: &[&str] = &["debug", "info", "warn", "error"];

pub(super) fn role() -> Schema {
    one_of(ROLES)
}

pub(super) fn status() -> Schema {
    one_of(STATUSES)
}

pub(super) fn priority() -> Schema {
    one_of(PRIORITIES)
}

pub(super) fn direction() -> Schema {
    one_of(DIRECTIONS)
}

pub(super) fn delivery() -> Schema {
    one_of(DELIVERIES)
}

pub(super) fn session_status() -> Schema {
    one_of(SESSIONS)
}

pub(super) fn session_policy() -> Schema {
    one_of(POLICIES)
}

pub(super) fn stranded() -> Schema {
    one_of(STRANDED)
}

pub(super) fn unknown_policy() -> Schema {
    one_of(UNKNOWN_POLICIES)
}

pub(super) fn plugin_line_kind() -> Schema {
    one_of(PLUGIN_LINE_KINDS)
}

pub(super) fn plugin_level() -> Schema {
    one_of(PLUGIN_LEVELS)
}

#[cfg(test)]
mod tests {
    use justping::model::{
        ConversationStatus, DeliveryStatus, Direction, PluginLevel, PluginLineKind, Priority, Role,
        SessionPolicy, SessionStatus, StrandedPolicy, UnknownPolicy,
    };
    use serde::de::DeserializeOwned;

    use super::*;

    fn all_parse<T: DeserializeOwned>(values: &[&str]) {
        for value in values {
            let json = serde_json::Value::from(*value);
            serde_json::from_value::<T>(json).expect(value);
        }
    }

    #[test]
    fn documented_values_are_those_of_the_domain() {
        all_parse::<Role>(ROLES);
        all_parse::<ConversationStatus>(STATUSES);
        all_parse::<Priority>(PRIORITIES);
        all_parse::<Direction>(DIRECTIONS);
        all_parse::<DeliveryStatus>(DELIVERIES);
        all_parse::<SessionStatus>(SESSIONS);
        all_parse::<StrandedPolicy>(STRANDED);
        for policy in POLICIES {
            let policy = serde_json::json!({"policy": policy});
            serde_json::from_value::<SessionPolicy>(policy).unwrap();
        }
        all_parse::<UnknownPolicy>(UNKNOWN_POLICIES);
        all_parse::<PluginLineKind>(PLUGIN_LINE_KINDS);
        all_parse::<PluginLevel>(PLUGIN_LEVELS);
    }
}
