//! What is wrong with a request, as a problem document (RFC 9457): a stable code, what was
//! expected, what was found, and what the sender should do. The Chinese title stands beside the
//! English one.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::intake::IntakeError;
use crate::log::LogError;

/// A refusal.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    title_zh: &'static str,
    expected: String,
    found: String,
    action: &'static str,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: &'static str,
    status: u16,
    code: &'a str,
    title: &'a str,
    title_zh: &'a str,
    expected: &'a str,
    found: &'a str,
    action: &'a str,
}

/// Code, English and Chinese title of a problem.
type Name = (&'static str, &'static str, &'static str);

impl Problem {
    fn new(status: StatusCode, name: Name, (expected, found): (String, String)) -> Self {
        let (code, title, title_zh) = name;
        Self { status, code, title, title_zh, expected, found, action: "" }
    }

    fn then(self, action: &'static str) -> Self {
        Self { action, ..self }
    }

    pub(super) fn connector_unknown(found: &str) -> Self {
        let name = ("connector.unknown", "unknown connector", "未知的接入方");
        let what = ("a connector that is set up for http".to_owned(), clip(found));
        Self::new(StatusCode::NOT_FOUND, name, what).then("check the address")
    }

    pub(super) fn token_wrong(found: &'static str) -> Self {
        let name = ("token.wrong", "wrong token", "令牌无效");
        let what = ("a bearer token of this connector".to_owned(), found.to_owned());
        Self::new(StatusCode::UNAUTHORIZED, name, what).then("send the token given at registration")
    }

    pub(super) fn connector_other(connector: &str) -> Self {
        let name = ("connector.other", "another platform's token", "令牌属于其他平台");
        let what = (format!("the token of {connector}"), "the token of another connector".into());
        Self::new(StatusCode::FORBIDDEN, name, what).then("send to the connector of the token")
    }

    pub(super) fn feed_unknown(expected: String, found: &str) -> Self {
        let name = ("feed.unknown", "unknown feed", "未知的数据流");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, name, (expected, clip(found)))
            .then("name a feed of the connector, as ?feed= or in the header zhibao-feed")
    }

    pub(super) fn media_type(expected: &str, found: &str) -> Self {
        let name = ("body.media_type", "unsupported media type or encoding", "不支持的内容类型");
        let what = (expected.to_owned(), clip(found));
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, name, what)
            .then("send the format that the feed is registered with")
    }

    pub(super) fn key_invalid(found: &str) -> Self {
        let name = ("idempotency_key.invalid", "invalid idempotency key", "幂等键无效");
        let what = ("1 to 128 letters, digits, and any of -._~".to_owned(), clip(found));
        Self::new(StatusCode::BAD_REQUEST, name, what).then("send another key for this body")
    }

    pub(super) fn append_time(expected: &str, found: &str) -> Self {
        let name = ("append_time.refused", "append time refused", "不接受报文到达时间");
        Self::new(StatusCode::BAD_REQUEST, name, (expected.to_owned(), clip(found)))
            .then("leave zhibao-received-at out, unless the hub runs with a replay clock")
    }

    pub(super) fn key_required(bytes_max: u64) -> Self {
        let name = ("idempotency_key.required", "idempotency key required", "缺少幂等键");
        let expected = format!("an idempotency-key for a body of more than {bytes_max} bytes");
        Self::new(StatusCode::BAD_REQUEST, name, (expected, "none".into()))
            .then("send the body again with a key; nothing was taken")
    }

    pub(super) fn key_in_use() -> Self {
        let name =
            ("idempotency_key.in_use", "a body of this key is being received", "幂等键正在使用");
        let what = ("one request for a key at a time".to_owned(), "another one".to_owned());
        Self::new(StatusCode::CONFLICT, name, what).then("wait for its answer, then send again")
    }

    pub(super) fn key_reused() -> Self {
        let name =
            ("idempotency_key.reused", "another body under the same key", "幂等键对应的内容不一致");
        let what = ("the bytes that were sent under this key".to_owned(), "others".to_owned());
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, name, what)
            .then("send the body under a key of its own")
    }

    pub(super) fn body_too_large(bytes_max: u64) -> Self {
        let name = ("body.too_large", "body too large", "请求体过大");
        let what = (format!("at most {bytes_max} bytes"), "more".to_owned());
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, name, what)
            .then("send the records in several bodies, each under a key of its own")
    }

    pub(super) fn body_bomb(bytes_max: u64) -> Self {
        let name = ("body.bomb", "body unpacks to too much", "压缩内容展开后过大");
        let what = (format!("at most {bytes_max} bytes unpacked"), "more".to_owned());
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, name, what)
            .then("send the records in several bodies, each under a key of its own")
    }

    pub(super) fn body_broken(records: u64, found: String) -> Self {
        let name = ("body.broken", "body broke off", "请求体中断");
        let what = ("a whole body".to_owned(), format!("{found}; {records} records are in"));
        Self::new(StatusCode::BAD_REQUEST, name, what)
            .then("send the whole body again under the same key; what is in is not taken twice")
    }

    pub(super) fn receipt_unknown(key: &str) -> Self {
        let name = ("receipt.unknown", "no receipt of this key", "无此回执");
        let what = ("a key under which records are in".to_owned(), clip(key));
        Self::new(StatusCode::NOT_FOUND, name, what).then("send the body under this key")
    }

    pub(super) fn unavailable(cause: &dyn std::error::Error) -> Self {
        tracing::error!(error = %cause, "intake over http failed");
        let name = ("hub.unavailable", "the hub cannot take messages now", "系统暂不可用");
        let what = ("a working log and database".to_owned(), "a failure".to_owned());
        Self::new(StatusCode::SERVICE_UNAVAILABLE, name, what)
            .then("send the whole body again under the same key, later")
    }
}

impl From<IntakeError> for Problem {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::OtherContent { .. } => Self::key_reused(),
            IntakeError::Framing(error) => {
                let name = ("body.malformed", "body cannot be cut into records", "请求体格式错误");
                let what = ("the feed's format".to_owned(), error.to_string());
                Self::new(StatusCode::BAD_REQUEST, name, what)
                    .then("repair the body and send it under a key of its own")
            }
            IntakeError::Log(_) | IntakeError::File { .. } | IntakeError::FileChanged { .. } => {
                Self::unavailable(&error)
            }
        }
    }
}

impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        Self::unavailable(&error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = axum::Json(Document {
            r#type: "about:blank",
            status: self.status.as_u16(),
            code: self.code,
            title: self.title,
            title_zh: self.title_zh,
            expected: &self.expected,
            found: &self.found,
            action: self.action,
        })
        .into_response();
        *response.status_mut() = self.status;
        let media_type = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE || self.status == StatusCode::CONFLICT {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

/// What a sender wrote, cut to 80 characters.
fn clip(found: &str) -> String {
    found.chars().take(80).collect()
}
