//! The text of `nft list ruleset`.

use super::{Chain, Expr, KubeProxyTable, Rule, Verdict};
use crate::Cidr;
use crate::addr::IpFamily;
use crate::netfilter::{CtState, End, Maybe};
use std::fmt::Write;

/// The table as `nft list ruleset` prints it.
pub fn list_ruleset(table: &KubeProxyTable) -> String {
    let v4 = table.family == IpFamily::V4;
    let (ip, address) = if v4 { ("ip", "ipv4_addr") } else { ("ip6", "ipv6_addr") };
    let mut text = format!("table {ip} kube-proxy {{\n\tcomment \"rules for kube-proxy\"\n");
    for (name, set) in &table.sets {
        let entries: Vec<String> = set.iter().map(ToString::to_string).collect();
        block(&mut text, "set", name, &format!("type {address}"), &entries);
    }
    for (name, seconds) in &table.affinity {
        let kind = format!("type {address}\n\t\tsize 65535\n\t\tflags dynamic,timeout\n\t\ttimeout {}", duration(*seconds));
        block(&mut text, "set", name, &kind, &[]);
    }
    for (name, map) in &table.service_maps {
        let entry = |((ip, protocol, port), (verdict, of)): (&super::ServiceKey, &(Verdict, super::Name))| {
            format!("{ip} . {} . {port} comment \"{of}\" : {}", protocol.lower(), verdict_text(verdict))
        };
        let entries: Vec<String> = map.iter().map(entry).collect();
        block(&mut text, "map", name, &format!("type {address} . inet_proto . inet_service : verdict"), &entries);
    }
    for (name, map) in &table.port_maps {
        let entry = |((protocol, port), (verdict, of)): (&super::PortKey, &(Verdict, super::Name))| {
            format!("{} . {port} comment \"{of}\" : {}", protocol.lower(), verdict_text(verdict))
        };
        let entries: Vec<String> = map.iter().map(entry).collect();
        block(&mut text, "map", name, "type inet_proto . inet_service : verdict", &entries);
    }
    for (name, chain) in &table.chains {
        chain_text(&mut text, name, chain, ip);
    }
    text.push_str("}\n");
    text
}

fn block(text: &mut String, what: &str, name: &str, kind: &str, entries: &[String]) {
    let _ = write!(text, "\n\t{what} {name} {{\n\t\t{kind}\n");
    if !entries.is_empty() {
        let _ = writeln!(text, "\t\telements = {{ {} }}", entries.join(",\n\t\t\t     "));
    }
    text.push_str("\t}\n");
}

/// A time as nft prints it: `3h`, `1m30s`.
fn duration(seconds: u32) -> String {
    let units = [(seconds / 86_400, 'd'), (seconds / 3_600 % 24, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let text: String = units.iter().filter(|(amount, _)| *amount > 0).map(|(amount, unit)| format!("{amount}{unit}")).collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn chain_text(text: &mut String, name: &str, chain: &Chain, ip: &str) {
    let _ = write!(text, "\n\tchain {name} {{\n");
    if let Some(hook) = chain.hook {
        let _ = writeln!(text, "\t\ttype {} hook {} priority {}; policy accept;", hook.kind, hook.hook, hook.priority);
    }
    for rule in &chain.rules {
        let _ = writeln!(text, "\t\t{}", rule_text(rule, ip));
    }
    text.push_str("\t}\n");
}

/// A rule; `ip` is how the family is called in it.
pub(super) fn rule_text(rule: &Rule, ip: &str) -> String {
    let mut parts: Vec<String> = rule.exprs.iter().map(|expr| expr_text(expr, ip)).collect();
    if !rule.comment.is_empty() {
        parts.push(format!("comment \"{}\"", rule.comment));
    }
    parts.join(" ")
}

fn verdict_text(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Jump(chain) => format!("jump {chain}"),
        Verdict::Goto(chain) => format!("goto {chain}"),
        Verdict::Return => "return".to_owned(),
        Verdict::Drop => "drop".to_owned(),
        Verdict::Reject => "reject".to_owned(),
    }
}

fn range(range: &Maybe<Cidr>) -> String {
    let value = if range.value.is_host() { range.value.ip().to_string() } else { range.value.to_string() };
    format!("{}{value}", if range.not { "!= " } else { "" })
}

fn expr_text(expr: &Expr, ip: &str) -> String {
    match expr {
        Expr::State(state) => {
            let name = CtState::NAMES.iter().find(|(known, _)| known == state).map_or("", |(_, name)| name);
            format!("ct state {}", name.to_lowercase())
        }
        Expr::To(to) => format!("{ip} daddr {}", range(to)),
        Expr::ToSet(set) => format!("{ip} daddr @{set}"),
        Expr::From(from) => format!("{ip} saddr {}", range(from)),
        Expr::NotFrom(ranges) => {
            let ranges: Vec<String> = ranges.iter().map(|own| range(&Maybe::is(*own))).collect();
            format!("{ip} saddr != {{ {} }}", ranges.join(", "))
        }
        Expr::FromSet(set) => format!("{ip} saddr @{set}"),
        Expr::Local(End::Source) => "fib saddr type local".to_owned(),
        Expr::Local(End::Destination) => "fib daddr type local".to_owned(),
        Expr::Protocol(protocol) => format!("meta l4proto {}", protocol.lower()),
        Expr::Update(set) => format!("update @{set} {{ {ip} saddr }}"),
        Expr::Unmarked(bits) => format!("meta mark & {bits:#010x} == 0x00000000"),
        Expr::Mark(bits) => format!("meta mark set meta mark | {bits:#010x}"),
        Expr::Unmark(bits) => format!("meta mark set meta mark ^ {bits:#010x}"),
        Expr::ServiceMap(map) => format!("{ip} daddr . meta l4proto . th dport vmap @{map}"),
        Expr::PortMap(map) => format!("meta l4proto . th dport vmap @{map}"),
        Expr::Random(targets) => {
            let entries: Vec<String> = targets.iter().enumerate().map(|(index, target)| format!("{index} : goto {target}")).collect();
            format!("numgen random mod {} vmap {{ {} }}", targets.len(), entries.join(", "))
        }
        Expr::Dnat(to) => format!("dnat to {to}"),
        Expr::Masquerade => "masquerade fully-random".to_owned(),
        Expr::Verdict(verdict) => verdict_text(verdict),
    }
}
