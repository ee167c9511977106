//! Walking maps in order.

use cel::ExecutionError;
use cel::common::ast::{CallExpr, EntryExpr, Expr};
use cel::common::types::{CelList, CelMap, CelString};
use cel::common::value::{CowVal, Val};
use cel::parser::Expression as Ast;

/// The function that [`sort_keys`] puts around what is walked. No author can name it.
pub(crate) const SORTED: &str = "@sorted";

/// Makes comprehensions walk maps in the order of their keys: the crate's maps have none, and a run shall be the same every time.
pub(crate) fn sort_keys(ast: &mut Ast) {
    match &mut ast.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => {}
        Expr::Select(select) => sort_keys(&mut select.operand),
        Expr::List(list) => list.elements.iter_mut().for_each(sort_keys),
        Expr::Map(map) => map.entries.iter_mut().for_each(|entry| sort_keys_of(&mut entry.expr)),
        Expr::Struct(made) => made.entries.iter_mut().for_each(|entry| sort_keys_of(&mut entry.expr)),
        Expr::Call(call) => {
            call.target.iter_mut().for_each(|target| sort_keys(target));
            call.args.iter_mut().for_each(sort_keys);
        }
        Expr::Comprehension(over) => {
            for part in [&mut over.iter_range, &mut over.accu_init, &mut over.loop_cond, &mut over.loop_step, &mut over.result] {
                sort_keys(part);
            }
            if over.iter_var2.is_none() {
                let range = std::mem::take(&mut over.iter_range);
                let id = range.id;
                over.iter_range = Ast { id, expr: Expr::Call(CallExpr { func_name: SORTED.to_owned(), target: None, args: vec![range] }) };
            }
        }
    }
}

fn sort_keys_of(entry: &mut EntryExpr) {
    match entry {
        EntryExpr::StructField(field) => sort_keys(&mut field.value),
        EntryExpr::MapEntry(entry) => {
            sort_keys(&mut entry.key);
            sort_keys(&mut entry.value);
        }
    }
}

/// The keys of a map, sorted; anything else as it is.
pub(crate) fn sorted<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let range = args.into_iter().next().ok_or_else(|| ExecutionError::function_error(SORTED, "no argument"))?;
    let Some(map) = range.downcast_ref::<CelMap<'_>>() else { return Ok(range) };
    let mut keys: Vec<(String, Box<dyn Val + 'v>)> = Vec::with_capacity(map.inner().len());
    if let Some(map) = map.as_iterable() {
        let mut items = map.iter();
        while let Some(key) = items.next() {
            let text = key.downcast_ref::<CelString<'_>>().map_or_else(|| format!("{key:?}"), |text| text.inner().to_owned());
            keys.push((text, key.clone_as_boxed()));
        }
    }
    keys.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(CowVal::owned(CelList::from(keys.into_iter().map(|(_, key)| key).collect::<Vec<_>>())))
}
