//! A consumer of canonical topics: reads the log, finds the schema by its number in the table that
//! is there for it, and decodes with the Avro library's own reader.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;

use crate::hub::Hub;
use crate::log::LogError;
use crate::schema::topics::ORDERS;

/// A record as a consumer has it.
pub(super) struct Consumed {
    pub(super) id: String,
    pub(super) value: Value,
    pub(super) bytes: Vec<u8>,
}

/// An order event as a consumer has it.
pub(super) struct Seen {
    pub(super) id: String,
    pub(super) platform: String,
    pub(super) order_id: String,
    pub(super) kind: String,
    /// All fields but source and append time.
    pub(super) content: String,
}

impl Seen {
    /// The day in its id.
    pub(super) fn day(&self) -> &str {
        let id = self.id.strip_suffix(":withdrawn").unwrap_or(&self.id);
        id.rsplit(':').next().unwrap()
    }
}

pub(super) async fn consume(hub: &Hub, topic: &str) -> Vec<Consumed> {
    let mut schemas: HashMap<u32, Schema> = HashMap::new();
    let mut consumed = Vec::new();
    let extents = match hub.engine.log.extents(topic).await {
        Ok(extents) => extents,
        Err(LogError::TopicUnknown { .. }) => Vec::new(),
        Err(error) => panic!("{error}"),
    };
    for extent in extents {
        let mut from = extent.first;
        while from < extent.next {
            let batch = hub.engine.log.read(topic, extent.partition, from, 1 << 20).await.unwrap();
            for record in &batch.records {
                let bytes = batch.value(record);
                assert_eq!(bytes[0], 0, "the frame's first byte");
                let number = u32::from_be_bytes(bytes[1..5].try_into().unwrap());
                let schema = match schemas.entry(number) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(unknown) => unknown.insert(schema(hub, number).await),
                };
                let reader = GenericDatumReader::builder(schema).build().unwrap();
                let mut rest = &bytes[5..];
                let value = reader.read_value(&mut rest).unwrap();
                assert!(rest.is_empty(), "{} bytes behind the datum", rest.len());
                let id = text(&value, "event_id");
                consumed.push(Consumed { id, value, bytes: bytes.to_vec() });
                from = record.offset + 1;
            }
        }
    }
    consumed
}

pub(super) async fn orders(hub: &Hub) -> Vec<Seen> {
    let seen = |consumed: Consumed| {
        let Value::Record(fields) = &consumed.value else { panic!("a record") };
        let content = fields.iter().filter(|(name, _)| name != "source" && name != "received_at");
        Seen {
            platform: text(&consumed.value, "platform"),
            order_id: text(&consumed.value, "order_id"),
            kind: text(&consumed.value, "kind"),
            content: format!("{:?}", content.collect::<Vec<_>>()),
            id: consumed.id,
        }
    };
    consume(hub, ORDERS).await.into_iter().map(seen).collect()
}

async fn schema(hub: &Hub, number: u32) -> Schema {
    let mut tx = hub.database().snapshot().await.unwrap();
    let query = sqlx::query_scalar::<_, String>("select body from canonical_schema where id = $1");
    let body = query.bind(i64::from(number)).fetch_one(&mut *tx).await.unwrap();
    Schema::parse_str(&body).unwrap()
}

fn text(value: &Value, name: &str) -> String {
    let Value::Record(fields) = value else { panic!("a record, found {value:?}") };
    match fields.iter().find(|(field, _)| field == name) {
        Some((_, Value::String(text))) => text.clone(),
        other => panic!("{name}: {other:?}"),
    }
}
