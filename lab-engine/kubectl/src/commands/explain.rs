//! `kubectl explain TYPE[.FIELD…]`: fields and their types from the schema.
//!
//! **Simplified here:** descriptions are this workbook's own and exist for the fields that are used most.

use super::field_notes::note;
use crate::command::{Job, Step};
use crate::flags::{Flag, Parsed, switch, value};
use crate::resources::Context;
use api::schema::{Field, Type, TypeSchema, for_kind};
use std::fmt::Write as _;

pub(super) const FLAGS: &[Flag] = &[switch("recursive", None), value("api-version", None), value("output", Some('o'))];

/// How deep `--recursive` goes; some types hold themselves.
const MAX_DEPTH: usize = 12;

pub(super) fn build(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let [word] = &parsed.words[..] else {
        return Err(match parsed.words.len() {
            0 => "You must specify the type of resource to explain. Use \"kubectl api-resources\" for a complete list of supported resources."
                .to_owned(),
            _ => "We accept only this format: explain RESOURCE".to_owned(),
        });
    };
    let mut parts = word.split('.').filter(|part| !part.is_empty());
    let info = context.kinds.resolve(parts.next().unwrap_or(""))?;
    let path: Vec<&str> = parts.collect();
    if info.custom {
        return Ok(super::explain_custom::job(info, path.into_iter().map(str::to_owned).collect(), parsed.on("recursive")));
    }
    let schema = for_kind(&info).ok_or_else(|| format!("couldn't find resource for {:?}", info.kind))?;
    let mut text = String::new();
    if !info.group.is_empty() {
        let _ = writeln!(text, "GROUP:      {}", info.group);
    }
    let _ = writeln!(text, "KIND:       {}\nVERSION:    {}\n", info.kind, info.version);
    let mut here = Some(schema);
    let mut field: Option<(&str, &Field)> = None;
    for name in &path {
        let found = here.and_then(|schema| schema.fields().find(|(own, _)| own == name));
        let (name, found) = found.ok_or_else(|| format!("field {name:?} does not exist"))?;
        here = innermost(&found.type_);
        field = Some((name, found));
    }
    if let Some((name, field)) = field {
        let required = if field.required { " -required-" } else { "" };
        let _ = writeln!(text, "FIELD: {name} <{}>{required}\n", type_name(&field.type_));
    }
    let described = note(&info.kind, &path).unwrap_or("<empty>");
    let _ = writeln!(text, "DESCRIPTION:\n{}", indented(described, "    "));
    if let Some(schema) = here {
        text.push_str("\nFIELDS:\n");
        list(&mut text, schema, &info.kind, &mut path.clone(), 1, parsed.on("recursive"));
    }
    text.push('\n');
    Ok(Box::new(move |io| {
        io.print(text);
        Step::Done(0)
    }))
}

fn list<'s>(text: &mut String, schema: &'s TypeSchema, kind: &str, path: &mut Vec<&'s str>, level: usize, recursive: bool) {
    let pad = "  ".repeat(level);
    for (name, field) in schema.fields() {
        let required = if field.required { " -required-" } else { "" };
        let _ = writeln!(text, "{pad}{name}\t<{}>{required}", type_name(&field.type_));
        path.push(name);
        if recursive {
            if let Some(below) = innermost(&field.type_).filter(|_| level < MAX_DEPTH && path.iter().filter(|p| *p == &name).count() < 2) {
                list(text, below, kind, path, level + 1, true);
            }
        } else {
            if let Some(words) = note(kind, path) {
                let _ = writeln!(text, "{}", indented(words, &format!("{pad}  ")));
            }
            text.push('\n');
        }
        path.pop();
    }
}

/// The structure inside lists and mappings.
fn innermost(mut type_: &Type) -> Option<&'static TypeSchema> {
    while let Some(element) = type_.element() {
        type_ = element;
    }
    type_.as_struct()
}

/// The type as upstream writes it: `string`, `integer`, `[]Container`, `map[string]string`.
fn type_name(type_: &Type) -> String {
    match type_ {
        Type::List(element) => format!("[]{}", type_name(element)),
        Type::Map(element) => format!("map[string]{}", type_name(element)),
        other => match other.to_string().as_str() {
            "int32" | "int64" => "integer".to_owned(),
            "bool" => "boolean".to_owned(),
            "float64" | "double" => "number".to_owned(),
            name => name.to_owned(),
        },
    }
}

/// Text in lines of at most 80 letters.
fn indented(text: &str, pad: &str) -> String {
    let mut lines = vec![pad.to_owned()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if lines[last].len() > pad.len() && lines[last].len() + 1 + word.len() > 80 {
            lines.push(format!("{pad}{word}"));
        } else {
            if lines[last].len() > pad.len() {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    lines.join("\n")
}
