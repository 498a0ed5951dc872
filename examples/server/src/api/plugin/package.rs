use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use justping::model::{PluginRelease, Timestamp};
use justping::plugins::blob::BLOB_MAX_BYTES;
use justping::plugins::package::{PackageFinding, VerifyError};
use justping::port::Severity;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::GrantsView;
use crate::http::Problem;
use crate::http::access::{Allowed, Caller, perm};
use crate::http::extract::{Id, RawBody};

/// A package, of whatever the operator allows.
type Package = RawBody<BLOB_MAX_BYTES>;

/// One version of a plugin, as it was uploaded. It never changes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PluginRelease)]
pub(super) struct ReleaseView {
    /// SHA-256 of the package, hexadecimal: its name.
    digest: String,
    name: String,
    version: String,
    /// `plugin.toml`, as it was written.
    #[schema(value_type = Object)]
    manifest: Value,
    requested: GrantsView,
    /// What it was found to be: `exports`, `imports`, `pure`, `nodes`, `tools`, `events`, `channel`,
    /// `filters`, and `findings` that are worth a look.
    #[schema(value_type = Object)]
    inspection: Value,
    /// Bytes of the package.
    bytes: u64,
    /// The Ed25519 key that signed it, hexadecimal.
    signer: Option<String>,
    created_at: Timestamp,
}

impl From<PluginRelease> for ReleaseView {
    fn from(release: PluginRelease) -> Self {
        let PluginRelease {
            digest,
            name,
            version,
            manifest,
            requested,
            inspection,
            bytes,
            signer,
            created_at,
            ..
        } = release;
        let requested = requested.into();
        Self { digest, name, version, manifest, requested, inspection, bytes, signer, created_at }
    }
}

/// Something about a package that its author should know.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PackageFinding)]
struct PackageFindingView {
    /// `error`, for which it is refused, or `warning`.
    severity: &'static str,
    /// A stable code such as `import_undeclared`.
    code: &'static str,
    /// Where: `plugin.toml:3:9`, a file, or a part of what the component describes.
    at: String,
    message: String,
}

impl From<PackageFinding> for PackageFindingView {
    fn from(finding: PackageFinding) -> Self {
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let PackageFinding { code, at, message, .. } = finding;
        Self { severity, code: code.name(), at, message }
    }
}

/// What is known about a package.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = PackageVerification)]
pub(super) struct VerificationView {
    /// Whether it would be taken.
    ok: bool,
    findings: Vec<PackageFindingView>,
    /// What it was found to be, as in a release; `null` when it would not be taken.
    #[schema(value_type = Option<Object>)]
    inspection: Option<Value>,
}

/// Keeps a package as a release, once it was verified. The same package again is the same release. One
/// in a large language may take longer to compile than a request may last; sent again, it goes on.
#[utoipa::path(post, path = "/plugins/packages", tag = "plugins",
    request_body(content = Vec<u8>, content_type = "application/octet-stream",
        description = "The package, as `justping plugin pack` writes it."),
    security(("api_key" = ["plugins_write"])),
    responses((status = 201, body = ReleaseView, description = "It is kept."),
        (status = 200, body = ReleaseView, description = "It was kept before.")))]
pub(super) async fn upload(
    caller: Allowed<perm::PluginsWrite>,
    body: Package,
) -> Result<Response, Problem> {
    let plugins = caller.plugins()?;
    bounded(&caller, &body)?;
    let kept = plugins.keep(caller.business_id, body.bytes).await?;
    let status = if kept.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(ReleaseView::from(kept.release))).into_response())
}

/// Looks at a package and keeps nothing.
#[utoipa::path(post, path = "/plugins/packages/verify", tag = "plugins",
    request_body(content = Vec<u8>, content_type = "application/octet-stream",
        description = "The package, as `justping plugin pack` writes it."),
    security(("api_key" = ["plugins_write"])),
    responses((status = 200, body = VerificationView)))]
pub(super) async fn verify(
    caller: Allowed<perm::PluginsWrite>,
    body: Package,
) -> Result<Json<VerificationView>, Problem> {
    let plugins = caller.plugins()?;
    bounded(&caller, &body)?;
    let view = |findings: Vec<PackageFinding>| {
        findings.into_iter().map(PackageFindingView::from).collect::<Vec<_>>()
    };
    match plugins.verify(&body.bytes).await {
        Ok(verified) => {
            let findings = view(verified.inspection.findings.clone());
            let inspection = serde_json::to_value(&verified.inspection).ok();
            Ok(Json(VerificationView { ok: true, findings, inspection }))
        }
        Err(VerifyError::Refused(findings)) => {
            Ok(Json(VerificationView { findings: view(findings), ..VerificationView::default() }))
        }
        Err(error @ VerifyError::Busy(_)) => Err(error.into()),
    }
}

fn bounded(caller: &Caller, body: &Package) -> Result<(), Problem> {
    let max = caller.plugins()?.policy().rules.max_bytes;
    if body.bytes.len() > max { Err(Problem::too_large()) } else { Ok(()) }
}

/// Reads a release.
#[utoipa::path(get, path = "/plugins/packages/{id}", tag = "plugins",
    params(("id" = String, Path, description = "The release: the digest of its package.")),
    security(("api_key" = ["plugins_read"])),
    responses((status = 200, body = ReleaseView)))]
pub(super) async fn read(
    caller: Allowed<perm::PluginsRead>,
    Id(digest): Id<String>,
) -> Result<Json<ReleaseView>, Problem> {
    caller.plugins()?;
    Ok(Json(caller.store().plugin_release(caller.business_id, &digest).await?.into()))
}
