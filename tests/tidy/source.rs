//! A Rust source taken apart: its code without comments and texts, and its comments alone.
//! Each has as many lines as the file, so that a finding keeps its line.

/// One Rust file.
pub(crate) struct Source {
    /// Path relative to the root.
    pub(crate) path: String,
    /// The file as it is.
    pub(crate) text: String,
    /// Code only; comments, string and character literals are blank.
    pub(crate) code: String,
    /// Comments only.
    pub(crate) comments: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (code, comments) = split(text);
        Self { path: path.to_owned(), text: text.to_owned(), code, comments }
    }

    /// The top-level module under `src/`; `None` for tests and benches.
    pub(crate) fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let first = inside.split('/').next()?;
        Some(first.strip_suffix(".rs").unwrap_or(first))
    }

    /// Whether the file holds nothing but tests.
    pub(crate) fn is_test(&self) -> bool {
        let stem = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        !self.path.starts_with("src/")
            || stem.split('/').any(|part| part == "tests" || part.ends_with("_tests"))
    }

    /// Numbered lines of code up to the tests at the end of the file.
    pub(crate) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let own = self.code.lines().take_while(|line| !line.trim().starts_with("#[cfg(test)]"));
        own.enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// Whether `word` stands in the line as a whole word.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let is_part = |found: char| found.is_alphanumeric() || found == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[derive(Clone, Copy)]
enum Inside {
    Code,
    Line,
    Block { depth: u32 },
    Text,
    RawText { hashes: usize },
}

fn split(text: &str) -> (String, String) {
    let (mut code, mut comments) = (String::new(), String::new());
    let mut inside = Inside::Code;
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let (taken, then, kept) = step(rest, next, inside, code.chars().next_back());
        let (piece, remaining) = rest.split_at(taken);
        push(&mut code, piece, kept == Kept::Code);
        push(&mut comments, piece, kept == Kept::Comment);
        inside = then;
        rest = remaining;
    }
    (code, comments)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Code,
    Comment,
    Nothing,
}

/// Bytes taken, what follows, and where the piece belongs.
fn step(rest: &str, next: char, inside: Inside, before: Option<char>) -> (usize, Inside, Kept) {
    let one = next.len_utf8();
    match inside {
        Inside::Code => step_code(rest, one, before),
        Inside::Line if next == '\n' => (one, Inside::Code, Kept::Comment),
        Inside::Line => (one, inside, Kept::Comment),
        Inside::Block { depth } if rest.starts_with("*/") => {
            let then = if depth == 1 { Inside::Code } else { Inside::Block { depth: depth - 1 } };
            (2, then, Kept::Comment)
        }
        Inside::Block { depth } if rest.starts_with("/*") => {
            (2, Inside::Block { depth: depth + 1 }, Kept::Comment)
        }
        Inside::Block { .. } => (one, inside, Kept::Comment),
        Inside::Text if next == '\\' => {
            let escaped = rest.chars().nth(1).map_or(0, char::len_utf8);
            (one + escaped, inside, Kept::Nothing)
        }
        Inside::Text if next == '"' => (one, Inside::Code, Kept::Nothing),
        Inside::Text => (one, inside, Kept::Nothing),
        Inside::RawText { hashes } => {
            let end = format!("\"{}", "#".repeat(hashes));
            if rest.starts_with(&end) {
                return (end.len(), Inside::Code, Kept::Nothing);
            }
            (one, inside, Kept::Nothing)
        }
    }
}

fn step_code(rest: &str, one: usize, before: Option<char>) -> (usize, Inside, Kept) {
    if rest.starts_with("//") {
        return (2, Inside::Line, Kept::Comment);
    }
    if rest.starts_with("/*") {
        return (2, Inside::Block { depth: 1 }, Kept::Comment);
    }
    if rest.starts_with('"') {
        return (1, Inside::Text, Kept::Nothing);
    }
    if let Some(taken) = char_literal(rest) {
        return (taken, Inside::Code, Kept::Nothing);
    }
    let in_word = before.is_some_and(|found| found.is_alphanumeric() || found == '_');
    if !in_word && let Some((taken, hashes)) = raw_text_start(rest) {
        return (taken, Inside::RawText { hashes }, Kept::Nothing);
    }
    (one, Inside::Code, Kept::Code)
}

/// Length of `'x'` or `'\n'` (a lifetime has no closing quote).
fn char_literal(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('\'')?;
    if after.starts_with('\\') {
        let end = after.get(2..)?.find('\'')?;
        return Some(1 + 2 + end + 1);
    }
    let inner = after.chars().next()?;
    after.get(inner.len_utf8()..)?.starts_with('\'').then(|| 2 + inner.len_utf8())
}

/// Length of the start of a raw or byte text, and its number of hashes; `b"` counts as `"`.
fn raw_text_start(rest: &str) -> Option<(usize, usize)> {
    let after = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = after.chars().take_while(|found| *found == '#').count();
    after.get(hashes..)?.starts_with('"').then(|| (rest.len() - after.len() + hashes + 1, hashes))
}

fn push(into: &mut String, piece: &str, keep: bool) {
    if keep {
        into.push_str(piece);
        return;
    }
    into.extend(piece.chars().map(|found| if found == '\n' { '\n' } else { ' ' }));
}

#[cfg(test)]
mod tests {
    use super::{Source, has_word};

    #[test]
    fn comments_and_texts_are_told_from_code() {
        let text = "let a = \"x // no\\\" y\"; // c1\nlet b = 'q'; /* c2\n/* c3 */ */ let c: &'a = \
                    r#\"raw \" z\"#;\n";
        let source = Source::new("src/x.rs", text);
        for (word, in_code, in_comments) in [
            ("let", true, false),
            ("no", false, false),
            ("y", false, false),
            ("c1", false, true),
            ("q", false, false),
            ("c2", false, true),
            ("c3", false, true),
            ("c", true, false),
            ("'a", true, false),
            ("raw", false, false),
            ("z", false, false),
        ] {
            let found = |text: &str| text.lines().any(|line| has_word(line, word));
            assert_eq!((found(&source.code), found(&source.comments)), (in_code, in_comments));
        }
        assert_eq!(source.code.lines().count(), text.lines().count());
    }

    #[test]
    fn tests_at_the_end_are_no_code() {
        let source = Source::new("src/x.rs", "fn a() {}\n#[cfg(test)]\nmod tests {}\n");
        assert_eq!(source.code_lines().collect::<Vec<_>>(), [(1, "fn a() {}")]);
        assert!(Source::new("src/a/tests.rs", "").is_test());
        assert!(!Source::new("src/a/b.rs", "").is_test());
        assert_eq!(Source::new("src/a/b.rs", "").module(), Some("a"));
        assert_eq!(Source::new("src/hub.rs", "").module(), Some("hub"));
        assert_eq!(Source::new("tests/it/main.rs", "").module(), None);
    }
}
