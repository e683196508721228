//! The right-hand side of a field: where its value stands and how it is written.

use compact_str::CompactString;

use super::document::Node;
use super::kinds::Shape;
use super::{FormatKind, ManifestError};
use crate::domain::event::CountySource;
use crate::normalize::cell::{Plan, PlanError, SLOTS_MAX};
use crate::normalize::time::TimeFormat;

/// Where the value of a canonical field comes from.
#[derive(Clone, Debug)]
pub(in crate::normalize) enum Source {
    /// The manifest itself says it.
    Constant(CompactString),
    /// The first of these that is there.
    First(Vec<Read>),
}

/// One place in the native record.
#[derive(Clone, Debug)]
pub(in crate::normalize) struct Read {
    /// Its slot.
    pub(in crate::normalize) slot: usize,
    /// Its path, for reasons.
    pub(in crate::normalize) path: String,
    /// Values that mean: not there.
    pub(in crate::normalize) absent: Vec<CompactString>,
    /// Whether a text field is written as a number.
    pub(in crate::normalize) number: bool,
    /// Native and canonical words; `None` takes the text as it is.
    pub(in crate::normalize) codes: Option<Vec<(String, CompactString)>>,
    /// How a moment is written.
    pub(in crate::normalize) time: Option<TimeFormat>,
    /// What a county from here is.
    pub(in crate::normalize) county: CountySource,
    /// Separators of a list in one text: between pairs, within a pair.
    pub(in crate::normalize) pairs: Option<(char, char)>,
}

/// What the feed gives to every source in it.
pub(super) struct Surroundings<'f> {
    pub(super) plan: &'f mut Plan,
    pub(super) format: FormatKind,
    pub(super) time: Option<TimeFormat>,
}

const KEYS: [&str; 8] = ["path", "absent", "as", "time", "source", "codes", "rows", "pairs"];

impl Source {
    /// Compiles one right-hand side.
    pub(super) fn compile(
        node: Node<'_>,
        shape: Shape,
        around: &mut Surroundings<'_>,
    ) -> Result<Self, ManifestError> {
        if let Some(constant) = node.get("const") {
            node.only(&["const"])?;
            if let Shape::Code(words) = shape {
                return Err(node.error(format!("expected codes for {}", words.join(", "))));
            }
            return Ok(Self::Constant(constant.text()?.into()));
        }
        let nodes = if node.is_list() { node.list()? } else { vec![node] };
        if nodes.is_empty() {
            return Err(node.error("expected at least one source, found an empty list"));
        }
        let reads = nodes.into_iter().map(|node| Read::compile(node, shape, around));
        Ok(Self::First(reads.collect::<Result<_, _>>()?))
    }

    /// Every word that it can give, where the manifest itself lists them.
    pub(super) fn words(&self) -> Vec<&str> {
        match self {
            Self::Constant(text) => vec![text],
            Self::First(reads) => {
                let codes = reads.iter().filter_map(|read| read.codes.as_ref()).flatten();
                codes.map(|(_, to)| to.as_str()).collect()
            }
        }
    }

    /// The paths in words, for reasons: `a or b`.
    pub(in crate::normalize) fn paths(&self) -> String {
        match self {
            Self::Constant(text) => text.to_string(),
            Self::First(reads) => {
                reads.iter().map(|read| read.path.as_str()).collect::<Vec<_>>().join(" or ")
            }
        }
    }
}

impl Read {
    /// Compiles one place: a path, or a table with more about it.
    pub(super) fn compile(
        node: Node<'_>,
        shape: Shape,
        around: &mut Surroundings<'_>,
    ) -> Result<Self, ManifestError> {
        let mut place = node;
        if node.is_table() {
            node.only(&KEYS)?;
            place = node.need("path")?;
        }
        let read = Self {
            slot: slot(place, node.get("rows"), around)?,
            path: place.text()?.to_owned(),
            absent: node.texts_of("absent")?.into_iter().map(CompactString::from).collect(),
            number: node.get("as").map_or(Ok(false), as_number)?,
            codes: node.get("codes").map(compile_codes).transpose()?,
            time: match node.get("time") {
                Some(time) => Some(time_format(time)?),
                None => around.time.clone(),
            },
            county: node.get("source").map_or(Ok(CountySource::Acceptance), county_source)?,
            pairs: node.get("pairs").map(separators).transpose()?,
        };
        read.fits(node, shape)?;
        Ok(read)
    }

    /// Checks that what is said of the place is what the canonical field needs.
    fn fits(&self, node: Node<'_>, shape: Shape) -> Result<(), ManifestError> {
        let listed = matches!(shape, Shape::Counts | Shape::Amounts);
        let ways = usize::from(self.pairs.is_some()) + usize::from(node.get("rows").is_some());
        if ways != usize::from(listed) {
            let what = if listed { "either rows or pairs" } else { "neither rows nor pairs" };
            return Err(node.error(format!("expected {what} for this field")));
        }
        if shape == Shape::Time && self.time.is_none() {
            return Err(node.error("expected a time format here or in the feed, found none"));
        }
        let Shape::Code(words) = shape else {
            return Ok(());
        };
        let codes = self.codes.as_deref().unwrap_or_default();
        if let Some((_, odd)) = codes.iter().find(|(_, to)| !words.contains(&to.as_str())) {
            return Err(node.error(format!("expected {}, found {odd:?}", words.join(", "))));
        }
        let hole = words.iter().find(|word| !codes.iter().any(|(_, to)| to == **word));
        match hole {
            Some(word) => {
                Err(node.error(format!("expected codes for {word:?}, found none: a hole")))
            }
            None => Ok(()),
        }
    }
}

fn slot(
    place: Node<'_>,
    rows: Option<Node<'_>>,
    around: &mut Surroundings<'_>,
) -> Result<usize, ManifestError> {
    let path = place.text()?;
    let slot = match (rows, around.format) {
        (Some(rows), FormatKind::Json) => around.plan.rows(path, two_texts(rows)?),
        (Some(rows), FormatKind::Csv | FormatKind::Avro) => {
            return Err(rows.error("expected a JSON feed: only it has rows"));
        }
        (None, FormatKind::Csv) => around.plan.column(path),
        (None, FormatKind::Json | FormatKind::Avro) => around.plan.slot(path),
    };
    slot.map_err(|error| {
        place.error(match error {
            PlanError::Shape => format!("expected a path without empty steps, found {path:?}"),
            PlanError::Both => {
                format!("path {path:?}: expected one use, found a value and an object")
            }
            PlanError::TooMany => format!("expected at most {SLOTS_MAX} paths in one feed"),
        })
    })
}

fn as_number(node: Node<'_>) -> Result<bool, ManifestError> {
    match node.text()? {
        "number" => Ok(true),
        other => Err(node.error(format!("expected \"number\", found {other:?}"))),
    }
}

/// Reads the name of a time format.
pub(super) fn time_format(node: Node<'_>) -> Result<TimeFormat, ManifestError> {
    let name = node.text()?;
    TimeFormat::named(name).ok_or_else(|| {
        let expected = "epoch_ms, epoch_s, rfc3339 or a pattern of YYYY MM DD hh mm ss";
        node.error(format!("expected {expected}, found {name:?}"))
    })
}

fn county_source(node: Node<'_>) -> Result<CountySource, ManifestError> {
    let all = [CountySource::Acceptance, CountySource::Pickup, CountySource::Registration];
    let name = node.text()?;
    all.into_iter().find(|source| source.code() == name).ok_or_else(|| {
        node.error(format!("expected acceptance, pickup or registration, found {name:?}"))
    })
}

fn compile_codes(node: Node<'_>) -> Result<Vec<(String, CompactString)>, ManifestError> {
    let codes: Vec<(String, CompactString)> = if node.is_list() {
        let words = node.list()?;
        let same = words.iter().map(|word| Ok((word.text()?.to_owned(), word.text()?.into())));
        same.collect::<Result<_, ManifestError>>()?
    } else {
        let table = node.entries().map(|to| Ok((to.key().to_owned(), to.text()?.into())));
        table.collect::<Result<_, ManifestError>>()?
    };
    if codes.is_empty() {
        return Err(node.error("expected a list or table of codes, found none"));
    }
    Ok(codes)
}

fn two_texts(node: Node<'_>) -> Result<[&str; 2], ManifestError> {
    match node.list()?.as_slice() {
        [first, second] => Ok([first.text()?, second.text()?]),
        other => Err(node.error(format!("expected two texts, found {}", other.len()))),
    }
}

fn separators(node: Node<'_>) -> Result<(char, char), ManifestError> {
    let [between, within] = two_texts(node)?.map(|text| {
        let mut characters = text.chars();
        characters.next().filter(|_| characters.next().is_none())
    });
    match (between, within) {
        (Some(between), Some(within)) if between != within => Ok((between, within)),
        _ => Err(node.error("expected two different separators of one character each")),
    }
}
