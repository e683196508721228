//! What a decoder found at the places that a manifest names, borrowed from the message.
//!
//! A [`Plan`] is the tree of a feed's paths. Each path has a slot; a decoder walks its record once
//! and fills the slots. It knows nothing of canonical fields.

use std::borrow::Cow;

/// Most paths that one feed may name; slots stand on the stack.
pub(super) const SLOTS_MAX: usize = 24;

/// The slots of one record.
pub(super) type Slots<'a> = [Cell<'a>; SLOTS_MAX];

/// What stands at one path.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Cell<'a> {
    /// Nothing, or null.
    #[default]
    Absent,
    /// Text.
    Text(Cow<'a, str>),
    /// A number as it was written.
    Number(&'a str),
    /// A whole number of a binary format.
    Long(i64),
    /// Objects of an array, by the two members that the manifest names.
    Rows(Vec<[Cell<'a>; 2]>),
    /// A value of a kind that no field takes, in words: `an object`.
    Other(&'static str),
}

/// The paths that a feed names, as a tree.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// Members of the record itself.
    pub(super) root: Vec<Member>,
    /// The path of each slot, as the manifest writes it.
    pub(super) paths: Vec<String>,
}

/// One named member on the way to wanted values.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Its name in the native record.
    pub(super) name: String,
    /// What is wanted of it.
    pub(super) want: Want,
}

/// What is wanted of a member.
#[derive(Clone, Debug)]
pub(super) enum Want {
    /// Its value.
    Value(usize),
    /// Members of it.
    Members(Vec<Member>),
    /// Two members of each object in it.
    Rows(usize, Vec<Member>),
}

/// Why a path cannot join a plan.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PlanError {
    /// An empty path or one with an empty step.
    Shape,
    /// Named as a value and as an object.
    Both,
    /// More than [`SLOTS_MAX`] paths.
    TooMany,
}

impl Plan {
    /// The slot of a dotted path; a new one where the path is new.
    pub(super) fn slot(&mut self, path: &str) -> Result<usize, PlanError> {
        let steps: Vec<&str> = path.split('.').collect();
        self.place(path, &steps, None)
    }

    /// The slot of a CSV column, whose name may have dots.
    pub(super) fn column(&mut self, name: &str) -> Result<usize, PlanError> {
        self.place(name, &[name], None)
    }

    /// The slot of an array of objects with two wanted members.
    pub(super) fn rows(&mut self, path: &str, pair: [&str; 2]) -> Result<usize, PlanError> {
        let steps: Vec<&str> = path.split('.').collect();
        self.place(path, &steps, Some(pair))
    }

    fn place(
        &mut self,
        path: &str,
        steps: &[&str],
        rows: Option<[&str; 2]>,
    ) -> Result<usize, PlanError> {
        if steps.iter().any(|step| step.is_empty()) {
            return Err(PlanError::Shape);
        }
        let next = self.paths.len();
        let slot = enter(&mut self.root, steps, rows, next)?;
        if slot == next {
            if next == SLOTS_MAX {
                return Err(PlanError::TooMany);
            }
            self.paths.push(path.to_owned());
        }
        Ok(slot)
    }
}

fn enter(
    members: &mut Vec<Member>,
    steps: &[&str],
    rows: Option<[&str; 2]>,
    next: usize,
) -> Result<usize, PlanError> {
    let Some((first, rest)) = steps.split_first() else {
        return Err(PlanError::Shape);
    };
    let at = members.iter().position(|member| member.name == *first);
    if let Some(member) = at.and_then(|at| members.get_mut(at)) {
        return match (&mut member.want, rest.is_empty(), rows) {
            (Want::Value(slot), true, None) => Ok(*slot),
            (Want::Members(below), false, _) => enter(below, rest, rows, next),
            (Want::Value(_) | Want::Members(_) | Want::Rows(..), _, _) => Err(PlanError::Both),
        };
    }
    let want = if !rest.is_empty() {
        let mut below = Vec::new();
        enter(&mut below, rest, rows, next)?;
        Want::Members(below)
    } else if let Some(pair) = rows {
        let pair = pair.into_iter().enumerate();
        Want::Rows(
            next,
            pair.map(|(slot, name)| Member { name: name.to_owned(), want: Want::Value(slot) })
                .collect(),
        )
    } else {
        Want::Value(next)
    };
    members.push(Member { name: (*first).to_owned(), want });
    Ok(next)
}

impl Want {
    /// Writes that something of another kind stands where members were wanted.
    pub(super) fn spoil(&self, slots: &mut [Cell<'_>], found: &'static str) {
        match self {
            Self::Value(slot) | Self::Rows(slot, _) => put(slots, *slot, Cell::Other(found)),
            Self::Members(below) => {
                for member in below {
                    member.want.spoil(slots, found);
                }
            }
        }
    }
}

/// Fills a slot.
pub(super) fn put<'a>(slots: &mut [Cell<'a>], slot: usize, cell: Cell<'a>) {
    if let Some(place) = slots.get_mut(slot) {
        *place = cell;
    }
}

/// Empty slots.
pub(super) fn empty_slots<'a>() -> Slots<'a> {
    [const { Cell::Absent }; SLOTS_MAX]
}
