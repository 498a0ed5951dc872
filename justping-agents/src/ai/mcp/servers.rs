//! The servers of businesses that are open.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use justping_core::model::{BusinessId, ToolConfig, ToolId};
use justping_http::OpenClient;

use super::McpServer;

/// Most servers that are open at once; another one takes the place of any.
const OPEN_MAX: usize = 64;

/// Servers that were set up by businesses, opened when they are first used.
pub(in crate::ai) struct McpServers {
    client: OpenClient,
    open: Mutex<BTreeMap<(BusinessId, ToolId), Opened>>,
}

/// A server as it was set up at a revision.
struct Opened {
    revision: u64,
    server: Arc<McpServer>,
}

impl fmt::Debug for McpServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpServers").finish_non_exhaustive()
    }
}

impl McpServers {
    pub(in crate::ai) fn new(client: OpenClient) -> Self {
        Self { client, open: Mutex::default() }
    }

    /// The client that asks them.
    pub(in crate::ai) fn client(&self) -> &OpenClient {
        &self.client
    }

    /// The server of a tool, if it is open as the tool stands now.
    pub(in crate::ai) fn open(&self, tool: &ToolConfig) -> Option<Arc<McpServer>> {
        let open = self.all();
        let known = open.get(&(tool.business_id, tool.id))?;
        (known.revision == tool.revision).then(|| Arc::clone(&known.server))
    }

    /// Keeps a server for the next call.
    pub(in crate::ai) fn keep(&self, tool: &ToolConfig, server: McpServer) -> Arc<McpServer> {
        let server = Arc::new(server);
        let mut open = self.all();
        let key = (tool.business_id, tool.id);
        if open.len() >= OPEN_MAX && !open.contains_key(&key) {
            open.pop_first();
        }
        let opened = Opened { revision: tool.revision, server: Arc::clone(&server) };
        open.insert(key, opened);
        server
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<(BusinessId, ToolId), Opened>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
