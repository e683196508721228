//! `POST /v1/intake/{connector}`: checks a request, then streams its body into the log.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::body::{BodyReader, Cut};
use super::problem::Problem;
use super::receipt::{Receipt, receipt};
use super::token::authorize;
use super::{AppendClock, HttpFeed, Shared, UnderWay, source_of};
use crate::domain::ids::ConnectorId;
use crate::domain::time::Moment;
use crate::intake::file::hex;
use crate::intake::framing::Format;
use crate::intake::source::{SourceWriter, Target};
use crate::log::IntakeMark;

const KEY_CHARS_MAX: usize = 128;
const RECEIVED_AT: &str = "zhibao-received-at";

/// What may stand behind the question mark.
#[derive(Deserialize)]
pub(super) struct Asked {
    feed: Option<String>,
}

/// A request that may be received.
struct Request {
    connector: ConnectorId,
    feed: HttpFeed,
    key: Option<String>,
    gzip: bool,
    received_at: Option<Moment>,
}

pub(super) async fn post(
    State(shared): State<Arc<Shared>>,
    Path(connector): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Receipt>, Problem> {
    let request = check(&shared, &connector, &asked, &headers)?;
    let limits = shared.intake.limits;
    let body = BodyReader::new(body, request.gzip, limits.body_bytes_max, limits.idle_max);
    // A task of its own: where the sender hangs up, the server drops this future, and the whole
    // records of the broken body would be lost with it.
    let received = tokio::spawn(async move { receive(&shared, &request, body).await });
    match received.await {
        Ok(result) => result.map(Json),
        Err(error) => Err(Problem::unavailable(&error)),
    }
}

fn check(
    shared: &Shared,
    connector: &str,
    asked: &Asked,
    headers: &HeaderMap,
) -> Result<Request, Problem> {
    let connector = authorize(shared, connector, headers)?;
    if let Some(lost) = &connector.lost {
        return Err(Problem::unavailable(lost));
    }
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("no ascii"));
    let named = asked.feed.as_deref().or_else(|| text("zhibao-feed")).unwrap_or("none");
    let feed =
        connector.feeds.iter().find(|feed| feed.feed.as_str() == named).ok_or_else(|| {
            let known: Vec<&str> = connector.feeds.iter().map(|feed| feed.feed.as_str()).collect();
            Problem::feed_unknown(format!("one of: {}", known.join(", ")), named)
        })?;
    let media_type = match &feed.format {
        Format::JsonLines => "application/x-ndjson",
        Format::Csv => "text/csv",
        Format::Avro(_) => "avro/binary",
        Format::Whole => "application/gzip",
    };
    let found = text(header::CONTENT_TYPE.as_str()).unwrap_or("none");
    if found.split(';').next().is_none_or(|found| !found.trim().eq_ignore_ascii_case(media_type)) {
        return Err(Problem::media_type(media_type, found));
    }
    let gzip = match text(header::CONTENT_ENCODING.as_str()) {
        None | Some("identity") => false,
        Some("gzip") => true,
        Some(found) => return Err(Problem::media_type("encoding gzip or none", found)),
    };
    let key = text("idempotency-key");
    if let Some(key) = key.filter(|key| !is_key(key)) {
        return Err(Problem::key_invalid(key));
    }
    let length = text(header::CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok());
    let bytes_max = shared.intake.limits.body_bytes_max;
    if length.is_some_and(|length: u64| length > bytes_max) {
        return Err(Problem::body_too_large(bytes_max));
    }
    Ok(Request {
        connector: connector.connector.clone(),
        feed: feed.clone(),
        key: key.map(str::to_owned),
        gzip,
        received_at: received_at(shared.intake.clock, text(RECEIVED_AT))?,
    })
}

/// The append time that a replay brings, in milliseconds since the epoch; none under the log's
/// own clock, where a request that brings one is refused rather than believed or passed over.
fn received_at(clock: AppendClock, found: Option<&str>) -> Result<Option<Moment>, Problem> {
    match (clock, found) {
        (AppendClock::Log, None) => Ok(None),
        (AppendClock::Log, Some(found)) => Err(Problem::append_time("no append time", found)),
        (AppendClock::Sender, found) => {
            let found = found.unwrap_or("none");
            let at = found.parse().map(Moment::from_ms);
            let wrong = |_| Problem::append_time("milliseconds since the epoch", found);
            at.map(Some).map_err(wrong)
        }
    }
}

fn is_key(key: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    (1..=KEY_CHARS_MAX).contains(&key.len()) && key.bytes().all(plain)
}

/// What a body's digests begin with: the same bytes for another feed are another body.
fn salt(request: &Request) -> Vec<u8> {
    let mut salt = request.feed.feed.as_str().as_bytes().to_vec();
    salt.push(0);
    salt
}

async fn receive(
    shared: &Arc<Shared>,
    request: &Request,
    mut body: BodyReader,
) -> Result<Receipt, Problem> {
    let (key, first) = match &request.key {
        Some(key) => (key.clone(), Bytes::new()),
        None => {
            let whole = whole_body(shared, &mut body).await?;
            let digest = Sha256::new_with_prefix(salt(request)).chain_update(&whole).finalize();
            (hex(&digest), whole)
        }
    };
    let source = source_of(&request.connector, &key);
    let Some(_under_way) = UnderWay::enter(shared, &source) else {
        return Err(Problem::key_in_use());
    };
    let log = &*shared.intake.log;
    let mark = match log.mark(&source).await? {
        Some(mark) if mark.complete => {
            compare(shared, request, &mark, (first, body)).await?;
            mark
        }
        mark => {
            let salt = salt(request);
            let target = Target {
                log,
                route: &*shared.intake.route,
                connector: &request.connector,
                feed: &request.feed.feed,
                format: &request.feed.format,
                record_bytes_max: request.feed.record_bytes_max,
                limits: shared.intake.limits.append,
                received_at: request.received_at,
                salt: &salt,
            };
            let writer = SourceWriter::open(target, &source, mark).await?;
            append(shared, writer, (first, body)).await?
        }
    };
    Ok(receipt(log, &request.connector, &mark).await?)
}

/// A body without a key: nothing is appended before it is whole.
async fn whole_body(shared: &Shared, body: &mut BodyReader) -> Result<Bytes, Problem> {
    let bytes_max = shared.intake.limits.keyless_bytes_max;
    let mut whole = Vec::new();
    while let Some(chunk) = body.next().await.map_err(|cut| refused(shared, cut, 0))? {
        whole.extend_from_slice(&chunk);
        if u64::try_from(whole.len()).is_ok_and(|bytes| bytes > bytes_max) {
            return Err(Problem::key_required(bytes_max));
        }
    }
    Ok(whole.into())
}

/// The body must be the one that is in.
async fn compare(
    shared: &Shared,
    request: &Request,
    mark: &IntakeMark,
    (first, mut body): (Bytes, BodyReader),
) -> Result<(), Problem> {
    let mut digest = Sha256::new_with_prefix(salt(request)).chain_update(first);
    while let Some(chunk) = body.next().await.map_err(|cut| refused(shared, cut, mark.records))? {
        digest.update(&chunk);
    }
    if <[u8; 32]>::from(digest.finalize()) == mark.digest {
        Ok(())
    } else {
        Err(Problem::key_reused())
    }
}

async fn append(
    shared: &Shared,
    mut writer: SourceWriter<'_>,
    (first, mut body): (Bytes, BodyReader),
) -> Result<IntakeMark, Problem> {
    writer.take(&first).await?;
    loop {
        match body.next().await {
            Ok(Some(chunk)) => writer.take(&chunk).await?,
            Ok(None) => break,
            Err(cut) => {
                writer.break_off().await?;
                return Err(refused(shared, cut, writer.mark().records));
            }
        }
    }
    writer.end().await?;
    Ok(writer.complete().await?)
}

/// The answer to a body that has no end; `records` of it are in.
fn refused(shared: &Shared, cut: Cut, records: u64) -> Problem {
    let limits = &shared.intake.limits;
    match cut {
        Cut::Broken(cause) => Problem::body_broken(records, cause),
        Cut::Idle => {
            let seconds = limits.idle_max.as_secs();
            Problem::body_broken(records, format!("no byte for {seconds} seconds"))
        }
        Cut::TooLarge => Problem::body_too_large(limits.body_bytes_max),
        Cut::Bomb => Problem::body_bomb(limits.body_bytes_max),
    }
}
