use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BusinessId, ChannelSecrets, Timestamp, ToolId};

/// Most tools that one business has set up.
pub const TOOLS_MAX: usize = 100;
/// Most bytes of the name of a tool that a business has set up.
pub const TOOL_CONFIG_NAME_MAX_BYTES: usize = 48;

/// Something outside that a business lets its models and flows use: a request to a server, or a
/// server with tools of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolConfig {
    /// Its id.
    pub id: ToolId,
    /// The business that owns it.
    pub business_id: BusinessId,
    /// What models and flows call it, or what the names of a server's tools begin with; unique in
    /// the business.
    pub name: String,
    /// What it is, such as `http` or `mcp`: who reads the settings.
    pub kind: String,
    /// What it is for, as models are told.
    pub description: String,
    /// The settings of its kind.
    pub settings: Value,
    /// One that is disabled is as if it were not there.
    pub enabled: bool,
    /// Counts changes; what was opened is cached by it.
    pub revision: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl ToolConfig {
    /// The tool as it stands after a change: what never changes is as it was, and the revision is
    /// the next.
    #[must_use]
    pub fn replaced(self, change: &Self) -> Self {
        Self {
            kind: self.kind,
            created_at: self.created_at,
            revision: change.revision + 1,
            ..change.clone()
        }
    }

    /// Says whether a tool may be called so: a lowercase letter, then lowercase letters, digits and
    /// single `_`, at most [`TOOL_CONFIG_NAME_MAX_BYTES`]. Two `_` stand between the name of a server
    /// and that of its tool.
    pub fn is_name(name: &str) -> bool {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        (1..=TOOL_CONFIG_NAME_MAX_BYTES).contains(&name.len())
            && name.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
            && name.bytes().all(plain)
            && !name.contains("__")
            && !name.ends_with('_')
    }
}

/// The secrets of a tool by name. Never printed, never listed.
pub type ToolSecrets = ChannelSecrets;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_leave_room_for_those_of_servers() {
        for name in ["a", "find_order", "crm2", &"x".repeat(48)] {
            assert!(ToolConfig::is_name(name), "{name}");
        }
        let long = "x".repeat(49);
        for name in ["", "_a", "a_", "a__b", "A", "2a", "a-b", "a b", "é", &long] {
            assert!(!ToolConfig::is_name(name), "{name}");
        }
    }
}
