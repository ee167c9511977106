//! Lists and sets (`k8s.io/apiserver/pkg/cel/library/lists.go`, `cel-go/ext/sets.go`).

use super::{Answer, Returned, boolean, error, int, value_of};
use cel::common::types::{DYN_TYPE, LIST_TYPE};
use cel::common::value::CowVal;
use cel::extractors::This;
use cel::{Context, DeclarationError, Env, ExecutionError, Value};
use std::cmp::Ordering;

fn list(value: &Value) -> Answer<&[Value]> {
    match value {
        Value::List(items) => Ok(items),
        _ => Err(error("list", "no such overload")),
    }
}

fn order(a: &Value, b: &Value) -> Answer<Ordering> {
    a.partial_cmp(b).ok_or_else(|| error("list", "no such overload"))
}

fn extreme(values: &Value, wanted: Ordering, name: &str) -> Answer<Value> {
    let mut items = list(values)?.iter();
    let mut best = items.next().ok_or_else(|| error(name, format!("{name} called on empty list")))?;
    for item in items {
        if order(item, best)? == wanted {
            best = item;
        }
    }
    Ok(best.clone())
}

fn sum(values: &Value) -> Answer<Value> {
    let overflow = || error("sum", "return error for overflow");
    let mut total = Value::Int(0);
    for (index, item) in list(values)?.iter().enumerate() {
        total = match (&total, item) {
            (_, first) if index == 0 => first.clone(),
            (Value::Int(a), Value::Int(b)) => Value::Int(a.checked_add(*b).ok_or_else(overflow)?),
            (Value::UInt(a), Value::UInt(b)) => Value::UInt(a.checked_add(*b).ok_or_else(overflow)?),
            (Value::Float(a), Value::Float(b)) => Value::Float(a + b),
            _ => return Err(error("sum", "no such overload")),
        };
    }
    Ok(total)
}

fn is_sorted(values: &Value) -> Answer<bool> {
    for pair in list(values)?.windows(2) {
        if order(&pair[0], &pair[1])? == Ordering::Greater {
            return Ok(false);
        }
    }
    Ok(true)
}

fn index_of<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    let (values, wanted) = (value_of(&args, 0, "indexOf")?, value_of(&args, 1, "indexOf")?);
    let at = list(&values)?.iter().position(|item| *item == wanted);
    Ok(int(at.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1)))
}

fn last_index_of<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    let (values, wanted) = (value_of(&args, 0, "lastIndexOf")?, value_of(&args, 1, "lastIndexOf")?);
    let at = list(&values)?.iter().rposition(|item| *item == wanted);
    Ok(int(at.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1)))
}

/// Two lists, of which a function of sets is asked.
fn both(args: &[CowVal<'_, '_>]) -> Answer<(Vec<Value>, Vec<Value>)> {
    let one = |index: usize| Ok::<_, ExecutionError>(list(&value_of(args, index, "sets")?)?.to_vec());
    Ok((one(0)?, one(1)?))
}

fn covers(all: &[Value], some: &[Value]) -> bool {
    some.iter().all(|item| all.contains(item))
}

fn contains<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    both(&args).map(|(all, some)| boolean(covers(&all, &some)))
}

fn equivalent<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    both(&args).map(|(a, b)| boolean(covers(&a, &b) && covers(&b, &a)))
}

fn intersects<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    both(&args).map(|(a, b)| boolean(a.iter().any(|item| b.contains(item))))
}

/// Declares the functions whose names others have too.
pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_member_overload("indexOf", "list.indexOf(dyn)", LIST_TYPE, vec![DYN_TYPE], index_of)?;
    env.add_member_overload("lastIndexOf", "list.lastIndexOf(dyn)", LIST_TYPE, vec![DYN_TYPE], last_index_of)?;
    env.add_overload("sets.contains", "sets.contains(list,list)", vec![LIST_TYPE, LIST_TYPE], contains)?;
    env.add_overload("sets.equivalent", "sets.equivalent(list,list)", vec![LIST_TYPE, LIST_TYPE], equivalent)?;
    env.add_overload("sets.intersects", "sets.intersects(list,list)", vec![LIST_TYPE, LIST_TYPE], intersects)
}

/// Adds the functions.
pub(super) fn add(context: &mut Context<'_, '_>) -> Result<(), DeclarationError> {
    context.add_function("isSorted", |This(values): This<Value>| is_sorted(&values))?;
    context.add_function("sum", |This(values): This<Value>| sum(&values))?;
    context.add_function("min", |This(values): This<Value>| extreme(&values, Ordering::Less, "min"))?;
    context.add_function("max", |This(values): This<Value>| extreme(&values, Ordering::Greater, "max"))
}
