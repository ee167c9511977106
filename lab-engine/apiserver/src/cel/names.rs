//! Which names, functions and loops an expression has; shared by policies and the rules of custom resources.

use super::MAX_DEPTH;
use super::library;
use cel::common::ast::{EntryExpr, Expr};
use cel::parser::Expression as Ast;
use std::collections::BTreeSet;

/// What an expression names.
#[derive(Default)]
pub(crate) struct Names {
    /// Names that it does not bind itself.
    pub(crate) variables: BTreeSet<String>,
    /// Functions and methods, without operators and macros; those of a namespace with it: `optional.of`.
    pub(crate) functions: BTreeSet<String>,
    /// How deep its loops are nested.
    pub(crate) nesting: u32,
    bound: Vec<String>,
}

/// The names in an expression, which must be shallow.
pub(crate) fn of(ast: &Ast) -> Names {
    let mut names = Names::default();
    names.walk(ast, 0);
    names
}

impl Names {
    fn walk(&mut self, ast: &Ast, depth: u32) {
        match &ast.expr {
            Expr::Ident(name) if !self.bound.contains(name) => drop(self.variables.insert(name.clone())),
            Expr::Struct(made) => drop(self.functions.insert(made.type_name.clone())),
            // Operators are calls of functions like `_==_`, `!_` and `@in`.
            Expr::Call(call) if call.func_name.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                let target = call.target.as_ref().and_then(|target| match &target.expr {
                    Expr::Ident(name) if !self.bound.contains(name) => Some(format!("{name}.{}", call.func_name)),
                    _ => None,
                });
                if let Some(qualified) = target.filter(|name| library::is_function(name)) {
                    self.functions.insert(qualified);
                    return call.args.iter().for_each(|part| self.walk(part, depth));
                }
                self.functions.insert(call.func_name.clone());
            }
            Expr::Comprehension(over) => {
                self.nesting = self.nesting.max(depth + 1);
                self.walk(&over.iter_range, depth);
                self.walk(&over.accu_init, depth);
                let outer = self.bound.len();
                self.bound.extend([over.iter_var.clone(), over.accu_var.clone()]);
                self.bound.extend(over.iter_var2.clone());
                [&over.loop_cond, &over.loop_step, &over.result].into_iter().for_each(|part| self.walk(part, depth + 1));
                self.bound.truncate(outer);
                return;
            }
            _ => {}
        }
        parts(ast).into_iter().for_each(|part| self.walk(part, depth));
    }
}

/// Whether a tree can be walked by recursion; looked at without.
pub(crate) fn is_shallow(ast: &Ast) -> bool {
    let mut left = vec![(ast, 0)];
    while let Some((ast, depth)) = left.pop() {
        if depth > MAX_DEPTH {
            return false;
        }
        left.extend(parts(ast).into_iter().map(|part| (part, depth + 1)));
    }
    true
}

/// The expressions that an expression is made of.
pub(crate) fn parts(ast: &Ast) -> Vec<&Ast> {
    fn of_entry(entry: &EntryExpr) -> Vec<&Ast> {
        match entry {
            EntryExpr::StructField(field) => vec![&field.value],
            EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
        }
    }
    match &ast.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => Vec::new(),
        Expr::Select(select) => vec![&select.operand],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|entry| of_entry(&entry.expr)).collect(),
        Expr::Struct(made) => made.entries.iter().flat_map(|entry| of_entry(&entry.expr)).collect(),
        Expr::Call(call) => call.target.iter().map(|target| &**target).chain(&call.args).collect(),
        Expr::Comprehension(over) => vec![&over.iter_range, &over.accu_init, &over.loop_cond, &over.loop_step, &over.result],
    }
}
