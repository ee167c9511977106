//! Picks a port on the loopback address.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

use crate::site::error::SiteError;

/// The port that is tried first when none is asked for.
pub const DEFAULT: u16 = 3000;

/// How many ports after the wanted one are tried.
const TRIES: u16 = 100;

/// A socket that listens on 127.0.0.1 at `wanted`, or at the next port that is free. Port 0 lets the system choose.
///
/// # Errors
/// [`SiteError::NoPort`] when none of the hundred ports after `wanted` can be had, or at once when the reason is another than
/// that a port is taken, such as a port below 1024 that needs privileges.
pub fn listen(wanted: u16) -> Result<TcpListener, SiteError> {
    let last = if wanted == 0 { 0 } else { wanted.saturating_add(TRIES) };
    let mut refused = None;
    for port in wanted..=last {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => return Ok(listener),
            Err(cause) => {
                let taken = cause.kind() == io::ErrorKind::AddrInUse;
                refused = Some((port, cause));
                if !taken {
                    break;
                }
            }
        }
    }
    let (last, cause) = refused.expect("the range holds at least the wanted port");
    Err(SiteError::NoPort { first: wanted, last, cause })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_gives_the_next_free_one() {
        let taken = listen(0).unwrap();
        let port = taken.local_addr().unwrap().port();
        let next = listen(port).unwrap();
        let got = next.local_addr().unwrap();
        assert!(got.ip().is_loopback());
        assert!(got.port() > port, "{got} after {port}");
    }

    #[test]
    fn the_last_port_does_not_wrap_around() {
        let first = listen(u16::MAX);
        let second = listen(u16::MAX);
        if first.is_ok() {
            let text = second.unwrap_err().to_string();
            assert!(text.contains("no free port on 127.0.0.1 from 65535 to 65535") && text.contains("--port"), "{text}");
        }
    }
}
