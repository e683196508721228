//! Where each platform's records say what, as data for the naive hub.

/// How times are written.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Clock {
    Ms,
    Seconds,
    Text,
}

/// Where a platform's records say what; paths have dots. `kinds` says which status is acceptance
/// (a), completion (c), cancellation (x), void (v), or nothing (-).
pub(super) struct Format {
    pub(super) connector: &'static str,
    pub(super) line: &'static str,
    pub(super) code: (&'static str, &'static str),
    pub(super) id: &'static str,
    pub(super) status: (&'static str, &'static [(&'static str, char)]),
    pub(super) worker: &'static str,
    pub(super) accepted: &'static str,
    pub(super) at: &'static [&'static str],
    pub(super) county: &'static [&'static str],
    pub(super) clock: Clock,
    /// Resolution of its times.
    pub(super) unit_ms: i64,
}

pub(super) const FORMATS: [Format; 9] = [
    Format {
        connector: "caocao-chuxing",
        line: "ride_hailing",
        code: ("CompanyId", "CAOCAO"),
        id: "OrderId",
        status: (
            "MsgType",
            &[
                ("order_match", 'a'),
                ("operate_pay", 'c'),
                ("order_cancel", 'x'),
                ("order_void", 'v'),
                ("order_create", '-'),
                ("operate_arrive", '-'),
            ],
        ),
        worker: "DriverId",
        accepted: "DistributeTime",
        at: &["DistributeTime", "DestTime", "CancelTime", "VoidTime"],
        county: &["Address"],
        clock: Clock::Text,
        unit_ms: 1000,
    },
    Format {
        connector: "didi-chuxing",
        line: "ride_hailing",
        code: ("app", "didi"),
        id: "order.id",
        status: (
            "event",
            &[
                ("ORDER_ACCEPTED", 'a'),
                ("ORDER_FINISHED", 'c'),
                ("ORDER_CANCELLED", 'x'),
                ("ORDER_VOIDED", 'v'),
                ("ORDER_CREATED", '-'),
                ("DRIVER_ARRIVED", '-'),
            ],
        ),
        worker: "driver.id",
        accepted: "time.accept",
        at: &["ts"],
        county: &["place.accept.adcode", "place.pickup.adcode"],
        clock: Clock::Text,
        unit_ms: 1,
    },
    Format {
        connector: "meituan",
        line: "instant_delivery",
        code: ("bizCode", "MEITUAN"),
        id: "orderViewId",
        status: (
            "status",
            &[("20", 'a'), ("40", 'c'), ("50", 'x'), ("90", 'v'), ("10", '-'), ("30", '-')],
        ),
        worker: "riderId",
        accepted: "acceptTime",
        at: &["opTime"],
        county: &["adcode"],
        clock: Clock::Ms,
        unit_ms: 1,
    },
    Format {
        connector: "eleme",
        line: "instant_delivery",
        code: ("source", "ELEME"),
        id: "order_no",
        status: (
            "state",
            &[
                ("RIDER_TAKEN", 'a'),
                ("DELIVERED", 'c'),
                ("CANCELLED", 'x'),
                ("INVALID", 'v'),
                ("CREATED", '-'),
                ("ARRIVED", '-'),
            ],
        ),
        worker: "rider",
        accepted: "taken_at",
        at: &["event_at"],
        county: &["district"],
        clock: Clock::Ms,
        unit_ms: 1,
    },
    Format {
        connector: "jd-miaosong",
        line: "instant_delivery",
        code: ("client_id", "dada"),
        id: "order_id",
        status: (
            "order_status",
            &[("2", 'a'), ("4", 'c'), ("5", 'x'), ("1000", 'v'), ("1", '-'), ("100", '-')],
        ),
        worker: "dm_id",
        accepted: "accept_time",
        at: &["update_time"],
        county: &["city_code"],
        clock: Clock::Seconds,
        unit_ms: 1000,
    },
    Format {
        connector: "shansong",
        line: "instant_delivery",
        code: ("平台", "闪送"),
        id: "订单号",
        status: (
            "状态",
            &[("已接单", 'a'), ("已完成", 'c'), ("已取消", 'x'), ("已作废", 'v'), ("待接单", '-')],
        ),
        worker: "闪送员",
        accepted: "接单时间",
        at: &["状态时间"],
        county: &["接单区划"],
        clock: Clock::Text,
        unit_ms: 1000,
    },
    Format {
        connector: "sf-tongcheng",
        line: "instant_delivery",
        code: ("sp", "SFTC"),
        id: "sf_order_id",
        status: (
            "order_status",
            &[("10", 'a'), ("17", 'c'), ("2", 'x'), ("22", 'v'), ("1", '-'), ("12", '-')],
        ),
        worker: "operator_id",
        accepted: "take_time",
        at: &["push_time"],
        county: &["region.code"],
        clock: Clock::Text,
        unit_ms: 1000,
    },
    Format {
        connector: "huolala",
        line: "intra_city_freight",
        code: ("platform", "HUOLALA"),
        id: "orderNo",
        status: (
            "action",
            &[
                ("TAKEN", 'a'),
                ("FINISHED", 'c'),
                ("CANCEL", 'x'),
                ("INVALID", 'v'),
                ("PICKED", '-'),
            ],
        ),
        worker: "driverId",
        accepted: "takenAt",
        at: &["happenedAt"],
        county: &["countyCode"],
        clock: Clock::Ms,
        unit_ms: 1,
    },
    Format {
        connector: "didi-huoyun",
        line: "intra_city_freight",
        code: ("platform", "DIDI_FREIGHT"),
        id: "order_id",
        status: (
            "action",
            &[("accept", 'a'), ("finish", 'c'), ("cancel", 'x'), ("void", 'v'), ("depart", '-')],
        ),
        worker: "driver_id",
        accepted: "accept_time",
        at: &["action_time"],
        county: &["county"],
        clock: Clock::Text,
        unit_ms: 1000,
    },
];

pub(super) const DAILY: Format = Format {
    status: ("result", &[("taken", 'a'), ("delivered", 'c'), ("cancelled", 'x')]),
    at: &["finished_at", "taken_at"],
    clock: Clock::Text,
    unit_ms: 1000,
    ..FORMATS[3]
};
