//! A container's log: lines with their times, bounded, oldest first.
//!
//! **Simplified here:** one ring of one mebibyte per container instead of files that are rotated at 10 MiB.

use sim::Time;
use std::collections::VecDeque;
use std::time::Duration;

/// What one log keeps, in bytes of text.
const MAX_BYTES: usize = 1 << 20;

/// A line, without its newline.
#[derive(Clone, Debug)]
pub(crate) struct LogLine {
    pub(crate) at: Time,
    pub(crate) text: String,
    /// Whether a newline ended it.
    pub(crate) complete: bool,
    stderr: bool,
}

/// The log of one run of a container.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    lines: VecDeque<LogLine>,
    bytes: usize,
    /// How many lines were dropped at the front.
    dropped: usize,
}

/// Which part of a log is wanted (`PodLogOptions`).
#[derive(Clone, Debug, Default)]
pub(crate) struct LogOptions {
    pub(crate) tail_lines: Option<usize>,
    pub(crate) since: Option<Duration>,
    pub(crate) timestamps: bool,
    pub(crate) limit_bytes: Option<usize>,
}

impl Log {
    /// Adds output of the container.
    pub(crate) fn write(&mut self, at: Time, stderr: bool, text: &str) {
        for piece in text.split_inclusive('\n') {
            let (text, complete) = piece.strip_suffix('\n').map_or((piece, false), |text| (text, true));
            self.bytes += text.len() + 1;
            match self.lines.back_mut() {
                Some(last) if !last.complete && last.stderr == stderr && last.text.len() < MAX_BYTES / 4 => {
                    last.text.push_str(text);
                    last.complete = complete;
                }
                _ => self.lines.push_back(LogLine { at, text: text.to_owned(), complete, stderr }),
            }
        }
        while self.bytes > MAX_BYTES
            && let Some(line) = self.lines.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(line.text.len() + 1);
            self.dropped += 1;
        }
    }

    /// What it takes, in bytes.
    pub(crate) fn size(&self) -> u64 {
        u64::try_from(self.bytes).unwrap_or(u64::MAX)
    }

    /// How many lines were ever written, and whether the last is still open: where a follower goes on.
    pub(crate) fn end(&self) -> usize {
        self.dropped + self.lines.len()
    }

    /// The complete lines from the number `from` on, and the number after the last of them.
    pub(crate) fn read_from(&self, from: usize, timestamps: bool) -> (String, usize) {
        let mut text = String::new();
        let mut at = from.max(self.dropped);
        for line in self.lines.iter().skip(at - self.dropped).take_while(|line| line.complete) {
            push(&mut text, line, timestamps);
            at += 1;
        }
        (text, at)
    }

    /// The wanted part as text.
    pub(crate) fn read(&self, now: Time, options: &LogOptions) -> String {
        let skip = options.tail_lines.map_or(0, |tail| self.lines.len().saturating_sub(tail));
        let mut text = String::new();
        for line in self.lines.iter().skip(skip) {
            if options.since.is_some_and(|since| now.since(line.at) > since) {
                continue;
            }
            push(&mut text, line, options.timestamps);
        }
        if let Some(limit) = options.limit_bytes.filter(|limit| *limit < text.len()) {
            let end = (0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.truncate(end);
        }
        text
    }

    /// The last bytes of the log, at most 80 lines or 2 KiB: what `FallbackToLogsOnError` puts into the termination message.
    pub(crate) fn tail_for_termination(&self) -> String {
        let text = self.read(Time::ZERO, &LogOptions { tail_lines: Some(80), ..LogOptions::default() });
        let start = (text.len().saturating_sub(2048)..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text[start..].to_owned()
    }
}

fn push(text: &mut String, line: &LogLine, timestamps: bool) {
    if timestamps {
        let nanos = line.at.as_nanos() % 1_000_000_000;
        let whole = line.at.rfc3339();
        text.push_str(&format!("{}.{nanos:09}Z ", whole.trim_end_matches('Z')));
    }
    text.push_str(&line.text);
    if line.complete {
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_cut_into_lines_and_bounded() {
        let mut log = Log::default();
        log.write(Time::ZERO, false, "a\nb");
        log.write(Time::from_secs(1), false, "c\n");
        log.write(Time::from_secs(9), true, "d\n");
        assert_eq!(log.read(Time::from_secs(9), &LogOptions::default()), "a\nbc\nd\n");
        let tail = LogOptions { tail_lines: Some(1), timestamps: true, ..LogOptions::default() };
        assert_eq!(log.read(Time::from_secs(9), &tail), "2026-05-04T08:00:09.000000000Z d\n");
        let since = LogOptions { since: Some(Duration::from_secs(5)), ..LogOptions::default() };
        assert_eq!(log.read(Time::from_secs(10), &since), "d\n");
        for _ in 0..3000 {
            log.write(Time::ZERO, false, &"x".repeat(1000));
            log.write(Time::ZERO, false, "\n");
        }
        assert!(log.bytes <= MAX_BYTES && log.dropped > 0);
    }
}
