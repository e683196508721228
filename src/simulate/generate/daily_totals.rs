//! The two platforms that send only a day's totals, with revisions: later, out of order, again,
//! contradicting, unreadable.

use std::collections::BTreeMap;

use rand::Rng;

use super::platforms::{KUAIGOU, KUAIGOU_TOTALS, MANBANG, MANBANG_TOTALS};
use super::regions::UNKNOWN_COUNTIES;
use super::run::Run;
use super::text::first_hour;
use super::truth::Outcome;
use crate::domain::time::Day;

/// One streamed order in so many is matched by one at each of these platforms.
const STREAMED_PER_ORDER: u64 = 80;

type Totals = BTreeMap<usize, u64>;

impl Run {
    /// All statements of a day, for the hours in which they will arrive.
    pub(super) fn statements(&mut self, day: Day) {
        let since = day.epoch_days() - self.options.from.epoch_days();
        for (at, platform) in [KUAIGOU, MANBANG].into_iter().enumerate() {
            let orders = self.options.orders / u64::from(self.options.days) / STREAMED_PER_ORDER;
            let mut totals = Totals::new();
            for _ in 0..orders.max(20) {
                let county = self.regions.draw(self.side_rng.random());
                *totals.entry(county).or_default() += 1;
            }
            let turn = usize::try_from(since).unwrap_or(0) * 2 + at;
            self.statement_story(platform, day, &totals, turn % 6);
            for (county, orders) in totals {
                self.truth.count(platform, day, county, orders);
            }
        }
    }

    /// What arrives for a day whose figures are `right` in the end.
    fn statement_story(&mut self, platform: usize, day: Day, right: &Totals, story: usize) {
        let first = first_hour(day.plus(1)) + 8;
        let wrong: Totals = right.iter().map(|(&county, &orders)| (county, orders + 3)).collect();
        match story {
            0 => {
                self.statement(platform, (day, 1), right, first, Outcome::Applied);
                self.statement_again(platform, first + 5);
                self.truth.note("statement_again");
            }
            1 => {
                self.statement(platform, (day, 1), &wrong, first, Outcome::Applied);
                self.statement(platform, (day, 2), right, first + 30, Outcome::Applied);
                self.truth.note("statement_revised");
            }
            2 => {
                self.statement(platform, (day, 2), right, first, Outcome::Applied);
                self.statement(platform, (day, 1), &wrong, first + 4, Outcome::Duplicate);
                self.truth.note("statement_out_of_order");
            }
            3 => {
                self.statement(platform, (day, 1), right, first, Outcome::Applied);
                let held = Outcome::Held("statement.same_revision_other_content");
                self.statement(platform, (day, 1), &wrong, first + 6, held);
                self.truth.note("statement_contradicted");
            }
            4 => {
                let held = Outcome::Held("county.unknown");
                self.statement(platform, (day, 1), &Totals::new(), first, held);
                self.statement(platform, (day, 2), right, first + 7, Outcome::Applied);
                self.truth.note("statement_unknown_county");
            }
            _ => self.statement(platform, (day, 1), right, first, Outcome::Applied),
        }
    }

    /// One statement; without any totals it names a county that does not exist.
    fn statement(
        &mut self,
        platform: usize,
        (day, revision): (Day, u32),
        totals: &Totals,
        hour: i64,
        outcome: Outcome,
    ) {
        let mut rows: Vec<(u32, u64)> = totals
            .iter()
            .map(|(&county, &orders)| (self.regions.county(county).code, orders))
            .collect();
        if rows.is_empty() {
            rows.push((UNKNOWN_COUNTIES[0], 17));
        }
        rows.sort_unstable();
        let (text, stream) = if platform == KUAIGOU {
            let rows: Vec<String> = rows
                .iter()
                .map(|(county, orders)| format!(r#"{{"county":"{county}","orders":{orders}}}"#))
                .collect();
            let rows = rows.join(",");
            let head = format!(r#"{{"platform":"KUAIGOU","date":"{day}","rev":{revision}"#);
            (format!(r#"{head},"totals":[{rows}]}}"#), KUAIGOU_TOTALS)
        } else {
            let rows: Vec<String> =
                rows.iter().map(|(county, orders)| format!("{county}:{orders}")).collect();
            (format!("MANBANG,{day},{revision},{}", rows.join(";")), MANBANG_TOTALS)
        };
        self.deliver_text(hour, stream, &text, outcome);
    }

    /// The statement delivered last, in other bytes.
    fn statement_again(&mut self, platform: usize, hour: i64) {
        let text = String::from_utf8_lossy(&self.scratch).into_owned();
        if platform == KUAIGOU {
            let text = text.replace("\"totals\"", "\"sentBy\":\"batch\",\"totals\"");
            self.deliver_text(hour, KUAIGOU_TOTALS, &text, Outcome::Duplicate);
        } else {
            let text = text.replacen("MANBANG", "\"MANBANG\"", 1);
            self.deliver_text(hour, MANBANG_TOTALS, &text, Outcome::Duplicate);
        }
    }
}
