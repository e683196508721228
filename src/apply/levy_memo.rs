//! Posts an assessed levy, or its adjustment, to the memo book.

use super::ApplyError;
use super::booking::made_id;
use crate::domain::ids::AccountCode;
use crate::domain::time::Moment;
use crate::ledger::account::Account;
use crate::ledger::entry::{Entry, EntryError, Posting};
use crate::levy::MemoPosting;
use crate::store::Tx;
use crate::store::ledger::{self, NewEntry};

/// Posts what a freeze or an adjustment asks for; the id is made of its cause, so that asking twice
/// posts once. Returns whether the entry is new. `caused_at` is the time of the command or message.
///
/// # Errors
/// [`ApplyError`] where the database fails, an account is no levy account, or the amount is zero.
pub async fn post_memo(
    tx: &mut Tx,
    posting: &MemoPosting,
    caused_at: Moment,
) -> Result<bool, ApplyError> {
    let postings = vec![
        Posting::debit(levy_account(&posting.debit)?, posting.amount),
        Posting::credit(levy_account(&posting.credit)?, posting.amount)?,
    ];
    let entry = Entry::balanced(postings)?;
    let cause = posting.cause.as_str();
    let new = NewEntry {
        id: &made_id(&format!("{}:{cause}", entry.book().code())),
        entry: &entry,
        booked_on: posting.day,
        cause_event: cause,
        subject: cause,
        links: None,
        caused_at,
    };
    Ok(ledger::post(tx, &new).await?)
}

fn levy_account(code: &AccountCode) -> Result<Account, EntryError> {
    let unknown = || EntryError::NoSuchAccount { expected: "levy", found: code.to_string() };
    Account::of_levy(code).ok_or_else(unknown)
}
