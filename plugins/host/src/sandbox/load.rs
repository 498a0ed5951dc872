//! From bytes to code that can be called.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::timeout;
use wasmtime::component::Component;

use super::code::{Code, ComponentDigest, invalid};
use super::error::LoadError;
use super::inspect::inspect;
use super::{Sandbox, Shared};

impl Sandbox {
    /// Makes a component ready: finds it in memory or on disk, or looks at it and compiles it, one at
    /// a time and never on the caller's thread.
    ///
    /// # Errors
    /// [`LoadError`]. Nothing of the component has run.
    pub async fn load(&self, component: impl Into<Bytes>) -> Result<Arc<Code>, LoadError> {
        let component = component.into();
        let max = self.shared.limits.upload_bytes;
        if component.len() > max {
            return Err(LoadError::TooLarge { bytes: component.len(), max });
        }
        let digest = ComponentDigest::of(&component);
        match self.open(digest).await {
            Some(code) => Ok(code),
            None => self.shared.compile(digest, component).await,
        }
    }

    /// Finds a component that was loaded before, in memory or on disk: no bytes of it are needed.
    pub async fn open(&self, digest: ComponentDigest) -> Option<Arc<Code>> {
        if let Some(code) = self.shared.shelf.get(digest) {
            return Some(code);
        }
        self.shared.cache.as_ref()?;
        let shared = Arc::clone(&self.shared);
        self.shared.home.spawn_blocking(move || shared.open(digest)).await.ok().flatten()
    }
}

impl Shared {
    /// Loads machine code from disk.
    fn open(&self, digest: ComponentDigest) -> Option<Arc<Code>> {
        let component = self.cache.as_ref()?.load(&self.engine, digest)?;
        let code = Arc::new(Code::link(digest, &component, &self.linker, self.short_calls).ok()?);
        self.shelf.put(&code);
        Some(code)
    }

    /// Compiles, when it is its turn. The compiler cannot be interrupted: one that takes too long keeps
    /// it busy until it is done, and what it made is kept for the next try.
    async fn compile(
        self: &Arc<Self>,
        digest: ComponentDigest,
        component: Bytes,
    ) -> Result<Arc<Code>, LoadError> {
        let queue = Arc::clone(&self.compile_queue);
        let Ok(waits) = queue.try_acquire_owned() else { return Err(LoadError::Busy) };
        let turn = timeout(self.compile_max, Arc::clone(&self.compiler).acquire_owned()).await;
        let turn = match turn {
            Ok(Ok(turn)) => turn,
            Ok(Err(_)) => return Err(LoadError::Closed),
            Err(_) => return Err(LoadError::Busy),
        };
        if let Some(code) = self.shelf.get(digest) {
            return Ok(code);
        }
        let shared = Arc::clone(self);
        let task = self.runtime.spawn_blocking(move || {
            let code = shared.make(digest, &component);
            drop((turn, waits));
            code
        });
        match timeout(self.compile_max, task).await {
            Ok(Ok(code)) => code,
            Ok(Err(error)) if error.is_panic() => {
                Err(LoadError::Invalid("the compiler cannot take it".to_owned()))
            }
            Ok(Err(_)) => Err(LoadError::Closed),
            Err(_) => Err(LoadError::TooSlow { limit: self.compile_max }),
        }
    }

    fn make(&self, digest: ComponentDigest, bytes: &[u8]) -> Result<Arc<Code>, LoadError> {
        inspect(bytes, &self.limits)?;
        let component = Component::new(&self.engine, bytes).map_err(|error| invalid(&error))?;
        let code = Arc::new(Code::link(digest, &component, &self.linker, self.short_calls)?);
        if let Some(cache) = &self.cache
            && let Err(error) = cache.keep(digest, &component)
        {
            tracing::warn!(%digest, %error, "machine code is not kept");
        }
        self.shelf.put(&code);
        Ok(code)
    }
}
