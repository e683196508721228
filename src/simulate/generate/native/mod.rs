//! Order messages in the platforms' own formats, written byte by byte.

pub(super) mod avro;
mod csv;
mod json;

use super::platforms::{
    CAOCAO, DIDI, ELEME, HUOLALA, HUOYUN, JD, MEITUAN, PLATFORMS, SF, SHANSONG,
};
use super::riders::Riders;
use super::text::{TimeStyle, TimeWriter, decimal, padded};

/// What a message says of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Ignored by the hub.
    Created,
    Accepted,
    /// On the way; ignored by the hub.
    Arrived,
    Completed,
    Cancelled,
    Void,
    /// A status that no manifest lists.
    Unlisted,
}

/// What is added to a record that the hub does not read, or cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extra {
    Nothing,
    /// The same content in other bytes.
    Rewritten,
    /// Bytes that are not in the feed's encoding.
    BadBytes,
}

/// One order message before it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Native {
    pub(super) platform: usize,
    pub(super) step: Step,
    /// Number of the order in the run; the order id is made of it.
    pub(super) order: u64,
    pub(super) worker: Option<usize>,
    pub(super) at_ms: i64,
    /// When this worker accepted; written where the format has it.
    pub(super) accepted_ms: i64,
    pub(super) county: Option<u32>,
    /// Whether the county is only known as the pick-up's.
    pub(super) pickup_only: bool,
    pub(super) extra: Extra,
    /// Another platform's code.
    pub(super) code: Option<&'static str>,
    /// An order number that is too long.
    pub(super) long_id: bool,
}

impl Native {
    fn code(&self) -> &'static str {
        self.code.unwrap_or(PLATFORMS[self.platform].code)
    }
}

/// Writes messages.
#[derive(Debug)]
pub(super) struct Encoder {
    times: TimeWriter,
}

impl Encoder {
    pub(super) fn new() -> Self {
        Self { times: TimeWriter::new() }
    }

    /// Appends the record of `message`.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, message: &Native) {
        match message.platform {
            CAOCAO => self.caocao(out, message),
            DIDI => self.didi(out, message),
            MEITUAN => Self::meituan(out, message),
            ELEME => Self::eleme(out, message),
            JD => Self::jd(out, message),
            SHANSONG => self.shansong(out, message),
            SF => self.sf(out, message),
            HUOLALA => avro::order(out, message),
            HUOYUN => self.huoyun(out, message),
            other => unreachable!("platform {other} streams no orders"),
        }
    }

    fn time(&mut self, out: &mut Vec<u8>, ms: i64, style: TimeStyle) {
        self.times.write(out, ms, style);
    }
}

/// Appends the platform's order id: unique for each number, without visible order.
pub(super) fn order_id(out: &mut Vec<u8>, platform: usize, order: u64, long: bool) {
    match platform {
        ELEME | SF => {
            hex(out, mixed(order));
            hex(out, mixed(order ^ 0x5bf0_3635_d1f0_c5a7));
        }
        SHANSONG => {
            out.extend_from_slice(b"SS");
            padded(out, scattered(order, 100_000_000_000_000_000), 17);
        }
        CAOCAO | DIDI | MEITUAN | JD | HUOLALA | HUOYUN => {
            out.push(b"5273946810"[platform % 10]);
            padded(out, scattered(order, 1_000_000_000_000_000_000), 18);
        }
        other => unreachable!("platform {other} streams no orders"),
    }
    if long {
        out.extend_from_slice([b'9'; 60].as_slice());
    }
}

/// The id as text.
pub(super) fn order_id_text(platform: usize, order: u64) -> String {
    let mut out = Vec::new();
    order_id(&mut out, platform, order, false);
    String::from_utf8_lossy(&out).into_owned()
}

/// Multiplication by a number without common factor with 10 maps each residue to another.
fn scattered(order: u64, modulus: u64) -> u64 {
    let product = u128::from(order) * 618_033_988_749_894_849_u128 % u128::from(modulus);
    u64::try_from(product).unwrap_or(0)
}

/// A bijection of 64-bit numbers (the finalizer of `SplitMix64`).
fn mixed(order: u64) -> u64 {
    let mut z = order.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

fn hex(out: &mut Vec<u8>, n: u64) {
    for shift in (0..16).rev() {
        let nibble = n >> (shift * 4) & 15;
        out.push(b"0123456789abcdef"[super::text::index(nibble)]);
    }
}

/// Appends the rider's number as the platform writes it.
fn rider(out: &mut Vec<u8>, platform: usize, worker: usize) {
    out.extend_from_slice(PLATFORMS[platform].rider_prefix.as_bytes());
    decimal(out, Riders::native_number(worker));
}

fn county(out: &mut Vec<u8>, code: Option<u32>) {
    if let Some(code) = code {
        decimal(out, u64::from(code));
    }
}
