//! Who may do what. A handler reaches the application only through one of the extractors here, so
//! a route without a declared right does not compile into anything that can touch data.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::header::AUTHORIZATION;
use http::request::Parts;
use justping::model::{ApiKeyId, BusinessId, Member, MemberId, Permission, Role};
use justping::port::StoreError;

use super::Problem;
use crate::app::App;
use crate::token;

/// The state of all routers. What is inside is out of reach for handlers.
#[derive(Debug, Clone)]
pub struct AppState(Arc<App>);

impl AppState {
    /// Wraps the application.
    pub fn new(app: Arc<App>) -> Self {
        Self(app)
    }
}

/// A right that a route asks for, as a type.
pub trait Need: Send + Sync + 'static {
    /// The right.
    const PERMISSION: Permission;
}

/// The rights as types: one for each [`Permission`].
pub mod perm {
    use super::{Need, Permission};

    macro_rules! needs {
        ($($name:ident),* $(,)?) => {$(
            #[doc = concat!("Asks for [`Permission::", stringify!($name), "`].")]
            #[derive(Debug, Clone, Copy)]
            pub struct $name;

            impl Need for $name {
                const PERMISSION: Permission = Permission::$name;
            }
        )*};
    }

    needs! {
        AgentsRead, AgentsWrite, KnowledgeRead, KnowledgeWrite, ChannelsRead, ChannelsWrite, ContactsRead, ContactsWrite,
        ConversationsRead, ConversationsWrite, AnalyticsRead, PluginsRead, PluginsWrite, ApiKeysWrite,
    }
}

/// Somebody who proved to hold a live API key.
#[derive(Debug, Clone)]
pub struct Caller {
    app: Arc<App>,
    /// The business everything happens in.
    pub business_id: BusinessId,
    /// The member the key acts for.
    pub member: Arc<Member>,
    /// The key.
    pub key_id: ApiKeyId,
    /// What the key was made for; its member may meanwhile hold less.
    pub role: Role,
}

impl Caller {
    /// Says whether both the key and its member hold a right.
    pub fn may(&self, permission: Permission) -> bool {
        self.role.allows(permission) && self.member.role.allows(permission)
    }

    /// The member the key acts for.
    pub fn member_id(&self) -> MemberId {
        self.member.id
    }

    /// Finds out who sent a request.
    ///
    /// # Errors
    /// 401 without a live key; 503 when the store does not answer.
    pub async fn authenticate(app: &Arc<App>, parts: &Parts) -> Result<Self, Problem> {
        let token = bearer(parts).ok_or_else(Problem::unauthorized)?;
        let unknown_is_401 = |error: StoreError| match error {
            StoreError::NotFound(_) => Problem::unauthorized(),
            other => other.into(),
        };
        let digest = token::digest(token);
        let key = app.store().api_key_by_token(&digest).await.map_err(unknown_is_401)?;
        let member = app.store().member(key.business_id, key.member_id).await;
        Ok(Self {
            app: Arc::clone(app),
            business_id: key.business_id,
            member: Arc::new(member.map_err(unknown_is_401)?),
            key_id: key.id,
            role: key.role,
        })
    }
}

impl Deref for Caller {
    type Target = App;

    fn deref(&self) -> &App {
        &self.app
    }
}

/// The token of an `Authorization: Bearer` header, if it has the form of ours.
fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim()).filter(|t| token::is_ours(t))
}

/// A caller that holds the right `N`.
#[derive(Debug)]
pub struct Allowed<N> {
    caller: Caller,
    need: PhantomData<N>,
}

impl<N> Deref for Allowed<N> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<N: Need> FromRequestParts<AppState> for Allowed<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Authenticated(caller) = Authenticated::from_request_parts(parts, state).await?;
        if !caller.may(N::PERMISSION) {
            return Err(Problem::forbidden());
        }
        Ok(Self { caller, need: PhantomData })
    }
}

/// A caller with any live key.
#[derive(Debug)]
pub struct Authenticated(pub Caller);

impl FromRequestParts<AppState> for Authenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        match parts.extensions.get::<Caller>() {
            Some(caller) => Ok(Self(caller.clone())),
            None => Caller::authenticate(&state.0, parts).await.map(Self),
        }
    }
}

/// Anybody at all: the route says that it is open to the world.
#[derive(Debug)]
pub struct Public(pub Arc<App>);

impl<S> FromRequestParts<S> for Public
where
    AppState: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(_: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(AppState::from_ref(state).0))
    }
}
