//! Reading a person's lines, one at a time and none without bound.

use std::io::{self, BufRead};

/// The longest line that is taken, in bytes.
pub(super) const MAX_LINE_BYTES: usize = 1024 * 1024;

/// A line that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Its text without its end. What is not UTF-8 is replaced.
    Text(String),
    /// It was longer than [`MAX_LINE_BYTES`] and was passed over.
    TooLong,
    /// There are no more.
    End,
}

/// The next line. An unreadable input counts as ended.
pub(super) fn read_line(input: &mut impl BufRead) -> Line {
    let mut bytes = Vec::new();
    let mut too_long = false;
    loop {
        let Ok(available) = fill(input) else { return Line::End };
        if available.is_empty() {
            return match (too_long, bytes.is_empty()) {
                (true, _) => Line::TooLong,
                (false, true) => Line::End,
                (false, false) => text(bytes),
            };
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let part = &available[..end.unwrap_or(available.len())];
        too_long = too_long || bytes.len() + part.len() > MAX_LINE_BYTES;
        if !too_long {
            bytes.extend_from_slice(part);
        }
        let used = end.map_or(available.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            return if too_long { Line::TooLong } else { text(bytes) };
        }
    }
}

/// The input's buffer, also when a signal came in between.
fn fill(input: &mut impl BufRead) -> io::Result<&[u8]> {
    loop {
        match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(_) => break,
        }
    }
    input.fill_buf()
}

fn text(bytes: Vec<u8>) -> Line {
    let text = String::from_utf8_lossy(&bytes);
    Line::Text(text.strip_suffix('\r').unwrap_or(&text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_whatever_they_hold() {
        let mut bytes = b"one\r\n\xff\n".to_vec();
        bytes.extend(vec![b'a'; MAX_LINE_BYTES + 1]);
        bytes.extend(b"\n\nlast");
        let mut input = io::BufReader::with_capacity(7, bytes.as_slice());
        let text = |text: &str| Line::Text(text.to_owned());
        let wanted = [text("one"), text("\u{fffd}"), Line::TooLong, text(""), text("last"), Line::End, Line::End];
        for line in wanted {
            assert_eq!(read_line(&mut input), line);
        }
    }
}
