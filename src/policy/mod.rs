//! The dated rules of `policy/`, loaded, checked for gaps and overlaps, and asked by day.
//!
//! No number of a law stands in code: it is a row with unit, from-date, document and clause. A
//! policy is built whole or refused; there is no half-checked one. It reads no clock: every query
//! takes the day it is asked for.

mod accounts;
mod bundle;
mod competence;
mod counting;
mod error;
mod platforms;
mod rates;
mod regions;
mod scheme;
mod source;
#[cfg(test)]
mod tests;
mod timeline;

use std::path::Path;

use sha2::{Digest, Sha256};

pub use accounts::{Account, AccountKind, Item, ItemSide, Side};
pub use counting::{Basis, CountingRule};
pub use error::PolicyError;
pub use platforms::{Line, Platform, Standing, Stay};
pub use rates::RateRow;
pub use regions::{County, CountyStanding, Unit};
pub use scheme::Windows;
pub use source::{LegalSource, Sureness};

use crate::domain::event::DecisionFunction;
use crate::domain::ids::{
    AccountCode, BodyCode, CountyCode, ItemCode, LineCode, PlatformId, UnitCode,
};
use crate::domain::time::{Day, Month};

/// All rules of one policy version.
#[derive(Clone, Debug)]
pub struct Policy {
    bundle: bundle::Bundle,
    digest: [u8; 32],
    scheme: scheme::Scheme,
    regions: regions::Regions,
    platforms: platforms::Platforms,
    rates: rates::Rates,
    counting: counting::Counting,
    competence: competence::Competence,
    chart: accounts::Chart,
}

impl Policy {
    /// Loads and checks the files of a policy folder.
    ///
    /// # Errors
    /// [`PolicyError`], naming file, line and field of the first row that is refused.
    pub fn load(folder: &Path) -> Result<Self, PolicyError> {
        Self::build(bundle::Bundle::read(folder)?)
    }

    /// Rebuilds a policy from [`Self::to_bytes`].
    ///
    /// # Errors
    /// [`PolicyError`] where the bytes are no bundle, or a rule in it is refused.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PolicyError> {
        Self::build(bundle::Bundle::from_bytes(bytes)?)
    }

    /// The policy as the database keeps it: its files, unchanged.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bundle.to_bytes()
    }

    /// SHA-256 of [`Self::to_bytes`].
    #[must_use]
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    fn build(bundle: bundle::Bundle) -> Result<Self, PolicyError> {
        let sources = source::Sources::load(bundle.text("sources.toml")?)?;
        let scheme = scheme::Scheme::load(bundle.text("scheme.toml")?, &sources)?;
        let regions = regions::Regions::load(bundle.text("regions.csv")?, scheme.province)?;
        let platforms = platforms::Platforms::load(bundle.text("platforms.toml")?, &sources)?;
        let rates = rates::Rates::load(bundle.text("rates.toml")?, &sources, &platforms)?;
        let text = bundle.text("counting.toml")?;
        let counting = counting::Counting::load(text, &sources, &platforms, scheme.start)?;
        let text = bundle.text("competence.toml")?;
        let competence = competence::Competence::load(text, &sources, scheme.start)?;
        let chart = accounts::Chart::load(bundle.text("accounts.toml")?, &sources)?;
        let digest = Sha256::digest(bundle.to_bytes()).into();
        Ok(Self { bundle, digest, scheme, regions, platforms, rates, counting, competence, chart })
    }

    /// First day on which an accepted order counts.
    #[must_use]
    pub const fn scheme_start(&self) -> Day {
        self.scheme.start
    }

    /// How long the hub waits for what.
    #[must_use]
    pub const fn windows(&self) -> &Windows {
        &self.scheme.windows
    }

    /// What the county table says of a code on a day. For the hot path: two array look-ups.
    #[must_use]
    pub fn county(&self, county: CountyCode, day: Day) -> CountyStanding {
        self.regions.standing(county, day)
    }

    /// The unit that reports a county, by its latest row, whatever the day.
    #[must_use]
    pub fn unit_of(&self, county: CountyCode) -> Option<UnitCode> {
        self.regions.rows(county).last().map(|row| row.unit)
    }

    /// The reporting units, by code.
    #[must_use]
    pub fn units(&self) -> &[Unit] {
        self.regions.units()
    }

    /// All rows of the county table, by code.
    #[must_use]
    pub fn counties(&self) -> &[County] {
        self.regions.counties()
    }

    /// Whether a platform's line is in force on a day. For the hot path: one hash look-up.
    #[must_use]
    pub fn standing(&self, platform: &PlatformId, line: &LineCode, day: Day) -> Standing {
        self.platforms.standing(platform, line, day)
    }

    /// The platforms, in the order of the notice.
    #[must_use]
    pub fn platforms(&self) -> &[Platform] {
        self.platforms.all()
    }

    /// One platform.
    #[must_use]
    pub fn platform(&self, platform: &PlatformId) -> Option<&Platform> {
        self.platforms.get(platform)
    }

    /// The lines of business with their Chinese names.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        self.platforms.lines()
    }

    /// Platforms and lines that are in force on at least one day of the month.
    #[must_use]
    pub fn in_force(&self, month: Month) -> Vec<(&PlatformId, &LineCode)> {
        let (first, end) = (month.first_day(), month.next().first_day());
        let overlaps = |stay: &Stay<'_>| stay.from < end && stay.until.is_none_or(|u| u > first);
        let mut pairs: Vec<_> = self
            .platforms
            .stays()
            .filter(overlaps)
            .map(|stay| (stay.platform, stay.line))
            .collect();
        pairs.dedup();
        pairs
    }

    /// Whether the stream or the statement is the count of the day; `None` where no row says.
    #[must_use]
    pub fn basis(&self, platform: &PlatformId, line: &LineCode, day: Day) -> Option<Basis> {
        self.counting.basis(platform, line, day)
    }

    /// Number of the counting rule of a day; before the first rule, that of the first.
    #[must_use]
    pub fn counting_rule(&self, day: Day) -> u32 {
        self.counting.rule(day).version
    }

    /// The payment standard of a day; `None` where the platform's line is not in force.
    #[must_use]
    pub fn rate(&self, platform: &PlatformId, line: &LineCode, day: Day) -> Option<&RateRow> {
        self.rates.at(platform, line, day)
    }

    /// Whether the body may decide this for an injury in the county, on the day of its decision.
    #[must_use]
    pub fn is_competent(
        &self,
        function: DecisionFunction,
        body: &BodyCode,
        county: CountyCode,
        day: Day,
    ) -> bool {
        let CountyStanding::InRegion(unit) = self.county(county, day) else { return false };
        self.competence.at(function, day).is_some_and(|row| row.holds(body, county, unit))
    }

    /// Which bodies may decide this, in words, for the text of a hold.
    #[must_use]
    pub fn competent_bodies(
        &self,
        function: DecisionFunction,
        county: CountyCode,
        day: Day,
    ) -> String {
        let CountyStanding::InRegion(unit) = self.county(county, day) else {
            return format!("{} in {county}, which is no county of the region", function.code());
        };
        let bodies = self.competence.at(function, day).map(|row| row.describe(county, unit));
        let bodies = bodies.unwrap_or_else(|| "nobody yet".to_owned());
        format!("{} in {county}: {bodies}", function.code())
    }

    /// An account of the chart.
    #[must_use]
    pub fn account(&self, code: &AccountCode) -> Option<&Account> {
        self.chart.account(code)
    }

    /// The chart of accounts, by code.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.chart.accounts()
    }

    /// An item of income or expenditure.
    #[must_use]
    pub fn item(&self, code: &ItemCode) -> Option<&Item> {
        self.chart.item(code)
    }
}
