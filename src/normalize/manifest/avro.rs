//! How an Avro feed is written: its schemas, and which values name theirs.

use std::collections::BTreeMap;

use apache_avro::Schema;

use super::ManifestError;
use super::document::Node;
use crate::normalize::avro::{Shape, ShapeError};
use crate::normalize::cell::Plan;
use crate::schema::text::SchemaText;

/// How an Avro feed is written.
#[derive(Clone, Debug)]
pub struct AvroFormat {
    /// What wrote the values that name no schema, and the newest of those that do.
    pub(in crate::normalize) newest: Box<Writer>,
    /// What wrote values of before, oldest first.
    pub(in crate::normalize) earlier: Vec<Writer>,
    pub(in crate::normalize) framing: Option<Framing>,
}

/// A schema that values are written with.
#[derive(Clone, Debug)]
pub(in crate::normalize) struct Writer {
    pub(in crate::normalize) schema: SchemaText,
    pub(in crate::normalize) shape: Shape,
    /// The number of the schema, where it is known. A registry never gives a number again, so
    /// that what a record means rests on the manifest alone.
    pub(in crate::normalize) number: Option<u32>,
}

/// Which values name the schema that they are written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::normalize) enum Framing {
    /// All of them.
    Always,
    /// Those that begin with a zero byte, which no other lawful value of the feed does.
    Maybe,
}

impl AvroFormat {
    /// The schema of values that name none, and of container files.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        self.newest.schema.schema()
    }

    /// The number of the newest schema, where it is known.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        self.newest.number
    }

    /// The schemas that framed values may be written with, oldest first; none where no value is
    /// framed.
    pub(in crate::normalize) fn framed(&self) -> impl Iterator<Item = &SchemaText> {
        let writers = self.earlier.iter().chain([&*self.newest]).map(|writer| &writer.schema);
        writers.filter(|_| self.framing.is_some())
    }

    /// All writers, to be given their numbers.
    pub(in crate::normalize) fn writers_mut(&mut self) -> impl Iterator<Item = &mut Writer> {
        self.earlier.iter_mut().chain([&mut *self.newest])
    }

    pub(super) fn compile(
        node: Node<'_>,
        plan: &Plan,
        files: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Self, ManifestError> {
        let newest =
            Writer::compile(node.need("schema")?, files, |schema| Shape::new(schema, &plan.root))?;
        let framing = Framing::compile(node, &newest.schema)?;
        let mut earlier = Vec::new();
        for name in node.list_of("earlier_schemas")? {
            if framing.is_none() {
                return Err(name.error("expected framing beside it: no other value says which"));
            }
            let writer =
                Writer::compile(name, files, |schema| Shape::of_earlier(schema, &plan.root))?;
            earlier.push(writer);
        }
        Ok(Self { newest: Box::new(newest), earlier, framing })
    }
}

impl Writer {
    fn compile(
        name: Node<'_>,
        files: &BTreeMap<String, Vec<u8>>,
        shape: impl FnOnce(&Schema) -> Result<Shape, ShapeError>,
    ) -> Result<Self, ManifestError> {
        let Some(bytes) = files.get(name.text()?) else {
            return Err(name.error("expected a schema file in the connector's folder"));
        };
        let schema = match SchemaText::parse(&String::from_utf8_lossy(bytes)) {
            Ok(schema) => schema,
            Err(error) => return Err(name.error(format!("expected an Avro schema: {error}"))),
        };
        let shape = shape(schema.schema()).map_err(|error| {
            name.error(match error {
                ShapeError::NoField(field) => {
                    format!("expected the mapped field {field:?} in the schema, found none")
                }
                ShapeError::Unsupported(what) => {
                    format!("expected a schema that this reader knows, found {what}")
                }
            })
        })?;
        Ok(Self { schema, shape, number: None })
    }
}

impl Framing {
    fn compile(feed: Node<'_>, schema: &SchemaText) -> Result<Option<Self>, ManifestError> {
        let Some(word) = feed.get("framing") else { return Ok(None) };
        match word.text()? {
            "confluent" => Ok(Some(Self::Always)),
            "confluent or none" if begins_with_own_code(feed, schema)? => Ok(Some(Self::Maybe)),
            "confluent or none" => Err(word.error(
                "expected the platform's code, a string, as first field of the schema: only then \
                 no value without a frame begins with a zero byte; say \"confluent\", or make \
                 two feeds",
            )),
            other => Err(word.error(format!(
                "expected \"confluent\" or \"confluent or none\", found {other:?}"
            ))),
        }
    }
}

/// Whether the first bytes of a datum are the platform's own code. A record with an empty one is
/// another platform's.
fn begins_with_own_code(feed: Node<'_>, schema: &SchemaText) -> Result<bool, ManifestError> {
    let Some(own) = feed.get("own") else { return Ok(false) };
    let (path, codes) = (own.need("path")?.text()?, own.texts_of("is")?);
    let Schema::Record(record) = schema.schema() else { return Ok(false) };
    let first = record.fields.first();
    let is_first = first.is_some_and(|it| it.name == path && it.schema == Schema::String);
    Ok(is_first && !codes.contains(&""))
}
