//! The values of JSON that hold no others: text, numbers, words.

use std::borrow::Cow;

use super::{Scanner, Stop};

impl<'a> Scanner<'a> {
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, Stop> {
        self.at += 1;
        let start = self.at;
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
        self.at += rest.iter().position(special).ok_or(Stop::End)?;
        if self.need()? == b'"' {
            let text = self.text.get(start..self.at).unwrap_or_default();
            self.at += 1;
            return Ok(Cow::Borrowed(text));
        }
        let mut text = self.text.get(start..self.at).unwrap_or_default().to_owned();
        loop {
            let from = self.at;
            while !matches!(self.need()?, b'"' | b'\\' | 0..0x20) {
                self.at += 1;
            }
            text.push_str(self.text.get(from..self.at).unwrap_or_default());
            match self.need()? {
                b'"' => {
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                b'\\' => text.push(self.escape()?),
                _ => return Err(Stop::Unexpected("an escaped control character")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Stop> {
        self.at += 1;
        let letter = self.need()?;
        let plain = match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(Stop::Unexpected("an escape")),
        };
        self.at += 1;
        Ok(plain)
    }

    fn unicode(&mut self) -> Result<char, Stop> {
        let first = self.four_hex()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or(Stop::Unexpected("a whole surrogate pair"));
        }
        for part in *b"\\u" {
            if self.need()? != part {
                return Err(Stop::Unexpected("a whole surrogate pair"));
            }
            self.at += usize::from(part == b'\\');
        }
        let second = self.four_hex()?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(Stop::Unexpected("a whole surrogate pair"));
        }
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))
            .ok_or(Stop::Unexpected("a whole surrogate pair"))
    }

    /// Takes the `u` and four hexadecimal digits.
    fn four_hex(&mut self) -> Result<u32, Stop> {
        let mut code = 0;
        for _ in 0..4 {
            self.at += 1;
            let digit = char::from(self.need()?).to_digit(16);
            code = code * 16 + digit.ok_or(Stop::Unexpected("four hexadecimal digits"))?;
        }
        self.at += 1;
        Ok(code)
    }

    pub(super) fn number(&mut self) -> Result<&'a str, Stop> {
        let start = self.at;
        if self.need()? == b'-' {
            self.at += 1;
        }
        if self.need()? == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    fn digits(&mut self) -> Result<(), Stop> {
        if !self.need()?.is_ascii_digit() {
            return Err(Stop::Unexpected("a digit"));
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    pub(super) fn word(&mut self, word: &'static str) -> Result<(), Stop> {
        for byte in word.bytes() {
            if self.need()? != byte {
                return Err(Stop::Unexpected("true, false or null"));
            }
            self.at += 1;
        }
        Ok(())
    }
}
