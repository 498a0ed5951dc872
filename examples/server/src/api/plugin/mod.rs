//! Plugins: packages, what is installed, what it says and takes.

mod installed;
mod log;
mod package;

use justping::model::{Capability, Grants};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::access::{AppState, Caller};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(package::upload))
        .routes(routes!(package::verify))
        .routes(routes!(package::read))
        .routes(routes!(installed::list, installed::install))
        .routes(routes!(installed::read, installed::change, installed::remove))
        .routes(routes!(installed::upgrade))
        .routes(routes!(installed::rollback))
        .routes(routes!(installed::releases))
        .routes(routes!(log::lines))
        .routes(routes!(log::usage))
}

/// What a plugin may use: what it asks for, what is granted, or what takes effect.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = PluginGrants)]
struct GrantsView {
    /// `kv`, `http`, `secrets`, `contacts`, `contacts-write`, `messaging`, `clock`, `random`.
    #[schema(value_type = Vec<String>)]
    capabilities: BTreeSet<Capability>,
    /// Where `http` reaches: origins, each a scheme and a host, with a port if it is not the usual one.
    hosts: BTreeSet<String>,
    /// The names of secrets that `http` and `secrets` may use.
    secrets: BTreeSet<String>,
}

impl From<Grants> for GrantsView {
    fn from(grants: Grants) -> Self {
        let Grants { capabilities, hosts, secrets } = grants;
        Self { capabilities, hosts, secrets }
    }
}

impl From<GrantsView> for Grants {
    fn from(view: GrantsView) -> Self {
        let GrantsView { capabilities, hosts, secrets } = view;
        Self { capabilities, hosts, secrets }
    }
}

/// Who makes a change, as the plugin's log names them.
fn by(caller: &Caller) -> String {
    format!("{} ({})", caller.member.name, caller.member.id)
}
