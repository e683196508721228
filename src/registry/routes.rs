//! What each route does.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Refusal};
use super::{Registry, SUBJECT_CHARS_MAX, SUBJECTS_MAX, VERSIONS_MAX, breaks, next_version};
use crate::schema::text::SchemaText;
use crate::store::schemas::{self, Version};

/// The one rule of all subjects.
const LEVEL: &str = "BACKWARD_TRANSITIVE";
const AVRO: &str = "AVRO";

type Shared = State<Arc<Registry>>;
type Answered<T> = Result<Answer<T>, Refusal>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    schema: String,
    schema_type: Option<String>,
    references: Option<Vec<serde_json::Value>>,
}

#[derive(Deserialize)]
struct AskedLevel {
    compatibility: String,
}

#[derive(Serialize)]
pub(super) struct Id {
    id: u32,
}

#[derive(Serialize)]
pub(super) struct Found {
    subject: String,
    version: u32,
    id: u32,
    schema: String,
}

#[derive(Serialize)]
pub(super) struct Text {
    schema: String,
}

#[derive(Serialize)]
pub(super) struct Use {
    subject: String,
    version: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Level {
    compatibility_level: &'static str,
}

#[derive(Serialize)]
pub(super) struct LevelSet {
    compatibility: &'static str,
}

#[derive(Serialize)]
pub(super) struct Compared {
    is_compatible: bool,
    messages: Vec<String>,
}

pub(super) async fn subjects(State(registry): Shared) -> Answered<Vec<String>> {
    let mut tx = registry.db.snapshot().await?;
    Ok(Answer(schemas::subjects(&mut tx).await?))
}

pub(super) async fn versions(
    State(registry): Shared,
    Path(subject): Path<String>,
) -> Answered<Vec<u32>> {
    let found = known(&registry, &subject).await?;
    Ok(Answer(found.iter().map(|version| version.version).collect()))
}

pub(super) async fn version(
    State(registry): Shared,
    Path((subject, version)): Path<(String, String)>,
) -> Answered<Found> {
    let found = pick(known(&registry, &subject).await?, &subject, &version)?;
    Ok(Answer(found_of(subject, found)))
}

pub(super) async fn by_id(State(registry): Shared, Path(id): Path<String>) -> Answered<Text> {
    let mut tx = registry.db.snapshot().await?;
    let body = match id.parse() {
        Ok(id) => schemas::body_of(&mut tx, id).await?,
        Err(_) => None,
    };
    match body {
        Some(schema) => Ok(Answer(Text { schema })),
        None => Err(Refusal::schema_unknown(&format!("the number {id:.20}"))),
    }
}

pub(super) async fn uses(State(registry): Shared, Path(id): Path<String>) -> Answered<Vec<Use>> {
    let mut tx = registry.db.snapshot().await?;
    let unknown = || Refusal::schema_unknown(&format!("the number {id:.20}"));
    let Ok(number) = id.parse() else { return Err(unknown()) };
    let found = schemas::uses(&mut tx, number).await?;
    if found.is_empty() && schemas::body_of(&mut tx, number).await?.is_none() {
        return Err(unknown());
    }
    let uses = found.into_iter().map(|(subject, version)| Use { subject, version });
    Ok(Answer(uses.collect()))
}

pub(super) async fn types() -> Answer<[&'static str; 1]> {
    Answer([AVRO])
}

pub(super) async fn level() -> Answer<Level> {
    Answer(Level { compatibility_level: LEVEL })
}

/// Clients that say which rule they rely on are told whether it is the one.
pub(super) async fn set_level(body: Result<Bytes, BytesRejection>) -> Answered<LevelSet> {
    let AskedLevel { compatibility } = json(body)?;
    if compatibility != LEVEL {
        return Err(Refusal::level_fixed(LEVEL, &compatibility));
    }
    Ok(Answer(LevelSet { compatibility: LEVEL }))
}

pub(super) async fn look_up(
    State(registry): Shared,
    Path(subject): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Answered<Found> {
    let asked = asked(body)?;
    let versions = known(&registry, &subject).await?;
    let mut tx = registry.db.snapshot().await?;
    let id = schemas::id_of(&mut tx, asked.digest()).await?;
    match versions.into_iter().find(|version| Some(version.id) == id) {
        Some(version) => Ok(Answer(found_of(subject, version))),
        None => Err(Refusal::schema_unknown("one that the subject has not")),
    }
}

pub(super) async fn register(
    State(registry): Shared,
    Path(subject): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answered<Id> {
    let writer = registry.writer(&headers)?;
    let own = registry.own_subjects(writer, &subject)?;
    let is_plain = subject.chars().all(|found| !found.is_control());
    if !is_plain || subject.chars().count() > SUBJECT_CHARS_MAX {
        return Err(Refusal::subject_invalid(SUBJECT_CHARS_MAX));
    }
    let asked = asked(body)?;
    let mut tx = registry.db.begin().await?;
    schemas::hold(&mut tx).await?;
    let versions = schemas::versions(&mut tx, &subject).await?;
    let id = schemas::id_of(&mut tx, asked.digest()).await?;
    if let Some(known) = versions.iter().find(|version| Some(version.id) == id) {
        return Ok(Answer(Id { id: known.id }));
    }
    if versions.is_empty() {
        let all = schemas::subjects(&mut tx).await?;
        if all.iter().filter(|known| known.starts_with(&own)).count() >= SUBJECTS_MAX {
            return Err(Refusal::too_many("subjects of a connector", SUBJECTS_MAX));
        }
    }
    if versions.len() >= VERSIONS_MAX {
        return Err(Refusal::too_many("versions of a subject", VERSIONS_MAX));
    }
    let reasons = breaks(&asked, &versions)?;
    if !reasons.is_empty() {
        return Err(Refusal::incompatible(&reasons));
    }
    let id = schemas::id_for(&mut tx, asked.digest(), asked.as_str()).await?;
    schemas::add_version(&mut tx, &subject, next_version(&versions), id).await?;
    tx.commit().await?;
    Ok(Answer(Id { id }))
}

pub(super) async fn compare(
    State(registry): Shared,
    Path((subject, version)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answered<Compared> {
    registry.writer(&headers)?;
    let asked = asked(body)?;
    let version = pick(known(&registry, &subject).await?, &subject, &version)?;
    compared(&asked, &[version])
}

/// A subject without versions takes every schema.
pub(super) async fn compare_all(
    State(registry): Shared,
    Path(subject): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answered<Compared> {
    registry.writer(&headers)?;
    let asked = asked(body)?;
    let mut tx = registry.db.snapshot().await?;
    compared(&asked, &schemas::versions(&mut tx, &subject).await?)
}

pub(super) async fn no_route() -> Refusal {
    Refusal::route_unknown()
}

pub(super) async fn no_method() -> Refusal {
    Refusal::method_unknown()
}

fn compared(asked: &SchemaText, versions: &[Version]) -> Answered<Compared> {
    let messages = breaks(asked, versions)?;
    Ok(Answer(Compared { is_compatible: messages.is_empty(), messages }))
}

/// The versions of a subject that has some.
async fn known(registry: &Registry, subject: &str) -> Result<Vec<Version>, Refusal> {
    let mut tx = registry.db.snapshot().await?;
    let found = schemas::versions(&mut tx, subject).await?;
    if found.is_empty() { Err(Refusal::subject_unknown(subject)) } else { Ok(found) }
}

/// One version of a subject: a number, or the last.
fn pick(mut versions: Vec<Version>, subject: &str, named: &str) -> Result<Version, Refusal> {
    let invalid = || Refusal::version_invalid(named);
    if matches!(named, "latest" | "-1") {
        return versions.pop().ok_or_else(|| Refusal::subject_unknown(subject));
    }
    let wanted = named.parse().ok().filter(|version| *version > 0).ok_or_else(invalid)?;
    let found = versions.into_iter().find(|version| version.version == wanted);
    found.ok_or_else(|| Refusal::version_unknown(subject, wanted))
}

fn found_of(subject: String, found: Version) -> Found {
    let Version { version, id, body } = found;
    Found { subject, version, id, schema: body }
}

fn asked(body: Result<Bytes, BytesRejection>) -> Result<SchemaText, Refusal> {
    let Asked { schema, schema_type, references } = json(body)?;
    if schema_type.as_deref().is_some_and(|found| found != AVRO) {
        return Err(Refusal::schema_invalid("expected an AVRO schema, found another type"));
    }
    if references.is_some_and(|found| !found.is_empty()) {
        return Err(Refusal::schema_invalid("expected a schema without references, found some"));
    }
    SchemaText::parse(&schema).map_err(|error| Refusal::schema_invalid(&error.to_string()))
}

fn json<T: serde::de::DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Refusal> {
    let body = body.map_err(|error| Refusal::body(error.status(), &error.body_text()))?;
    serde_json::from_slice(&body)
        .map_err(|error| Refusal::body(axum::http::StatusCode::BAD_REQUEST, &error.to_string()))
}
