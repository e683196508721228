//! The dated rules of `policy/*.toml`, loaded, checked for gaps and overlaps, and asked by day.
//!
//! No number of a law stands in code: it is a row with unit, from-date, document and clause.

/// All rules of one policy version.
#[derive(Clone, Debug)]
pub struct Policy {}
