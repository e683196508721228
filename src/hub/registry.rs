//! Numbers of schemas: given by the hub's own registry, or asked for at another one where a setting
//! names it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::{HubError, HubSettings, LogChoice};
use crate::normalize::Connectors;
use crate::registry::client::Client;
use crate::registry::{breaks, next_version};
use crate::schema::text::SchemaText;
use crate::schema::{Record, SchemaIds};
use crate::store::{Database, Tx, schemas};

/// Which registry gives the numbers.
pub(super) enum SchemaRegistry {
    /// The hub's own, which it serves.
    Own,
    /// Another one; what it said was asked before the transaction of the start.
    Elsewhere(Elsewhere),
}

/// Numbers that another registry gave.
pub(super) struct Elsewhere {
    address: String,
    asked: Vec<([u8; 32], u32)>,
    canonical: BTreeMap<Record, u32>,
    feeds: BTreeMap<[u8; 32], u32>,
}

impl SchemaRegistry {
    /// Asks the registry that is named, but for what it has said before.
    pub(super) async fn ask(
        settings: &HubSettings,
        db: &Database,
        connectors: &Connectors,
    ) -> Result<Self, HubError> {
        let Some(address) = &settings.schema_registry else { return Ok(Self::Own) };
        let client = Client::new(address)?;
        let mut found = Elsewhere {
            address: client.address().to_owned(),
            asked: Vec::new(),
            canonical: BTreeMap::new(),
            feeds: BTreeMap::new(),
        };
        for record in Record::ALL {
            let text = record.text();
            let id = found.id(db, &client, &subject_of(*record, &text), &text).await?;
            found.canonical.insert(*record, id);
        }
        for (subject, text) in feeds(settings, connectors) {
            let id = found.id(db, &client, &subject, text).await?;
            found.feeds.insert(*text.digest(), id);
        }
        Ok(Self::Elsewhere(found))
    }

    /// Writes down what numbers there are, and lets the connectors know theirs.
    pub(super) async fn settle(
        &self,
        tx: &mut Tx,
        settings: &HubSettings,
        connectors: &mut Connectors,
    ) -> Result<SchemaIds, HubError> {
        match self {
            Self::Own => {
                let feeds = settle_own(tx, settings, connectors).await?;
                connectors.number(&feeds);
                Ok(SchemaIds::default())
            }
            Self::Elsewhere(found) => {
                for (digest, id) in &found.asked {
                    schemas::keep_elsewhere(tx, &found.address, digest, *id).await?;
                }
                connectors.number(&found.feeds);
                Ok(SchemaIds::of(found.canonical.clone()))
            }
        }
    }

    pub(super) const fn is_own(&self) -> bool {
        matches!(self, Self::Own)
    }
}

impl Elsewhere {
    async fn id(
        &mut self,
        db: &Database,
        client: &Client,
        subject: &str,
        text: &SchemaText,
    ) -> Result<u32, HubError> {
        let mut tx = db.snapshot().await?;
        let known = schemas::id_elsewhere(&mut tx, &self.address, text.digest()).await?;
        // No transaction waits for somebody else's answer.
        tx.commit().await?;
        if let Some(id) = known {
            return Ok(id);
        }
        let id = client.id_for(subject, text).await?;
        self.asked.push((*text.digest(), id));
        Ok(id)
    }
}

/// Canonical schemas have their built-in numbers. A feed's schema becomes a version of its subject
/// where it reads what the versions before it wrote; it has the number of its text in any case.
/// Returns the numbers of feeds.
async fn settle_own(
    tx: &mut Tx,
    settings: &HubSettings,
    connectors: &Connectors,
) -> Result<BTreeMap<[u8; 32], u32>, HubError> {
    // Most starts find everything there, and then an instance need not be able to write.
    if let Some(ids) = find_own(tx, settings, connectors).await? {
        return Ok(ids);
    }
    schemas::hold(tx).await?;
    for record in Record::ALL {
        let (id, text) = (record.schema_id(), record.text());
        if schemas::id_of(tx, text.digest()).await? != Some(id) {
            schemas::keep(tx, id, text.digest(), text.as_str()).await?;
            let subject = subject_of(*record, &text);
            schemas::add_version(tx, &subject, record.schema_version(), id).await?;
        }
    }
    let mut ids = BTreeMap::new();
    for (subject, text) in feeds(settings, connectors) {
        let id = schemas::id_for(tx, text.digest(), text.as_str()).await?;
        if let Some(version) = new_version(tx, &subject, text, id).await? {
            schemas::add_version(tx, &subject, version, id).await?;
        }
        ids.insert(*text.digest(), id);
    }
    Ok(ids)
}

/// The numbers of feeds, where no schema lacks its number and no subject a version.
async fn find_own(
    tx: &mut Tx,
    settings: &HubSettings,
    connectors: &Connectors,
) -> Result<Option<BTreeMap<[u8; 32], u32>>, HubError> {
    for record in Record::ALL {
        if schemas::id_of(tx, record.text().digest()).await? != Some(record.schema_id()) {
            return Ok(None);
        }
    }
    let mut ids = BTreeMap::new();
    for (subject, text) in feeds(settings, connectors) {
        let Some(id) = schemas::id_of(tx, text.digest()).await? else { return Ok(None) };
        if new_version(tx, &subject, text, id).await?.is_some() {
            return Ok(None);
        }
        ids.insert(*text.digest(), id);
    }
    Ok(Some(ids))
}

/// The version that a schema becomes of its subject; `None` where it is one already, or breaks
/// those that are there.
async fn new_version(
    tx: &mut Tx,
    subject: &str,
    text: &SchemaText,
    id: u32,
) -> Result<Option<u32>, HubError> {
    let versions = schemas::versions(tx, subject).await?;
    let is_known = versions.iter().any(|version| version.id == id);
    if is_known || !breaks(text, &versions)?.is_empty() {
        return Ok(None);
    }
    Ok(Some(next_version(&versions)))
}

/// Several records share a topic, so that a canonical subject is named by its record.
fn subject_of(record: Record, text: &SchemaText) -> String {
    text.name().unwrap_or_else(|| record.name().to_owned())
}

/// The subject and the schema of every feed whose values name theirs.
fn feeds<'c>(settings: &HubSettings, connectors: &'c Connectors) -> Vec<(String, &'c SchemaText)> {
    let prefix = topic_prefix(settings);
    let framed = connectors.framed();
    framed.map(|(name, text)| (format!("{prefix}raw.{name}-value"), text)).collect()
}

/// What the names of topics on Kafka begin with.
pub(super) fn topic_prefix(settings: &HubSettings) -> &str {
    match &settings.log {
        LogChoice::Embedded => "",
        LogChoice::Kafka(kafka) => &kafka.topic_prefix,
    }
}
