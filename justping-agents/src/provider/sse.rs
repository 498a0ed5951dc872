//! Server-sent events, read piece by piece.

use justping_core::port::AiError;

/// Most bytes of one line, and of the data of one event.
const EVENT_MAX_BYTES: usize = 4 * 1024 * 1024;

/// Reads an event stream that arrives in pieces cut anywhere, inside a character too.
///
/// Only `data` matters here: names, ids and comments are read over. Lines end in LF, CRLF or CR.
#[derive(Debug, Default)]
pub(crate) struct EventReader {
    line: Vec<u8>,
    data: Option<String>,
    /// The last byte was a CR: an LF that follows belongs to it.
    after_cr: bool,
    begun: bool,
}

impl EventReader {
    /// Takes a piece and gives the data of every event that ends in it.
    ///
    /// # Errors
    /// [`AiError::Malformed`] for events beyond all measure, and whatever `on_event` fails with.
    pub(crate) fn push(
        &mut self,
        piece: &[u8],
        on_event: &mut impl FnMut(&str) -> Result<(), AiError>,
    ) -> Result<(), AiError> {
        for byte in piece {
            let after_cr = std::mem::replace(&mut self.after_cr, *byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => self.end_line(on_event)?,
                byte => {
                    self.line.push(*byte);
                    if self.line.len() > EVENT_MAX_BYTES {
                        return Err(too_long());
                    }
                }
            }
        }
        Ok(())
    }

    /// The stream is over: an event that was not closed by an empty line counts all the same.
    pub(crate) fn finish(
        &mut self,
        on_event: &mut impl FnMut(&str) -> Result<(), AiError>,
    ) -> Result<(), AiError> {
        if !self.line.is_empty() {
            self.end_line(on_event)?;
        }
        self.end_event(on_event)
    }

    fn end_line(
        &mut self,
        on_event: &mut impl FnMut(&str) -> Result<(), AiError>,
    ) -> Result<(), AiError> {
        let mut line = std::mem::take(&mut self.line);
        if !std::mem::replace(&mut self.begun, true) && line.starts_with("\u{feff}".as_bytes()) {
            line.drain(.."\u{feff}".len());
        }
        let result = if line.is_empty() { self.end_event(on_event) } else { self.field(&line) };
        // The room is used again for the next line.
        line.clear();
        self.line = line;
        result
    }

    fn field(&mut self, line: &[u8]) -> Result<(), AiError> {
        let value = match line.strip_prefix(b"data") {
            Some([]) => &[][..],
            Some([b':', b' ', value @ ..] | [b':', value @ ..]) => value,
            _ => return Ok(()),
        };
        let value = String::from_utf8_lossy(value);
        match &mut self.data {
            None => self.data = Some(value.into_owned()),
            Some(data) => {
                data.push('\n');
                data.push_str(&value);
                if data.len() > EVENT_MAX_BYTES {
                    return Err(too_long());
                }
            }
        }
        Ok(())
    }

    fn end_event(
        &mut self,
        on_event: &mut impl FnMut(&str) -> Result<(), AiError>,
    ) -> Result<(), AiError> {
        self.data.take().map_or(Ok(()), |data| on_event(&data))
    }
}

fn too_long() -> AiError {
    AiError::Malformed("an event is too long".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<String> {
        let mut reader = EventReader::default();
        let mut found = Vec::new();
        let mut keep = |data: &str| {
            found.push(data.to_owned());
            Ok(())
        };
        for piece in pieces {
            reader.push(piece, &mut keep).unwrap();
        }
        reader.finish(&mut keep).unwrap();
        found
    }

    #[test]
    fn line_ends_comments_and_names_are_read_over() {
        let stream = b"\xef\xbb\xbf: hello\r\nevent: x\r\ndata: one\r\ndata:two\r\n\r\nid: 1\rdata\r\r\n\ndata: last";
        assert_eq!(events(&[stream]), ["one\ntwo", "", "last"]);
        assert_eq!(events(&[b"data:  two blanks\n\n"]), [" two blanks"]);
        assert_eq!(events(&[b"dataset: no\n\n", b""]), Vec::<String>::new());
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(events(&[b"data: a\xffb\n\n"]), ["a\u{fffd}b"]);
    }

    #[test]
    fn giants_are_refused() {
        let mut reader = EventReader::default();
        let giant = vec![b'x'; EVENT_MAX_BYTES + 1];
        assert!(reader.push(&giant, &mut |_| Ok(())).is_err());
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(
            lines in prop::collection::vec("(data: ?[a-zé😀]{0,6}|: c|event: e|)", 0..12),
            ends in prop::sample::select(vec!["\n", "\r\n", "\r"]),
            cuts in prop::collection::vec(0_usize..200, 0..6),
        ) {
            let stream = lines.iter().map(|line| format!("{line}{ends}")).collect::<String>();
            let bytes = stream.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let edges = [vec![0], cuts, vec![bytes.len()]].concat();
            let pieces: Vec<&[u8]> = edges.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            prop_assert_eq!(events(&pieces), events(&[bytes]));
        }
    }
}
