//! Where a rule comes from: document, clause, and how sure the row is.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::PolicyError;
use super::bundle::PolicyText;
use crate::domain::time::Day;

/// How sure a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sureness {
    /// It stands in the document.
    Read,
    /// It is derived from the document, or by analogy with another region.
    Inferred,
    /// No text says; this project decided.
    House,
}

/// The legal source of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegalSource {
    /// Title or number of the document.
    pub document: Arc<str>,
    /// Clause (条、款) in it.
    pub clause: String,
    /// Day on which the document was read.
    pub read_on: Day,
    /// How sure the rule is.
    pub sure: Sureness,
}

/// A calendar day as TOML writes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct WireDay(pub(super) Day);

impl<'de> Deserialize<'de> for WireDay {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = toml::value::Datetime::deserialize(deserializer)?;
        let day = read.date.filter(|_| read.time.is_none()).and_then(|date| {
            Day::from_ymd(i32::from(date.year), u32::from(date.month), u32::from(date.day))
        });
        let refuse = || serde::de::Error::custom(format!("expected a date, found {read}"));
        day.map(WireDay).ok_or_else(refuse)
    }
}

/// How a row names its source.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireLegal {
    source: Spanned<String>,
    clause: String,
    sure: Sureness,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourcesFile {
    source: Vec<WireSource>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSource {
    key: Spanned<String>,
    document: String,
    read_on: WireDay,
    #[expect(dead_code, reason = "for people; the key must be known, or a typing error passes")]
    link: Option<String>,
}

/// The documents that rows may name.
pub(super) struct Sources(HashMap<String, (Arc<str>, Day)>);

impl Sources {
    pub(super) fn load(text: &PolicyText) -> Result<Self, PolicyError> {
        let mut known = HashMap::new();
        for row in text.parse::<SourcesFile>()?.source {
            let at = row.key.span();
            let key = row.key.into_inner();
            if known.insert(key.clone(), (row.document.into(), row.read_on.0)).is_some() {
                return Err(text.refuse(&at, "key", "each source once", key));
            }
        }
        Ok(Self(known))
    }

    pub(super) fn find(
        &self,
        text: &PolicyText,
        legal: WireLegal,
    ) -> Result<LegalSource, PolicyError> {
        let Some((document, read_on)) = self.0.get(legal.source.get_ref()) else {
            let (at, found) = (legal.source.span(), legal.source.into_inner());
            return Err(text.refuse(&at, "legal.source", "a key of sources.toml", found));
        };
        Ok(LegalSource {
            document: Arc::clone(document),
            clause: legal.clause,
            read_on: *read_on,
            sure: legal.sure,
        })
    }
}
