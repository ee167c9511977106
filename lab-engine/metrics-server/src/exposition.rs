//! Prometheus' text format, as kubelets and programs show their metrics (`prometheus/docs`, "Exposition formats").
//!
//! **Simplified here:** histograms and summaries are the series they are written as; exemplars, units and `# HELP` are passed over, and so is a
//! line that does not parse.

use std::borrow::Cow;

/// One line: a series and its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample<'a> {
    pub(crate) name: &'a str,
    /// In the order of the text.
    pub(crate) labels: Vec<(&'a str, Cow<'a, str>)>,
    /// Finite.
    pub(crate) value: f64,
    /// Milliseconds since 1970, where the line says so.
    pub(crate) millis: Option<u64>,
}

impl Sample<'_> {
    /// The value of a label.
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_ref())
    }
}

/// The samples of a page.
pub(crate) fn samples(text: &str) -> impl Iterator<Item = Sample<'_>> {
    text.lines().map(str::trim).filter(|line| !line.starts_with('#')).filter_map(sample)
}

/// The names of the metrics that a page calls counters.
pub(crate) fn counters(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let mut words = line.strip_prefix("# TYPE ")?.split_whitespace();
        let name = words.next()?;
        words.next().filter(|kind| *kind == "counter").map(|_| name)
    })
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let end = line.find(['{', ' ', '\t'])?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    let mut words = rest.split_whitespace();
    let value = words.next()?.parse().ok().filter(|value: &f64| value.is_finite())?;
    let millis = words.next().and_then(|millis| millis.parse().ok());
    (!name.is_empty()).then_some(Sample { name, labels, value, millis })
}

/// Labels with their values, in order.
type Labels<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// The labels up to the closing brace, and what follows it.
fn labels(mut rest: &str) -> Option<(Labels<'_>, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, quoted) = rest.split_once('=')?;
        let quoted = quoted.trim_start().strip_prefix('"')?;
        let (value, after) = quoted_value(quoted)?;
        labels.push((name.trim(), value));
        rest = after;
    }
}

/// A value up to its closing quote, and what follows it.
fn quoted_value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let plain = text.find(['"', '\\'])?;
    if text[plain..].starts_with('"') {
        return Some((Cow::Borrowed(&text[..plain]), &text[plain + 1..]));
    }
    let (mut value, mut chars) = (String::new(), text.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((Cow::Owned(value), &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_line_by_line() {
        let text = "# HELP jobs_total Jobs.\n# TYPE jobs_total counter\njobs_total{queue=\"a,b\",path=\"c:\\\\\\\"x\\\"}\"} 3 1700\n\
                    # TYPE depth gauge\ndepth 1.5e1\nnan NaN\nnonsense\nbroken{a=\"b 1\n{} 4\n";
        let read: Vec<Sample<'_>> = samples(text).collect();
        assert_eq!(read.len(), 2, "{read:?}");
        assert_eq!((read[0].name, read[0].label("queue"), read[0].label("path")), ("jobs_total", Some("a,b"), Some("c:\\\"x\"}")));
        assert_eq!((read[0].value, read[0].millis), (3.0, Some(1700)));
        assert_eq!((read[1].name, read[1].value, read[1].millis), ("depth", 15.0, None));
        assert_eq!(counters(text).collect::<Vec<_>>(), ["jobs_total"]);
    }
}
