//! The riders: a stable pool for each platform and unit, the persons behind them, and the days on
//! which each of them worked.

use std::collections::BTreeMap;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::platforms::{DIDI, ELEME, HUOYUN, JD, MEITUAN, PLATFORMS, SF, SHANSONG, STREAMING};
use super::regions::Regions;
use super::text::{index, number};
use crate::domain::time::Day;

/// Orders that a rider takes on a day of work: 60,100 riders of whom half ride on a day give the
/// region its million orders.
const ORDERS_A_DAY: u64 = 30;
/// Least riders of a pool, so that some can have cases and others are left.
const RIDERS_MIN: u64 = 5;
/// One rider in so many of the first platform's pool also rides for the second.
const SHARED_EVERY: usize = 12;
/// Platforms between which persons are shared.
const SHARED: [(usize, usize); 4] =
    [(ELEME, MEITUAN), (JD, MEITUAN), (SF, SHANSONG), (HUOYUN, DIDI)];

/// What a rider is for in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// One of many.
    Ordinary,
    /// Missing from the roster.
    Unrostered,
    /// Has or will have a case: only plain orders, and each of them is remembered.
    Watched,
    /// Has a case but takes no orders.
    Resting,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Rider {
    pub(super) platform: usize,
    pub(super) unit: usize,
    pub(super) person: u32,
    pub(super) role: Role,
}

/// All riders of a run.
#[derive(Debug)]
pub(super) struct Riders {
    all: Vec<Rider>,
    pools: Vec<(usize, usize)>,
    units: usize,
    persons: u32,
    worked: Vec<u64>,
    words: usize,
    first_day: Day,
    shared: BTreeMap<u32, Vec<usize>>,
}

impl Riders {
    /// Pools for `orders_a_day` orders on the platforms with the given shares (per thousand).
    pub(super) fn recruit(
        regions: &Regions,
        shares: &[u64; STREAMING],
        orders_a_day: u64,
        days: (Day, u32),
        unrostered: u32,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let words = index(u64::from(days.1)) / 64 + 1;
        let mut riders = Self {
            all: Vec::new(),
            pools: Vec::new(),
            units: regions.units(),
            persons: 0,
            worked: Vec::new(),
            words,
            first_day: days.0,
            shared: BTreeMap::new(),
        };
        for (platform, share) in shares.iter().enumerate() {
            for unit in 0..riders.units {
                let orders = orders_a_day * share * regions.unit_share(unit) / 10_000_000;
                let size = index((orders / ORDERS_A_DAY).max(RIDERS_MIN));
                riders.pools.push((riders.all.len(), size));
                for _ in 0..size {
                    let role = if rng.random_range(0..1_000_000) < unrostered {
                        Role::Unrostered
                    } else {
                        Role::Ordinary
                    };
                    let person = riders.persons;
                    riders.persons += 1;
                    riders.all.push(Rider { platform, unit, person, role });
                }
            }
        }
        riders.share_persons();
        riders.worked = vec![0; riders.all.len() * words];
        riders
    }

    fn share_persons(&mut self) {
        for (turn, (first, second)) in SHARED.into_iter().enumerate() {
            for unit in 0..self.units {
                let (a, a_size) = self.pools[first * self.units + unit];
                let (b, b_size) = self.pools[second * self.units + unit];
                for k in (turn..a_size.min(b_size)).step_by(SHARED_EVERY) {
                    self.all[a + k].role = Role::Ordinary;
                    self.all[b + k].role = Role::Ordinary;
                    let person = self.all[b + k].person;
                    self.all[a + k].person = person;
                    self.shared.entry(person).or_insert_with(|| vec![b + k]).push(a + k);
                }
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn get(&self, rider: usize) -> Rider {
        self.all[rider]
    }

    /// A rider of the pool who takes orders.
    pub(super) fn pick(&self, platform: usize, unit: usize, rng: &mut ChaCha8Rng) -> usize {
        let (first, size) = self.pools[platform * self.units + unit];
        let mut k = rng.random_range(0..size);
        for _ in 0..size {
            if self.all[first + k].role != Role::Resting {
                break;
            }
            k = (k + 1) % size;
        }
        first + k
    }

    /// Another ordinary rider of the same pool, where there is one.
    pub(super) fn another(&self, than: usize) -> Option<usize> {
        let rider = self.all[than];
        let (first, size) = self.pools[rider.platform * self.units + rider.unit];
        (1..size)
            .map(|step| first + (than - first + step) % size)
            .find(|&other| matches!(self.all[other].role, Role::Ordinary | Role::Unrostered))
    }

    /// Riders of the same person.
    pub(super) fn of_person(&self, rider: usize) -> Vec<usize> {
        let person = self.all[rider].person;
        self.shared.get(&person).cloned().unwrap_or_else(|| vec![rider])
    }

    /// Persons who ride for two platforms or more, each as one of the riders.
    pub(super) fn shared_riders(&self) -> Vec<usize> {
        self.shared.values().filter_map(|riders| riders.last().copied()).collect()
    }

    /// Sets the role of all riders of the person, where all are ordinary and their pools have
    /// others left. Says whether it did.
    pub(super) fn assign(&mut self, rider: usize, role: Role) -> bool {
        let riders = self.of_person(rider);
        let free = riders.iter().all(|&each| {
            let Rider { platform, unit, role, .. } = self.all[each];
            let (first, size) = self.pools[platform * self.units + unit];
            let pool = first..first + size;
            let others = self.all[pool].iter().filter(|other| other.role == Role::Ordinary);
            role == Role::Ordinary && others.count() >= 3
        });
        if free {
            for each in riders {
                self.all[each].role = role;
            }
        }
        free
    }

    /// Marks a day on which the rider worked on a counted order.
    pub(super) fn work(&mut self, rider: usize, day: Day) {
        let offset = day.epoch_days() - self.first_day.epoch_days();
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        self.worked[rider * self.words + offset / 64] |= 1 << (offset % 64);
    }

    /// The days on which each rider worked.
    pub(super) fn days_worked(&self, rider: usize) -> impl Iterator<Item = Day> + '_ {
        let words = &self.worked[rider * self.words..(rider + 1) * self.words];
        let first = self.first_day;
        words.iter().enumerate().flat_map(move |(word, &bits)| {
            (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| {
                let offset = word * 64 + bit;
                first.plus(i32::try_from(offset).unwrap_or(i32::MAX))
            })
        })
    }

    /// The rider's number at the platform, as a number; the text has the platform's prefix.
    pub(super) fn native_number(rider: usize) -> u64 {
        300_000_000 + number(rider) * 7
    }

    /// The rider's number at the platform, as its records write it.
    pub(super) fn native_text(&self, rider: usize) -> String {
        let prefix = PLATFORMS[self.all[rider].platform].rider_prefix;
        format!("{prefix}{}", Self::native_number(rider))
    }

    /// How many person numbers are in use.
    pub(super) fn persons(&self) -> u32 {
        self.persons
    }
}

/// 公民身份号码 of a person number: unique, with a valid check character (GB 11643-1999).
pub(super) fn identity_no(person: u32) -> String {
    let n = u64::from(person);
    let born = Day::from_epoch_days(1827 + i32::try_from(n / 499 * 3571 % 12_000).unwrap_or(0));
    let (year, month, day) = born.ymd();
    let body = format!("150102{year:04}{month:02}{day:02}{:03}", n % 499 * 2 + 1);
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 =
        body.bytes().zip(weights).map(|(byte, weight)| u32::from(byte - 48) * weight).sum();
    let check = b"10X98765432"[index(u64::from(sum % 11))];
    format!("{body}{}", char::from(check))
}

/// A name; many share one, as in life.
pub(super) fn name(person: u32) -> String {
    let family = ["王", "李", "张", "刘", "陈", "杨", "赵", "包", "白", "云", "何", "吴"];
    let given =
        ["伟", "强", "磊", "洋", "勇", "军", "杰", "涛", "巴特尔", "苏和", "娜仁", "其其格"];
    let n = index(u64::from(person));
    format!("{}{}", family[n % 12], given[n / 12 % 12])
}
