//! Names become addresses, and only those that may be connected to.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::error::Refusal;
use crate::guard::Judge;

/// Most addresses of a name that are tried.
const ADDRESSES_MAX: usize = 16;

/// Asks the machine.
pub(crate) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Asks another and passes on what may be connected to. The client connects to these very
/// addresses, so there is no second answer that could differ.
pub(crate) struct GuardedResolver {
    pub(crate) upstream: Arc<dyn Resolve>,
    pub(crate) judge: Judge,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (answer, judge) = (self.upstream.resolve(name), self.judge);
        Box::pin(async move {
            let mut found = answer.await?.map(|found| found.ip()).peekable();
            let exists = found.peek().is_some();
            // The port is the address's, never the resolver's.
            let allowed: Vec<SocketAddr> = found
                .filter(|ip| judge(*ip))
                .take(ADDRESSES_MAX)
                .map(|ip| SocketAddr::new(ip, 0))
                .collect();
            if exists && allowed.is_empty() {
                return Err(Refusal::Address.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}
