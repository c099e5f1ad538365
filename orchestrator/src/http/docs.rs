//! The API document and the page that shows it. All that the page loads comes from this program: it names no other host.

use std::sync::{Arc, LazyLock};

use axum::{
    http::header,
    response::{Html, IntoResponse},
};
use utoipa_swagger_ui::Config;

use super::{body, openapi};
use crate::error::{Error, Result};

const PAGE: &str = include_str!("docs.html");

/// Scripts run only from files of this service, and nothing is fetched from elsewhere, whatever a document says.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Addresses are relative to the page, so that it works below any prefix that a proxy puts in front.
static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    let config = Config::new(["openapi.json"]).use_base_layout().validator_url("none");
    Arc::new(config.try_it_out_enabled(true).display_request_duration(true).filter(true))
});

/// Gives this document.
#[utoipa::path(
    get,
    path = "/_public/openapi.json",
    tag = "service",
    operation_id = "get_openapi",
    responses((status = 200, description = "The OpenAPI document of the service.", body = Object))
)]
pub(super) async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi::document())
}

/// Shows this document as a page to try things out on.
#[utoipa::path(
    get,
    path = "/_public/docs",
    tag = "service",
    operation_id = "get_docs",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html"))
)]
pub(super) async fn page() -> impl IntoResponse {
    ([(header::CONTENT_SECURITY_POLICY, POLICY), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")], Html(PAGE))
}

/// Gives a part of that page.
#[utoipa::path(
    get,
    path = "/_public/docs/{file}",
    tag = "service",
    operation_id = "get_docs_file",
    params(("file" = String, Path, description = "For example `swagger-ui.css`.", example = "swagger-ui.css")),
    responses(
        (status = 200, description = "A style sheet, a script or a picture.", content(
            (String = "text/css"), (String = "text/javascript"), (String = "image/png"), (String = "text/html"),
        )),
        openapi::NotFound,
    )
)]
pub(super) async fn file(body::Path(file): body::Path<String>) -> Result<impl IntoResponse> {
    let found = utoipa_swagger_ui::serve(&file, Arc::clone(&CONFIG));
    let part = found.ok().flatten().ok_or_else(|| Error::NotFound(format!("the page has no part {file:?}")))?;
    let headers = [
        (header::CONTENT_TYPE, part.content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY.to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CACHE_CONTROL, "public, max-age=3600".to_owned()),
    ];
    Ok((headers, part.bytes.into_owned()))
}
