//! Flags as pflag reads them: anywhere in the line, `--name=value`, `--name value`, `-n value`, `-nvalue`, `-it`, and `--` to end them.

use sim::Time;
use std::time::Duration;

/// A flag that a command knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    /// The name without dashes.
    pub(crate) name: &'static str,
    /// The letter of the short form.
    pub(crate) short: Option<char>,
    /// What it means when given without a value; `None` when it needs one.
    pub(crate) alone: Option<&'static str>,
}

/// A flag with a value.
pub(crate) const fn value(name: &'static str, short: Option<char>) -> Flag {
    Flag { name, short, alone: None }
}

impl Flag {
    /// The flag's line in a command's help.
    pub(crate) fn usage(&self) -> String {
        let short = self.short.map_or_else(|| "    ".to_owned(), |short| format!("-{short}, "));
        let value = if self.alone == Some("true") { "false" } else { "''" };
        format!("    {short}--{}={value}\n", self.name)
    }
}

/// The place of the first word that is neither a flag nor the value of one.
pub(crate) fn first_word(args: &[String], known: &[Flag]) -> Option<usize> {
    let mut at = 0;
    while let Some(arg) = args.get(at) {
        if arg == "--" {
            return None;
        }
        let takes_value = |flag: &&Flag| {
            flag.alone.is_none() && (*arg == format!("--{}", flag.name) || flag.short.is_some_and(|short| *arg == format!("-{short}")))
        };
        if !arg.starts_with('-') || arg == "-" {
            return Some(at);
        }
        at += if known.iter().chain(&GLOBAL).any(|flag| takes_value(&flag)) { 2 } else { 1 };
    }
    None
}

/// A flag with a value that may be left out.
pub(crate) const fn optional(name: &'static str, alone: &'static str) -> Flag {
    Flag { name, short: None, alone: Some(alone) }
}

/// A flag that is on or off.
pub(crate) const fn switch(name: &'static str, short: Option<char>) -> Flag {
    Flag { name, short, alone: Some("true") }
}

/// Flags that every command takes.
const GLOBAL: [Flag; 14] = [
    value("namespace", Some('n')),
    value("context", None),
    value("kubeconfig", None),
    value("cluster", None),
    value("user", None),
    value("as", None),
    value("as-group", None),
    value("as-uid", None),
    value("token", None),
    value("client-certificate", None),
    value("client-key", None),
    value("request-timeout", None),
    value("v", Some('v')),
    switch("warnings-as-errors", None),
];

/// What stood on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// The words that are no flags, in order.
    pub(crate) words: Vec<String>,
    /// How many words stood before `--`, if it stood there.
    pub(crate) dash: Option<usize>,
    flags: Vec<(&'static str, String)>,
}

impl Parsed {
    /// The last value of a flag.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.flags.iter().rev().find(|(flag, _)| *flag == name).map(|(_, value)| value.as_str())
    }

    /// The same line without a flag.
    pub(crate) fn without(&self, name: &str) -> Parsed {
        let mut rest = self.clone();
        rest.flags.retain(|(flag, _)| *flag != name);
        rest
    }

    /// What is left for the flags that every command takes: a command's own flag of the same name hides one.
    pub(crate) fn beyond(&self, own: &[Flag]) -> Parsed {
        let mut rest = self.clone();
        rest.flags.retain(|(flag, _)| own.iter().all(|own| own.name != *flag));
        rest
    }

    /// Every value of a flag as it was given.
    pub(crate) fn each(&self, name: &str) -> Vec<&str> {
        self.flags.iter().filter(|(flag, _)| *flag == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a flag that is a whole number.
    ///
    /// # Errors
    /// As pflag words it.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, String> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let bad = |_| format!("invalid argument {text:?} for \"--{name}\" flag: strconv.ParseInt: parsing {text:?}: invalid syntax");
        text.parse().map(Some).map_err(bad)
    }

    /// The value of a flag that is a duration, as Go writes them.
    ///
    /// # Errors
    /// As pflag words it.
    pub(crate) fn duration(&self, name: &str) -> Result<Option<GoDuration>, String> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let bad = || format!("invalid argument {text:?} for \"--{name}\" flag: time: invalid duration {text:?}");
        go_duration(text).map(Some).ok_or_else(bad)
    }

    /// Every value of a flag, split at commas.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.flags.iter().filter(|(flag, _)| *flag == name).flat_map(|(_, value)| value.split(',')).collect()
    }

    /// Whether a switch is on.
    pub(crate) fn on(&self, name: &str) -> bool {
        matches!(self.get(name), Some("true" | "1" | "t" | "T" | "TRUE" | "True"))
    }
}

/// A duration that may be negative, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GoDuration(pub(crate) i64);

impl GoDuration {
    /// When it is over, counted from `now`; a negative one lasts a week (`wait`'s meaning), or never ends where `None` is asked for.
    pub(crate) fn after(self, now: Time) -> Time {
        let nanos = u64::try_from(self.0).unwrap_or(7 * 24 * 3600 * 1_000_000_000);
        now + Duration::from_nanos(nanos)
    }
}

/// Reads `1h30m`, `10s`, `1.5s`, `-1s`, `0`.
fn go_duration(text: &str) -> Option<GoDuration> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text),
    };
    if rest == "0" {
        return Some(GoDuration(0));
    }
    let mut total = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let units = [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];
        let (unit, nanos) = units.iter().find(|(unit, _)| {
            let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
            rest[..end] == **unit
        })?;
        total += number * nanos;
        rest = &rest[unit.len()..];
    }
    (total <= 9.2e18).then_some(GoDuration((sign * total) as i64))
}

/// Reads the words after the command's name.
///
/// # Errors
/// The text that follows `error: `, as pflag words it.
pub(crate) fn parse(known: &[Flag], args: &[String]) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            parsed.dash = Some(parsed.words.len());
            parsed.words.extend(args.cloned());
            break;
        }
        if let Some(long) = arg.strip_prefix("--") {
            let (name, given) = long.split_once('=').map_or((long, None), |(name, given)| (name, Some(given)));
            let flag = known.iter().chain(&GLOBAL).find(|flag| flag.name == name).ok_or_else(|| format!("unknown flag: --{name}"))?;
            let text = match (given, flag.alone) {
                (Some(text), _) | (None, Some(text)) => text,
                (None, None) => args.next().ok_or_else(|| format!("flag needs an argument: --{name}"))?,
            };
            parsed.flags.push((flag.name, text.to_owned()));
        } else if arg.len() > 1 && arg.starts_with('-') {
            shorthands(known, &arg[1..], &mut args, &mut parsed)?;
        } else {
            parsed.words.push(arg.clone());
        }
    }
    Ok(parsed)
}

fn shorthands<'a>(known: &[Flag], letters: &str, args: &mut impl Iterator<Item = &'a String>, parsed: &mut Parsed) -> Result<(), String> {
    let mut rest = letters.chars();
    while let Some(letter) = rest.next() {
        let flag = known.iter().chain(&GLOBAL).find(|flag| flag.short == Some(letter));
        let flag = flag.ok_or_else(|| format!("unknown shorthand flag: '{letter}' in -{letters}"))?;
        let tail = rest.as_str();
        let text = match (tail.strip_prefix('='), flag.alone) {
            (Some(text), _) => text,
            (None, Some(text)) => {
                parsed.flags.push((flag.name, text.to_owned()));
                continue;
            }
            (None, None) if !tail.is_empty() => tail,
            (None, None) => args.next().ok_or_else(|| format!("flag needs an argument: '{letter}' in -{letters}"))?,
        };
        parsed.flags.push((flag.name, text.to_owned()));
        return Ok(());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Parsed, String> {
        let known = [value("output", Some('o')), switch("stdin", Some('i')), switch("tty", Some('t'))];
        parse(&known, &line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn flags_stand_anywhere_and_in_every_form() {
        for line in ["-o yaml pod -n prod", "pod -oyaml --namespace=prod", "-nprod pod --output yaml"] {
            let parsed = read(line).unwrap();
            assert_eq!((parsed.get("output"), parsed.get("namespace")), (Some("yaml"), Some("prod")), "{line}");
            assert_eq!(parsed.words, ["pod"]);
        }
        let parsed = read("web -it -- sh -c ls").unwrap();
        assert!(parsed.on("stdin") && parsed.on("tty"));
        assert_eq!(parsed.words, ["web", "sh", "-c", "ls"]);
    }

    #[test]
    fn mistakes_are_worded_as_pflag_words_them() {
        assert_eq!(read("--ouput=yaml").unwrap_err(), "unknown flag: --ouput");
        assert_eq!(read("-ix").unwrap_err(), "unknown shorthand flag: 'x' in -ix");
        assert_eq!(read("pod -o").unwrap_err(), "flag needs an argument: 'o' in -o");
        assert_eq!(read("pod --output").unwrap_err(), "flag needs an argument: --output");
    }
}
