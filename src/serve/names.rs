//! Chinese names of what the figures name by code, as policy and manifests have them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Books;
use super::status::Status;
use crate::domain::ids::{AccountCode, ItemCode};
use crate::policy::Policy;

/// Names by code. Platforms, lines and units in the order of the notice and of the codes.
#[derive(Debug, Serialize)]
pub(super) struct Names {
    platforms: Vec<Named>,
    lines: Vec<Named>,
    units: Vec<Named>,
    /// Accounts that were posted to.
    accounts: BTreeMap<String, String>,
    /// Counterparties: a platform by its brand of today, another by its legal name.
    connectors: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct Named {
    code: String,
    name: String,
}

impl Names {
    pub(super) fn of(books: &Books, status: &Status) -> Self {
        let policy = &books.policy;
        let brand = |names: &[(_, String)]| names.last().map(|(_, name)| name.clone());
        let platforms = policy.platforms().iter().map(|platform| Named {
            code: platform.id.to_string(),
            name: brand(&platform.names).unwrap_or_else(|| platform.id.to_string()),
        });
        let lines = policy.lines().iter();
        let lines =
            lines.map(|line| Named { code: line.code.to_string(), name: line.name.clone() });
        let units = policy.units().iter();
        let units =
            units.map(|unit| Named { code: unit.code.to_string(), name: unit.name.clone() });
        let accounts = status.balances.iter().filter_map(|row| {
            let name = account_name(policy, &row.account)?;
            Some((row.account.clone(), name))
        });
        let connectors = books.connectors.iter().map(|manifest| {
            let platform = manifest.platform().and_then(|id| policy.platform(id));
            let name = platform.and_then(|platform| brand(&platform.names));
            let name = name.unwrap_or_else(|| manifest.legal_entity().to_owned());
            (manifest.name().to_string(), name)
        });
        Self {
            connectors: connectors.collect(),
            platforms: platforms.collect(),
            lines: lines.collect(),
            units: units.collect(),
            accounts: accounts.collect(),
        }
    }
}

/// The chart's name of an account; that of an item where the account is an item's.
fn account_name(policy: &Policy, account: &str) -> Option<String> {
    let code = AccountCode::new(account).ok()?;
    if let Some(row) = policy.account(&code) {
        return Some(row.name.clone());
    }
    let (_, item) = account.split_once('.')?;
    policy.item(&ItemCode::new(item).ok()?).map(|item| item.name.clone())
}
