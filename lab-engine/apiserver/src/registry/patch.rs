//! Patches of an object (`k8s.io/apiserver/pkg/endpoints/handlers/patch.go`), but for applied configurations (`field_manager`).

use api::Object;
use api::http::PatchType;
use api::kinds::KindInfo;
use api::patch;
use api::status::Status;
use serde_json::Value;

/// The object with the patch applied, as JSON.
///
/// # Errors
/// 422 when the patch cannot be applied; 500 for a configuration, which is applied elsewhere.
pub(crate) fn apply(info: &KindInfo, current: &Object, type_: PatchType, change: &Value) -> Result<Value, Box<Status>> {
    let original = current.to_json();
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
