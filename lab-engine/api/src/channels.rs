//! The frames of an open connection into a container (`v5.channel.k8s.io`, `k8s.io/kubectl` and `pkg/kubelet` over WebSockets).
//!
//! Of a request with [`Accept::Channels`](crate::http::Accept::Channels) both sides send frames once it was answered: the first character
//! is the number of a channel, the rest is data. The server ends the connection with a frame on [`Channel::Error`], whose data is a
//! `Status` as JSON: of a command, whether it succeeded and its exit code.
//!
//! **Simplified here:** frames are text, so what is no UTF-8 does not pass; terminals have no size.

use crate::status::Status;
use serde_json::{Value, json};
use std::sync::Arc;

/// What a frame belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// To the command.
    Stdin,
    /// From it; of a terminal, all that it prints.
    Stdout,
    /// From it.
    Stderr,
    /// How it ended.
    Error,
    /// The sender closes the channel that the data names: always [`Channel::Stdin`].
    Close,
}

impl Channel {
    fn number(self) -> char {
        match self {
            Channel::Stdin => '\u{0}',
            Channel::Stdout => '\u{1}',
            Channel::Stderr => '\u{2}',
            Channel::Error => '\u{3}',
            Channel::Close => '\u{ff}',
        }
    }

    /// A frame on this channel.
    pub fn frame(self, data: &str) -> Arc<str> {
        format!("{}{data}", self.number()).into()
    }

    /// Reads a frame; `None` for a channel that there is not.
    pub fn read(frame: &str) -> Option<(Channel, &str)> {
        let number = frame.chars().next()?;
        let channel = [Channel::Stdin, Channel::Stdout, Channel::Stderr, Channel::Error, Channel::Close];
        let channel = channel.into_iter().find(|channel| channel.number() == number)?;
        Some((channel, &frame[number.len_utf8()..]))
    }
}

/// The frame that closes standard input.
pub fn close_stdin() -> Arc<str> {
    Channel::Close.frame("\u{0}")
}

/// The last frame of a command that ended with this exit code.
pub fn exit_frame(code: i32) -> Arc<str> {
    let status = match code {
        0 => json!({"metadata": {}, "status": "Success"}),
        code => json!({
            "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
            "message": format!("command terminated with non-zero exit code: exit status {code}"),
            "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
        }),
    };
    Channel::Error.frame(&status.to_string())
}

/// The last frame of a connection that failed.
pub fn failure_frame(status: &Status) -> Arc<str> {
    let status = json!({"metadata": {}, "status": "Failure", "reason": status.reason, "message": status.message, "code": status.code});
    Channel::Error.frame(&status.to_string())
}

/// What the data of a frame on [`Channel::Error`] says: the exit code, or why there is none.
///
/// # Errors
/// The message of the `Status`.
pub fn exit_code(data: &str) -> Result<i32, String> {
    let status: Value = serde_json::from_str(data).unwrap_or_default();
    if status["status"] == "Success" {
        return Ok(0);
    }
    let cause = status["details"]["causes"].as_array().into_iter().flatten().find(|cause| cause["reason"] == "ExitCode");
    match cause.and_then(|cause| cause["message"].as_str()?.parse().ok()) {
        Some(code) => Ok(code),
        None => Err(status["message"].as_str().unwrap_or("the connection was closed").to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_were_written() {
        assert_eq!(Channel::read(&Channel::Stdin.frame("ls\n")), Some((Channel::Stdin, "ls\n")));
        assert_eq!(Channel::read(&close_stdin()), Some((Channel::Close, "\u{0}")));
        assert_eq!(Channel::read("\u{7}x"), None);
        for code in [0, 3, 137] {
            let frame = exit_frame(code);
            let (channel, data) = Channel::read(&frame).unwrap();
            assert_eq!((channel, exit_code(data)), (Channel::Error, Ok(code)));
        }
        let frame = failure_frame(&Status::bad_request("no"));
        assert_eq!(exit_code(Channel::read(&frame).unwrap().1), Err("no".to_owned()));
    }
}
