//! The column of times at which events happened: almost always the acceptance or the end of the
//! row, so that a bit says which, and only the others are written out.

use super::bits::{CodecError, Reader};
use super::columns::Columns;
use super::ints::{ABSENT, Effort, put_ints, take_ints};

/// An event happened when its order was accepted.
const AS_ACCEPTED: i64 = 0;
/// An event happened when its order ended.
const AS_ENDED: i64 = 1;
/// At another time, which is written out.
const OTHERWISE: i64 = 2;

/// The column as a segment stores it.
pub(super) enum Occurred {
    /// Version 1: distances from the end, or from the acceptance where the row has no end.
    SinceEnded(Vec<i64>),
    /// Version 1: distances from the acceptance, or from the end where the row has none.
    SinceAccepted(Vec<i64>),
    /// Which of the row's times it is, and the distances of the others as `SinceAccepted`.
    As(Vec<i64>, Vec<i64>),
}

impl Default for Occurred {
    fn default() -> Self {
        Self::SinceEnded(Vec::new())
    }
}

/// Appends the column.
pub(super) fn put(out: &mut Vec<u8>, columns: &Columns, effort: Effort) {
    let (mut forms, mut others) = (Vec::with_capacity(columns.occurred.len()), Vec::new());
    let times = columns.occurred.iter().zip(&columns.accepted).zip(&columns.ended);
    for ((at, accepted), ended) in times {
        if at == accepted {
            forms.push(AS_ACCEPTED);
        } else if at == ended {
            forms.push(AS_ENDED);
        } else {
            forms.push(OTHERWISE);
            others.push(at.wrapping_sub(first_of(*accepted, *ended)));
        }
    }
    put_ints(out, &forms, effort);
    put_ints(out, &others, effort);
}

impl Occurred {
    /// Reads what [`put`] wrote.
    pub(super) fn take(reader: &mut Reader<'_>, rows: usize) -> Result<Self, CodecError> {
        let forms = take_ints(reader, rows)?;
        let others = forms.iter().filter(|form| **form == OTHERWISE).count();
        Ok(Self::As(forms, take_ints(reader, others)?))
    }

    /// The times themselves, once the row's other times are known.
    pub(super) fn moments(self, columns: &Columns) -> Vec<i64> {
        let times = columns.accepted.iter().zip(&columns.ended);
        match self {
            Self::SinceEnded(values) => {
                let of = |((accepted, ended), value): ((&i64, &i64), i64)| {
                    value.wrapping_add(first_of(*ended, *accepted))
                };
                times.zip(values).map(of).collect()
            }
            Self::SinceAccepted(values) => {
                let of = |((accepted, ended), value): ((&i64, &i64), i64)| {
                    value.wrapping_add(first_of(*accepted, *ended))
                };
                times.zip(values).map(of).collect()
            }
            Self::As(forms, others) => {
                let mut others = others.into_iter();
                let of = |((accepted, ended), form): ((&i64, &i64), i64)| match form {
                    AS_ACCEPTED => *accepted,
                    AS_ENDED => *ended,
                    _ => {
                        let distance = others.next().unwrap_or(0);
                        distance.wrapping_add(first_of(*accepted, *ended))
                    }
                };
                times.zip(forms).map(of).collect()
            }
        }
    }
}

/// The first of two times that is there, or the epoch.
const fn first_of(one: i64, other: i64) -> i64 {
    if one != ABSENT {
        one
    } else if other != ABSENT {
        other
    } else {
        0
    }
}
