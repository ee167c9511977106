//! Flags as pflag reads them: anywhere in the line, `--name=value`, `--name value`, `-n value`, `-nvalue`, `-it`, and `--` to end them.

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

/// A flag that is on or off.
pub(crate) const fn switch(name: &'static str, short: Option<char>) -> Flag {
    Flag { name, short, alone: Some("true") }
}

/// Flags that every command takes.
const GLOBAL: [Flag; 2] = [value("namespace", Some('n')), value("context", None)];

/// What stood on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// The words that are no flags, in order.
    pub(crate) words: Vec<String>,
    flags: Vec<(&'static str, String)>,
}

impl Parsed {
    /// The last value of a flag.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.flags.iter().rev().find(|(flag, _)| *flag == name).map(|(_, value)| value.as_str())
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

/// Reads the words after the command's name.
///
/// # Errors
/// The text that follows `error: `, as pflag words it.
pub(crate) fn parse(known: &[Flag], args: &[String]) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
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
