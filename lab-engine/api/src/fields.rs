//! Field selectors (`k8s.io/apimachinery/pkg/fields`): `spec.nodeName=node-1,status.phase!=Running`.
//!
//! Which fields may be selected is the matter of each resource. In values, `\`, `,` and `=` are written with a backslash before them.

/// One requirement on a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRequirement {
    /// The field, for example `spec.nodeName`.
    pub field: String,
    /// The value.
    pub value: String,
    /// Whether the field must equal the value; otherwise it must not.
    pub equal: bool,
}

/// Requirements of which all must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    /// The requirements; those that were read are in the order of their texts.
    pub requirements: Vec<FieldRequirement>,
}

impl FieldSelector {
    /// Reads a selector as `kubectl --field-selector` and the `fieldSelector` parameter write it.
    ///
    /// # Errors
    /// The message of upstream.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut requirements = Vec::new();
        let mut terms = terms(text);
        terms.sort_unstable();
        for term in terms.into_iter().filter(|term| !term.is_empty()) {
            let invalid = || format!("invalid selector: '{text}'; can't understand '{term}'");
            let (field, equal, value) = split_term(term).ok_or_else(invalid)?;
            let value = unescape(value).map_err(|bad| format!("invalid field selector: {bad} in {value:?}"))?;
            requirements.push(FieldRequirement { field: field.to_owned(), value, equal });
        }
        Ok(FieldSelector { requirements })
    }

    /// Whether an object matches, of which `get` gives the value of a field; absent fields count as empty.
    pub fn matches<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|r| (get(&r.field).unwrap_or("") == r.value) == r.equal)
    }
}

impl std::fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, r) in self.requirements.iter().enumerate() {
            let (comma, operator) = (if i > 0 { "," } else { "" }, if r.equal { "=" } else { "!=" });
            write!(f, "{comma}{}{operator}{}", r.field, escape(&r.value))?;
        }
        Ok(())
    }
}

/// The value as a selector writes it.
pub fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '\\' | ',' | '=') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// Undoes [`escape`].
///
/// # Errors
/// The character that should have been escaped or should not have been.
pub fn unescape(text: &str) -> Result<String, String> {
    let mut value = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        value.push(match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => c,
                Some(other) => return Err(format!("invalid escape sequence '\\{other}'")),
                None => return Err("invalid escape sequence '\\'".to_owned()),
            },
            ',' | '=' => return Err(format!("unescaped character '{c}'")),
            c => c,
        });
    }
    Ok(value)
}

/// The parts between commas that are not escaped; an empty text has none (`splitTerms`).
pub fn terms(text: &str) -> Vec<&str> {
    if text.is_empty() {
        return Vec::new();
    }
    let (mut terms, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b',' => {
                terms.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms
}

fn split_term(term: &str) -> Option<(&str, bool, &str)> {
    let at = term.find('=')?;
    let (field, rest) = term.split_at(at);
    match field.strip_suffix('!') {
        Some(field) => Some((field, false, &rest[1..])),
        None => Some((field, true, rest.strip_prefix("==").unwrap_or(&rest[1..]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_read_and_written() {
        let text = "metadata.name=a\\,b\\=c\\\\,status.phase!=Running";
        let selector = FieldSelector::parse(text).unwrap();
        assert_eq!(selector.requirements[0].value, "a,b=c\\");
        assert_eq!(selector.to_string(), text);
        assert_eq!(FieldSelector::parse("a==b").unwrap().to_string(), "a=b");
        assert_eq!(FieldSelector::parse("b=1,a=2").unwrap().to_string(), "a=2,b=1");
        assert_eq!(FieldSelector::parse("").unwrap(), FieldSelector::default());
        assert_eq!(FieldSelector::parse("a").unwrap_err(), "invalid selector: 'a'; can't understand 'a'");
        for text in ["a=b=c", "x=a||y=b", "x==a==b", "a=b\\", "a=\\x"] {
            assert!(FieldSelector::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn absent_fields_count_as_empty() {
        let get = |field: &str| (field == "spec.nodeName").then_some("node-1");
        for (text, expected) in [("spec.nodeName=node-1", true), ("spec.nodeName!=node-1", false), ("other=", true), ("other!=x", true)] {
            assert_eq!(FieldSelector::parse(text).unwrap().matches(get), expected, "{text}");
        }
    }
}
