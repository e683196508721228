//! What happens to the cases: each script is a way through the states, with what goes wrong on it.

/// Something that is said of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    File,
    Apply,
    Propose,
    Confirm,
    Refuse,
    Assess,
    Benefit,
    Pay,
    Return,
}

/// How it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Twist {
    /// As it should be.
    Right,
    /// The record before once more: a duplicate.
    Again,
    /// By a body that is not competent: held.
    Incompetent,
    /// Without the number of its document: held.
    NoDocument,
    /// The same version with another content: held.
    OtherContent,
    /// 复查鉴定, the second version.
    Review,
    /// 再次鉴定 by the region's committee, the second version.
    Reassess,
    /// A bank payment of another amount than decided: posted, the case stays.
    WrongAmount,
}

/// A way through the states and where it ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Script {
    pub(super) acts: &'static [(Act, Twist)],
    pub(super) end: &'static str,
    /// Whether an act stands before the one that it follows: it waits and is released.
    pub(super) out_of_order: bool,
}

use Act::{Apply, Assess, Benefit, Confirm, File, Pay, Propose, Refuse, Return};
use Twist::{Again, Incompetent, NoDocument, OtherContent, Reassess, Review, Right, WrongAmount};

const fn straight(acts: &'static [(Act, Twist)], end: &'static str) -> Script {
    Script { acts, end, out_of_order: false }
}

const fn crossed(acts: &'static [(Act, Twist)], end: &'static str) -> Script {
    Script { acts, end, out_of_order: true }
}

const F: (Act, Twist) = (File, Right);
const A: (Act, Twist) = (Apply, Right);
const P: (Act, Twist) = (Propose, Right);
const C: (Act, Twist) = (Confirm, Right);
const S: (Act, Twist) = (Assess, Right);
const B: (Act, Twist) = (Benefit, Right);
const M: (Act, Twist) = (Pay, Right);
const R: (Act, Twist) = (Return, Right);

/// All scripts; cases take them in turn.
pub(super) const SCRIPTS: [Script; 23] = [
    straight(&[F, A, P, C, P, S, P, B, M], "paid"),
    straight(&[F, A, P, C, B, M], "paid"),
    straight(&[F], "filed"),
    straight(&[F, A], "applied"),
    straight(&[F, A, P, C], "confirmed"),
    straight(&[F, A, P, (Refuse, Right)], "refused"),
    straight(&[F, A, P, C, P, S], "assessed"),
    straight(&[F, A, C, P, S, B], "benefit_decided"),
    straight(&[F, A, C, S, B, M, R], "returned"),
    straight(&[F, A, C, S, B, M, R, M], "paid"),
    crossed(&[A, F, C, B, M], "paid"),
    crossed(&[F, C, A, B, M], "paid"),
    crossed(&[F, P, A, C, B, M], "paid"),
    crossed(&[F, A, S, C, B, M], "paid"),
    straight(&[F, A, C, (Confirm, Again), S, (Assess, Again), B, M], "paid"),
    straight(&[F, A, (Confirm, Incompetent), C, B, M], "paid"),
    straight(&[F, A, C, (Assess, Incompetent), S, (Benefit, Incompetent), B, M], "paid"),
    straight(&[F, A, (Confirm, NoDocument), C, (Benefit, NoDocument), B, M], "paid"),
    straight(&[F, A, C, (Confirm, OtherContent), S, B, M], "paid"),
    straight(&[F, A, C, S, (Assess, Review), B, M], "paid"),
    straight(&[F, A, C, S, (Assess, Reassess), B, M], "paid"),
    straight(&[F, A, C, B, (Pay, WrongAmount)], "benefit_decided"),
    straight(&[F, A, C, S, B, (Pay, WrongAmount), M], "paid"),
];
