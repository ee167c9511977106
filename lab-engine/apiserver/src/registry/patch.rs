//! Patches of an object (`k8s.io/apiserver/pkg/endpoints/handlers/patch.go`), but for applied configurations (`field_manager`).

use crate::versions;
use api::Object;
use api::http::PatchType;
use api::kinds::KindInfo;
use api::patch;
use api::status::Status;
use serde_json::Value;

/// The object with the patch applied, as JSON; in its second version if the patch is one of that (`versions`). The record of who owns which field is in it only if the patch speaks of it.
///
/// # Errors
/// 422 when the patch cannot be applied; 500 for a configuration, which is applied elsewhere.
pub(crate) fn apply(info: &KindInfo, current: &Object, second: bool, type_: PatchType, change: &Value) -> Result<Value, Box<Status>> {
    let full = speaks_of_managed_fields(type_, change);
    let original = if full { current.to_json() } else { current.to_json_without_managed_fields() };
    let original = if second { versions::to_second(original) } else { original };
    let unprocessable = |message: String| {
        Box::new(Status::new(422, "Invalid", format!("the server rejected our request due to an error in our request: {message}")))
    };
    match type_ {
        PatchType::Json => patch::json_patch(original, change).map_err(unprocessable),
        PatchType::Merge => Ok(patch::merge(original, change)),
        PatchType::StrategicMerge => patch::strategic_merge(info, original, change).map_err(unprocessable),
        PatchType::Apply => Err(Box::new(Status::internal("an applied configuration is no patch"))),
    }
}

fn speaks_of_managed_fields(type_: PatchType, change: &Value) -> bool {
    if type_ != PatchType::Json {
        return change["metadata"].get("managedFields").is_some();
    }
    let reaches = |path: &Value| {
        let path = path.as_str().unwrap_or_default();
        path.is_empty() || path == "/metadata" || path.starts_with("/metadata/managedFields")
    };
    change.as_array().into_iter().flatten().any(|operation| reaches(&operation["path"]) || operation.get("from").is_some_and(reaches))
}
