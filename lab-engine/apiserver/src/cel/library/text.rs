//! Patterns and named formats of texts (`k8s.io/apiserver/pkg/cel/library/{regex,format}.go`).

use super::{Answer, Returned, error, known, opaque, text_of, value_of};
use crate::crd::schema::Pattern;
use api::names;
use cel::common::types::{INT_TYPE, STRING_TYPE};
use cel::common::value::{CowVal, Val};
use cel::extractors::This;
use cel::objects::{Opaque, OptionalValue};
use cel::{Context, DeclarationError, Env, Value};
use std::sync::Arc;

/// The longest text in which all matches are searched for, in bytes.
const MAX_SEARCHED: usize = 4096;

/// The formats that have a name. Those of labels and subdomains have one more for the beginning of a generated name.
pub(super) const FORMATS: &[&str] = &[
    "byte",
    "date",
    "datetime",
    "dns1035Label",
    "dns1035LabelPrefix",
    "dns1123Label",
    "dns1123LabelPrefix",
    "dns1123Subdomain",
    "dns1123SubdomainPrefix",
    "labelValue",
    "qualifiedName",
    "uri",
    "uuid",
];

/// A format by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named(&'static str);

impl Opaque for Named {
    fn runtime_type_name(&self) -> &str {
        "kubernetes.NamedFormat"
    }
}

impl Named {
    /// What is wrong with a text.
    fn judge(&self, text: &str) -> Vec<String> {
        // The beginning of a name may end in what must not be the end of one.
        let begun = || text.strip_suffix('-').map_or_else(|| text.to_owned(), |base| format!("{base}a"));
        let formatted =
            |format: &str, wrong: &str| if crate::crd::formats::holds(format, text) { Vec::new() } else { vec![wrong.to_owned()] };
        match self.0 {
            "dns1123Label" => names::dns1123_label(text),
            "dns1123LabelPrefix" => names::dns1123_label(&begun()),
            "dns1123Subdomain" => names::dns1123_subdomain(text),
            "dns1123SubdomainPrefix" => names::dns1123_subdomain(&begun()),
            "dns1035Label" => names::dns1035_label(text),
            "dns1035LabelPrefix" => names::dns1035_label(&begun()),
            "qualifiedName" => names::qualified_name(text),
            "labelValue" => names::label_value(text),
            "uri" => formatted("uri", "invalid uri"),
            "uuid" => formatted("uuid", "does not match the UUID format"),
            "byte" => formatted("byte", "invalid base64"),
            "date" => formatted("date", "invalid date"),
            _ => formatted("date-time", "invalid datetime"),
        }
    }
}

fn pattern(text: &str, pattern: &str) -> Answer<Pattern> {
    let pattern = Pattern::new(pattern);
    // Told before anything is searched for: finding takes as long as matching.
    pattern.matches(text).map_err(|why| error("matches", why))?;
    Ok(pattern)
}

fn matches(text: &str, by: &str) -> Answer<bool> {
    Pattern::new(by).matches(text).map_err(|why| error("matches", why))
}

fn find(text: &str, by: &str) -> Answer<Value> {
    let found = pattern(text, by)?.regex.ok().and_then(|regex| regex.find(text).map(|found| found.as_str().to_owned()));
    Ok(Value::from(found.unwrap_or_default()))
}

/// All matches, at most so many as told; a negative number is no limit.
fn find_all<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    let (text, by) = (text_of(&args, 0, "findAll")?, text_of(&args, 1, "findAll")?);
    // Each match is searched for anew.
    if text.len() > MAX_SEARCHED {
        return Err(error("findAll", format!("the text has {} bytes; at most {MAX_SEARCHED} are searched", text.len())));
    }
    let most = match args.len() {
        3 => value_of(&args, 2, "findAll")?,
        _ => Value::Int(-1),
    };
    let most = if let Value::Int(most) = most { usize::try_from(most).unwrap_or(usize::MAX) } else { usize::MAX };
    let regex = pattern(&text, &by)?.regex.ok();
    let found = regex.iter().flat_map(|regex| regex.find_iter(&text)).take(most).map(|found| Value::from(found.as_str()));
    boxed(Value::List(Arc::new(found.collect())))
}

fn boxed<'b, 'v>(value: Value) -> Returned<'b, 'v> {
    Ok(CowVal::from(Box::<dyn Val>::try_from(value)?))
}

fn optional<'b, 'v>(value: Option<Value>) -> Returned<'b, 'v> {
    boxed(opaque(value.map_or_else(OptionalValue::none, OptionalValue::of)))
}

fn named<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    let name = text_of(&args, 0, "format.named")?;
    optional(FORMATS.iter().find(|known| **known == name).map(|known| opaque(Named(known))))
}

/// Makes the function that gives a format: `format.uuid()`.
macro_rules! formats {
    ($env:expr, $($name:literal)*) => {
        $($env.add_overload(concat!("format.", $name), concat!("format.", $name, "()"), Vec::new(), |_| boxed(opaque(Named($name))))?;)*
    };
}

/// Declares `findAll`, which has two forms, and the functions of the namespace `format`.
pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_member_overload("findAll", "string.findAll(string)", STRING_TYPE, vec![STRING_TYPE], find_all)?;
    env.add_member_overload("findAll", "string.findAll(string,int)", STRING_TYPE, vec![STRING_TYPE, INT_TYPE], find_all)?;
    env.add_overload("format.named", "format.named(string)", vec![STRING_TYPE], named)?;
    formats!(env, "byte" "date" "datetime" "dns1035Label" "dns1035LabelPrefix" "dns1123Label" "dns1123LabelPrefix" "dns1123Subdomain"
        "dns1123SubdomainPrefix" "labelValue" "qualifiedName" "uri" "uuid");
    Ok(())
}

/// Adds the functions.
pub(super) fn add(context: &mut Context<'_, '_>) -> Result<(), DeclarationError> {
    context.add_function("matches", |This(text): This<Arc<String>>, by: Arc<String>| matches(&text, &by))?;
    context.add_function("find", |This(text): This<Arc<String>>, by: Arc<String>| find(&text, &by))?;
    context.add_function("validate", |This(format): This<Value>, text: Arc<String>| {
        let wrong = known::<Named>(&format, "validate")?.judge(&text);
        let found = (!wrong.is_empty()).then(|| Value::List(Arc::new(wrong.into_iter().map(Value::from).collect())));
        Ok(opaque(found.map_or_else(OptionalValue::none, OptionalValue::of))) as Answer<Value>
    })
}
