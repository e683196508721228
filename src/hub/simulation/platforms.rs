//! The platforms of the simulation as their own systems know them: what a message looks like, what
//! an order costs. Written out a second time, and by nobody who reads the manifests or the policy.

use crate::domain::time::Moment;
use crate::log::partition_of;

/// A platform that sends orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Platform {
    /// 美团: JSON, times in milliseconds, every message with the fields of the acceptance.
    Meituan,
    /// 曹操出行: the transport ministry's messages, times in seconds; only the acceptance says
    /// where and when it was.
    Caocao,
}

/// What a message says that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Accepted,
    Completed,
    Cancelled,
    Void,
}

impl Kind {
    /// The word in canonical events.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Void => "void",
        }
    }
}

/// What one message says of its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) kind: Kind,
    pub(super) rider: Option<u32>,
    pub(super) accepted_at: Option<Moment>,
    pub(super) at: Moment,
    pub(super) county: Option<u32>,
}

impl Platform {
    pub(super) const ALL: [Self; 2] = [Self::Meituan, Self::Caocao];

    /// Its name, and that of its connector.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Meituan => "meituan",
            Self::Caocao => "caocao-chuxing",
        }
    }

    pub(super) const fn line(self) -> &'static str {
        match self {
            Self::Meituan => "instant_delivery",
            Self::Caocao => "ride_hailing",
        }
    }

    /// What an order costs, in 厘: 0.07 and 0.01 yuan (notice of 2026-02-26, clause 三).
    pub(super) const fn rate_li(self) -> i64 {
        match self {
            Self::Meituan => 70,
            Self::Caocao => 10,
        }
    }

    /// Times are said to so many milliseconds.
    pub(super) const fn resolution_ms(self) -> i64 {
        match self {
            Self::Meituan => 1,
            Self::Caocao => 1_000,
        }
    }

    /// Partitions of its topic in the simulation: few, so that each has its share of what happens.
    pub(super) const fn partitions(self) -> u32 {
        match self {
            Self::Meituan => 3,
            Self::Caocao => 2,
        }
    }

    /// Where its own producer puts an order.
    pub(super) fn partition(self, id: &str) -> u32 {
        partition_of(id.as_bytes(), self.partitions())
    }

    /// The message of a fact. `again` writes it as its system does when it sends it once more.
    pub(super) fn message(self, id: &str, fact: &Fact, again: bool) -> Vec<u8> {
        let mut fields: Vec<(&str, String)> = Vec::new();
        match self {
            Self::Meituan => {
                let status = match fact.kind {
                    Kind::Accepted => 20,
                    Kind::Completed => 40,
                    Kind::Cancelled => 50,
                    Kind::Void => 90,
                };
                fields.push(("bizCode", quoted("MEITUAN")));
                fields.push(("orderViewId", quoted(id)));
                fields.push(("status", status.to_string()));
                fields.extend(fact.accepted_at.map(|at| ("acceptTime", at.ms().to_string())));
                fields.extend(fact.county.map(|county| ("adcode", county.to_string())));
                fields.extend(fact.rider.map(|rider| ("riderId", rider.to_string())));
                fields.push(("opTime", fact.at.ms().to_string()));
            }
            Self::Caocao => {
                let (word, time) = match fact.kind {
                    Kind::Accepted => ("order_match", "DistributeTime"),
                    Kind::Completed => ("operate_pay", "DestTime"),
                    Kind::Cancelled => ("order_cancel", "CancelTime"),
                    Kind::Void => ("order_void", "VoidTime"),
                };
                fields.push(("MsgType", quoted(word)));
                fields.push(("CompanyId", quoted("CAOCAO")));
                fields.extend(fact.county.map(|county| ("Address", quoted(&county.to_string()))));
                fields.push(("OrderId", quoted(id)));
                fields.extend(fact.rider.map(|rider| ("DriverId", quoted(&rider.to_string()))));
                fields.push((time, quoted(&digits_of(fact.at))));
            }
        }
        if again {
            fields.push(("traceId", quoted("again")));
        }
        let fields: Vec<String> =
            fields.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", fields.join(",")).into_bytes()
    }

    /// A message that is no event of ours.
    pub(super) fn ignored(self, id: &str, at: Moment) -> Vec<u8> {
        let text = match self {
            Self::Meituan => format!(
                "{{\"bizCode\":\"MEITUAN\",\"orderViewId\":\"{id}\",\"status\":10,\"opTime\":{}}}",
                at.ms()
            ),
            Self::Caocao => format!(
                "{{\"MsgType\":\"order_create\",\"CompanyId\":\"CAOCAO\",\"OrderId\":\"{id}\",\
                 \"OrderTime\":\"{}\"}}",
                digits_of(at)
            ),
        };
        text.into_bytes()
    }

    /// A message that cannot be used: cut off, or of a status that nobody knows.
    pub(super) fn broken(self, id: &str, is_cut: bool) -> Vec<u8> {
        let mut bytes = match self {
            Self::Meituan => format!(
                "{{\"bizCode\":\"MEITUAN\",\"orderViewId\":\"{id}\",\"status\":77,\"opTime\":1}}"
            ),
            Self::Caocao => format!(
                "{{\"MsgType\":\"order_pause\",\"CompanyId\":\"CAOCAO\",\"OrderId\":\"{id}\"}}"
            ),
        }
        .into_bytes();
        if is_cut {
            bytes.truncate(bytes.len() - 9);
        }
        bytes
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// `YYYYMMDDhhmmss` in Asia/Shanghai.
fn digits_of(at: Moment) -> String {
    let day = at.day();
    let (year, month, date) = day.ymd();
    let second = at.since_ms(day.start()) / 1000;
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}{month:02}{date:02}{hour:02}{minute:02}{:02}", second % 60)
}
