use serde::{Deserialize, Serialize};

use super::{BusinessId, Timestamp};

/// The tenant. Owns every other record; no query crosses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Business {
    /// Its id.
    pub id: BusinessId,
    /// The name people see.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
}
