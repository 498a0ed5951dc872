use serde::{Deserialize, Serialize};

use super::{ApiKeyId, BusinessId, MemberId, Timestamp};

/// A named right. A route, a tool or a job asks for exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// See agents and flows.
    AgentsRead,
    /// Create, change, publish and delete agents and flows.
    AgentsWrite,
    /// See knowledge bases, and search them.
    KnowledgeRead,
    /// Create, change and delete knowledge bases and their sources.
    KnowledgeWrite,
    /// See channels (never their secrets).
    ChannelsRead,
    /// Create, change, verify and delete channels.
    ChannelsWrite,
    /// See contacts.
    ContactsRead,
    /// Create, change and delete contacts.
    ContactsWrite,
    /// See conversations and messages.
    ConversationsRead,
    /// Answer, assign and close conversations.
    ConversationsWrite,
    /// See what is counted.
    AnalyticsRead,
    /// See plugins, what they say and take (never their secrets).
    PluginsRead,
    /// Upload, install, grant, change and remove plugins.
    PluginsWrite,
    /// See and revoke API keys, and create new ones.
    ApiKeysWrite,
}

impl Permission {
    /// Every permission there is.
    pub const ALL: &[Self] = &[
        Self::AgentsRead,
        Self::AgentsWrite,
        Self::KnowledgeRead,
        Self::KnowledgeWrite,
        Self::ChannelsRead,
        Self::ChannelsWrite,
        Self::ContactsRead,
        Self::ContactsWrite,
        Self::ConversationsRead,
        Self::ConversationsWrite,
        Self::AnalyticsRead,
        Self::PluginsRead,
        Self::PluginsWrite,
        Self::ApiKeysWrite,
    ];
}

/// A set of permissions with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Owner,
    /// Reads everything, answers conversations, edits contacts.
    Support,
    /// Reads everything, changes nothing.
    Viewer,
}

impl Role {
    /// Says whether the role holds `permission`.
    pub fn allows(self, permission: Permission) -> bool {
        use Permission as P;
        let reads = matches!(
            permission,
            P::AgentsRead
                | P::KnowledgeRead
                | P::ChannelsRead
                | P::ContactsRead
                | P::ConversationsRead
                | P::AnalyticsRead
                | P::PluginsRead
        );
        match self {
            Self::Owner => true,
            Self::Support => {
                reads || matches!(permission, P::ContactsWrite | P::ConversationsWrite)
            }
            Self::Viewer => reads,
        }
    }

    /// Says whether the role holds nothing that `other` does not hold.
    pub fn within(self, other: Self) -> bool {
        Permission::ALL.iter().all(|right| !self.allows(*right) || other.allows(*right))
    }
}

/// A person who works for a business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its id.
    pub id: MemberId,
    /// The business it works for.
    pub business_id: BusinessId,
    /// The name people see.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A credential of a member for programs. Only a digest of the token is ever stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// The business it opens.
    pub business_id: BusinessId,
    /// The member it acts for.
    pub member_id: MemberId,
    /// A label for people.
    pub name: String,
    /// What it may do, at most what its member may.
    pub role: Role,
    /// SHA-256 of the token (32 bytes); the token itself is shown once and kept nowhere.
    #[serde(skip)]
    pub token_sha256: [u8; 32],
    /// When it was created.
    pub created_at: Timestamp,
    /// When it stopped working, if it did.
    pub revoked_at: Option<Timestamp>,
}
