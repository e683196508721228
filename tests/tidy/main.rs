//! The house rules as an ordinary test: reads the repository and fails with file, line and what to
//! do. CONTRIBUTING.md explains the rules; what each may except stands in a named list here.
//!
//! It reads text, not types: what rustc and clippy can check is left to them (see Cargo.toml).

mod edges;
mod marks;
mod purity;
mod repository;
mod source;
mod text;
mod tree;

use source::Source;
use tree::{Finding, Tree};

#[track_caller]
fn none(findings: &[Finding]) {
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(lines.is_empty(), "{} house rules broken:\n{}", lines.len(), lines.join("\n"));
}

fn each_source(check: impl Fn(&Source) -> Vec<Finding>) -> Vec<Finding> {
    let tree = Tree::of_repository();
    let sources = tree.sources();
    assert!(sources.len() > 15, "expected the sources of the hub, found {}", sources.len());
    sources.iter().flat_map(check).collect()
}

#[test]
fn modules_use_only_the_modules_that_they_may() {
    none(&each_source(edges::check));
}

#[test]
fn pure_modules_are_pure() {
    none(&each_source(purity::check));
}

#[test]
fn the_wall_clock_is_read_in_few_places() {
    none(&each_source(purity::check_clock));
}

#[test]
fn money_knows_no_floats() {
    none(&each_source(purity::check_floats));
}

#[test]
fn nothing_is_switched_off_or_left_for_later() {
    none(&each_source(marks::check));
}

#[test]
fn files_say_their_purpose_and_stay_small() {
    none(&each_source(text::check));
}

#[test]
fn lines_end_at_column_100() {
    none(&text::check_lines(&Tree::of_repository()));
}

#[test]
fn names_of_files_say_what_is_inside() {
    none(&text::check_names(&Tree::of_repository()));
}

#[test]
fn every_dependency_says_why() {
    none(&repository::check_dependencies(&Tree::of_repository()));
}

#[test]
fn migrations_are_numbered_without_gaps() {
    none(&repository::check_migrations(&Tree::of_repository()));
}

#[test]
fn every_connector_has_its_four_parts() {
    none(&repository::check_connectors(&Tree::of_repository()));
}

#[test]
fn decisions_are_numbered_and_those_named_exist() {
    none(&repository::check_decisions(&Tree::of_repository()));
}

#[test]
fn documents_name_what_exists() {
    none(&repository::check_paths(&Tree::of_repository()));
}
