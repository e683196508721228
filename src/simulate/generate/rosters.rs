//! Real-name rosters of the platforms, and the registrations of the platforms themselves.

use super::platforms::{PLATFORMS, REGISTRATIONS, ROSTERS};
use super::riders::{Riders, Role, identity_no, name};
use super::run::Run;
use super::text::{first_hour, index};
use super::truth::{Outcome, START};
use crate::domain::time::Day;

/// One roster line in so many is sent again.
const AGAIN_EVERY: usize = 150;
/// One roster line in so many is later contradicted.
const CONFLICT_EVERY: usize = 20_000;

impl Run {
    /// Every rider of the rosters, before the first order; some lines again, a few that link the
    /// rider to another person, which is held.
    pub(super) fn rosters(&mut self) {
        let first = first_hour(self.options.from);
        let mut listed = 0_usize;
        for at in 0..self.riders.len() {
            let rider = self.riders.get(at);
            if rider.role == Role::Unrostered {
                self.truth.note("unrostered_rider");
                continue;
            }
            let line = self.roster_line(&self.riders, at, rider.person, "");
            self.deliver_text(first - 2, ROSTERS + rider.platform, &line, Outcome::Applied);
            listed += 1;
            if listed.is_multiple_of(AGAIN_EVERY) {
                let more = if listed.is_multiple_of(2) { "" } else { r#","sentBy":"batch""# };
                let line = self.roster_line(&self.riders, at, rider.person, more);
                let hour = first + 26 + i64::from(rider.person % 40);
                self.deliver_text(hour, ROSTERS + rider.platform, &line, Outcome::Duplicate);
                self.truth.note("roster_again");
            }
            if listed % CONFLICT_EVERY == 1 || (50..53).contains(&listed) {
                let other = self.riders.persons() + rider.person;
                let line = self.roster_line(&self.riders, at, other, "");
                let held = Outcome::Held("roster.conflict");
                self.deliver_text(first + 30, ROSTERS + rider.platform, &line, held);
                self.truth.note("roster_conflict");
            }
        }
    }

    fn roster_line(&self, riders: &Riders, rider: usize, person: u32, more: &str) -> String {
        format!(
            r#"{{"platform":"{}","rider":"{}","name":"{}","id_no":"{}","from":"{}"{more}}}"#,
            PLATFORMS[riders.get(rider).platform].roster_code,
            riders.native_text(rider),
            name(person),
            identity_no(person),
            self.options.from.plus(-30),
        )
    }

    /// 参保登记 of every platform by the regional agency.
    pub(super) fn registrations(&mut self) {
        let (year, month, day) = START;
        let start = Day::from_ymd(year, month, day).unwrap_or(self.options.from);
        let effective = start.min(self.options.from);
        for (at, platform) in PLATFORMS.iter().enumerate() {
            let text = format!(
                concat!(
                    r#"{{"uscc":"{}","platform":"{}","line":"{}","action":"registered","#,
                    r#""effective_from":"{}","document_no":"内社保登〔{}〕{}号"}}"#
                ),
                credit_code(at),
                platform.id,
                platform.line.code(),
                effective,
                year,
                at + 1,
            );
            let hour = first_hour(self.options.from);
            self.deliver_text(hour, REGISTRATIONS, &text, Outcome::Applied);
        }
    }
}

/// A 统一社会信用代码 that belongs to nobody, with a valid check character (GB 32100-2015).
fn credit_code(platform: usize) -> String {
    const DIGITS: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
    let body = format!("91150100MA0TEST{platform:02}");
    let body = body.replace('S', "5");
    let weights = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
    let values = body.bytes().map(|byte| DIGITS.iter().position(|&d| d == byte).unwrap_or(0));
    let sum: usize = values.zip(weights).map(|(value, weight)| value * weight).sum();
    let check = DIGITS[(31 - sum % 31) % 31];
    debug_assert!(index(17) == body.len(), "17 characters and the check");
    format!("{body}{}", char::from(check))
}
