//! Kubernetes' own functions (`k8s.io/apiserver/pkg/cel/library`), for policies and for the rules of custom resources.
//!
//! Made once, with the types and functions of CEL itself and of its extension for strings. One file for each library: amounts
//! (`quantity`), addresses (`net`), `url`, texts (`text`: patterns and formats), `lists` and sets, times (`time`).
//!
//! **Simplified here:** no `authorizer`, no semantic versions, no mathematical extension.

mod lists;
mod net;
mod quantity;
mod text;
mod time;
mod url;

use cel::common::types::{CelBool, CelInt, CelString, DYN_TYPE};
use cel::common::value::{CowVal, Val};
use cel::objects::Opaque;
use cel::{Context, DeclarationError, Env, ExecutionError, Value, extensions};
use std::sync::{Arc, OnceLock};

/// All functions and methods that an expression may call, besides operators and macros. Those of a namespace are written with it.
pub(crate) const FUNCTIONS: &[&str] = &[
    "add",
    "asApproximateFloat",
    "asInteger",
    "bool",
    "bytes",
    "charAt",
    "cidr",
    "compareTo",
    "contains",
    "containsCIDR",
    "containsIP",
    "double",
    "duration",
    "dyn",
    "endsWith",
    "family",
    "find",
    "findAll",
    "format",
    "format.named",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getEscapedPath",
    "getFullYear",
    "getHost",
    "getHostname",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getPort",
    "getQuery",
    "getScheme",
    "getSeconds",
    "hasValue",
    "indexOf",
    "int",
    "ip",
    "ip.isCanonical",
    "isCIDR",
    "isGlobalUnicast",
    "isGreaterThan",
    "isIP",
    "isInteger",
    "isLessThan",
    "isLinkLocalMulticast",
    "isLinkLocalUnicast",
    "isLoopback",
    "isQuantity",
    "isSorted",
    "isURL",
    "isUnspecified",
    "join",
    "lastIndexOf",
    "lowerAscii",
    "masked",
    "matches",
    "max",
    "min",
    "optFlatMap",
    "optMap",
    "optional.none",
    "optional.of",
    "optional.ofNonZeroValue",
    "or",
    "orValue",
    "prefixLength",
    "quantity",
    "replace",
    "reverse",
    "sets.contains",
    "sets.equivalent",
    "sets.intersects",
    "sign",
    "size",
    "split",
    "startsWith",
    "string",
    "strings.quote",
    "sub",
    "substring",
    "sum",
    "timestamp",
    "trim",
    "type",
    "uint",
    "upperAscii",
    "url",
    "validate",
    "value",
];

/// Whether a function may be called.
pub(crate) fn is_function(name: &str) -> bool {
    FUNCTIONS.contains(&name) || name.strip_prefix("format.").is_some_and(|name| text::FORMATS.contains(&name))
}

/// What a function gives.
type Answer<T> = Result<T, ExecutionError>;
/// What a function of the environment gives.
type Returned<'b, 'v> = Answer<CowVal<'b, 'v>>;

fn error(function: &str, message: impl ToString) -> ExecutionError {
    ExecutionError::function_error(function, message)
}

/// A value of a type of ours.
fn opaque(value: impl Opaque) -> Value {
    Value::Opaque(Arc::new(value))
}

/// The value of a type of ours behind another.
fn known<T: std::any::Any + Clone>(value: &Value, function: &str) -> Answer<T> {
    match value {
        Value::Opaque(opaque) => opaque.downcast_ref::<T>().cloned(),
        _ => None,
    }
    .ok_or_else(|| error(function, "no such overload"))
}

/// An argument of a function of the environment.
fn argument<'a, 'b, 'v>(args: &'a [CowVal<'b, 'v>], index: usize, function: &str) -> Answer<&'a CowVal<'b, 'v>> {
    args.get(index).ok_or_else(|| error(function, "no such overload"))
}

/// A text that is an argument.
fn text_of(args: &[CowVal<'_, '_>], index: usize, function: &str) -> Answer<String> {
    let value = argument(args, index, function)?;
    value.downcast_ref::<CelString<'_>>().map(|text| text.inner().to_owned()).ok_or_else(|| error(function, "no such overload"))
}

/// Any argument as a value.
fn value_of(args: &[CowVal<'_, '_>], index: usize, function: &str) -> Answer<Value> {
    let value: &dyn Val = &**argument(args, index, function)?;
    Value::try_from(value)
}

fn int<'b, 'v>(number: i64) -> CowVal<'b, 'v> {
    CowVal::owned(CelInt::from(number))
}

fn boolean<'b, 'v>(flag: bool) -> CowVal<'b, 'v> {
    CowVal::owned(CelBool::from(flag))
}

/// The types and functions of CEL itself, of its extension for strings, and ours.
///
/// # Errors
/// Two functions have the same signature.
pub(crate) fn environment() -> Result<Arc<Env>, String> {
    static ENVIRONMENT: OnceLock<Result<Arc<Env>, String>> = OnceLock::new();
    let made = ENVIRONMENT.get_or_init(|| build().map(Arc::new).map_err(|error| error.to_string()));
    made.clone()
}

fn build() -> Result<Env, DeclarationError> {
    let mut env = Env::stdlib();
    env.add_extension(extensions::strings)?;
    env.add_overload(super::order::SORTED, "sorted(dyn)", vec![DYN_TYPE], super::order::sorted)?;
    lists::declare(&mut env)?;
    net::declare(&mut env)?;
    text::declare(&mut env)?;
    time::declare(&mut env)?;
    Ok(env)
}

/// A context that knows all functions and no variable.
///
/// # Errors
/// Two functions have the same signature.
pub(crate) fn context<'c>() -> Result<Context<'c, 'c>, String> {
    let mut context = Context::with_env(environment()?);
    let added = quantity::add(&mut context)
        .and_then(|()| lists::add(&mut context))
        .and_then(|()| net::add(&mut context))
        .and_then(|()| text::add(&mut context))
        .and_then(|()| url::add(&mut context));
    added.map_err(|error| error.to_string())?;
    Ok(context)
}
