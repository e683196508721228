//! One feed of a manifest: format, limits, and the records that it makes.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::avro::AvroFormat;
use super::document::Node;
use super::kinds::{Kind, Need, Shape as FieldShape};
use super::order::OrderPlan;
use super::source::{Read, Source, Surroundings, time_format};
use super::{FormatKind, ManifestError};
use crate::domain::ids::FeedId;
use crate::normalize::cell::{Plan, Want};

/// One stream of messages of a connector.
#[derive(Clone, Debug)]
pub struct Feed {
    pub(in crate::normalize) id: FeedId,
    pub(in crate::normalize) format: Format,
    pub(in crate::normalize) bytes_max: usize,
    pub(in crate::normalize) compression: Option<Compression>,
    pub(in crate::normalize) resolution_ms: u32,
    pub(in crate::normalize) plan: Plan,
    pub(in crate::normalize) own: Option<(Read, Vec<String>)>,
    pub(in crate::normalize) types: Option<Types>,
    pub(in crate::normalize) key: Vec<Read>,
    pub(in crate::normalize) records: Vec<Record>,
}

/// How the bytes of a record are written.
#[derive(Clone, Debug)]
pub enum Format {
    /// One JSON object a record; a file has one a line.
    Json {
        /// Most levels of nesting.
        depth_max: u32,
    },
    /// One CSV record; a file begins with the header line.
    Csv(CsvFormat),
    /// One Avro datum; a file is an object container file.
    Avro(AvroFormat),
}

/// How each value of a feed is compressed; a body of intake that is compressed as a whole is
/// intake's own matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::normalize) struct Compression {
    /// A value that unpacks to more than so many times its own size is a bomb.
    pub(in crate::normalize) ratio_max: usize,
}

/// How a CSV feed is written.
#[derive(Clone, Debug)]
pub struct CsvFormat {
    /// UTF-8 or GB18030.
    pub encoding: &'static encoding_rs::Encoding,
    /// The header lines that the manifest knows, newest first.
    pub(in crate::normalize) layouts: Vec<Layout>,
}

/// A CSV header line that the manifest knows.
#[derive(Clone, Debug)]
pub(in crate::normalize) struct Layout {
    pub(in crate::normalize) line: String,
    /// SHA-256 of the line in the feed's encoding, without byte order mark and line end.
    pub(in crate::normalize) digest: [u8; 32],
    /// The slot of each column that is wanted.
    pub(in crate::normalize) columns: Vec<Option<usize>>,
}

/// The field that tells the records of a feed apart.
#[derive(Clone, Debug)]
pub(in crate::normalize) struct Types {
    pub(in crate::normalize) read: Read,
    pub(in crate::normalize) ignored: Vec<String>,
}

/// One kind of record in a feed.
#[derive(Clone, Debug)]
pub(in crate::normalize) struct Record {
    /// The native type, where the feed has several.
    pub(in crate::normalize) native: Option<String>,
    pub(in crate::normalize) makes: Makes,
}

/// What a record makes.
#[derive(Clone, Debug)]
pub(in crate::normalize) enum Makes {
    /// Orders, by status.
    Order(Box<OrderPlan>),
    /// One canonical record; sources by canonical field.
    Fact(Kind, Vec<(&'static str, Source)>),
}

const KEYS: [&str; 17] = [
    "name",
    "format",
    "bytes_max",
    "compression",
    "ratio_max",
    "depth_max",
    "encoding",
    "header_lines",
    "schema",
    "earlier_schemas",
    "framing",
    "time",
    "resolution_ms",
    "own",
    "type",
    "key",
    "record",
];

impl Feed {
    /// Its name.
    #[must_use]
    pub const fn id(&self) -> &FeedId {
        &self.id
    }

    /// How its records are written.
    #[must_use]
    pub const fn format(&self) -> &Format {
        &self.format
    }

    /// Most bytes of one record.
    #[must_use]
    pub const fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Whether each value is compressed by itself.
    #[must_use]
    pub const fn is_compressed(&self) -> bool {
        self.compression.is_some()
    }

    /// The resolution of its times in milliseconds.
    #[must_use]
    pub const fn resolution_ms(&self) -> u32 {
        self.resolution_ms
    }

    /// Whether its records are order messages.
    #[must_use]
    pub fn makes_orders(&self) -> bool {
        self.records.iter().any(|record| matches!(record.makes, Makes::Order(_)))
    }

    pub(super) fn compile(
        node: Node<'_>,
        files: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Self, ManifestError> {
        node.only(&KEYS)?;
        let id = node.need("name")?;
        let id = FeedId::new(id.text()?).map_err(|error| id.error(error.to_string()))?;
        let kind = FormatKind::compile(node.need("format")?)?;
        let mut plan = Plan::default();
        let time = node.get("time").map(time_format).transpose()?;
        let mut around = Surroundings { plan: &mut plan, format: kind, time };
        let own = node.get("own").map(|own| compile_own(own, &mut around)).transpose()?;
        let types = node.get("type").map(|types| Types::compile(types, &mut around)).transpose()?;
        let mut records = Vec::new();
        for record in node.need("record")?.list()? {
            records.push(Record::compile(record, types.is_some(), &mut around)?);
        }
        let mut key = Vec::new();
        for path in node.list_of("key")? {
            key.push(Read::compile(path, FieldShape::Text, &mut around)?);
        }
        check_key(node, &records, &key)?;
        let format = Format::compile(node, kind, &plan, files)?;
        let bytes_max = node.need("bytes_max")?;
        let Ok(bytes_max) = usize::try_from(bytes_max.number()?) else {
            return Err(bytes_max.error("expected a number of bytes that fits this machine"));
        };
        let compression = Compression::compile(node)?;
        let resolution_ms = node.get("resolution_ms").map_or(Ok(1), |ms| ms.number())?;
        Ok(Self {
            id,
            format,
            bytes_max,
            compression,
            resolution_ms,
            plan,
            own,
            types,
            key,
            records,
        })
    }
}

impl Compression {
    fn compile(feed: Node<'_>) -> Result<Option<Self>, ManifestError> {
        let Some(kind) = feed.get("compression") else {
            return match feed.get("ratio_max") {
                Some(ratio) => Err(ratio.error("expected compression beside it, found none")),
                None => Ok(None),
            };
        };
        if kind.text()? != "gzip" {
            return Err(kind.error(format!("expected gzip, found {:?}", kind.text()?)));
        }
        let ratio = feed.need("ratio_max")?;
        match usize::try_from(ratio.number()?) {
            Ok(ratio_max) if ratio_max >= 1 => Ok(Some(Self { ratio_max })),
            Ok(_) | Err(_) => Err(ratio.error("expected at least 1")),
        }
    }
}

fn compile_own(
    own: Node<'_>,
    around: &mut Surroundings<'_>,
) -> Result<(Read, Vec<String>), ManifestError> {
    own.only(&["path", "is"])?;
    let read = Read::compile(own.need("path")?, FieldShape::Text, around)?;
    let codes: Vec<String> = own.texts_of("is")?.into_iter().map(str::to_owned).collect();
    if codes.is_empty() {
        return Err(own.error("expected the platform's own codes in is = […], found none"));
    }
    Ok((read, codes))
}

/// Orders are kept by the owner of their number, so nothing else can be their key.
fn check_key(node: Node<'_>, records: &[Record], key: &[Read]) -> Result<(), ManifestError> {
    let orders = records.iter().filter(|record| matches!(record.makes, Makes::Order(_))).count();
    if orders == 0 && key.is_empty() {
        return Err(node.error("expected key = [paths], found none"));
    }
    if orders > 0 && !key.is_empty() {
        return Err(node.error("expected no key: orders are partitioned by their number"));
    }
    if orders > 0 && records.len() > 1 {
        return Err(node.error("expected orders alone in their feed, found other records"));
    }
    Ok(())
}

impl Types {
    fn compile(node: Node<'_>, around: &mut Surroundings<'_>) -> Result<Self, ManifestError> {
        node.only(&["path", "ignored"])?;
        let read = Read::compile(node.need("path")?, FieldShape::Text, around)?;
        let ignored = node.texts_of("ignored")?.into_iter().map(str::to_owned).collect();
        Ok(Self { read, ignored })
    }
}

impl Record {
    fn compile(
        node: Node<'_>,
        typed: bool,
        around: &mut Surroundings<'_>,
    ) -> Result<Self, ManifestError> {
        node.only(&["type", "makes", "status", "fields", "on"])?;
        let native = node.get("type").map(|native| native.text()).transpose()?;
        if native.is_some() != typed {
            return Err(node.error("expected type both here and in the feed, or in neither"));
        }
        let makes = node.need("makes")?;
        let word = makes.text()?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.code() == word);
        let Some(kind) = kind else {
            let words = Kind::ALL.map(Kind::code).join(", ");
            return Err(makes.error(format!("expected {words}, found {word:?}")));
        };
        let makes = if kind == Kind::Order {
            Makes::Order(Box::new(OrderPlan::compile(node, around)?))
        } else {
            node.only(&["type", "makes", "fields"])?;
            Makes::Fact(kind, compile_fields(node.need("fields")?, kind, around)?)
        };
        Ok(Self { native: native.map(str::to_owned), makes })
    }
}

fn compile_fields(
    node: Node<'_>,
    kind: Kind,
    around: &mut Surroundings<'_>,
) -> Result<Vec<(&'static str, Source)>, ManifestError> {
    let rules = kind.rules();
    let names: Vec<&str> = rules.iter().map(|rule| rule.name).collect();
    node.only(&names)?;
    let mut fields = Vec::new();
    for rule in rules {
        match (node.get(rule.name), rule.need) {
            (Some(field), _) => {
                fields.push((rule.name, Source::compile(field, rule.shape, around)?));
            }
            (None, Need::Optional) => {}
            (None, Need::Required | Need::Nullable) => {
                let detail = format!("required field {}: expected a source", rule.name);
                return Err(node.error(detail));
            }
        }
    }
    Ok(fields)
}

impl Format {
    fn compile(
        node: Node<'_>,
        kind: FormatKind,
        plan: &Plan,
        files: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Self, ManifestError> {
        let strangers: &[&str] = match kind {
            FormatKind::Json => {
                &["encoding", "header_lines", "schema", "earlier_schemas", "framing"]
            }
            // The header line of a CSV value stands outside of it.
            FormatKind::Csv => {
                &["depth_max", "schema", "earlier_schemas", "framing", "compression"]
            }
            FormatKind::Avro => &["depth_max", "encoding", "header_lines"],
        };
        if let Some(stranger) = strangers.iter().find_map(|key| node.get(key)) {
            return Err(stranger.error("expected no such key in a feed of this format"));
        }
        match kind {
            FormatKind::Json => {
                let depth = node.need("depth_max")?;
                match depth.number()? {
                    depth_max @ 1..=64 => Ok(Self::Json { depth_max }),
                    other => Err(depth.error(format!("expected 1 to 64 levels, found {other}"))),
                }
            }
            FormatKind::Csv => Ok(Self::Csv(CsvFormat::compile(node, plan)?)),
            FormatKind::Avro => Ok(Self::Avro(AvroFormat::compile(node, plan, files)?)),
        }
    }
}

impl CsvFormat {
    fn compile(node: Node<'_>, plan: &Plan) -> Result<Self, ManifestError> {
        let name = node.need("encoding")?;
        let encoding = match name.text()? {
            "utf-8" => encoding_rs::UTF_8,
            "gb18030" => encoding_rs::GB18030,
            other => return Err(name.error(format!("expected utf-8 or gb18030, found {other:?}"))),
        };
        let mut layouts = Vec::new();
        for line in node.need("header_lines")?.list()? {
            layouts.push(Layout::compile(line, encoding, plan)?);
        }
        if layouts.is_empty() {
            return Err(node.error("expected at least one header line, found none"));
        }
        Ok(Self { encoding, layouts })
    }
}

impl Layout {
    fn compile(
        node: Node<'_>,
        encoding: &'static encoding_rs::Encoding,
        plan: &Plan,
    ) -> Result<Self, ManifestError> {
        let line = node.text()?;
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
        let names = match reader.records().next() {
            Some(Ok(names)) => names,
            Some(Err(_)) | None => return Err(node.error("expected a CSV header line")),
        };
        let mut columns = vec![None; names.len()];
        for member in &plan.root {
            let Want::Value(slot) = member.want else { continue };
            let column = names.iter().position(|name| name == member.name);
            match column.and_then(|column| columns.get_mut(column)) {
                Some(place) => *place = Some(slot),
                None => {
                    let detail =
                        format!("expected the mapped column {:?}, found none", member.name);
                    return Err(node.error(detail));
                }
            }
        }
        let (bytes, _, unwritable) = encoding.encode(line);
        if unwritable {
            return Err(node.error("expected characters that the feed's encoding has"));
        }
        Ok(Self { line: line.to_owned(), digest: Sha256::digest(&bytes).into(), columns })
    }
}
