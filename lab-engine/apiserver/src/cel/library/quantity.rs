//! Amounts: `quantity('200Mi')` (`k8s.io/apiserver/pkg/cel/library/quantity.go`).

use super::{Answer, error, known, opaque};
use api::quantity::{Format, Quantity};
use cel::extractors::This;
use cel::objects::Opaque;
use cel::{Context, DeclarationError, Value};
use std::cmp::Ordering;
use std::sync::Arc;

/// An amount.
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

fn amount(value: &Value) -> Answer<Quantity> {
    known::<Amount>(value, "quantity").map(|amount| amount.0)
}

/// The amount that another names: an amount, or a whole number.
fn operand(value: &Value) -> Answer<Quantity> {
    match value {
        Value::Int(number) => Ok(Quantity::new(*number, Format::DecimalSi)),
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

/// Adds the functions.
pub(super) fn add(context: &mut Context<'_, '_>) -> Result<(), DeclarationError> {
    context.add_function("quantity", |text: Arc<String>| {
        Quantity::parse(&text).map(|quantity| opaque(Amount(quantity))).map_err(|why| error("quantity", why))
    })?;
    context.add_function("isQuantity", |text: Arc<String>| Quantity::parse(&text).is_ok())?;
    context.add_function("isLessThan", |This(a): This<Value>, b: Value| compared(&a, &b).map(Ordering::is_lt))?;
    context.add_function("isGreaterThan", |This(a): This<Value>, b: Value| compared(&a, &b).map(Ordering::is_gt))?;
    context.add_function("compareTo", |This(a): This<Value>, b: Value| compared(&a, &b).map(|order| order as i64))?;
    context.add_function("add", |This(a): This<Value>, b: Value| {
        let mut sum = amount(&a)?;
        sum.add(operand(&b)?);
        Ok(opaque(Amount(sum))) as Answer<Value>
    })?;
    context.add_function("sub", |This(a): This<Value>, b: Value| {
        let mut rest = amount(&a)?;
        rest.sub(operand(&b)?);
        Ok(opaque(Amount(rest))) as Answer<Value>
    })?;
    context.add_function("sign", |This(a): This<Value>| amount(&a).map(|a| a.cmp(&Quantity::default()) as i64))?;
    context.add_function("isInteger", |This(a): This<Value>| whole(&a).map(|number| number.is_some()))?;
    context.add_function("asInteger", |This(a): This<Value>| {
        whole(&a)?.ok_or_else(|| error("asInteger", "cannot convert value to integer"))
    })?;
    context.add_function("asApproximateFloat", |This(a): This<Value>| amount(&a).map(|a| a.decimal().parse::<f64>().unwrap_or(f64::NAN)))
}
