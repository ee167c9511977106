//! Whether a toleration tolerates a taint (`Toleration.ToleratesTaint` of `k8s.io/api/core/v1`).

use crate::core::{Taint, Toleration};

/// Whether the toleration tolerates the taint: an empty effect or key stands for all, `Exists` for any value, `Lt` and `Gt` compare numbers.
pub fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let of_any_or = |own: &str, wanted: &str| own.is_empty() || own == wanted;
    if !of_any_or(&toleration.effect, &taint.effect) || !of_any_or(&toleration.key, &taint.key) {
        return false;
    }
    let numbers = || toleration.value.parse::<i64>().ok().zip(taint.value.parse::<i64>().ok());
    match toleration.operator.as_str() {
        "" | "Equal" => toleration.value == taint.value,
        "Exists" => true,
        "Lt" => numbers().is_some_and(|(bound, value)| value < bound),
        "Gt" => numbers().is_some_and(|(bound, value)| value > bound),
        _ => false,
    }
}
