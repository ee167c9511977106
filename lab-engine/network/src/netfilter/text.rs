//! The text of `iptables-save`, printed and read.
//!
//! ```text
//! *nat
//! :KUBE-SERVICES - [0:0]
//! -A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m comment --comment "default/kubernetes:https cluster IP" -m tcp --dport 443 -j KUBE-SVC-NPX46M4PTMTKRN6Y
//! COMMIT
//! ```
//!
//! Printing follows `iptables-save` of iptables 1.8 (addresses and protocol first, then matches, then the target; quotes only where they
//! are needed). Reading takes options in any order, so also the input that kube-proxy gives `iptables-restore`.
//!
//! **Simplified here:** counters are zero, and there are no lines with the time.

use super::{Chains, CtState, End, Match, Maybe, Rule, Ruleset, SetPart, Table, Target};
use crate::addr::{Cidr, IpFamily, Protocol};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

/// The parts of 2^31 that a probability has, as the kernel stores it.
pub fn parts_of_2_31(probability: f64) -> u32 {
    // In 0..=2^31, so nothing is cut off.
    (probability.clamp(0.0, 1.0) * f64::from(1_u32 << 31)).round() as u32
}

/// All tables, as `iptables-save` prints them.
pub fn save(rules: &Ruleset) -> String {
    let mut text = String::new();
    for table in Table::ALL {
        save_table(rules, table, &mut text);
    }
    text
}

/// One table, as `iptables-save -t TABLE` prints it: base chains first, the others by name.
pub fn save_table(rules: &Ruleset, table: Table, text: &mut String) {
    let chains = rules.table(table);
    let base = table.base_chains();
    let mut own: Vec<_> = chains.iter().skip(base.len()).collect();
    own.sort_by(|a, b| a.name.cmp(&b.name));
    let ordered: Vec<_> = chains.iter().take(base.len()).chain(own).collect();
    let _ = writeln!(text, "*{}", table.name());
    for (index, chain) in ordered.iter().enumerate() {
        let _ = writeln!(text, ":{} {} [0:0]", chain.name, if index < base.len() { "ACCEPT" } else { "-" });
    }
    for chain in ordered {
        for rule in &chain.rules {
            let _ = writeln!(text, "-A {}{}", chain.name, rule_text(rule, chains, rules.family));
        }
    }
    text.push_str("COMMIT\n");
}

/// A rule's options, with a space before each.
pub fn rule_text(rule: &Rule, chains: &Chains, family: IpFamily) -> String {
    let mut text = String::new();
    let mut range = |option: &str, range: &Option<Maybe<Cidr>>| {
        if let Some(range) = range {
            let _ = write!(text, "{} {option} {}", bang(range.not), range.value);
        }
    };
    range("-s", &rule.source);
    range("-d", &rule.destination);
    if let Some(protocol) = rule.protocol {
        let _ = write!(text, " -p {}", protocol.lower());
    }
    for condition in &rule.matches {
        match_text(condition, family, &mut text);
    }
    if let Some(target) = &rule.target {
        target_text(target, chains, family, &mut text);
    }
    text
}

fn bang(not: bool) -> &'static str {
    if not { " !" } else { "" }
}

fn match_text(condition: &Match, family: IpFamily, text: &mut String) {
    let _ = match condition {
        Match::Comment(words) => write!(text, " -m comment --comment {}", quoted(words)),
        Match::Module(protocol) => write!(text, " -m {}", protocol.lower()),
        Match::DestinationPort(protocol, port) => write!(text, " -m {} --dport {port}", protocol.lower()),
        Match::Conntrack(states) => {
            let names: Vec<&str> = CtState::NAMES.iter().filter(|(state, _)| states.value.contains(state)).map(|(_, name)| *name).collect();
            write!(text, " -m conntrack{} --ctstate {}", bang(states.not), names.join(","))
        }
        Match::Mark(mark) => write!(text, " -m mark{} --mark {:#x}/{:#x}", bang(mark.not), mark.value.0, mark.value.1),
        Match::Local(End::Source) => write!(text, " -m addrtype --src-type LOCAL"),
        Match::Local(End::Destination) => write!(text, " -m addrtype --dst-type LOCAL"),
        Match::Random(parts) => {
            write!(text, " -m statistic --mode random --probability {:.11}", f64::from(*parts) / f64::from(1_u32 << 31))
        }
        Match::RecentCheck(list, seconds) => {
            write!(text, " -m recent --rcheck --seconds {seconds} --reap --name {list} --mask {} --rsource", full_mask(family))
        }
        Match::RecentSet(list) => write!(text, " -m recent --set --name {list} --mask {} --rsource", full_mask(family)),
        Match::Set(name, parts) => {
            let parts: Vec<&str> = parts.iter().map(|part| if *part == SetPart::Source { "src" } else { "dst" }).collect();
            write!(text, " -m set --match-set {name} {}", parts.join(","))
        }
    };
}

fn target_text(target: &Target, chains: &Chains, family: IpFamily, text: &mut String) {
    let _ = match target {
        Target::Jump(chain) => write!(text, " -j {}", chains.chain(*chain).name),
        Target::Accept => write!(text, " -j ACCEPT"),
        Target::Drop => write!(text, " -j DROP"),
        Target::Return => write!(text, " -j RETURN"),
        Target::Reject if family == IpFamily::V4 => write!(text, " -j REJECT --reject-with icmp-port-unreachable"),
        Target::Reject => write!(text, " -j REJECT --reject-with icmp6-port-unreachable"),
        Target::Dnat(to) => write!(text, " -j DNAT --to-destination {to}"),
        Target::Masquerade => write!(text, " -j MASQUERADE --random-fully"),
        Target::Mark { value, mask } => write!(text, " -j MARK --set-xmark {value:#x}/{mask:#x}"),
    };
}

fn full_mask(family: IpFamily) -> &'static str {
    match family {
        IpFamily::V4 => "255.255.255.255",
        IpFamily::V6 => "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    }
}

/// The ipsets, as `ipset list` prints them.
pub fn sets(rules: &Ruleset) -> String {
    let mut text = String::new();
    for (name, set) in &rules.sets {
        let _ = writeln!(text, "Name: {name}\nType: {}\nNumber of entries: {}\nMembers:", set.kind, set.entries.len());
        for entry in &set.entries {
            let _ = writeln!(text, "{entry}");
        }
        text.push('\n');
    }
    text
}

/// A text as `xtables_save_string` writes it.
fn quoted(text: &str) -> String {
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        if matches!(c, '\\' | '"' | '\'') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// A line of a rule file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("iptables-restore: line {line}: {message}")]
pub struct ReadError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

/// Reads what [`save`] prints, or what kube-proxy gives `iptables-restore`.
///
/// # Errors
/// Names the first line that is not understood.
pub fn restore(family: IpFamily, text: &str) -> Result<Ruleset, ReadError> {
    let mut rules = Ruleset::new(family);
    let mut table = None;
    for (index, line) in text.lines().enumerate() {
        let wrong = |message: String| ReadError { line: index + 1, message };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('*') {
            let known = Table::ALL.into_iter().find(|table| table.name() == name);
            table = Some(known.ok_or_else(|| wrong(format!("cannot initialize table '{name}'")))?);
            continue;
        }
        if line == "COMMIT" {
            table = None;
            continue;
        }
        let table = table.ok_or_else(|| wrong("expected a table, for example *nat".to_owned()))?;
        let chains = rules.table_mut(table);
        if let Some(chain) = line.strip_prefix(':') {
            chains.id(chain.split_whitespace().next().unwrap_or(""));
        } else {
            let (chain, rule) = read_rule(line, chains).map_err(wrong)?;
            let id = chains.find(&chain).ok_or_else(|| wrong(format!("no chain of the name {chain}")))?;
            chains.append(id, rule);
        }
    }
    Ok(rules)
}

/// Splits a line into words; quotes hold words together.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut in_quotes = false;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                in_quotes = !in_quotes;
                word.get_or_insert_default();
            }
            '\\' if in_quotes => word.get_or_insert_default().extend(chars.next()),
            c if c.is_whitespace() && !in_quotes => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Reads `-A CHAIN …`.
fn read_rule(line: &str, chains: &mut Chains) -> Result<(String, Rule), String> {
    let words = words(line);
    let mut reader =
        RuleReader { words: &words, at: 0, not: false, rule: Rule::default(), module: String::new(), recent: Recent::default() };
    let mut chain = None;
    while let Some(option) = reader.words.get(reader.at) {
        reader.at += 1;
        match option.as_str() {
            "!" => reader.not = true,
            "-A" => chain = Some(reader.value(option)?),
            "-j" | "-g" => reader.target(chains)?,
            option => {
                reader.option(option)?;
                reader.not = false;
            }
        }
    }
    reader.finish_module();
    Ok((chain.ok_or("expected -A CHAIN")?, reader.rule))
}

/// What the `recent` match has collected so far.
#[derive(Default)]
struct Recent {
    set: bool,
    check: bool,
    seconds: u32,
    name: Option<Arc<str>>,
}

struct RuleReader<'a> {
    words: &'a [String],
    at: usize,
    not: bool,
    rule: Rule,
    module: String,
    recent: Recent,
}

impl RuleReader<'_> {
    fn value(&mut self, option: &str) -> Result<String, String> {
        self.at += 1;
        self.words.get(self.at - 1).cloned().ok_or_else(|| format!("option \"{option}\" requires an argument"))
    }

    fn number<T: std::str::FromStr>(&mut self, option: &str) -> Result<T, String> {
        let value = self.value(option)?;
        value.parse().map_err(|_| format!("bad value {value:?} for option \"{option}\""))
    }

    fn option(&mut self, option: &str) -> Result<(), String> {
        let not = self.not;
        match option {
            "-s" => self.rule.source = Some(Maybe { not, value: self.number(option)? }),
            "-d" => self.rule.destination = Some(Maybe { not, value: self.number(option)? }),
            "-p" => self.rule.protocol = Some(self.protocol()?),
            "-m" => {
                self.finish_module();
                self.module = self.value(option)?;
            }
            "--comment" => {
                let text = self.value(option)?;
                self.rule.matches.push(Match::Comment(text.into()));
            }
            "--dport" => {
                let port = self.number(option)?;
                let protocol = Protocol::parse(&self.module).or(self.rule.protocol).ok_or("--dport needs -p")?;
                self.rule.matches.push(Match::DestinationPort(protocol, port));
                self.module.clear();
            }
            "--ctstate" => {
                let names = self.value(option)?;
                let state = |name: &str| CtState::NAMES.iter().find(|(_, known)| *known == name).map(|(state, _)| *state);
                let states: Option<BTreeSet<CtState>> = names.split(',').map(state).collect();
                self.rule.matches.push(Match::Conntrack(Maybe { not, value: states.ok_or(format!("bad ctstate \"{names}\""))? }));
            }
            "--mark" => {
                let value = self.masked(option)?;
                self.rule.matches.push(Match::Mark(Maybe { not, value }));
            }
            "--dst-type" | "--src-type" => {
                self.expect(option, "LOCAL")?;
                let end = if option == "--dst-type" { End::Destination } else { End::Source };
                self.rule.matches.push(Match::Local(end));
            }
            "--mode" => self.expect(option, "random")?,
            "--probability" => {
                let probability = self.number(option)?;
                self.rule.matches.push(Match::Random(parts_of_2_31(probability)));
            }
            "--set" => self.recent.set = true,
            "--rcheck" => self.recent.check = true,
            "--seconds" => self.recent.seconds = self.number(option)?,
            "--name" => self.recent.name = Some(self.value(option)?.into()),
            "--mask" => drop(self.value(option)?),
            "--reap" | "--rsource" => {}
            "--match-set" => self.match_set()?,
            other => return Err(format!("unknown option \"{other}\"")),
        }
        Ok(())
    }

    fn protocol(&mut self) -> Result<Protocol, String> {
        let name = self.value("-p")?;
        Protocol::parse(&name).ok_or_else(|| format!("unknown protocol \"{name}\""))
    }

    fn expect(&mut self, option: &str, only: &str) -> Result<(), String> {
        let value = self.value(option)?;
        if value == only { Ok(()) } else { Err(format!("bad value {value:?} for option \"{option}\"")) }
    }

    fn match_set(&mut self) -> Result<(), String> {
        let name = self.value("--match-set")?;
        let parts = self.value("--match-set")?;
        let parts = parts.split(',').map(|part| if part == "src" { SetPart::Source } else { SetPart::Destination }).collect();
        self.rule.matches.push(Match::Set(name.into(), parts));
        Ok(())
    }

    /// A number in hexadecimal, with an optional mask.
    fn masked(&mut self, option: &str) -> Result<(u32, u32), String> {
        let text = self.value(option)?;
        let hex = |text: &str| u32::from_str_radix(text.trim_start_matches("0x"), 16).map_err(|_| format!("bad mark {text:?}"));
        let (value, mask) = text.split_once('/').map_or((text.as_str(), None), |(value, mask)| (value, Some(mask)));
        Ok((hex(value)?, mask.map_or(Ok(u32::MAX), hex)?))
    }

    /// Takes in a module whose options have all been read.
    fn finish_module(&mut self) {
        let module = std::mem::take(&mut self.module);
        if !module.is_empty()
            && let Some(protocol) = Protocol::parse(&module)
        {
            self.rule.matches.push(Match::Module(protocol));
        }
        let recent = std::mem::take(&mut self.recent);
        let name = recent.name.unwrap_or_else(|| "DEFAULT".into());
        if recent.check {
            self.rule.matches.push(Match::RecentCheck(name, recent.seconds));
        } else if recent.set {
            self.rule.matches.push(Match::RecentSet(name));
        }
    }

    fn target(&mut self, chains: &mut Chains) -> Result<(), String> {
        self.finish_module();
        let name = self.value("-j")?;
        let target = match name.as_str() {
            "ACCEPT" => Target::Accept,
            "DROP" => Target::Drop,
            "RETURN" => Target::Return,
            "REJECT" => {
                if self.words.get(self.at).is_some_and(|word| word == "--reject-with") {
                    self.at += 2;
                }
                Target::Reject
            }
            "MASQUERADE" => {
                if self.words.get(self.at).is_some_and(|word| word == "--random-fully") {
                    self.at += 1;
                }
                Target::Masquerade
            }
            "DNAT" => {
                self.expect("DNAT", "--to-destination")?;
                Target::Dnat(self.number("--to-destination")?)
            }
            "MARK" => self.mark()?,
            chain => Target::Jump(chains.id(chain)),
        };
        self.rule.target = Some(target);
        Ok(())
    }

    fn mark(&mut self) -> Result<Target, String> {
        let option = self.value("MARK")?;
        let (value, mask) = self.masked(&option)?;
        match option.as_str() {
            "--set-xmark" => Ok(Target::Mark { value, mask }),
            "--or-mark" => Ok(Target::Mark { value, mask: value }),
            "--xor-mark" => Ok(Target::Mark { value, mask: 0 }),
            other => Err(format!("unknown option \"{other}\"")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVED: &str = "\
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-FIREWALL - [0:0]
-A INPUT -m conntrack --ctstate NEW,ESTABLISHED -m comment --comment \"it\\'s \\\"so\\\"\" -j KUBE-FIREWALL
-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-SEP-A - [0:0]
:KUBE-SVC-A - [0:0]
-A POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A POSTROUTING -j MASQUERADE --random-fully
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-SEP-A -p udp -m recent --set --name KUBE-SEP-A --mask 255.255.255.255 --rsource -m udp -j DNAT --to-destination 10.0.0.1:53
-A KUBE-SVC-A -m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-A --mask 255.255.255.255 --rsource -j KUBE-SEP-A
-A KUBE-SVC-A -m statistic --mode random --probability 0.33333333349 -j KUBE-SEP-A
-A KUBE-SVC-A -d 10.96.0.10/32 -p udp -m addrtype --dst-type LOCAL -m udp --dport 53 -j KUBE-SEP-A
COMMIT
";

    #[test]
    fn what_is_printed_reads_back_the_same() {
        let rules = restore(IpFamily::V4, SAVED).unwrap();
        assert_eq!(save(&rules), SAVED);
    }

    #[test]
    fn a_line_that_is_not_understood_is_named() {
        for (text, line) in [("*mangle\n", 1), ("*nat\n-A NO -j ACCEPT\n", 2), ("*nat\n\n-A OUTPUT --weird\n", 3), ("-A OUTPUT -j DROP", 1)]
        {
            assert_eq!(restore(IpFamily::V4, text).unwrap_err().line, line, "{text}");
        }
    }
}
