//! The eleven platforms as the generator knows them, and the streams that files belong to.

/// Line of business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    RideHailing,
    InstantDelivery,
    Freight,
}

impl Line {
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::RideHailing => "ride_hailing",
            Self::InstantDelivery => "instant_delivery",
            Self::Freight => "intra_city_freight",
        }
    }

    /// What an order costs at the start of the scheme, in 厘.
    ///
    /// Legal source: the nine departments' notice of 2026-02-26, base amounts with no step.
    pub(super) const fn rate_li(self) -> u64 {
        match self {
            Self::RideHailing => 10,
            Self::InstantDelivery => 70,
            Self::Freight => 180,
        }
    }
}

/// How a stream's records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Json,
    Csv,
    Avro,
}

/// A platform.
#[derive(Debug)]
pub(super) struct Platform {
    pub(super) id: &'static str,
    pub(super) line: Line,
    /// Its own code in its order records.
    pub(super) code: &'static str,
    /// Its own code in its roster.
    pub(super) roster_code: &'static str,
    /// Share of all streamed orders, in parts of a thousand.
    pub(super) share: u64,
    /// Whether its times are whole seconds.
    pub(super) whole_seconds: bool,
    /// Whether its completion repeats the acceptance.
    pub(super) completion_carries_acceptance: bool,
    pub(super) shape: Shape,
    /// What its riders' numbers start with; empty where they are numbers.
    pub(super) rider_prefix: &'static str,
}

pub(super) const CAOCAO: usize = 0;
pub(super) const DIDI: usize = 1;
pub(super) const MEITUAN: usize = 2;
pub(super) const ELEME: usize = 3;
pub(super) const JD: usize = 4;
pub(super) const SHANSONG: usize = 5;
pub(super) const SF: usize = 6;
pub(super) const HUOLALA: usize = 7;
pub(super) const HUOYUN: usize = 8;
/// Platforms that stream orders come first.
pub(super) const STREAMING: usize = 9;
pub(super) const KUAIGOU: usize = 9;
pub(super) const MANBANG: usize = 10;

const BASE: Platform = Platform {
    id: "",
    line: Line::InstantDelivery,
    code: "",
    roster_code: "",
    share: 0,
    whole_seconds: true,
    completion_carries_acceptance: true,
    shape: Shape::Json,
    rider_prefix: "",
};

/// All platforms; two of them dominate: Meituan with 60 % of all streamed orders, DiDi with 80 %
/// of ride hailing.
pub(super) const PLATFORMS: [Platform; 11] = [
    Platform {
        id: "caocao-chuxing",
        line: Line::RideHailing,
        code: "CAOCAO",
        roster_code: "CAOCAO",
        share: 28,
        completion_carries_acceptance: false,
        rider_prefix: "C",
        ..BASE
    },
    Platform {
        id: "didi-chuxing",
        line: Line::RideHailing,
        code: "didi",
        roster_code: "DIDI",
        share: 112,
        whole_seconds: false,
        rider_prefix: "D",
        ..BASE
    },
    Platform {
        id: "meituan",
        code: "MEITUAN",
        roster_code: "MEITUAN",
        share: 600,
        whole_seconds: false,
        completion_carries_acceptance: false,
        ..BASE
    },
    Platform {
        id: "eleme",
        code: "ELEME",
        roster_code: "ELEME",
        share: 110,
        whole_seconds: false,
        rider_prefix: "E",
        ..BASE
    },
    Platform { id: "jd-miaosong", code: "dada", roster_code: "DADA", share: 45, ..BASE },
    Platform {
        id: "shansong",
        code: "闪送",
        roster_code: "SHANSONG",
        share: 20,
        shape: Shape::Csv,
        rider_prefix: "FS",
        ..BASE
    },
    Platform {
        id: "sf-tongcheng",
        code: "SFTC",
        roster_code: "SFTC",
        share: 25,
        completion_carries_acceptance: false,
        rider_prefix: "S",
        ..BASE
    },
    Platform {
        id: "huolala",
        line: Line::Freight,
        code: "HUOLALA",
        roster_code: "HUOLALA",
        share: 42,
        whole_seconds: false,
        shape: Shape::Avro,
        rider_prefix: "H",
        ..BASE
    },
    Platform {
        id: "didi-huoyun",
        line: Line::Freight,
        code: "DIDI_FREIGHT",
        roster_code: "DIDI_FREIGHT",
        share: 18,
        completion_carries_acceptance: false,
        shape: Shape::Csv,
        rider_prefix: "F",
        ..BASE
    },
    Platform { id: "kuaigou-dache", line: Line::Freight, code: "KUAIGOU", ..BASE },
    Platform {
        id: "manbang-shengsheng",
        line: Line::Freight,
        code: "MANBANG",
        shape: Shape::Csv,
        ..BASE
    },
];

/// A stream of files. Streams 0 to 8 are the orders of the platforms in their order.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) connector: &'static str,
    pub(super) feed: &'static str,
    pub(super) shape: Shape,
    /// First line of each CSV file, in UTF-8.
    pub(super) header: &'static str,
}

pub(super) const ELEME_DAILY: usize = 9;
/// The roster of platform `p` is stream `ROSTERS + p`.
pub(super) const ROSTERS: usize = 10;
pub(super) const KUAIGOU_TOTALS: usize = 19;
pub(super) const MANBANG_TOTALS: usize = 20;
pub(super) const REGISTRATIONS: usize = 21;
pub(super) const FILINGS: usize = 22;
pub(super) const PROPOSALS: usize = 23;
pub(super) const DECISIONS: usize = 24;
pub(super) const LEVIES: usize = 25;
pub(super) const STATEMENTS: usize = 26;

const fn json(connector: &'static str, feed: &'static str) -> Stream {
    Stream { connector, feed, shape: Shape::Json, header: "" }
}

const fn csv(connector: &'static str, feed: &'static str, header: &'static str) -> Stream {
    Stream { connector, feed, shape: Shape::Csv, header }
}

/// All streams.
pub(super) const STREAMS: [Stream; 27] = [
    json("caocao-chuxing", "orders"),
    json("didi-chuxing", "orders"),
    json("meituan", "orders"),
    json("eleme", "orders"),
    json("jd-miaosong", "orders"),
    csv("shansong", "orders", "平台,订单号,状态,闪送员,接单时间,状态时间,接单区划"),
    json("sf-tongcheng", "orders"),
    Stream { connector: "huolala", feed: "orders", shape: Shape::Avro, header: "" },
    csv(
        "didi-huoyun",
        "orders",
        "platform,order_id,action,driver_id,accept_time,action_time,county",
    ),
    csv("eleme", "daily", "source,order_no,rider,taken_at,finished_at,district,result"),
    json("caocao-chuxing", "roster"),
    json("didi-chuxing", "roster"),
    json("meituan", "roster"),
    json("eleme", "roster"),
    json("jd-miaosong", "roster"),
    json("shansong", "roster"),
    json("sf-tongcheng", "roster"),
    json("huolala", "roster"),
    json("didi-huoyun", "roster"),
    json("kuaigou-dache", "totals"),
    csv("manbang-shengsheng", "totals", "platform,date,rev,totals"),
    json("regional-agency", "registrations"),
    json("national-platform", "filings"),
    json("insurer", "proposals"),
    json("deciders", "decisions"),
    json("tax", "levies"),
    json("treasury-bank", "statements"),
];
