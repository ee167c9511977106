//! Tables as kubectl's tabwriter lays them out, and JSON with its indent.

use serde::Serialize as _;
use serde_json::Value;

/// Lays out rows in columns three blanks apart, and remembers the widths for rows that come later, as `get --watch` does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    widths: Vec<usize>,
}

impl Layout {
    /// The rows as lines; the last cell of a row is not padded.
    pub(crate) fn lines(&mut self, rows: &[Vec<String>]) -> String {
        for row in rows {
            self.widths.resize(self.widths.len().max(row.len()), 0);
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for row in rows {
            for (column, cell) in row.iter().enumerate() {
                text.push_str(cell);
                if column + 1 < row.len() {
                    let gap = self.widths[column] + 3 - cell.chars().count();
                    text.extend(std::iter::repeat_n(' ', gap));
                }
            }
            text.push('\n');
        }
        text
    }
}

/// Lays out cells in columns three blanks apart.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    Layout::default().lines(rows)
}

/// A cell of a `Table` as text.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.replace('\n', "\\n"),
        Value::Null => "<none>".to_owned(),
        other => other.to_string(),
    }
}

/// JSON with an indent of four, and a line's end.
pub(crate) fn json(value: &Value) -> String {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter));
    debug_assert!(written.is_ok(), "values with text keys can be written");
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    text.push('\n');
    text
}

/// `a=1,b=2`, or `<none>`.
pub(crate) fn labels(map: &Value) -> String {
    let pairs: Vec<String> = map.as_object().into_iter().flatten().map(|(key, value)| format!("{key}={}", cell(value))).collect();
    if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") }
}
