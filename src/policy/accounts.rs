//! The chart of accounts (科目) and items (项目) of the two sub-ledgers.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::PolicyError;
use super::bundle::PolicyText;
use super::source::{LegalSource, Sources, WireDay, WireLegal};
use crate::domain::ids::{AccountCode, ItemCode};
use crate::domain::time::Day;

/// Which of the two books an account belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountKind {
    /// 收付实现制: posts on evidence of money only.
    Cash,
    /// 应缴/应付: what is due, for statistics.
    Memo,
}

/// The side on which an account normally stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// 借方.
    Debit,
    /// 贷方.
    Credit,
}

/// What an item is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemSide {
    /// 收入.
    Income,
    /// 支出.
    Expenditure,
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its code.
    pub code: AccountCode,
    /// Its Chinese name.
    pub name: String,
    /// Which book.
    pub kind: AccountKind,
    /// Its normal side.
    pub side: Side,
    /// First day in use.
    pub from: Day,
    /// Where it stands.
    pub legal: LegalSource,
}

/// One item of income or expenditure; its account is [`Item::account`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its code.
    pub code: ItemCode,
    /// Its Chinese name.
    pub name: String,
    /// Income or expenditure.
    pub side: ItemSide,
    /// `income.<item>` or `expense.<item>`.
    pub account: AccountCode,
}

#[derive(Clone, Debug)]
pub(super) struct Chart {
    accounts: BTreeMap<AccountCode, Account>,
    items: BTreeMap<ItemCode, Item>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountsFile {
    account: Vec<WireAccount>,
    item: Vec<WireItem>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireAccount {
    code: Spanned<String>,
    name: String,
    kind: AccountKind,
    side: Side,
    from: WireDay,
    legal: WireLegal,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireItem {
    code: Spanned<String>,
    name: String,
    side: ItemSide,
    from: WireDay,
    legal: WireLegal,
}

impl Chart {
    pub(super) fn load(text: &PolicyText, sources: &Sources) -> Result<Self, PolicyError> {
        let file: AccountsFile = text.parse()?;
        let mut chart = Self { accounts: BTreeMap::new(), items: BTreeMap::new() };
        for wire in file.account {
            let code = account_code(text, &wire.code, wire.code.get_ref())?;
            let account = Account {
                code,
                name: wire.name,
                kind: wire.kind,
                side: wire.side,
                from: wire.from.0,
                legal: sources.find(text, wire.legal)?,
            };
            chart.add(text, &wire.code, account)?;
        }
        for wire in file.item {
            let code = ItemCode::new(wire.code.get_ref())
                .map_err(|error| text.refuse(&wire.code.span(), "item.code", "a code", error))?;
            let (prefix, side) = match wire.side {
                ItemSide::Income => ("income", Side::Credit),
                ItemSide::Expenditure => ("expense", Side::Debit),
            };
            let account = Account {
                code: account_code(text, &wire.code, &format!("{prefix}.{code}"))?,
                name: wire.name.clone(),
                kind: AccountKind::Cash,
                side,
                from: wire.from.0,
                legal: sources.find(text, wire.legal)?,
            };
            let at = account.code.clone();
            chart.add(text, &wire.code, account)?;
            let item = Item { code: code.clone(), name: wire.name, side: wire.side, account: at };
            if chart.items.insert(code, item).is_some() {
                let found = wire.code.get_ref();
                return Err(text.refuse(&wire.code.span(), "item.code", "each item once", found));
            }
        }
        Ok(chart)
    }

    fn add(
        &mut self,
        text: &PolicyText,
        at: &Spanned<String>,
        account: Account,
    ) -> Result<(), PolicyError> {
        let code = account.code.clone();
        if self.accounts.insert(code.clone(), account).is_some() {
            return Err(text.refuse(&at.span(), "code", "each account once", code));
        }
        Ok(())
    }

    pub(super) fn account(&self, code: &AccountCode) -> Option<&Account> {
        self.accounts.get(code)
    }

    pub(super) fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    pub(super) fn item(&self, code: &ItemCode) -> Option<&Item> {
        self.items.get(code)
    }
}

fn account_code(
    text: &PolicyText,
    at: &Spanned<String>,
    code: &str,
) -> Result<AccountCode, PolicyError> {
    AccountCode::new(code).map_err(|error| text.refuse(&at.span(), "account.code", "a code", error))
}
