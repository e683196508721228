//! Entries and postings of the two books, and their balances.
//!
//! An entry is only ever added. Its id is made of its cause, so that applying the cause again adds
//! nothing; the database itself refuses postings that do not balance.

use sqlx::Row;

use super::{StoreError, Tx};
use crate::domain::ids::EventId;
use crate::domain::money::Fen;
use crate::domain::time::{Day, Moment};
use crate::ledger::account::Book;
use crate::ledger::entry::Entry;

/// An entry with what the books say about it.
#[derive(Clone, Debug)]
pub struct NewEntry<'a> {
    /// `<book>:<cause>`.
    pub id: &'a EventId,
    /// The balanced postings.
    pub entry: &'a Entry,
    /// Date in the books.
    pub booked_on: Day,
    /// The event that caused it.
    pub cause_event: &'a str,
    /// What it is about: facts of one subject belong together.
    pub subject: &'a str,
    /// The entry that it corrects or clears.
    pub links: Option<&'a str>,
    /// Append time of the message that caused it.
    pub caused_at: Moment,
}

/// The balance of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// `cash` or `memo`.
    pub book: String,
    /// The account.
    pub account: String,
    /// Debits less credits.
    pub amount: Fen,
}

/// One account of a trial balance (试算平衡表).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turnover {
    /// `cash` or `memo`.
    pub book: String,
    /// The account.
    pub account: String,
    /// Sum of its debits.
    pub debits: Fen,
    /// Sum of its credits, positive.
    pub credits: Fen,
}

/// Adds the entry unless its id stands already. Returns whether it is new.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses, also where the postings do not balance.
pub async fn post(tx: &mut Tx, new: &NewEntry<'_>) -> Result<bool, StoreError> {
    let known = sqlx::query("select 1 as one from entry where id = $1")
        .bind(new.id.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    if known.is_some() {
        return Ok(false);
    }
    for (line_no, posting) in (1_i64..).zip(new.entry.postings()) {
        sqlx::query(
            "insert into posting (entry_id, line_no, account, amount_fen) values ($1, $2, $3, $4)",
        )
        .bind(new.id.as_str())
        .bind(line_no)
        .bind(posting.account.to_string())
        .bind(posting.amount.get())
        .execute(&mut **tx)
        .await?;
    }
    sqlx::query(
        "insert into entry (id, book, booked_on, cause_event, subject, links, caused_at) \
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(new.id.as_str())
    .bind(new.entry.book().code())
    .bind(i64::from(new.booked_on.epoch_days()))
    .bind(new.cause_event)
    .bind(new.subject)
    .bind(new.links)
    .bind(new.caused_at.ms())
    .execute(&mut **tx)
    .await?;
    Ok(true)
}

/// All balances, by book and account; an account that was never posted to is absent.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn balances(tx: &mut Tx) -> Result<Vec<Balance>, StoreError> {
    let rows = sqlx::query("select book, account, amount_fen from balance order by book, account")
        .fetch_all(&mut **tx)
        .await?;
    let balance = |row: &sqlx::any::AnyRow| {
        Ok(Balance {
            book: row.try_get("book")?,
            account: row.try_get("account")?,
            amount: Fen::new(row.try_get("amount_fen")?),
        })
    };
    rows.iter().map(balance).collect()
}

/// Debits and credits of every account, by book and account.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn trial_balance(tx: &mut Tx) -> Result<Vec<Turnover>, StoreError> {
    let rows = sqlx::query(
        "select e.book as book, p.account as account, \
         cast(sum(case when p.amount_fen > 0 then p.amount_fen else 0 end) as bigint) as debits, \
         cast(sum(case when p.amount_fen < 0 then -p.amount_fen else 0 end) as bigint) as credits \
         from posting p join entry e on e.id = p.entry_id \
         group by e.book, p.account order by e.book, p.account",
    )
    .fetch_all(&mut **tx)
    .await?;
    let turnover = |row: &sqlx::any::AnyRow| {
        Ok(Turnover {
            book: row.try_get("book")?,
            account: row.try_get("account")?,
            debits: Fen::new(row.try_get("debits")?),
            credits: Fen::new(row.try_get("credits")?),
        })
    };
    rows.iter().map(turnover).collect()
}

/// How many entries a book has.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn entry_count(tx: &mut Tx, book: Book) -> Result<i64, StoreError> {
    let row = sqlx::query("select count(*) as entries from entry where book = $1")
        .bind(book.code())
        .fetch_one(&mut **tx)
        .await?;
    Ok(row.try_get("entries")?)
}
