//! What most answers share.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use justping::model::Page;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::Problem;
use crate::http::extract;
use justping::model::PageRequest;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PageView<T: ToSchema> {
    /// The rows.
    pub items: Vec<T>,
    /// Give this as `after` for the next page; `null` at the end.
    pub next: Option<String>,
}

impl<T: ToSchema> PageView<T> {
    /// Shows a page.
    pub(crate) fn of<R>(page: Page<R>, view: impl FnMut(R) -> T) -> Json<Self> {
        let next = page.next.map(|cursor| cursor.0);
        Json(Self { items: page.items.into_iter().map(view).collect(), next })
    }
}

/// Which part of a list is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// The `next` of the page before.
    after: Option<String>,
    /// Rows of the page, 1 to 200; 50 unless given.
    limit: Option<u32>,
}

impl PageQuery {
    /// Reads it.
    ///
    /// # Errors
    /// 422 when it is out of bounds.
    pub(crate) fn request(self) -> Result<PageRequest, Problem> {
        extract::page(self.after, self.limit)
    }
}

/// 201 with what was created.
pub(crate) fn created<T: Serialize>(body: T) -> Response {
    (StatusCode::CREATED, Json(body)).into_response()
}
