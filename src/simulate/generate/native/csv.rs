//! Platforms that send CSV records, and Ele.me's daily file.

use super::super::platforms::{ELEME, HUOYUN, SHANSONG};
use super::super::text::TimeStyle;
use super::{Encoder, Extra, Native, Step, county, order_id, rider};

/// The words of 闪送 in GB18030, written out because they are few.
const TAKEN: &[u8] = b"\xd2\xd1\xbd\xd3\xb5\xa5";
const DONE: &[u8] = b"\xd2\xd1\xcd\xea\xb3\xc9";
const CANCELLED: &[u8] = b"\xd2\xd1\xc8\xa1\xcf\xfb";
const VOID: &[u8] = b"\xd2\xd1\xd7\xf7\xb7\xcf";
const WAITING: &[u8] = b"\xb4\xfd\xbd\xd3\xb5\xa5";
const FROZEN: &[u8] = b"\xb6\xb3\xbd\xe1";
const SHANSONG_CODE: &[u8] = b"\xc9\xc1\xcb\xcd";

/// A rewritten record quotes its order number: the same field in other bytes.
fn id_field(out: &mut Vec<u8>, message: &Native) {
    let quote: &[u8] = if message.extra == Extra::Rewritten { b"\"" } else { b"" };
    out.extend_from_slice(quote);
    order_id(out, message.platform, message.order, message.long_id);
    out.extend_from_slice(quote);
}

impl Encoder {
    /// 闪送: Chinese words, GB18030.
    pub(super) fn shansong(&mut self, out: &mut Vec<u8>, message: &Native) {
        let status = match message.step {
            Step::Created | Step::Arrived => WAITING,
            Step::Accepted => TAKEN,
            Step::Completed => DONE,
            Step::Cancelled => CANCELLED,
            Step::Void => VOID,
            Step::Unlisted => FROZEN,
        };
        out.extend_from_slice(message.code.map_or(SHANSONG_CODE, str::as_bytes));
        out.push(b',');
        id_field(out, message);
        out.push(b',');
        out.extend_from_slice(status);
        out.push(b',');
        if message.extra == Extra::BadBytes {
            out.extend_from_slice(b"\xff\xff");
        } else if let Some(worker) = message.worker {
            rider(out, SHANSONG, worker);
        }
        out.push(b',');
        if matches!(message.step, Step::Accepted | Step::Completed | Step::Unlisted) {
            self.time(out, message.accepted_ms, TimeStyle::Slashed);
        }
        out.push(b',');
        self.time(out, message.at_ms, TimeStyle::Slashed);
        out.push(b',');
        county(out, message.county);
    }

    /// 滴滴货运: English words, ISO times.
    pub(super) fn huoyun(&mut self, out: &mut Vec<u8>, message: &Native) {
        let action: &[u8] = match message.step {
            Step::Created | Step::Arrived => b"depart",
            Step::Accepted => b"accept",
            Step::Completed => b"finish",
            Step::Cancelled => b"cancel",
            Step::Void => b"void",
            Step::Unlisted => b"split",
        };
        out.extend_from_slice(message.code().as_bytes());
        out.push(b',');
        id_field(out, message);
        out.push(b',');
        out.extend_from_slice(action);
        out.push(b',');
        if let Some(worker) = message.worker {
            rider(out, HUOYUN, worker);
        }
        out.push(b',');
        if matches!(message.step, Step::Accepted | Step::Unlisted) {
            self.time(out, message.accepted_ms, TimeStyle::Iso);
        }
        out.push(b',');
        self.time(out, message.at_ms, TimeStyle::Iso);
        out.push(b',');
        county(out, message.county);
    }

    /// A row of Ele.me's daily file; an absent acceptance leaves rider and time empty.
    pub(in super::super) fn eleme_daily(&mut self, out: &mut Vec<u8>, message: &Native) {
        let result: &[u8] = match message.step {
            Step::Completed => b"delivered",
            Step::Cancelled => b"cancelled",
            Step::Created | Step::Accepted | Step::Arrived | Step::Void | Step::Unlisted => {
                b"taken"
            }
        };
        out.extend_from_slice(b"ELEME,");
        order_id(out, ELEME, message.order, false);
        out.push(b',');
        if let Some(worker) = message.worker {
            rider(out, ELEME, worker);
        }
        out.push(b',');
        if message.worker.is_some() {
            self.time(out, message.accepted_ms, TimeStyle::Dashed);
        }
        out.push(b',');
        if message.step != Step::Accepted {
            self.time(out, message.at_ms, TimeStyle::Dashed);
        }
        out.push(b',');
        county(out, message.county);
        out.push(b',');
        out.extend_from_slice(result);
    }
}
