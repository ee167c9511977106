//! What an expression costs at most, told before it runs (`cel-go/checker/cost.go`).
//!
//! The tree is walked once with [`Range`]s: the values that a name may stand for, or the schema that bounds them. Units are those of
//! cel-go: one per step, a tenth per character.
//!
//! **Simplified here:** the bound knows no short cuts (`&&`, `exists`), where upstream counts what was really done.

use crate::cel::order::SORTED;
use crate::crd::cel::escape;
use crate::crd::schema::{Additional, Schema, Type};
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, operators};
use cel::parser::Expression as Ast;
use serde_json::Value as Json;

/// What an unbounded list, map or text may hold: a request has three megabytes at most.
const UNBOUNDED: u64 = 3 * 1024 * 1024;

/// At most what an expression costs, when names stand for what `variable` tells.
pub(crate) fn of<'a>(ast: &'a Ast, variable: &dyn Fn(&str) -> Range<'a>) -> u64 {
    Costs { variable, bound: Vec::new() }.of(ast).0
}

/// What a value may be, for its cost.
#[derive(Clone, Debug)]
pub(crate) enum Range<'a> {
    /// One of these values.
    Values(Vec<&'a Json>),
    /// A value of this schema; `None` for any value.
    Schema(Option<&'a Schema>),
    /// Something computed: at most so many parts, which are such.
    Made(u64, Option<Box<Range<'a>>>),
}

impl<'a> Range<'a> {
    /// At most how many characters, elements or entries it has.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Range::Values(values) => values.iter().map(|value| size(value)).max().unwrap_or(0),
            Range::Schema(schema) => schema.map_or(UNBOUNDED, most),
            Range::Made(size, _) => *size,
        }
    }

    fn field(&self, name: &str) -> Range<'a> {
        match self {
            Range::Values(values) => Range::Values(
                values
                    .iter()
                    .filter_map(|value| value.as_object()?.iter().find(|(own, _)| escape(own) == name || *own == name))
                    .map(|(_, v)| v)
                    .collect(),
            ),
            Range::Schema(schema) => Range::Schema(schema.and_then(|schema| {
                schema.properties.iter().find(|(own, _)| escape(own) == name).map(|(_, part)| part).or_else(|| schema.field(name))
            })),
            Range::Made(_, part) => part.as_deref().cloned().unwrap_or(Range::Made(1, None)),
        }
    }

    /// What a comprehension walks: elements of lists, keys of maps.
    fn walked(self) -> Range<'a> {
        let keys = |most: u64, longest: u64| Range::Made(most, Some(Box::new(Range::Made(longest, None))));
        match &self {
            Range::Values(values) if values.iter().any(|value| value.is_object()) => {
                let longest = values.iter().filter_map(|value| value.as_object()).flatten().map(|(name, _)| name.len() as u64).max();
                keys(self.size(), longest.unwrap_or(0))
            }
            // A name of a field has its bounds, the key of a map has none.
            Range::Schema(Some(schema)) if schema.type_ == Some(Type::Object) => keys(self.size(), UNBOUNDED),
            _ => self,
        }
    }

    /// What its elements are, or the values of maps.
    fn element(&self) -> Range<'a> {
        match self {
            Range::Values(values) => Range::Values(
                values
                    .iter()
                    .flat_map(|value| match value {
                        Json::Array(items) => items.iter().collect::<Vec<_>>(),
                        Json::Object(fields) => fields.values().collect(),
                        _ => Vec::new(),
                    })
                    .collect(),
            ),
            Range::Schema(schema) => Range::Schema(schema.and_then(|schema| match (&schema.items, &schema.additional) {
                (Some(items), _) => Some(&**items),
                (None, Additional::Schema(part)) => Some(part),
                _ => None,
            })),
            Range::Made(_, part) => part.as_deref().cloned().unwrap_or(Range::Made(1, None)),
        }
    }
}

/// At most how many parts a value of a schema has: what it allows, or what fits into a request.
fn most(schema: &Schema) -> u64 {
    let checks = &schema.checks;
    match schema.type_ {
        Some(Type::Array) => checks.max_items.unwrap_or_else(|| UNBOUNDED / (schema.items.as_deref().map_or(1, least) + 1)),
        Some(Type::Object) if !schema.properties.is_empty() => schema.properties.len() as u64,
        // A key takes its quotes and a colon.
        Some(Type::Object) => checks.max_properties.unwrap_or(UNBOUNDED / 5),
        Some(Type::String) => {
            let longest = checks.allowed.as_ref().and_then(|allowed| allowed.iter().map(size).max());
            checks.max_length.or(longest).unwrap_or(UNBOUNDED)
        }
        Some(_) => 1,
        None => UNBOUNDED,
    }
}

/// The fewest bytes that a value of a schema takes.
fn least(schema: &Schema) -> u64 {
    match schema.type_ {
        Some(Type::Array | Type::Object | Type::String) => 2,
        Some(Type::Boolean) => 4,
        Some(Type::Integer | Type::Number) | None => 1,
    }
}

fn size(value: &Json) -> u64 {
    match value {
        Json::String(text) => text.len() as u64,
        Json::Array(items) => items.len() as u64,
        Json::Object(fields) => fields.len() as u64,
        _ => 1,
    }
}

/// Everything in a value, counted.
fn weight(range: &Range<'_>) -> u64 {
    fn of(value: &Json) -> u64 {
        match value {
            Json::Array(items) => items.iter().map(of).fold(1, u64::saturating_add),
            Json::Object(fields) => fields.iter().map(|(name, value)| name.len() as u64 / 10 + of(value)).fold(1, u64::saturating_add),
            Json::String(text) => 1 + text.len() as u64 / 10,
            _ => 1,
        }
    }
    match range {
        Range::Values(values) => values.iter().map(|value| of(value)).max().unwrap_or(1),
        Range::Made(size, Some(part)) => size.saturating_mul(weight(part)).saturating_add(1),
        other => other.size() / 10 + 1,
    }
}

struct Costs<'a, 'v> {
    variable: &'v dyn Fn(&str) -> Range<'a>,
    /// Variables of comprehensions, innermost last.
    bound: Vec<(&'a str, Range<'a>)>,
}

impl<'a> Costs<'a, '_> {
    /// The cost of an expression, and what it gives.
    fn of(&mut self, ast: &'a Ast) -> (u64, Range<'a>) {
        match &ast.expr {
            Expr::Unspecified => (0, Range::Made(1, None)),
            Expr::Literal(LiteralValue::String(text)) => (0, Range::Made(text.inner().len() as u64, None)),
            Expr::Literal(_) => (0, Range::Made(1, None)),
            Expr::Ident(name) => {
                let bound = self.bound.iter().rev().find(|(own, _)| own == name).map(|(_, range)| range.clone());
                (1, bound.unwrap_or_else(|| (self.variable)(name)))
            }
            Expr::Select(select) => {
                let (cost, range) = self.of(&select.operand);
                (cost.saturating_add(1), if select.test { Range::Made(1, None) } else { range.field(&select.field) })
            }
            Expr::List(list) => {
                let parts: Vec<_> = list.elements.iter().map(|element| self.of(element)).collect();
                made(10, parts)
            }
            Expr::Map(map) => {
                let mut parts = Vec::new();
                for entry in &map.entries {
                    self.entry(&entry.expr, &mut parts);
                }
                made(30, parts)
            }
            Expr::Struct(structure) => {
                let mut parts = Vec::new();
                for entry in &structure.entries {
                    self.entry(&entry.expr, &mut parts);
                }
                made(40, parts)
            }
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(over) => self.comprehension(over),
        }
    }

    fn entry(&mut self, entry: &'a EntryExpr, parts: &mut Vec<(u64, Range<'a>)>) {
        match entry {
            EntryExpr::StructField(field) => parts.push(self.of(&field.value)),
            EntryExpr::MapEntry(entry) => {
                let key = self.of(&entry.key);
                parts.extend([key, self.of(&entry.value)]);
            }
        }
    }

    fn call(&mut self, call: &'a CallExpr) -> (u64, Range<'a>) {
        let parts: Vec<(u64, Range<'a>)> = call.target.iter().map(|target| &**target).chain(&call.args).map(|part| self.of(part)).collect();
        let mut cost = parts.iter().map(|(cost, _)| *cost).fold(1, u64::saturating_add);
        let ranges: Vec<Range<'a>> = parts.into_iter().map(|(_, range)| range).collect();
        let of = |index: usize| ranges.get(index).map_or(1, Range::size);
        let mut gives = Range::Made(1, None);
        match call.func_name.as_str() {
            operators::CONDITIONAL => {
                let wider = if weight(ranges.get(1).unwrap_or(&gives)) >= weight(ranges.get(2).unwrap_or(&gives)) { 1 } else { 2 };
                gives = ranges.into_iter().nth(wider).unwrap_or(gives);
            }
            operators::ADD => {
                cost = cost.saturating_add(tenth(of(0).saturating_add(of(1))));
                let part = ranges.iter().filter(|range| range.size() > 0).map(Range::element).max_by_key(weight);
                gives = Range::Made(of(0).saturating_add(of(1)), part.map(Box::new));
            }
            operators::EQUALS
            | operators::NOT_EQUALS
            | operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS => {
                let least = ranges.iter().map(weight).min().unwrap_or(1);
                cost = cost.saturating_add(least / 10);
            }
            SORTED => {
                cost = cost.saturating_sub(1);
                gives = ranges.into_iter().next().map_or(gives, Range::walked);
            }
            operators::INDEX | operators::OPT_INDEX => gives = ranges.first().map_or(gives, Range::element),
            operators::OPT_SELECT | "value" | "orValue" | "or" | "optMap" | "dyn" | "optional.of" | "optional.ofNonZeroValue" => {
                gives = ranges.into_iter().max_by_key(weight).unwrap_or(gives);
            }
            operators::IN => cost = cost.saturating_add(of(1).saturating_mul(ranges.first().map_or(1, weight))),
            "indexOf" | "lastIndexOf" if !matches!(ranges.first(), Some(Range::Schema(Some(schema))) if schema.type_ == Some(Type::String)) =>
            {
                cost = cost.saturating_add(of(0).saturating_mul(ranges.get(1).map_or(1, weight)));
            }
            "contains" | "equivalent" | "intersects" if ranges.len() > 2 => {
                // Sets: each element of one list is looked for in the other; the namespace is the target.
                let pairs = of(1).saturating_mul(of(2));
                cost =
                    cost.saturating_add(pairs.saturating_mul(ranges.get(1).map_or(1, |range| weight(&range.element()))).saturating_mul(2));
            }
            "isSorted" | "sum" | "min" | "max" => {
                cost = cost.saturating_add(of(0));
                gives = ranges.first().map_or(gives, Range::element);
            }
            name => {
                if let Some((more, what)) = on_texts(name, &of, ranges.first()) {
                    cost = cost.saturating_add(more);
                    gives = what;
                }
            }
        }
        (cost, gives)
    }

    fn comprehension(&mut self, over: &'a ComprehensionExpr) -> (u64, Range<'a>) {
        let (range_cost, range) = self.of(&over.iter_range);
        let (init_cost, _) = self.of(&over.accu_init);
        let rounds = range.size();
        let outer = self.bound.len();
        self.bound.push((&over.iter_var, range.element()));
        if let Some(second) = &over.iter_var2 {
            self.bound.push((second, range.element()));
        }
        // What `map` and `filter` gather is appended in place: it costs nothing to carry along.
        self.bound.push((&over.accu_var, Range::Made(0, None)));
        let (condition, _) = self.of(&over.loop_cond);
        let (step, gives) = self.of(&over.loop_step);
        self.bound.truncate(outer);
        // The crate copies each element.
        let copy = if matches!(range, Range::Schema(_)) { 0 } else { weight(&range.element()) / 10 };
        let round = condition.saturating_add(step).saturating_add(copy);
        let cost = range_cost.saturating_add(init_cost).saturating_add(rounds.saturating_mul(round));
        let gathers = matches!(over.accu_init.expr, Expr::List(_));
        let part = match gives {
            Range::Made(_, part) => part,
            other => Some(Box::new(other)),
        };
        (cost, if gathers { Range::Made(rounds, part) } else { Range::Made(1, None) })
    }
}

fn tenth(size: u64) -> u64 {
    size / 10 + 1
}

/// What a function on texts costs besides its arguments, whose sizes `of` tells, and what it gives.
fn on_texts<'a>(name: &str, of: &dyn Fn(usize) -> u64, first: Option<&Range<'a>>) -> Option<(u64, Range<'a>)> {
    let one = || Range::Made(1, None);
    let list = |count: u64, size: u64| Range::Made(count, Some(Box::new(Range::Made(size, None))));
    let searched = || tenth(of(0)).saturating_mul(of(1) / 4 + 1);
    Some(match name {
        "contains" => (tenth(of(0)).saturating_mul(tenth(of(1))), one()),
        "matches" => (searched(), one()),
        "find" | "findAll" => (searched(), list(of(0), of(0))),
        "replace" => (tenth(of(0)), Range::Made(of(0).saturating_mul(of(2).max(1)).saturating_add(of(2)), None)),
        "split" => (tenth(of(0)), list(of(0).saturating_add(1), of(0))),
        "join" => {
            let inner = first.map_or(1, |range| range.element().size()).saturating_add(of(1));
            let whole = of(0).saturating_mul(inner);
            (tenth(whole), Range::Made(whole, None))
        }
        "quantity" | "isQuantity" | "ip" | "isIP" | "cidr" | "isCIDR" | "containsIP" | "containsCIDR" | "url" | "isURL" | "timestamp"
        | "duration" | "validate" | "isCanonical" => (tenth(of(0).max(of(1))), Range::Made(of(0).max(64), None)),
        "format" => {
            let parts = first.map_or(0, Range::size).saturating_add(of(1).saturating_mul(UNBOUNDED.min(of(1).saturating_mul(64).max(64))));
            (tenth(parts), Range::Made(parts, None))
        }
        "lowerAscii" | "upperAscii" | "trim" | "substring" | "reverse" | "string" | "bytes" | "indexOf" | "lastIndexOf" | "startsWith"
        | "endsWith" | "charAt" => (tenth(of(0)), Range::Made(of(0).max(20), None)),
        _ => return None,
    })
}

fn made<'a>(own: u64, parts: Vec<(u64, Range<'a>)>) -> (u64, Range<'a>) {
    let cost = parts.iter().map(|(cost, _)| *cost).fold(own, u64::saturating_add);
    let count = parts.len() as u64;
    (cost, Range::Made(count, parts.into_iter().map(|(_, range)| range).max_by_key(weight).map(Box::new)))
}
