//! A connector's manifest: who it is, its feeds, and the compiled mapping of each.
//!
//! Everything that can be wrong in a mapping is found when it is loaded, with file, line and field.

mod avro;
mod document;
mod feed;
pub(super) mod kinds;
pub(super) mod order;
pub(super) mod source;

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::DeTable;

pub use self::avro::AvroFormat;
pub(super) use self::avro::Framing;
use self::document::{Node, line_of};
pub use self::feed::{CsvFormat, Feed, Format};
pub(super) use self::feed::{Makes, Record};
use self::source::Source;
use crate::domain::ids::{ConnectorId, CreditCode, FeedId, IdError, LineCode, NO_FEED, PlatformId};
use crate::domain::time::Day;
use crate::normalize::credit_code;

/// The manifest's file in a connector's folder.
const FILE: &str = "connector.toml";

/// A counterparty's manifest, compiled.
#[derive(Clone, Debug)]
pub struct Manifest {
    pub(super) name: ConnectorId,
    pub(super) platform: Option<PlatformId>,
    pub(super) feeds: Vec<Feed>,
    /// `connector.toml` and native schemas, as they were read.
    pub(super) files: BTreeMap<String, Vec<u8>>,
    legal_entity: String,
    credit_code: Option<CreditCode>,
    brands: Vec<Brand>,
    agents: Vec<ConnectorId>,
    lines: Vec<LineCode>,
    valid_from: Day,
    valid_until: Option<Day>,
    partitions: u32,
}

/// A name that a counterparty goes or went by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brand {
    /// The name.
    pub name: String,
    /// First day, where it is known.
    pub from: Option<Day>,
    /// Last day, where it has ended.
    pub until: Option<Day>,
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A file or folder cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// Which.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// Not TOML.
    #[error("{file}:{line}: expected TOML: {detail}")]
    Syntax {
        /// The manifest.
        file: String,
        /// Its line, from 1.
        line: usize,
        /// What the parser says.
        detail: String,
    },
    /// A value that is wrong.
    #[error("{file}:{line}: {field}: {detail}")]
    Field {
        /// The manifest.
        file: String,
        /// Its line, from 1.
        line: usize,
        /// The key.
        field: String,
        /// What was expected and found.
        detail: String,
    },
    /// A stored manifest version that does not unpack.
    #[error("stored manifests: {detail}")]
    Stored {
        /// What was expected and found.
        detail: String,
    },
}

/// The formats, before they are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FormatKind {
    Json,
    Csv,
    Avro,
}

impl FormatKind {
    fn compile(node: Node<'_>) -> Result<Self, ManifestError> {
        match node.text()? {
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            "avro" => Ok(Self::Avro),
            other => Err(node.error(format!("expected json, csv or avro, found {other:?}"))),
        }
    }
}

const KEYS: [&str; 11] = [
    "name",
    "platform",
    "legal_entity",
    "credit_code",
    "brands",
    "agents",
    "lines",
    "valid_from",
    "valid_until",
    "partitions",
    "feed",
];

impl Manifest {
    /// Loads and compiles the manifest in a connector's folder.
    ///
    /// # Errors
    /// [`ManifestError`] where a file cannot be read or a value is wrong.
    pub fn load(folder: &Path) -> Result<Self, ManifestError> {
        let read_error = |path: &Path| {
            let path = path.display().to_string();
            move |source| ManifestError::Read { path, source }
        };
        let mut files = BTreeMap::new();
        let manifest = folder.join(FILE);
        files.insert(FILE.to_owned(), std::fs::read(&manifest).map_err(read_error(&manifest))?);
        for entry in std::fs::read_dir(folder).map_err(read_error(folder))? {
            let path = entry.map_err(read_error(folder))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.extension().is_some_and(|extension| extension == "avsc") {
                files.insert(name.to_owned(), std::fs::read(&path).map_err(read_error(&path))?);
            }
        }
        let folder_name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        Self::from_files(folder_name, &manifest.display().to_string(), files)
    }

    /// Compiles a manifest from the files of its folder.
    pub(super) fn from_files(
        folder: &str,
        file: &str,
        files: BTreeMap<String, Vec<u8>>,
    ) -> Result<Self, ManifestError> {
        let bytes = files.get(FILE).map(Vec::as_slice).unwrap_or_default();
        let syntax = |line, detail| ManifestError::Syntax { file: file.to_owned(), line, detail };
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => return Err(syntax(1, error.to_string())),
        };
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            syntax(line_of(text, at), error.message().to_owned())
        })?;
        let root = Node::root(file, text, table.get_ref());
        let mut manifest = Self::compile(root, &files)?;
        if manifest.name.as_str() != folder {
            let detail = format!("expected the folder's name {folder:?}");
            return Err(root.need("name")?.error(detail));
        }
        manifest.files = files.clone();
        Ok(manifest)
    }

    fn compile(root: Node<'_>, files: &BTreeMap<String, Vec<u8>>) -> Result<Self, ManifestError> {
        root.only(&KEYS)?;
        let mut feeds: Vec<Feed> = Vec::new();
        for node in root.need("feed")?.list()? {
            let feed = Feed::compile(node, files)?;
            if feed.id.as_str() == NO_FEED {
                let other = "a name other than that of records without a feed";
                return Err(node.error(format!("expected {other}, found {NO_FEED:?}")));
            }
            if feeds.iter().any(|known| known.id == feed.id) {
                return Err(node.error(format!("expected each feed once, found {} twice", feed.id)));
            }
            feeds.push(feed);
        }
        let partitions = root.need("partitions")?;
        let manifest = Self {
            name: id(root.need("name")?, ConnectorId::new)?,
            platform: root.get("platform").map(|node| id(node, PlatformId::new)).transpose()?,
            feeds,
            files: BTreeMap::new(),
            legal_entity: root.need("legal_entity")?.text()?.to_owned(),
            credit_code: root
                .get("credit_code")
                .map(|node| id(node, credit_code::read))
                .transpose()?,
            brands: compile_brands(root)?,
            agents: ids(root.list_of("agents")?, ConnectorId::new)?,
            lines: ids(root.list_of("lines")?, LineCode::new)?,
            valid_from: day(root.need("valid_from")?)?,
            valid_until: root.get("valid_until").map(day).transpose()?,
            partitions: partitions.number()?,
        };
        if manifest.partitions == 0 {
            return Err(partitions.error("expected 1 or more partitions, found 0"));
        }
        manifest.check_platform(root)?;
        Ok(manifest)
    }

    /// What only a platform makes needs a platform, and lines that the platform has.
    fn check_platform(&self, root: Node<'_>) -> Result<(), ManifestError> {
        for (feed, node) in self.feeds.iter().zip(root.need("feed")?.list()?) {
            for record in &feed.records {
                let (of_platform, lines): (bool, Vec<&Source>) = match &record.makes {
                    Makes::Order(plan) => (true, plan.lines().collect()),
                    Makes::Fact(kind, fields) => {
                        let lines = fields.iter().filter(|(name, _)| *name == "line");
                        (kind.of_platform(), lines.map(|(_, source)| source).collect())
                    }
                };
                if !of_platform {
                    continue;
                }
                if self.platform.is_none() || feed.own.is_none() {
                    let detail = "expected platform in the manifest and own in the feed, \
                                  for records that only a platform makes";
                    return Err(node.error(detail));
                }
                for line in lines.into_iter().flat_map(Source::words) {
                    if !self.lines.iter().any(|known| known.as_str() == line) {
                        let detail = format!("expected a line of the platform, found {line:?}");
                        return Err(node.error(detail));
                    }
                }
            }
        }
        Ok(())
    }

    /// The connector: the folder's name.
    #[must_use]
    pub const fn name(&self) -> &ConnectorId {
        &self.name
    }

    /// The platform enterprise, where the counterparty is one.
    #[must_use]
    pub const fn platform(&self) -> Option<&PlatformId> {
        self.platform.as_ref()
    }

    /// The legal entity (法人) behind it.
    #[must_use]
    pub fn legal_entity(&self) -> &str {
        &self.legal_entity
    }

    /// 统一社会信用代码, where it is known.
    #[must_use]
    pub const fn credit_code(&self) -> Option<&CreditCode> {
        self.credit_code.as_ref()
    }

    /// Its brand names over time.
    #[must_use]
    pub fn brands(&self) -> &[Brand] {
        &self.brands
    }

    /// Who may report for it.
    #[must_use]
    pub fn agents(&self) -> &[ConnectorId] {
        &self.agents
    }

    /// Its lines of business.
    #[must_use]
    pub fn lines(&self) -> &[LineCode] {
        &self.lines
    }

    /// Whether the manifest holds on a day.
    #[must_use]
    pub fn is_valid_on(&self, day: Day) -> bool {
        self.valid_from <= day && self.valid_until.is_none_or(|last| day <= last)
    }

    /// Partitions that its topic is created with.
    #[must_use]
    pub const fn partitions(&self) -> u32 {
        self.partitions
    }

    /// Its feeds; the first is meant where a record names none.
    #[must_use]
    pub fn feeds(&self) -> &[Feed] {
        &self.feeds
    }

    /// The feed of a name.
    #[must_use]
    pub fn feed(&self, id: &FeedId) -> Option<&Feed> {
        self.feeds.iter().find(|feed| feed.id == *id)
    }
}

fn id<T>(node: Node<'_>, make: fn(&str) -> Result<T, IdError>) -> Result<T, ManifestError> {
    make(node.text()?).map_err(|error| node.error(error.to_string()))
}

fn ids<T>(
    nodes: Vec<Node<'_>>,
    make: fn(&str) -> Result<T, IdError>,
) -> Result<Vec<T>, ManifestError> {
    nodes.into_iter().map(|node| id(node, make)).collect()
}

fn day(node: Node<'_>) -> Result<Day, ManifestError> {
    let text = node.text()?;
    Day::parse(text).ok_or_else(|| node.error(format!("expected YYYY-MM-DD, found {text:?}")))
}

fn compile_brands(root: Node<'_>) -> Result<Vec<Brand>, ManifestError> {
    let brands = root.list_of("brands")?.into_iter().map(|node| {
        node.only(&["name", "from", "until"])?;
        Ok(Brand {
            name: node.need("name")?.text()?.to_owned(),
            from: node.get("from").map(day).transpose()?,
            until: node.get("until").map(day).transpose()?,
        })
    });
    brands.collect()
}
