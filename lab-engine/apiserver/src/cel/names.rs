//! Which names, functions and loops an expression has.

use cel::common::ast::{EntryExpr, Expr};
use cel::parser::Expression;
use std::collections::BTreeSet;

/// What an expression names.
#[derive(Default)]
pub(super) struct Names {
    /// Names that it does not bind itself.
    pub(super) variables: BTreeSet<String>,
    /// Functions and methods, without operators and macros.
    pub(super) functions: BTreeSet<String>,
    /// How deep its loops are nested.
    pub(super) nesting: u32,
    bound: Vec<String>,
}

/// The names in an expression.
pub(super) fn of(ast: &Expression) -> Names {
    let mut names = Names::default();
    names.walk(ast, 0);
    names
}

impl Names {
    fn walk(&mut self, ast: &Expression, depth: u32) {
        match &ast.expr {
            Expr::Unspecified | Expr::Literal(_) => {}
            Expr::Ident(name) => {
                if !self.bound.contains(name) {
                    self.variables.insert(name.clone());
                }
            }
            Expr::Select(select) => self.walk(&select.operand, depth),
            Expr::List(list) => list.elements.iter().for_each(|element| self.walk(element, depth)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr, depth)),
            Expr::Struct(made) => {
                self.functions.insert(made.type_name.clone());
                made.entries.iter().for_each(|entry| self.entry(&entry.expr, depth));
            }
            Expr::Call(call) => {
                // Operators are calls of functions like `_==_`, `!_` and `@in`.
                if call.func_name.starts_with(|c: char| c.is_ascii_alphabetic()) {
                    self.functions.insert(call.func_name.clone());
                }
                call.target.iter().for_each(|target| self.walk(target, depth));
                call.args.iter().for_each(|argument| self.walk(argument, depth));
            }
            Expr::Comprehension(over) => {
                self.nesting = self.nesting.max(depth + 1);
                self.walk(&over.iter_range, depth);
                self.walk(&over.accu_init, depth);
                let outer = self.bound.len();
                self.bound.extend([over.iter_var.clone(), over.accu_var.clone()]);
                self.bound.extend(over.iter_var2.clone());
                for part in [&over.loop_cond, &over.loop_step, &over.result] {
                    self.walk(part, depth + 1);
                }
                self.bound.truncate(outer);
            }
        }
    }

    fn entry(&mut self, entry: &EntryExpr, depth: u32) {
        match entry {
            EntryExpr::StructField(field) => self.walk(&field.value, depth),
            EntryExpr::MapEntry(entry) => {
                self.walk(&entry.key, depth);
                self.walk(&entry.value, depth);
            }
        }
    }
}
