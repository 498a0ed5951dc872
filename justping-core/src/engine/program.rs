use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::model::{BusinessId, FlowVersionId};
use crate::port::{FlowRuntime, Program, Store, StoreError};

/// Compiled versions kept at hand.
const PROGRAMS_MAX: usize = 1_024;

/// Compiles published versions and keeps the programs. A version never changes, so nothing here
/// goes stale.
#[derive(Debug)]
pub(crate) struct Programs {
    flows: Arc<dyn FlowRuntime>,
    store: Arc<dyn Store>,
    compiled: RwLock<HashMap<(BusinessId, FlowVersionId), Compiled>>,
}

/// A version compiles or it does not: a version of an older program may name a node that is gone.
pub(crate) type Compiled = Result<Arc<dyn Program>, String>;

impl Programs {
    pub(crate) fn new(flows: Arc<dyn FlowRuntime>, store: Arc<dyn Store>) -> Self {
        Self { flows, store, compiled: RwLock::default() }
    }

    /// The program of a version.
    pub(crate) async fn get(
        &self,
        business: BusinessId,
        version: FlowVersionId,
    ) -> Result<Compiled, StoreError> {
        let key = (business, version);
        let known = self.compiled.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(compiled) = known {
            return Ok(compiled);
        }
        let compiled = match self.store.flow_version(business, version).await {
            Ok(version) => self.flows.compile(&version.document).map_err(|e| e.to_string()),
            Err(StoreError::NotFound(_)) => Err("the flow version is gone".to_owned()),
            Err(error) => return Err(error),
        };
        self.keep(key, compiled.clone());
        Ok(compiled)
    }

    /// Keeps the program of a version at hand.
    pub(crate) fn keep(&self, key: (BusinessId, FlowVersionId), compiled: Compiled) {
        let mut map = self.compiled.write().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= PROGRAMS_MAX {
            map.clear();
        }
        map.insert(key, compiled);
    }
}
