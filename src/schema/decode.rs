//! Avro datum to order event, resolving an older writer's schema to this version's.
//!
//! Reading goes through the Avro library, writing does not: each is the other's test.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "Avro's values are not ours: any other kind than the expected one is refused"
)]

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;

use crate::domain::event::{CountySource, Envelope, OrderEvent, OrderKind, Origin};
use crate::domain::ids::{
    ConnectorId, CountyCode, EventId, FeedId, IdError, LineCode, OrderId, PlatformId, WorkerToken,
};
use crate::domain::message::Source;
use crate::domain::time::Moment;

/// Why bytes are no order event.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// No datum of the writer's schema, or none that this version's schema can take.
    #[error("order event: {0}")]
    Avro(#[from] apache_avro::Error),
    /// More bytes than the datum.
    #[error("order event: expected its end, found {bytes} bytes more")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// A field of another kind or with a value that the domain does not have.
    #[error("order event, field {field}: expected {expected}, found {found}")]
    Field {
        /// Field of the schema.
        field: &'static str,
        /// What fits.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// A text that is no identifier.
    #[error("order event: {0}")]
    Id(#[from] IdError),
}

/// Reads order events of one writer's schema.
pub struct OrderReader<'s> {
    reader: GenericDatumReader<'s>,
}

impl<'s> OrderReader<'s> {
    /// A reader of what `writer` wrote, as `reader` (this version's schema) sees it.
    ///
    /// # Errors
    /// [`DecodeError::Avro`] where a schema names what it does not define.
    pub fn new(writer: &'s Schema, reader: &'s Schema) -> Result<Self, DecodeError> {
        let reader = GenericDatumReader::builder(writer).reader_schema(reader).build()?;
        Ok(Self { reader })
    }

    /// The event of one datum and where it came from.
    ///
    /// # Errors
    /// [`DecodeError`] where the bytes are no such datum.
    pub fn read(&self, mut datum: &[u8]) -> Result<(Envelope, OrderEvent), DecodeError> {
        let value = self.reader.read_value(&mut datum)?;
        if !datum.is_empty() {
            return Err(DecodeError::Trailing { bytes: datum.len() });
        }
        let mut fields = Fields::of("record", value)?;
        let envelope = envelope(&mut fields)?;
        let order = order(&mut fields, envelope.occurred_at)?;
        Ok((envelope, order))
    }
}

fn envelope(fields: &mut Fields) -> Result<Envelope, DecodeError> {
    let event_id = EventId::new(&fields.text("event_id")?)?;
    let connector = ConnectorId::new(&fields.text("connector")?)?;
    let feed = FeedId::new(&fields.text("feed")?)?;
    let mut source = Fields::of("source", fields.take("source"))?;
    let source = Source {
        topic: source.text("topic")?.into(),
        partition: source.number("partition")?,
        offset: source.number("offset")?,
    };
    let occurred_at = fields.moment("occurred_at")?;
    let received_at = fields.moment("received_at")?;
    Ok(Envelope { event_id, connector, feed, source, occurred_at, received_at })
}

fn order(fields: &mut Fields, occurred_at: Moment) -> Result<OrderEvent, DecodeError> {
    let kinds = OrderKind::ALL.map(|kind| (kind.code(), kind));
    let sources = [CountySource::Acceptance, CountySource::Pickup, CountySource::Registration];
    let sources = sources.map(|source| (source.code(), source));
    Ok(OrderEvent {
        kind: coded("kind", &fields.text("kind")?, &kinds)?,
        platform: PlatformId::new(&fields.text("platform")?)?,
        order_id: OrderId::new(&fields.text("order_id")?)?,
        line: fields.optional("line", |text| Ok(LineCode::new(&text)?))?,
        worker: worker(fields.branch("worker"))?,
        accepted_at: fields.optional_moment("accepted_at")?,
        ended_at: fields.optional_moment("ended_at")?,
        occurred_at,
        county: fields.optional("county", |text| county("county", text))?,
        county_source: fields
            .optional("county_source", |text| coded("county_source", &text, &sources))?,
        service_county: fields.optional("service_county", |text| county("service_county", text))?,
        origin: origin(fields)?.boxed(),
        resolution_ms: fields.number("resolution_ms")?,
    })
}

fn worker(value: Value) -> Result<Option<WorkerToken>, DecodeError> {
    if value == Value::Null {
        return Ok(None);
    }
    if let Value::Fixed(_, bytes) = &value
        && let Some(token) = bytes.first_chunk::<8>().filter(|_| bytes.len() == 8)
    {
        return Ok(Some(WorkerToken(u64::from_be_bytes(*token))));
    }
    Err(wrong("worker", "8 bytes", &value))
}

fn origin(fields: &mut Fields) -> Result<Origin, DecodeError> {
    Ok(Origin {
        agent: fields.optional("agent", |text| Ok(ConnectorId::new(&text)?))?,
        channel: fields.optional("channel", Ok)?,
        upstream: upstream(fields.branch("upstream"))?,
    })
}

fn upstream(value: Value) -> Result<Option<(PlatformId, OrderId)>, DecodeError> {
    if value == Value::Null {
        return Ok(None);
    }
    let mut fields = Fields::of("upstream", value)?;
    let platform = PlatformId::new(&fields.text("platform")?)?;
    Ok(Some((platform, OrderId::new(&fields.text("order_id")?)?)))
}

fn county(field: &'static str, text: String) -> Result<CountyCode, DecodeError> {
    let code = text.parse().ok().and_then(CountyCode::new);
    code.ok_or(DecodeError::Field { field, expected: "six digits", found: text })
}

fn coded<T: Copy>(field: &'static str, text: &str, codes: &[(&str, T)]) -> Result<T, DecodeError> {
    match codes.iter().find(|(code, _)| *code == text) {
        Some((_, value)) => Ok(*value),
        None => Err(DecodeError::Field {
            field,
            expected: "a code of this version",
            found: text.to_owned(),
        }),
    }
}

/// Named values of a record; each is taken once.
struct Fields {
    values: Vec<(String, Value)>,
}

impl Fields {
    fn of(field: &'static str, value: Value) -> Result<Self, DecodeError> {
        match value {
            Value::Record(values) => Ok(Self { values }),
            other => Err(wrong(field, "a record", &other)),
        }
    }

    /// The value of a field; null where it is not there.
    fn take(&mut self, field: &str) -> Value {
        let found = self.values.iter_mut().find(|(name, _)| name == field);
        found.map_or(Value::Null, |(_, value)| std::mem::replace(value, Value::Null))
    }

    /// The value of a field without its union.
    fn branch(&mut self, field: &str) -> Value {
        let value = self.take(field);
        if let Value::Union(_, inner) = value { *inner } else { value }
    }

    fn text(&mut self, field: &'static str) -> Result<String, DecodeError> {
        match self.take(field) {
            Value::String(text) => Ok(text),
            other => Err(wrong(field, "a text", &other)),
        }
    }

    fn number<T: TryFrom<i64>>(&mut self, field: &'static str) -> Result<T, DecodeError> {
        let value = self.take(field);
        let number = if let Value::Long(number) = value { T::try_from(number).ok() } else { None };
        number.ok_or_else(|| wrong(field, "a number in range", &value))
    }

    fn moment(&mut self, field: &'static str) -> Result<Moment, DecodeError> {
        match self.take(field) {
            Value::TimestampMillis(ms) => Ok(Moment::from_ms(ms)),
            other => Err(wrong(field, "a timestamp", &other)),
        }
    }

    fn optional<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(String) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        match self.branch(field) {
            Value::Null => Ok(None),
            Value::String(text) => read(text).map(Some),
            other => Err(wrong(field, "a text or null", &other)),
        }
    }

    fn optional_moment(&mut self, field: &'static str) -> Result<Option<Moment>, DecodeError> {
        match self.branch(field) {
            Value::Null => Ok(None),
            Value::TimestampMillis(ms) => Ok(Some(Moment::from_ms(ms))),
            other => Err(wrong(field, "a timestamp or null", &other)),
        }
    }
}

fn wrong(field: &'static str, expected: &'static str, value: &Value) -> DecodeError {
    let found = format!("{value:?}").chars().take(80).collect();
    DecodeError::Field { field, expected, found }
}
