//! Nothing is switched off, left for later, or allowed without a reason.

use crate::source::{Source, has_word};
use crate::tree::Finding;

/// What may not stand in code, and what to do.
const IN_CODE: [(&str, &str); 7] = [
    ("#[allow", "use #[expect(…, reason = \"…\")]"),
    ("#![allow", "use #![expect(…, reason = \"…\")]"),
    ("#[ignore", "make the test run, or delete it"),
    ("todo!", "write it, or leave it out"),
    ("unimplemented!", "write it, or leave it out"),
    ("dbg!", "remove it"),
    ("#[should_panic]", "name the message: #[should_panic(expected = \"…\")]"),
];

/// What may not stand in a comment.
const IN_COMMENTS: [&str; 4] = ["TODO", "FIXME", "XXX", "HACK"];

/// What is switched off or left for later.
pub(crate) fn check(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, line) in source.code.lines().enumerate() {
        for (mark, instead) in IN_CODE.iter().filter(|(mark, _)| line.contains(mark)) {
            found.push(Finding::new(&source.path, index + 1, format!("{mark}: {instead}")));
        }
        if line.contains("allow(") && line.contains("cfg_attr") {
            let text = "an allow behind cfg_attr: use expect with a reason";
            found.push(Finding::new(&source.path, index + 1, text));
        }
    }
    for (index, line) in source.comments.lines().enumerate() {
        for mark in IN_COMMENTS.iter().filter(|mark| has_word(line, mark)) {
            let text = format!("{mark}: do it, or open an issue");
            found.push(Finding::new(&source.path, index + 1, text));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::source::Source;

    #[test]
    fn marks_are_found_in_code_and_comments_and_not_in_texts() {
        let text = "#![allow(x)]\n#[allow(x)]\n#[ignore]\nfn a() { todo!() } // FIXME b\n\
                    let c = \"#[ignore] TODO\"; #[should_panic]\n#[expect(x, reason = \"y\")]\n";
        let found: Vec<String> = check(&Source::new("src/x.rs", text))
            .iter()
            .map(|finding| {
                format!("{}{}", finding.line, finding.text.chars().next().unwrap_or(' '))
            })
            .collect();
        assert_eq!(found, ["1#", "2#", "3#", "4t", "5#", "4F"]);
    }
}
