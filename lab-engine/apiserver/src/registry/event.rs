//! Events (`pkg/registry/core/event/strategy.go`).

use super::Strategy;
use api::core::Event;
use api::status::FieldError;
use std::borrow::Cow;

impl Strategy for Event {
    fn validate(&self, errors: &mut Vec<FieldError>) {
        let namespace = &self.involved_object.namespace;
        let fits = if namespace.is_empty() { self.metadata.namespace == "default" } else { *namespace == self.metadata.namespace };
        if !fits {
            errors.push(FieldError::invalid("involvedObject.namespace", namespace, "does not match event.namespace"));
        }
    }

    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        let object = &self.involved_object;
        Some(Cow::Borrowed(match name {
            "involvedObject.kind" => &object.kind,
            "involvedObject.namespace" => &object.namespace,
            "involvedObject.name" => &object.name,
            "involvedObject.uid" => &object.uid,
            "involvedObject.apiVersion" => &object.api_version,
            "involvedObject.resourceVersion" => &object.resource_version,
            "involvedObject.fieldPath" => &object.field_path,
            "reason" => &self.reason,
            "reportingComponent" => &self.reporting_component,
            "source" if self.source.component.is_empty() => &self.reporting_component,
            "source" => &self.source.component,
            "type" => &self.type_,
            _ => return None,
        }))
    }
}
