//! 统一社会信用代码 with its check character (GB 32100-2015): a mistyped code would register, and
//! charge, somebody else.

use crate::domain::ids::{CreditCode, IdError};

/// The characters of a code in the order of their values: no I, O, S, V, Z.
const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";

/// Reads a code of 18 characters whose last one is right.
///
/// # Errors
/// [`IdError`] for any other text.
pub(super) fn read(text: &str) -> Result<CreditCode, IdError> {
    if is_right(text) {
        return CreditCode::new(text);
    }
    Err(IdError {
        what: "统一社会信用代码", chars_max: 18, found: text.chars().take(80).collect()
    })
}

/// Whether Σ value × 3^i is a multiple of 31, the check character (i = 17) counted once.
fn is_right(text: &str) -> bool {
    let (mut sum, mut weight) = (0, 1);
    let mut values = text.bytes().map(|byte| ALPHABET.iter().position(|known| *known == byte));
    for _ in 0..17 {
        let Some(Some(value)) = values.next() else { return false };
        sum += value * weight;
        weight = weight * 3 % 31;
    }
    match (values.next(), values.next()) {
        (Some(Some(check)), None) => (sum + check) % 31 == 0,
        (Some(_) | None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_printed_in_the_standard_is_right() {
        assert_eq!(read("91350100M000100Y43").expect("right").as_str(), "91350100M000100Y43");
    }

    #[test]
    fn one_wrong_character_two_exchanged_or_another_length_are_refused() {
        for text in [
            "91350100M000100Y44",
            "91350100M000100Y34",
            "91350100M000010Y43",
            "91350100M000100Y4",
            "91350100M000100Y433",
            "91350100m000100y43",
            "9135O100M000100Y43",
            "",
            "统一社会信用代码统一社会信用代码统一",
        ] {
            let error = read(text).expect_err("wrong");
            assert_eq!(error.found, text);
        }
    }

    #[test]
    fn every_single_slip_is_found() {
        let right = "91350100M000100Y43";
        for at in 0..right.len() {
            for other in ALPHABET.iter().copied().map(char::from) {
                let slip: String = right
                    .chars()
                    .enumerate()
                    .map(|(place, own)| if place == at { other } else { own })
                    .collect();
                assert_eq!(read(&slip).is_ok(), slip == right, "{slip}");
            }
        }
    }
}
