//! Kubernetes' own functions (`k8s.io/apiserver/pkg/cel/library`).

use api::quantity::Quantity;
use cel::extractors::This;
use cel::objects::Opaque;
use cel::{Context, Env, ExecutionError, Value, extensions};
use regex_lite::Regex;
use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::Arc;

/// All functions and methods that an expression may call, besides operators and macros.
pub(super) const FUNCTIONS: &[&str] = &[
    "add",
    "asApproximateFloat",
    "asInteger",
    "bool",
    "bytes",
    "charAt",
    "compareTo",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "find",
    "findAll",
    "format",
    "hasValue",
    "indexOf",
    "int",
    "isCIDR",
    "isGreaterThan",
    "isIP",
    "isInteger",
    "isLessThan",
    "isQuantity",
    "isSorted",
    "isURL",
    "join",
    "lastIndexOf",
    "lowerAscii",
    "matches",
    "max",
    "min",
    "none",
    "of",
    "ofNonZeroValue",
    "optional",
    "or",
    "orValue",
    "quantity",
    "replace",
    "reverse",
    "sign",
    "size",
    "split",
    "startsWith",
    "string",
    "sub",
    "substring",
    "sum",
    "trim",
    "type",
    "uint",
    "upperAscii",
    "value",
];

/// The largest automaton that a regular expression may need, in bytes.
const REGEX_BYTES: usize = 200_000;

/// An amount, as `quantity('200Mi')` gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Amount(Quantity);

impl Opaque for Amount {
    fn runtime_type_name(&self) -> &str {
        "kubernetes.Quantity"
    }

    fn json(&self) -> Option<serde_json::Value> {
        Some(serde_json::Value::String(self.0.to_string()))
    }
}

/// The types and functions of CEL itself and of its extension for strings.
pub(super) fn environment() -> Env {
    let mut env = Env::stdlib();
    // The names cannot clash: nothing else was added.
    let added = env.add_extension(extensions::strings);
    debug_assert!(added.is_ok(), "{added:?}");
    env
}

type Answer<T> = Result<T, ExecutionError>;

fn error(function: &str, message: impl ToString) -> ExecutionError {
    ExecutionError::function_error(function, message)
}

fn regex(pattern: &str) -> Answer<Regex> {
    let built = regex_lite::RegexBuilder::new(pattern).size_limit(REGEX_BYTES).build();
    built.map_err(|why| error("matches", format!("error parsing regexp: {why}")))
}

fn amount(value: &Value) -> Answer<Quantity> {
    match value {
        Value::Opaque(opaque) => opaque.downcast_ref::<Amount>().map(|amount| amount.0),
        _ => None,
    }
    .ok_or_else(|| error("quantity", "no such overload"))
}

fn made(quantity: Quantity) -> Value {
    Value::Opaque(Arc::new(Amount(quantity)))
}

/// The amount that another names: an amount, or a whole number.
fn operand(value: &Value) -> Answer<Quantity> {
    match value {
        Value::Int(number) => Ok(Quantity::new(*number, api::quantity::Format::DecimalSi)),
        other => amount(other),
    }
}

fn compared(a: &Value, b: &Value) -> Answer<Ordering> {
    Ok(amount(a)?.cmp(&amount(b)?))
}

/// The whole number that an amount is.
fn whole(value: &Value) -> Answer<Option<i64>> {
    let quantity = amount(value)?;
    let number = quantity.value();
    Ok((Quantity::new(number, quantity.format()) == quantity).then_some(number))
}

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

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let widest = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.parse::<u8>().is_ok_and(|bits| bits <= widest) && !bits.starts_with('+')
}

fn is_url(text: &str) -> bool {
    let scheme = |scheme: &str| scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(|b| b.is_ascii_alphanumeric());
    let absolute = text.split_once("://").is_some_and(|(before, rest)| scheme(before) && !rest.is_empty());
    (absolute || text.starts_with('/')) && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// Adds the functions. None of the names is one of CEL's own, so none can fail to be added.
pub(super) fn add_functions(context: &mut Context<'_, '_>) {
    let added = [
        context.add_function("matches", |This(text): This<Arc<String>>, pattern: Arc<String>| {
            Ok(regex(&pattern)?.is_match(&text)) as Answer<bool>
        }),
        context.add_function("find", |This(text): This<Arc<String>>, pattern: Arc<String>| {
            Ok(Value::from(regex(&pattern)?.find(&text).map_or("", |found| found.as_str()))) as Answer<Value>
        }),
        context.add_function("findAll", |This(text): This<Arc<String>>, pattern: Arc<String>| {
            let found = regex(&pattern)?.find_iter(&text).map(|found| Value::from(found.as_str())).collect();
            Ok(Value::List(Arc::new(found))) as Answer<Value>
        }),
        context.add_function("quantity", |text: Arc<String>| Quantity::parse(&text).map(made).map_err(|why| error("quantity", why))),
        context.add_function("isQuantity", |text: Arc<String>| Quantity::parse(&text).is_ok()),
        context.add_function("isLessThan", |This(a): This<Value>, b: Value| compared(&a, &b).map(Ordering::is_lt)),
        context.add_function("isGreaterThan", |This(a): This<Value>, b: Value| compared(&a, &b).map(Ordering::is_gt)),
        context.add_function("compareTo", |This(a): This<Value>, b: Value| compared(&a, &b).map(|order| order as i64)),
        context.add_function("add", |This(a): This<Value>, b: Value| {
            let mut sum = amount(&a)?;
            sum.add(operand(&b)?);
            Ok(made(sum)) as Answer<Value>
        }),
        context.add_function("sub", |This(a): This<Value>, b: Value| {
            let mut rest = amount(&a)?;
            rest.sub(operand(&b)?);
            Ok(made(rest)) as Answer<Value>
        }),
        context.add_function("sign", |This(a): This<Value>| amount(&a).map(|a| a.cmp(&Quantity::default()) as i64)),
        context.add_function("isInteger", |This(a): This<Value>| whole(&a).map(|number| number.is_some())),
        context.add_function("asInteger", |This(a): This<Value>| {
            whole(&a)?.ok_or_else(|| error("asInteger", "cannot convert value to integer"))
        }),
        context
            .add_function("asApproximateFloat", |This(a): This<Value>| amount(&a).map(|a| a.decimal().parse::<f64>().unwrap_or(f64::NAN))),
        context.add_function("isSorted", |This(values): This<Value>| is_sorted(&values)),
        context.add_function("sum", |This(values): This<Value>| sum(&values)),
        context.add_function("min", |This(values): This<Value>| extreme(&values, Ordering::Less, "min")),
        context.add_function("max", |This(values): This<Value>| extreme(&values, Ordering::Greater, "max")),
        context.add_function("isIP", |text: Arc<String>| text.parse::<IpAddr>().is_ok()),
        context.add_function("isCIDR", |text: Arc<String>| is_cidr(&text)),
        context.add_function("isURL", |text: Arc<String>| is_url(&text)),
    ];
    debug_assert!(added.iter().all(Result::is_ok), "{added:?}");
}
