//! The text of a schema as registries know it: what makes two texts the same, and whether one
//! reads what another wrote.
//!
//! Two texts are the same where their JSON is, whatever the white space and the order of keys;
//! documentation and logical types count. The canonical form of Avro is not used for that: it
//! leaves logical types out, so that milliseconds and microseconds would share a number.

use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Bytes of a schema's text.
pub const SCHEMA_BYTES_MAX: usize = 64 << 10;

/// Why a text is no schema.
#[derive(Debug, thiserror::Error)]
pub enum SchemaTextError {
    /// More bytes than a schema may have.
    #[error("schema: expected at most {SCHEMA_BYTES_MAX} bytes, found {found}")]
    TooLarge {
        /// How many there are.
        found: usize,
    },
    /// Not JSON.
    #[error("schema: expected JSON, found something else: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON, but no Avro schema.
    #[error("schema: expected an Avro schema, found something else: {0}")]
    Avro(Box<apache_avro::Error>),
}

/// A schema with its text.
#[derive(Clone, Debug)]
pub struct SchemaText {
    schema: Schema,
    text: String,
    digest: [u8; 32],
}

impl SchemaText {
    /// Reads a text.
    ///
    /// # Errors
    /// [`SchemaTextError`] where it is no Avro schema.
    pub fn parse(text: &str) -> Result<Self, SchemaTextError> {
        if text.len() > SCHEMA_BYTES_MAX {
            return Err(SchemaTextError::TooLarge { found: text.len() });
        }
        let json: Value = serde_json::from_str(text)?;
        let schema = match Schema::parse_str(text) {
            Ok(schema) => schema,
            Err(error) => return Err(SchemaTextError::Avro(Box::new(error))),
        };
        // Keys of an object come sorted.
        let text = json.to_string();
        let digest = Sha256::digest(text.as_bytes()).into();
        Ok(Self { schema, text, digest })
    }

    /// JSON without white space, keys in order.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the text: the same digest, the same schema.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The schema.
    #[must_use]
    pub const fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The full name of a record, an enum or a fixed.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        self.schema.name().map(|name| name.fullname(None))
    }

    /// Why this schema does not read everything that `earlier` wrote; `None` where it does. This
    /// is the rule that registries call backward.
    #[must_use]
    pub fn breaks(&self, earlier: &Self) -> Option<String> {
        match SchemaCompatibility::can_read(&earlier.schema, &self.schema) {
            Ok(Compatibility::Full) => None,
            Ok(Compatibility::Partial) => Some("only some of its values can be read".to_owned()),
            Err(error) => Some(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SCHEMA_BYTES_MAX, SchemaText, SchemaTextError};

    fn record(fields: &str) -> SchemaText {
        let text = format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
        SchemaText::parse(&text).unwrap()
    }

    #[test]
    fn white_space_and_order_of_keys_make_no_other_schema_but_units_do() {
        let one = record(r#"{"name":"a","type":"long"}"#);
        let other = "{ \"name\": \"R\",\n\"fields\": [ {\"type\":\"long\", \"name\":\"a\"} ], \
                     \"type\": \"record\" }";
        let other = SchemaText::parse(other).unwrap();
        assert_eq!((one.digest(), one.as_str()), (other.digest(), other.as_str()));
        assert_eq!(
            one.as_str(),
            r#"{"fields":[{"name":"a","type":"long"}],"name":"R","type":"record"}"#
        );
        let timestamp = |unit: &str| {
            record(&format!(r#"{{"name":"a","type":{{"type":"long","logicalType":"{unit}"}}}}"#))
        };
        let (ms, us) = (timestamp("timestamp-millis"), timestamp("timestamp-micros"));
        assert_ne!(ms.digest(), us.digest());
        assert_eq!(one.name().as_deref(), Some("R"));
        assert_eq!(SchemaText::parse(r#""string""#).unwrap().name(), None);
    }

    #[test]
    fn what_is_no_schema_is_refused_for_what_it_is() {
        let found = |text: &str| SchemaText::parse(text).unwrap_err();
        assert!(matches!(found("{"), SchemaTextError::Json(_)));
        for text in ["7", r#"{"type":"record","name":"R"}"#, r#"{"type":"recrod"}"#] {
            assert!(matches!(found(text), SchemaTextError::Avro(_)), "{text}");
        }
        let large = format!("\"string\"{}", " ".repeat(SCHEMA_BYTES_MAX));
        assert!(matches!(found(&large), SchemaTextError::TooLarge { .. }));
    }

    #[test]
    fn a_schema_reads_what_an_earlier_one_wrote_or_says_why_not() {
        let first = record(r#"{"name":"a","type":"int"}"#);
        let check = |fields: &str, reads: bool| {
            let breaks = record(fields).breaks(&first);
            assert_eq!(breaks.is_none(), reads, "{fields}: {breaks:?}");
        };
        check(r#"{"name":"a","type":"int"}"#, true);
        check(r#"{"name":"a","type":"long"}"#, true);
        check("", true);
        check(r#"{"name":"a","type":"int"},{"name":"b","type":"int","default":0}"#, true);
        check(r#"{"name":"a","type":"int"},{"name":"b","type":"int"}"#, false);
        check(r#"{"name":"a","type":"string"}"#, false);
        // What may be null is not always read as what may not.
        let nullable = record(r#"{"name":"a","type":["null","int"]}"#);
        assert!(first.breaks(&nullable).is_some());
        assert!(nullable.breaks(&first).is_none());
    }
}
