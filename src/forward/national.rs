//! The national platform (全国职业伤害保障信息平台): counts, assessments, cases and enrolments are
//! synchronized to it.

use super::contract::{Contract, Kind};

/// What it takes. Counts, assessments and enrolments are whole in themselves, and a higher
/// revision replaces a lower one; a case is a story that must not be told with a gap.
pub const CONTRACT: Contract = Contract {
    destination: "national-platform",
    kinds: &[
        Kind { name: "order_counts", ordered: false },
        Kind { name: "levy_assessed", ordered: false },
        Kind { name: "case_record", ordered: true },
        Kind { name: "enrolment", ordered: false },
    ],
    records_max: 200,
};
