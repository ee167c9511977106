//! The tables of `kubectl get`: which columns are shown, and what `kubectl` adds to what the server renders.

use crate::command::Io;
use crate::output::tables::{Layout, cell, labels};
use crate::resources::{Sought, result_name};
use serde_json::Value;

/// What is shown.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    /// Columns of lower priority too.
    pub(super) wide: bool,
    /// A line of headers.
    pub(super) headers: bool,
    /// A column of all labels.
    pub(super) labels: bool,
    /// A column for each of these labels.
    pub(super) columns: Vec<String>,
    /// Names with their kind.
    pub(super) with_kind: bool,
    /// A column of namespaces.
    pub(super) with_namespace: bool,
    /// A column of what happened.
    pub(super) with_event: bool,
}

/// Tables under way.
#[derive(Debug)]
pub(super) struct Tables {
    view: View,
    layout: Layout,
    header_printed: bool,
}

fn list<'v>(value: &'v Value, field: &str) -> &'v [Value] {
    value[field].as_array().map_or(&[][..], Vec::as_slice)
}

impl Tables {
    /// Tables of this view.
    pub(super) fn new(view: View) -> Self {
        Tables { view, layout: Layout::default(), header_printed: false }
    }

    /// Prints tables of several kinds, each under its header; says whether there was a row.
    pub(super) fn print_all(&mut self, found: &[(Sought, Value)], io: &mut Io<'_>) -> bool {
        let mut groups: Vec<(&Sought, Vec<&Value>)> = Vec::new();
        for (sought, table) in found.iter().filter(|(_, table)| !list(table, "rows").is_empty()) {
            match groups.last_mut() {
                Some((last, tables)) if last.info == sought.info => tables.push(table),
                _ => groups.push((sought, vec![table])),
            }
        }
        for (index, (sought, tables)) in groups.iter().enumerate() {
            if index > 0 {
                io.print("\n");
            }
            let mut rows = Vec::new();
            if self.view.headers {
                rows.push(self.header(sought, tables[0]));
            }
            rows.extend(tables.iter().flat_map(|table| self.rows(sought, table, None)));
            io.print(Layout::default().lines(&rows));
        }
        !groups.is_empty()
    }

    /// Prints rows that follow those before; the header comes with the first.
    pub(super) fn print_rows(&mut self, sought: &Sought, table: &Value, event: Option<&str>, io: &mut Io<'_>) {
        let mut rows = self.rows(sought, table, event);
        if rows.is_empty() {
            return;
        }
        if self.view.headers && !self.header_printed {
            rows.insert(0, self.header(sought, table));
            self.header_printed = true;
        }
        let lines = self.layout.lines(&rows);
        io.print(lines);
    }

    fn shown(&self, table: &Value) -> Vec<bool> {
        list(table, "columnDefinitions").iter().map(|column| self.view.wide || column["priority"].as_i64().unwrap_or(0) == 0).collect()
    }

    fn header(&self, sought: &Sought, table: &Value) -> Vec<String> {
        let mut row = Vec::new();
        row.extend(self.view.with_event.then(|| "EVENT".to_owned()));
        row.extend((self.view.with_namespace && sought.info.namespaced).then(|| "NAMESPACE".to_owned()));
        let names = list(table, "columnDefinitions").iter().zip(self.shown(table)).filter(|(_, shown)| *shown);
        row.extend(names.map(|(column, _)| column["name"].as_str().unwrap_or("").to_uppercase()));
        row.extend(self.view.columns.iter().map(|label| label.rsplit('/').next().unwrap_or("").to_uppercase()));
        row.extend(self.view.labels.then(|| "LABELS".to_owned()));
        row
    }

    fn rows(&self, sought: &Sought, table: &Value, event: Option<&str>) -> Vec<Vec<String>> {
        let shown = self.shown(table);
        let render = |row: &Value| {
            let mut texts: Vec<String> =
                list(row, "cells").iter().zip(&shown).filter(|(_, shown)| **shown).map(|(value, _)| cell(value)).collect();
            let metadata = &row["object"]["metadata"];
            if self.view.with_kind
                && let Some(first) = texts.first_mut()
            {
                *first = result_name(&sought.info, first);
            }
            if self.view.with_namespace && sought.info.namespaced {
                texts.insert(0, metadata["namespace"].as_str().unwrap_or("").to_owned());
            }
            if let Some(word) = event.filter(|_| self.view.with_event) {
                texts.insert(0, word.to_owned());
            }
            let label = |name: &String| metadata["labels"][name.as_str()].as_str().unwrap_or("").to_owned();
            texts.extend(self.view.columns.iter().map(label));
            texts.extend(self.view.labels.then(|| labels(&metadata["labels"])));
            texts
        };
        list(table, "rows").iter().map(render).collect()
    }
}
