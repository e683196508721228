//! The two sub-ledgers (明细账) of the 工伤保险基金: accounts, balanced entries, and where money
//! stands.
//!
//! The *cash* book (收付实现制) posts on evidence of bank, treasury and finance only; the *memo* book
//! keeps what is assessed, decided and owed. Pure: no clock, no SQL, no policy. An entry is never
//! changed; a correction is a new entry that names the old one.
//!
//! What a fact of money is booked against does not depend on the order in which facts arrive: the
//! counter side is a function of the *set* of facts that belong together ([`standing`]), and each
//! arrival posts its cash and the change of that function.

pub mod account;
pub mod entry;
pub mod standing;
pub mod suspect;

#[cfg(test)]
mod tests;
