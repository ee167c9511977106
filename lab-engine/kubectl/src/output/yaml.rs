//! Writes YAML in the style of `sigs.k8s.io/yaml`: keys sorted, lists not indented, texts quoted only where they would be misread.
//!
//! **Simplified here:** long texts are not folded.

use serde_json::Value;

/// A value as a YAML document.
pub(crate) fn write(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => block(value, 0, &mut out),
        Value::Array(items) if !items.is_empty() => block(value, 0, &mut out),
        _ => {
            out.push_str(&scalar(value, 2));
            out.push('\n');
        }
    }
    out
}

fn is_block(value: &Value) -> bool {
    value.as_object().is_some_and(|map| !map.is_empty()) || value.as_array().is_some_and(|items| !items.is_empty())
}

/// Writes a mapping or list whose lines begin at column `indent`; the first line's indent stands already.
fn block(value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    if let Value::Object(map) = value {
        for (i, (key, value)) in map.iter().enumerate() {
            if i > 0 {
                out.push_str(&pad);
            }
            out.push_str(&text(key, indent + 2));
            out.push(':');
            if is_block(value) {
                let inner = if value.is_array() { indent } else { indent + 2 };
                out.push('\n');
                out.push_str(&" ".repeat(inner));
                block(value, inner, out);
            } else {
                out.push(' ');
                out.push_str(&scalar(value, indent + 2));
                out.push('\n');
            }
        }
    } else if let Value::Array(items) = value {
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                out.push_str(&pad);
            }
            out.push_str("- ");
            if is_block(item) {
                block(item, indent + 2, out);
            } else {
                out.push_str(&scalar(item, indent + 2));
                out.push('\n');
            }
        }
    }
}

fn scalar(value: &Value, indent: usize) -> String {
    match value {
        Value::String(content) => text(content, indent),
        Value::Object(_) => "{}".to_owned(),
        Value::Array(_) => "[]".to_owned(),
        other => other.to_string(),
    }
}

fn text(content: &str, indent: usize) -> String {
    let printable = content.chars().all(|c| c == '\n' || !c.is_control());
    if content.contains('\n') && printable && !content.starts_with([' ', '\n']) {
        return literal(content, indent);
    }
    if !printable || content.contains('\n') || reads_as_other(content) {
        return Value::from(content).to_string();
    }
    if needs_quotes(content) { format!("'{}'", content.replace('\'', "''")) } else { content.to_owned() }
}

fn literal(content: &str, indent: usize) -> String {
    let body = content.trim_end_matches('\n');
    let mark = match content.len() - body.len() {
        0 => "|-",
        1 => "|",
        _ => "|+",
    };
    let kept = if mark == "|+" { &content[..content.len() - 1] } else { body };
    let pad = " ".repeat(indent);
    let lines = kept.split('\n').map(|line| if line.is_empty() { String::new() } else { format!("{pad}{line}") });
    format!("{mark}\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// Whether a plain text would be read as a bool, null, number or date.
fn reads_as_other(content: &str) -> bool {
    const WORDS: [&str; 12] = ["", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", "<<"];
    let lower = content.to_ascii_lowercase();
    let bare = lower.trim_start_matches(['+', '-']).replace('_', "");
    let based = ["0x", "0o", "0b"].iter().any(|prefix| bare.strip_prefix(prefix).is_some_and(|d| d.chars().all(|c| c.is_ascii_hexdigit())));
    let number = bare.starts_with(|c: char| c.is_ascii_digit() || c == '.') && bare.parse::<f64>().is_ok();
    let clock = bare.contains(':') && bare.split(':').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    let bytes = content.as_bytes();
    let date = bytes.len() >= 8
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && bytes[5..].iter().all(|b| b"0123456789-:.TZtz+ ".contains(b));
    WORDS.contains(&lower.as_str()) || based || number || clock || date || matches!(bare.as_str(), ".inf" | ".nan")
}

fn needs_quotes(content: &str) -> bool {
    let first = content.chars().next().unwrap_or(' ');
    let lone = |c| first == c && content[1..].chars().next().is_none_or(|next| next == ' ');
    "!&*{}[]|>@`'\"%#, ".contains(first)
        || ['-', '?', ':'].into_iter().any(lone)
        || content.starts_with("---")
        || content.ends_with([' ', ':'])
        || content.contains(": ")
        || content.contains(" #")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_stand_under_their_key() {
        let value = json!({"spec": {"containers": [{"name": "a", "args": ["x", "y"], "env": []}], "size": 1}, "data": {}});
        assert_eq!(write(&value), "data: {}\nspec:\n  containers:\n  - args:\n    - x\n    - \"y\"\n    env: []\n    name: a\n  size: 1\n");
    }

    #[test]
    fn texts_that_would_be_misread_are_quoted() {
        for (content, written) in [
            ("web", "web"),
            ("nginx:1.27", "nginx:1.27"),
            ("yes", "\"yes\""),
            ("1", "\"1\""),
            ("1e3", "\"1e3\""),
            ("", "\"\""),
            ("2026-05-04T08:00:00Z", "\"2026-05-04T08:00:00Z\""),
            ("a: b", "'a: b'"),
            ("*", "'*'"),
            ("it's", "it's"),
            ("- x", "'- x'"),
            ("10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(text(content, 2), written, "{content}");
        }
    }

    #[test]
    fn several_lines_are_a_literal() {
        assert_eq!(write(&json!({"a": "x\ny\n"})), "a: |\n  x\n  y\n");
        assert_eq!(write(&json!({"a": "x\n\ny"})), "a: |-\n  x\n\n  y\n");
    }
}
