//! Platforms that send JSON.

use super::super::platforms::{CAOCAO, DIDI, ELEME, SF};
use super::super::text::{TimeStyle, decimal, unsigned};
use super::{Encoder, Extra, Native, Step, county, order_id, rider};

/// Ends the object: what the hub does not read stands last.
fn close(out: &mut Vec<u8>, message: &Native) {
    match message.extra {
        Extra::Nothing => {}
        Extra::Rewritten => out.extend_from_slice(b",\"traceId\":\"retry-1\""),
        Extra::BadBytes => out.extend_from_slice(b",\"city\":\"\xba\xf4\xba\xcd\xba\xc6\xcc\xd8\""),
    }
    out.push(b'}');
}

/// `,"name":"<county>"`, or nothing where there is none.
fn county_text(out: &mut Vec<u8>, name: &[u8], code: Option<u32>) {
    if code.is_some() {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name);
        out.extend_from_slice(b"\":\"");
        county(out, code);
        out.push(b'"');
    }
}

fn number_field(out: &mut Vec<u8>, name: &[u8], n: u64) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name);
    out.extend_from_slice(b"\":");
    decimal(out, n);
}

impl Encoder {
    /// The transport ministry's messages.
    pub(super) fn caocao(&mut self, out: &mut Vec<u8>, message: &Native) {
        let (kind, time_name): (&[u8], &[u8]) = match message.step {
            Step::Created => (b"order_create", b"OrderTime"),
            Step::Accepted => (b"order_match", b"DistributeTime"),
            Step::Arrived => (b"operate_arrive", b"ArriveTime"),
            Step::Completed => (b"operate_pay", b"DestTime"),
            Step::Cancelled => (b"order_cancel", b"CancelTime"),
            Step::Void => (b"order_void", b"VoidTime"),
            Step::Unlisted => (b"order_pause", b"PauseTime"),
        };
        out.extend_from_slice(b"{\"MsgType\":\"");
        out.extend_from_slice(kind);
        out.extend_from_slice(b"\",\"CompanyId\":\"");
        out.extend_from_slice(message.code().as_bytes());
        out.push(b'"');
        let area: &[u8] = if message.step == Step::Completed { b"OnArea" } else { b"Address" };
        county_text(out, area, message.county);
        out.extend_from_slice(b",\"OrderId\":\"");
        order_id(out, CAOCAO, message.order, message.long_id);
        if let Some(worker) = message.worker {
            out.extend_from_slice(b"\",\"DriverId\":\"");
            rider(out, CAOCAO, worker);
        }
        if message.step == Step::Cancelled {
            out.extend_from_slice(b"\",\"Operator\":\"1\",\"CancelTypeCode\":\"1");
        }
        out.extend_from_slice(b"\",\"");
        out.extend_from_slice(time_name);
        out.extend_from_slice(b"\":\"");
        self.time(out, message.at_ms, TimeStyle::Compact);
        out.push(b'"');
        if message.step == Step::Completed {
            out.extend_from_slice(b",\"FactPrice\":\"23.50\"");
        }
        close(out, message);
    }

    /// `DiDi`: nested, with times to the millisecond.
    pub(super) fn didi(&mut self, out: &mut Vec<u8>, message: &Native) {
        let event: &[u8] = match message.step {
            Step::Created => b"ORDER_CREATED",
            Step::Accepted => b"ORDER_ACCEPTED",
            Step::Arrived => b"DRIVER_ARRIVED",
            Step::Completed => b"ORDER_FINISHED",
            Step::Cancelled => b"ORDER_CANCELLED",
            Step::Void => b"ORDER_VOIDED",
            Step::Unlisted => b"ORDER_TELEPORTED",
        };
        out.extend_from_slice(b"{\"app\":\"");
        out.extend_from_slice(message.code().as_bytes());
        out.extend_from_slice(b"\",\"event\":\"");
        out.extend_from_slice(event);
        out.extend_from_slice(b"\",\"ts\":\"");
        self.time(out, message.at_ms, TimeStyle::IsoMs);
        out.extend_from_slice(b"\",\"order\":{\"id\":\"");
        order_id(out, DIDI, message.order, message.long_id);
        out.extend_from_slice(b"\",\"product\":\"express\"}");
        if let Some(worker) = message.worker {
            out.extend_from_slice(b",\"driver\":{\"id\":\"");
            rider(out, DIDI, worker);
            out.extend_from_slice(b"\"}");
        }
        self.didi_time_and_place(out, message);
        if message.order.is_multiple_of(50) {
            out.extend_from_slice(r#","channel":"高德""#.as_bytes());
        }
        close(out, message);
    }

    fn didi_time_and_place(&mut self, out: &mut Vec<u8>, message: &Native) {
        if message.step == Step::Cancelled {
            out.extend_from_slice(b",\"time\":{\"cancel\":\"");
            self.time(out, message.at_ms, TimeStyle::IsoMs);
            out.extend_from_slice(b"\"}");
        }
        if !matches!(message.step, Step::Accepted | Step::Completed | Step::Unlisted) {
            return;
        }
        out.extend_from_slice(b",\"time\":{\"accept\":\"");
        self.time(out, message.accepted_ms, TimeStyle::IsoMs);
        if message.step == Step::Completed {
            out.extend_from_slice(b"\",\"finish\":\"");
            self.time(out, message.at_ms, TimeStyle::IsoMs);
            out.extend_from_slice(b"\"},\"place\":{");
        } else {
            out.extend_from_slice(b"\",\"finish\":null},\"place\":{");
        }
        if message.county.is_some() {
            if !message.pickup_only {
                out.extend_from_slice(b"\"accept\":{\"adcode\":\"");
                county(out, message.county);
                out.extend_from_slice(b"\"},");
            }
            out.extend_from_slice(b"\"pickup\":{\"adcode\":\"");
            county(out, message.county);
            out.extend_from_slice(b"\"}");
        }
        out.push(b'}');
    }

    /// Meituan: numbers and epoch milliseconds.
    pub(super) fn meituan(out: &mut Vec<u8>, message: &Native) {
        let status: &[u8] = match message.step {
            Step::Created => b"10",
            Step::Accepted => b"20",
            Step::Arrived => b"30",
            Step::Completed => b"40",
            Step::Cancelled => b"50",
            Step::Void => b"90",
            Step::Unlisted => b"77",
        };
        out.extend_from_slice(b"{\"bizCode\":\"");
        out.extend_from_slice(message.code().as_bytes());
        out.extend_from_slice(b"\",\"orderViewId\":\"");
        order_id(out, message.platform, message.order, message.long_id);
        out.extend_from_slice(b"\",\"status\":");
        out.extend_from_slice(status);
        number_field(out, b"riderId", message.worker.map_or(0, super::Riders::native_number));
        if matches!(message.step, Step::Accepted | Step::Unlisted) {
            number_field(out, b"acceptTime", unsigned(message.accepted_ms));
        }
        number_field(out, b"opTime", unsigned(message.at_ms));
        if let Some(code) = message.county {
            number_field(out, b"adcode", u64::from(code));
        }
        close(out, message);
    }

    /// Ele.me's stream.
    pub(super) fn eleme(out: &mut Vec<u8>, message: &Native) {
        let state: &[u8] = match message.step {
            Step::Created => b"CREATED",
            Step::Accepted => b"RIDER_TAKEN",
            Step::Arrived => b"ARRIVED",
            Step::Completed => b"DELIVERED",
            Step::Cancelled => b"CANCELLED",
            Step::Void => b"INVALID",
            Step::Unlisted => b"FROZEN",
        };
        out.extend_from_slice(b"{\"source\":\"");
        out.extend_from_slice(message.code().as_bytes());
        out.extend_from_slice(b"\",\"order_no\":\"");
        order_id(out, ELEME, message.order, message.long_id);
        out.extend_from_slice(b"\",\"state\":\"");
        out.extend_from_slice(state);
        out.push(b'"');
        if let Some(worker) = message.worker {
            out.extend_from_slice(b",\"rider\":\"");
            rider(out, ELEME, worker);
            out.push(b'"');
        }
        if matches!(message.step, Step::Accepted | Step::Completed | Step::Unlisted) {
            number_field(out, b"taken_at", unsigned(message.accepted_ms));
        }
        number_field(out, b"event_at", unsigned(message.at_ms));
        county_text(out, b"district", message.county);
        close(out, message);
    }

    /// Dada's callbacks: epoch seconds.
    pub(super) fn jd(out: &mut Vec<u8>, message: &Native) {
        let status: &[u8] = match message.step {
            Step::Created => b"1",
            Step::Accepted => b"2",
            Step::Arrived => b"100",
            Step::Completed => b"4",
            Step::Cancelled => b"5",
            Step::Void => b"1000",
            Step::Unlisted => b"55",
        };
        out.extend_from_slice(b"{\"client_id\":\"");
        out.extend_from_slice(message.code().as_bytes());
        out.extend_from_slice(b"\",\"order_id\":\"");
        order_id(out, message.platform, message.order, message.long_id);
        out.extend_from_slice(b"\",\"order_status\":");
        out.extend_from_slice(status);
        number_field(out, b"dm_id", message.worker.map_or(0, super::Riders::native_number));
        number_field(out, b"update_time", unsigned(message.at_ms / 1000));
        if matches!(message.step, Step::Accepted | Step::Completed | Step::Unlisted) {
            number_field(out, b"accept_time", unsigned(message.accepted_ms / 1000));
        }
        county_text(out, b"city_code", message.county);
        number_field(out, b"cancel_from", u64::from(message.step == Step::Cancelled));
        out.extend_from_slice(b",\"cancel_reason\":\"\"");
        close(out, message);
    }

    /// SF's status codes.
    pub(super) fn sf(&mut self, out: &mut Vec<u8>, message: &Native) {
        let status: &[u8] = match message.step {
            Step::Created => b"1",
            Step::Accepted => b"10",
            Step::Arrived => b"12",
            Step::Completed => b"17",
            Step::Cancelled => b"2",
            Step::Void => b"22",
            Step::Unlisted => b"99",
        };
        out.extend_from_slice(b"{\"sp\":\"");
        out.extend_from_slice(message.code().as_bytes());
        out.extend_from_slice(b"\",\"sf_order_id\":\"");
        order_id(out, SF, message.order, message.long_id);
        out.extend_from_slice(b"\",\"order_status\":");
        out.extend_from_slice(status);
        if let Some(worker) = message.worker {
            out.extend_from_slice(b",\"operator_id\":\"");
            rider(out, SF, worker);
            out.push(b'"');
        }
        out.extend_from_slice(b",\"push_time\":\"");
        self.time(out, message.at_ms, TimeStyle::Dashed);
        if matches!(message.step, Step::Accepted | Step::Unlisted) {
            out.extend_from_slice(b"\",\"take_time\":\"");
            self.time(out, message.accepted_ms, TimeStyle::Dashed);
        }
        out.push(b'"');
        if message.county.is_some() {
            out.extend_from_slice(b",\"region\":{\"code\":\"");
            county(out, message.county);
            out.extend_from_slice(b"\"}");
        }
        close(out, message);
    }
}
