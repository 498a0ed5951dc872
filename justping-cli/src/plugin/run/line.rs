//! Lines as they come in.

use std::io::{self, BufRead};

/// Most bytes of a line.
pub(super) const LINE_MAX_BYTES: usize = 64 * 1024;

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// A line, without its end.
    Line(String),
    /// More than [`LINE_MAX_BYTES`]; it is gone.
    TooLong,
    /// Something that is no UTF-8.
    NotText,
    /// Nothing comes any more.
    End,
}

/// Reads to the end of a line, and never holds more than a line may have.
pub(super) fn read(input: &mut impl BufRead) -> io::Result<Incoming> {
    let (mut line, mut is_long, mut has_begun) = (Vec::new(), false, false);
    loop {
        let buffer = match input.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if buffer.is_empty() {
            break;
        }
        has_begun = true;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let piece = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
        let taken = end.map_or(buffer.len(), |end| end + 1);
        is_long |= line.len() + piece.len() > LINE_MAX_BYTES;
        if !is_long {
            line.extend_from_slice(piece);
        }
        input.consume(taken);
        if end.is_some() {
            break;
        }
    }
    Ok(match (has_begun, is_long) {
        (false, _) => Incoming::End,
        (true, true) => Incoming::TooLong,
        (true, false) => String::from_utf8(line).map_or(Incoming::NotText, Incoming::Line),
    })
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    fn all(bytes: &[u8], buffer: usize) -> Vec<Incoming> {
        let mut input = BufReader::with_capacity(buffer, bytes);
        let mut found = Vec::new();
        loop {
            match read(&mut input).unwrap() {
                Incoming::End => return found,
                other => found.push(other),
            }
        }
    }

    #[test]
    fn a_line_that_is_too_long_or_no_text_costs_no_other() {
        let line = |text: &str| Incoming::Line(text.to_owned());
        let mut bytes = b"one\n\n\xff\n".to_vec();
        bytes.extend(vec![b'x'; LINE_MAX_BYTES + 1]);
        bytes.extend(b"\nlast");
        let found = all(&bytes, 7);
        let wanted = [line("one"), line(""), Incoming::NotText, Incoming::TooLong, line("last")];
        assert_eq!(found, wanted);
        let longest = "x".repeat(LINE_MAX_BYTES);
        assert_eq!(all(longest.as_bytes(), 100), [line(&longest)]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_line_by_line(text in "[a\n]{0,60}", buffer in 1_usize..9) {
            let lines: Vec<_> = text.lines().map(|line| Incoming::Line(line.to_owned())).collect();
            prop_assert_eq!(all(text.as_bytes(), buffer), lines);
        }
    }
}
