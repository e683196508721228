//! The messages of a case, and what they do to the fund's books.

use rand::Rng;

use super::cases::Case;
use super::platforms::{DECISIONS, FILINGS, PLATFORMS, PROPOSALS, STATEMENTS};
use super::run::Run;
use super::scripts::{Act, Script, Twist};
use super::text::{HOUR_MS, day_of, iso, yuan};
use super::truth::Outcome;

/// Hours between two messages of a case.
const APART_HOURS: std::ops::Range<i64> = 6..26;
/// How much more than decided a wrong payment is, in fen.
const WRONG_BY_FEN: i64 = 1000;

/// Amounts by item, in fen.
type Items = Vec<(&'static str, i64)>;

/// Where a message of a case stands: its day and its time.
struct Said {
    at: String,
    on: String,
}

impl Run {
    /// Delivers all messages of a case, the first in hour `first`.
    pub(super) fn play(&mut self, script: &Script, case: &Case, first: i64) {
        let items = self.benefit_items();
        let mut hour = first;
        for (turn, &(act, twist)) in script.acts.iter().enumerate() {
            let at_ms = hour * HOUR_MS + 60_000 * self.side_rng.random_range(0..50);
            let said = Said { at: iso(at_ms), on: day_of(at_ms).to_string() };
            self.say(case, (act, twist), &items, (hour, turn), &said);
            hour += self.side_rng.random_range(APART_HOURS);
        }
    }

    fn benefit_items(&mut self) -> Items {
        let mut items = vec![("medical", self.side_rng.random_range(50_000..2_000_000))];
        if self.side_rng.random::<bool>() {
            items.push(("disability_lump_sum", self.side_rng.random_range(500_000..3_000_000)));
        }
        if self.side_rng.random_range(0..10) == 0 {
            items.push(("assessment_fee", 40_000));
        }
        items
    }

    fn say(
        &mut self,
        case: &Case,
        (act, twist): (Act, Twist),
        items: &Items,
        (hour, turn): (i64, usize),
        said: &Said,
    ) {
        let outcome = match twist {
            Twist::Again => Outcome::Duplicate,
            Twist::Incompetent => Outcome::Held("decision.not_competent"),
            Twist::NoDocument => Outcome::Held("decision.no_document_number"),
            Twist::OtherContent => Outcome::Held("identity.other_content"),
            Twist::Right | Twist::Review | Twist::Reassess | Twist::WrongAmount => Outcome::Applied,
        };
        self.note_twist(act, twist);
        let (stream, text) = match act {
            Act::File => (FILINGS, filing(case, said)),
            Act::Apply => (FILINGS, application(case, said)),
            Act::Propose => (PROPOSALS, proposal(case, turn, said)),
            // The record before stands in `scratch` still.
            Act::Confirm | Act::Refuse | Act::Assess | Act::Benefit if twist == Twist::Again => {
                (DECISIONS, String::from_utf8_lossy(&self.scratch).into_owned())
            }
            Act::Confirm => (DECISIONS, confirmation(case, true, twist, said)),
            Act::Refuse => (DECISIONS, confirmation(case, false, twist, said)),
            Act::Assess => (DECISIONS, assessment(case, twist, said)),
            Act::Benefit => (DECISIONS, benefit(case, items, twist, said)),
            Act::Pay | Act::Return => {
                let paid = act == Act::Pay;
                let wrong = twist == Twist::WrongAmount;
                (STATEMENTS, bank_result(case, items, (paid, wrong, turn), said))
            }
        };
        self.deliver_text(hour, stream, &text, outcome);
        if outcome == Outcome::Applied {
            self.book(act, twist, items);
        }
    }

    fn note_twist(&mut self, act: Act, twist: Twist) {
        let name = match twist {
            Twist::Again => "decision_again",
            Twist::Incompetent => "decision_incompetent",
            Twist::NoDocument => "decision_no_document",
            Twist::OtherContent => "decision_other_content",
            Twist::WrongAmount => "payment_wrong_amount",
            Twist::Right if act == Act::Return => "payment_returned",
            Twist::Right | Twist::Review | Twist::Reassess => return,
        };
        self.truth.note(name);
    }

    fn book(&mut self, act: Act, twist: Twist, items: &Items) {
        let sum: i64 = items.iter().map(|item| item.1).sum();
        if act == Act::Benefit {
            self.truth.post("memo.benefit_decided", "memo.benefit_payable", sum);
        } else if act == Act::Pay && twist == Twist::WrongAmount {
            self.truth.post("suspense_payments", "expenditure", sum + WRONG_BY_FEN);
        } else if act == Act::Pay || act == Act::Return {
            let sign = if act == Act::Pay { 1 } else { -1 };
            for (item, fen) in items {
                self.truth.post(&format!("expense.{item}"), "expenditure", sign * fen);
            }
            self.truth.post("memo.benefit_payable", "memo.benefit_paid", sign * sum);
        }
    }
}

fn filing(case: &Case, said: &Said) -> String {
    let order = case.order.as_ref().map_or("null".to_owned(), |order| format!("\"{order}\""));
    format!(
        concat!(
            r#"{{"type":"filing","case":"{}","platform":"{}","rider":"{}","id_no":"{}","#,
            r#""accident_at":"{}","county":"{}","order_no":{},"at":"{}"}}"#
        ),
        case.id,
        PLATFORMS[case.platform].id,
        case.rider_text,
        case.identity_no,
        iso(case.accident_ms),
        case.county,
        order,
        said.at,
    )
}

fn application(case: &Case, said: &Said) -> String {
    let applicants = ["worker", "platform", "kin", "union"];
    let applicant = applicants[super::text::index(case.number % 4)];
    format!(
        r#"{{"type":"application","case":"{}","applicant":"{applicant}","at":"{}"}}"#,
        case.id, said.at
    )
}

fn proposal(case: &Case, turn: usize, said: &Said) -> String {
    let function = match turn {
        0..=3 => "confirmation",
        4..=5 => "assessment",
        _ => "benefit_determination",
    };
    format!(
        r#"{{"case":"{}","function":"{function}","outcome":"proposal {turn}","at":"{}"}}"#,
        case.id, said.at
    )
}

/// The part that all decisions begin with.
fn decision(
    case: &Case,
    kind: &str,
    (office, version): (&str, u32),
    twist: Twist,
    said: &Said,
) -> String {
    let unit = if twist == Twist::Incompetent { case.other_unit } else { case.unit };
    let body = if twist == Twist::Reassess {
        "lac-150000".to_owned()
    } else if office != "lac" && case.number.is_multiple_of(2) && twist != Twist::Incompetent {
        format!("{office}-{}", case.county)
    } else {
        format!("{office}-{unit}")
    };
    let document = match twist {
        Twist::NoDocument if case.number.is_multiple_of(2) => "null".to_owned(),
        Twist::NoDocument => "\"\"".to_owned(),
        Twist::OtherContent => format!("\"{kind}-{}-bis\"", case.number),
        Twist::Right
        | Twist::Again
        | Twist::Incompetent
        | Twist::Review
        | Twist::Reassess
        | Twist::WrongAmount => format!("\"{kind}-{}-{version}\"", case.number),
    };
    format!(
        concat!(
            r#"{{"type":"{}","case":"{}","body":"{}","document_no":{},"decided_on":"{}","#,
            r#""version":{},"at":"{}""#
        ),
        kind, case.id, body, document, said.on, version, said.at,
    )
}

fn confirmation(case: &Case, confirmed: bool, twist: Twist, said: &Said) -> String {
    let head = decision(case, "confirmation", ("hr", 1), twist, said);
    if !confirmed {
        return format!(r#"{head},"outcome":"refused","situation":null}}"#);
    }
    let situation = if twist == Twist::OtherContent { 2 } else { 1 };
    format!(r#"{head},"outcome":"confirmed","situation":"BF-2025-24:{situation}"}}"#)
}

fn assessment(case: &Case, twist: Twist, said: &Said) -> String {
    let (stage, version) = match twist {
        Twist::Review => ("review", 2),
        Twist::Reassess => ("reassessment", 2),
        Twist::Right
        | Twist::Again
        | Twist::Incompetent
        | Twist::NoDocument
        | Twist::OtherContent
        | Twist::WrongAmount => ("initial", 1),
    };
    let head = decision(case, "assessment", ("lac", version), twist, said);
    let grade = 11 - u64::from(version) - case.number % 4;
    format!(r#"{head},"stage":"{stage}","grade":{grade}}}"#)
}

fn benefit(case: &Case, items: &Items, twist: Twist, said: &Said) -> String {
    let head = decision(case, "benefit", ("ssa", 1), twist, said);
    let items: Vec<String> = items
        .iter()
        .map(|(item, fen)| format!(r#"{{"item":"{item}","amount":"{}"}}"#, yuan(*fen)))
        .collect();
    format!(r#"{head},"instruction":"PI-{}","items":[{}]}}"#, case.id, items.join(","))
}

fn bank_result(
    case: &Case,
    items: &Items,
    (paid, wrong, turn): (bool, bool, usize),
    said: &Said,
) -> String {
    let sum: i64 = items.iter().map(|item| item.1).sum();
    let amount = yuan(if wrong { sum + WRONG_BY_FEN } else { sum });
    let outcome = if paid { "paid" } else { "returned" };
    format!(
        concat!(
            r#"{{"type":"bank_result","instruction":"PI-{}","case":"{}","account":"expenditure","#,
            r#""amount":"{}","outcome":"{}","booked_on":"{}","voucher_no":"BV-{}-{}","at":"{}"}}"#
        ),
        case.id, case.id, amount, outcome, said.on, case.id, turn, said.at,
    )
}
