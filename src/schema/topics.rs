//! The canonical topic of each record, and the key that decides an event's partition.

use super::Record;
use crate::domain::event::{Event, Fact};
use crate::domain::ids::PlatformId;
use crate::domain::time::Month;

/// The topic of order events.
pub const ORDERS: &str = "events.orders";

/// The topics of all other records.
pub const OTHERS: [&str; 6] = [
    "events.cases",
    "events.count-statements",
    "events.enrolments",
    "events.fund",
    "events.registrations",
    "events.tax",
];

impl Record {
    /// Where the record is published; `None` for what nobody else needs.
    #[must_use]
    pub const fn topic(self) -> Option<&'static str> {
        match self {
            Self::Order => Some(ORDERS),
            Self::Statement => Some("events.count-statements"),
            Self::Registration => Some("events.registrations"),
            Self::Enrolment => Some("events.enrolments"),
            Self::Case => Some("events.cases"),
            Self::Declaration | Self::Payment | Self::Refund => Some("events.tax"),
            Self::Receipt | Self::Transfer | Self::Interest | Self::BankResult => {
                Some("events.fund")
            }
            Self::Ack => None,
        }
    }
}

/// The key of an order's events: platform and order number, written into `key`.
pub fn order_key(key: &mut Vec<u8>, platform: &PlatformId, order_id: &str) {
    key.clear();
    key.extend_from_slice(platform.as_str().as_bytes());
    key.push(b'/');
    key.extend_from_slice(order_id.as_bytes());
}

/// The key of any other event; events of one key keep their order.
#[must_use]
pub fn key_of(event: &Event) -> String {
    let period = |platform: &PlatformId, period: Month| format!("{platform}/{period}");
    match &event.fact {
        Fact::Statement(of) => format!("{}/{}/{}", of.platform, of.line, of.day),
        Fact::Registration(of) => format!("{}/{}", of.credit_code, of.line),
        Fact::Enrolment(of) => format!("{}/{:016x}", of.platform, of.worker.0),
        Fact::Case(of) => of.case.to_string(),
        Fact::Declaration(of) => period(&of.platform, of.period),
        Fact::Payment(of) => period(&of.platform, of.period),
        Fact::Refund(of) => period(&of.platform, of.period),
        Fact::Receipt(of) => of.account.to_string(),
        Fact::Transfer(of) => of.from.to_string(),
        Fact::Interest(of) => of.account.to_string(),
        Fact::BankResult(of) => of.account.to_string(),
        Fact::Ack(of) => of.destination.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{ORDERS, OTHERS};
    use crate::schema::Record;

    #[test]
    fn every_published_record_has_a_topic_of_the_list_and_every_topic_a_record() {
        let topics = Record::ALL.iter().filter_map(|record| record.topic());
        let mut topics: Vec<_> = topics.filter(|topic| *topic != ORDERS).collect();
        topics.sort_unstable();
        topics.dedup();
        assert_eq!(topics, OTHERS);
        assert_eq!(Record::Ack.topic(), None);
    }
}
