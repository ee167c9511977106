//! The text of `ipvsadm -Ln`.

use super::{Director, Ipvs};
use crate::addr::Protocol;
use std::fmt::Write;

/// The virtual servers as `ipvsadm -Ln` prints them, with the connections that the director holds.
pub fn ipvsadm(ipvs: &Ipvs, director: &Director) -> String {
    let mut text = String::from(
        "IP Virtual Server version 1.2.1 (size=4096)\n\
         Prot LocalAddress:Port Scheduler Flags\n  \
         -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n",
    );
    for ((protocol, address), server) in &ipvs.servers {
        let name = if *protocol == Protocol::Sctp { "SCTP" } else { protocol.upper() };
        let _ = write!(text, "{name:<4} {address} {}", server.scheduler.name());
        if let Some(seconds) = server.persistence_seconds {
            let _ = write!(text, " persistent {seconds}");
        }
        text.push('\n');
        for real in &server.real_servers {
            let (active, inactive) = director.connections(&(*protocol, *address), real);
            let _ = writeln!(text, "  -> {:<28} Masq    1      {active:<10} {inactive:<10}", real.to_string());
        }
    }
    text
}
