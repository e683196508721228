//! The page's files, compiled in, so that it needs no network and no folder at run time.

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

/// One file: name below `/assets/`, media type, content.
type Asset = (&'static str, &'static str, &'static [u8]);

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

const PAGE: Asset = ("page.html", HTML, include_bytes!("../../assets/page.html"));

const ASSETS: [Asset; 6] = [
    ("page.css", STYLE, include_bytes!("../../assets/page.css")),
    ("page.js", SCRIPT, include_bytes!("../../assets/page.js")),
    ("charts.js", SCRIPT, include_bytes!("../../assets/charts.js")),
    ("words.js", SCRIPT, include_bytes!("../../assets/words.js")),
    ("format.js", SCRIPT, include_bytes!("../../assets/format.js")),
    ("echarts.min.js", SCRIPT, include_bytes!("../../assets/vendor/echarts.min.js")),
];

/// Only what the hub itself serves may run or load; inline style is what charts are drawn with.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'";

/// `GET /`.
pub(super) async fn page(headers: HeaderMap) -> Response {
    answer(&headers, &PAGE)
}

/// `GET /assets/{name}`.
pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match ASSETS.iter().find(|(known, _, _)| *known == name) {
        Some(asset) => answer(&headers, asset),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn answer(headers: &HeaderMap, (_, media_type, content): &Asset) -> Response {
    let digest: [u8; 32] = Sha256::digest(content).into();
    let short: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{short}\"");
    if super::has_tag(headers, &tag) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    let headers = [
        (header::CONTENT_TYPE, (*media_type).to_owned()),
        (header::ETAG, tag),
        // Asked for again each time, answered with 304: a new version shows at once.
        (header::CACHE_CONTROL, "no-cache".to_owned()),
        (header::CONTENT_SECURITY_POLICY, POLICY.to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, *content).into_response()
}
