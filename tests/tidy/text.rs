//! Purpose, size, width and name of files.

use crate::source::Source;
use crate::tree::{Finding, Tree};

/// House style asks for a split at 300 lines; this is where a file fails.
const LINES_MAX: usize = 500;

/// Files that may be longer, each with its reason. None so far.
const LONGER: [(&str, &str); 0] = [];

const COLUMNS_MAX: usize = 100;

/// Words that name nothing.
const EMPTY_NAMES: [&str; 9] =
    ["manager", "helper", "helpers", "util", "utils", "misc", "common", "handler", "payload"];

/// Purpose and length.
pub(crate) fn check(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    if !source.text.starts_with("//! ") {
        let text = "expected `//!` with the purpose of the file on its first line";
        found.push(Finding::new(&source.path, 1, text));
    }
    let lines = source.text.lines().count();
    if lines > LINES_MAX && !LONGER.iter().any(|(path, _)| *path == source.path) {
        let text =
            format!("expected at most {LINES_MAX} lines, found {lines}; split it by subject");
        found.push(Finding::new(&source.path, LINES_MAX + 1, text));
    }
    found
}

/// Lines of code, SQL and scripts. In tests of Rust a sample text may run on: cut in pieces it
/// would no longer look like what a counterparty sends.
pub(crate) fn check_lines(tree: &Tree) -> Vec<Finding> {
    let is_checked = |path: &str| {
        path.starts_with("scripts/")
            || path.starts_with(".ci/")
            || [".rs", ".sql", ".py", ".sh"].iter().any(|end| path.ends_with(end))
    };
    let mut found = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| is_checked(path)) {
        let without_texts = if path.ends_with(".rs") { of_tests(path, text) } else { Vec::new() };
        for (index, line) in text.lines().enumerate() {
            let columns = line.chars().count();
            let is_excused = without_texts.get(index).is_some_and(|rest| *rest <= COLUMNS_MAX);
            if columns > COLUMNS_MAX && !is_excused {
                let text = format!("expected at most {COLUMNS_MAX} columns, found {columns}");
                found.push(Finding::new(path, index + 1, text));
            }
        }
    }
    found
}

/// Columns of each line without its texts; `usize::MAX` for lines that are no test.
fn of_tests(path: &str, text: &str) -> Vec<usize> {
    let source = Source::new(path, text);
    let own = if source.is_test() { 0 } else { source.code_lines().count() };
    let width = |line: &str| -> usize {
        line.split_whitespace().map(|word| word.chars().count() + 1).sum()
    };
    let lines = source.code.lines().zip(source.comments.lines()).enumerate();
    let columns = |(index, (code, comment)): (usize, (&str, &str))| {
        let sum = width(code) + width(comment);
        if index < own { usize::MAX } else { sum }
    };
    lines.map(columns).collect()
}

/// Names of files and folders of code.
pub(crate) fn check_names(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    let code = tree.files().filter(|(path, _)| path.ends_with(".rs") || path.ends_with(".py"));
    for (path, _) in code {
        let parts = path.split(['/', '_', '.']);
        for part in parts.filter(|part| EMPTY_NAMES.contains(part)) {
            let text = format!("{part:?} says nothing; name the file for what is inside");
            found.push(Finding::new(path, 1, text));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{check, check_lines, check_names};
    use crate::source::Source;
    use crate::tree::Tree;

    #[test]
    fn a_file_without_purpose_or_end_is_found() {
        assert_eq!(check(&Source::new("src/x.rs", "//! x\n")), []);
        let lines = |text: &str| -> Vec<usize> {
            check(&Source::new("src/x.rs", text)).iter().map(|finding| finding.line).collect()
        };
        assert_eq!(lines("// x\n"), [1]);
        assert_eq!(lines(&format!("//! x\n{}", "a\n".repeat(499))), []);
        assert_eq!(lines(&format!("//! x\n{}", "a\n".repeat(500))), [501]);
    }

    #[test]
    fn wide_lines_are_found_by_characters_not_bytes() {
        let (fits, wide) = ("职".repeat(100), "a".repeat(101));
        let text = format!("{fits}\n{wide}\n");
        let found = check_lines(&Tree::of(&[("src/x.rs", &text), ("README.md", &wide)]));
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_sample_text_may_run_on_in_tests_only() {
        let sample = format!("let a = \"{}\";\n", "x ".repeat(80));
        let wide_code = format!("let {} = 1;\n", "a".repeat(100));
        let lines = |path: &str, text: &str| check_lines(&Tree::of(&[(path, text)])).len();
        assert_eq!(lines("src/x/tests.rs", &sample), 0);
        assert_eq!(lines("src/x.rs", &sample), 1);
        assert_eq!(lines("src/x.rs", &format!("#[cfg(test)]\n{sample}")), 0);
        assert_eq!(lines("src/x/tests.rs", &wide_code), 1);
    }

    #[test]
    fn empty_names_are_found_as_words_only() {
        let names = ["src/util.rs", "src/a/row_helper.rs", "src/utility.rs", "src/misc/a.rs"];
        let tree = Tree::of(&names.map(|path| (path, "")));
        let found: Vec<String> = check_names(&tree).into_iter().map(|found| found.path).collect();
        assert_eq!(found, ["src/util.rs", "src/a/row_helper.rs", "src/misc/a.rs"]);
    }
}
