//! Statements of many rows, with the numbered placeholders (`$1`, `$2`, …) that both engines read.
//!
//! sqlx's own builder writes `?` for its `Any` driver, which PostgreSQL does not take.

use std::fmt::Write as _;

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};

/// A value of one of the three kinds that the tables know.
pub(super) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(Some(value.to_vec()))
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(Some(value))
    }
}

impl From<Option<Vec<u8>>> for Value {
    fn from(value: Option<Vec<u8>>) -> Self {
        Self::Bytes(value)
    }
}

/// A statement in the making: text of this program, and values that only ever become parameters.
pub(super) struct Bulk {
    sql: String,
    values: Vec<Value>,
}

impl Bulk {
    pub(super) fn new(sql: &str) -> Self {
        Self { sql: sql.to_owned(), values: Vec::new() }
    }

    /// Adds text of the statement itself.
    pub(super) fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Adds a parameter.
    pub(super) fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        // Writing to a String cannot fail.
        write!(self.sql, "${}", self.values.len()).unwrap_or_default();
        self
    }

    /// Adds `($1, $2), ($3, $4), …`, a row an item.
    pub(super) fn rows<T, const COLUMNS: usize>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        columns: impl Fn(T) -> [Value; COLUMNS],
    ) -> &mut Self {
        for (number, item) in items.into_iter().enumerate() {
            self.push(if number == 0 { "(" } else { ", (" });
            self.list(columns(item)).push(")");
        }
        self
    }

    /// Adds `$1, $2, …`.
    pub(super) fn list<T: Into<Value>>(
        &mut self,
        values: impl IntoIterator<Item = T>,
    ) -> &mut Self {
        for (number, value) in values.into_iter().enumerate() {
            if number > 0 {
                self.push(", ");
            }
            self.bind(value);
        }
        self
    }

    /// The statement with its parameters.
    pub(super) fn build(self) -> Query<'static, Any, AnyArguments> {
        let query = sqlx::query(AssertSqlSafe(self.sql));
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Int(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
            Value::Bytes(value) => query.bind(value),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_numbered_through_the_whole_statement() {
        let mut bulk = Bulk::new("insert into t (a, b) values ");
        bulk.rows([(1, "x"), (2, "y")], |(a, b): (i64, &str)| [a.into(), b.into()]);
        bulk.push(" on conflict (a) do update set b = ").bind("z");
        let expected = "insert into t (a, b) values ($1, $2), ($3, $4) \
                        on conflict (a) do update set b = $5";
        assert_eq!((bulk.sql.as_str(), bulk.values.len()), (expected, 5));
    }
}
