//! `metadata.managedFields`: who set which field, how and when (`metav1.ManagedFieldsEntry`).

use super::set::Set;
use crate::json::{DecodeError, Json, Position};
use crate::meta::Timestamp;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// How a manager came to own fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// By server-side apply.
    Apply,
    /// By any other write.
    Update,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Operation::Apply => "Apply",
            Operation::Update => "Update",
        }
    }
}

/// Someone who owns fields.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Manager {
    /// The name it goes by, for example `kubectl`.
    pub name: Arc<str>,
    /// How it came to own them.
    pub operation: Operation,
    /// Group and version in which it wrote.
    pub api_version: Arc<str>,
    /// The subresource that it wrote, for example `status`; empty for the object itself.
    pub subresource: Arc<str>,
}

impl Manager {
    /// Whether the two are one: appliers are, whatever version they wrote (`BuildManagerIdentifier`).
    pub fn is(&self, other: &Manager) -> bool {
        self.name == other.name
            && self.operation == other.operation
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }
}

/// As messages name it: `"kubectl-scale" with subresource "scale" using apps/v1`.
impl std::fmt::Display for Manager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.name)?;
        if !self.subresource.is_empty() {
            write!(f, " with subresource {:?}", self.subresource)?;
        }
        match self.operation {
            Operation::Update => write!(f, " using {}", self.api_version),
            Operation::Apply => Ok(()),
        }
    }
}

/// What someone owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedFieldsEntry {
    /// Who.
    pub manager: Arc<Manager>,
    /// When it last changed something.
    pub time: Option<Timestamp>,
    /// What.
    pub fields: Set,
}

impl ManagedFieldsEntry {
    fn to_json(&self) -> Value {
        let manager = &self.manager;
        let mut value = json!({
            "manager": &*manager.name, "operation": manager.operation.as_str(), "apiVersion": &*manager.api_version,
            "fieldsType": "FieldsV1", "fieldsV1": self.fields.to_json(),
        });
        if let Some(time) = &self.time {
            value["time"] = time.to_json();
        }
        if !manager.subresource.is_empty() {
            value["subresource"] = json!(&*manager.subresource);
        }
        value
    }

    /// Reads an entry (`DecodeManagedFields`).
    fn from_json(index: usize, value: &Value) -> Result<Self, String> {
        let text = |name: &str| value[name].as_str().unwrap_or_default();
        let operation = match text("operation") {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return Err("operation must be `Apply` or `Update`".to_owned()),
        };
        if text("apiVersion").is_empty() {
            return Err("apiVersion must not be empty".to_owned());
        }
        match text("fieldsType") {
            "FieldsV1" => {}
            "" => return Err(format!("missing fieldsType in managed fields entry {index}")),
            other => return Err(format!("invalid fieldsType {other:?} in managed fields entry {index}")),
        }
        let fields = match &value["fieldsV1"] {
            Value::Null => Set::default(),
            fields => Set::from_json(fields).map_err(|error| format!("error decoding set: {error}"))?,
        };
        let time = Some(&value["time"]).filter(|time| !time.is_null()).cloned();
        let time = time.map(crate::json::decode::<Timestamp>).transpose().map_err(|error| error.to_string())?;
        let manager = Manager {
            name: text("manager").into(),
            operation,
            api_version: text("apiVersion").into(),
            subresource: text("subresource").into(),
        };
        Ok(ManagedFieldsEntry { manager: Arc::new(manager), time, fields })
    }
}

/// The value of `metadata.managedFields`. Shared, never copied with the object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ManagedFields {
    /// Nothing is said.
    #[default]
    Absent,
    /// An empty list, or one of an empty entry: whoever sends it wants the record gone.
    Reset,
    /// Entries that cannot be read, and why.
    Invalid(Arc<str>),
    /// Entries, sorted.
    Entries(Arc<[ManagedFieldsEntry]>),
}

impl ManagedFields {
    /// The entries; none where there are none.
    pub fn entries(&self) -> &[ManagedFieldsEntry] {
        match self {
            ManagedFields::Entries(entries) => entries,
            _ => &[],
        }
    }

    /// Whether both say the same but for the times.
    pub fn same_but_times(&self, other: &ManagedFields) -> bool {
        let (left, right) = (self.entries(), other.entries());
        left.len() == right.len()
            && left
                .iter()
                .zip(right)
                .all(|(left, right)| left.manager == right.manager && (left.fields.is_same(&right.fields) || left.fields == right.fields))
    }
}

impl From<Vec<ManagedFieldsEntry>> for ManagedFields {
    /// In the order of the API: by operation, time, manager, version and subresource.
    fn from(mut entries: Vec<ManagedFieldsEntry>) -> Self {
        if entries.is_empty() {
            return ManagedFields::Absent;
        }
        entries.sort_by(|left, right| {
            let (l, r) = (&left.manager, &right.manager);
            let by_operation = l.operation.cmp(&r.operation).then_with(|| left.time.cmp(&right.time));
            by_operation.then_with(|| (&l.name, &l.api_version, &l.subresource).cmp(&(&r.name, &r.api_version, &r.subresource)))
        });
        ManagedFields::Entries(entries.into())
    }
}

impl Json for ManagedFields {
    fn from_json(value: Value, position: &mut Position) -> Result<Self, DecodeError> {
        let Value::Array(items) = &value else { return Err(position.wrong_type(&value, "[]")) };
        if let Some(item) = items.iter().find(|item| !item.is_object()) {
            return Err(position.wrong_type(item, "v1.ManagedFieldsEntry"));
        }
        let empty = |item: &Value| item.as_object().is_some_and(Map::is_empty);
        if items.is_empty() || (items.len() == 1 && empty(&items[0])) {
            return Ok(ManagedFields::Reset);
        }
        let entries = items.iter().enumerate().map(|(index, item)| ManagedFieldsEntry::from_json(index, item));
        Ok(match entries.collect::<Result<Vec<_>, String>>() {
            Ok(entries) => entries.into(),
            Err(why) => ManagedFields::Invalid(why.into()),
        })
    }

    fn to_json(&self) -> Value {
        Value::Array(self.entries().iter().map(ManagedFieldsEntry::to_json).collect())
    }

    /// Always: only [`Object::to_json`](crate::Object::to_json) writes them, so that whoever has no use for them does not pay for them.
    fn is_omitted(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Value) -> ManagedFields {
        crate::json::decode(value).unwrap()
    }

    fn entry(manager: &str, operation: &str, time: &str) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "v1", "time": time, "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:a": {}}}})
    }

    #[test]
    fn entries_read_back_sorted() {
        let (early, late) = ("2026-05-04T08:00:01Z", "2026-05-04T08:00:02Z");
        let mut status = entry("c", "Update", early);
        status["subresource"] = json!("status");
        let sent = json!([entry("b", "Update", late), entry("d", "Update", early), status, entry("z", "Apply", late)]);
        let sorted = [entry("z", "Apply", late), sent[2].clone(), entry("d", "Update", early), entry("b", "Update", late)];
        assert_eq!(read(sent).to_json(), json!(sorted));
    }

    #[test]
    fn what_resets_and_what_is_dropped_is_told_apart() {
        assert_eq!(read(json!([])), ManagedFields::Reset);
        assert_eq!(read(json!([{}])), ManagedFields::Reset);
        let invalid = |change: &dyn Fn(&mut Value)| {
            let mut entry = entry("m", "Update", "2026-05-04T08:00:01Z");
            change(&mut entry);
            match read(json!([entry])) {
                ManagedFields::Invalid(why) => why.to_string(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(invalid(&|entry| entry["operation"] = json!("Patch")), "operation must be `Apply` or `Update`");
        assert_eq!(invalid(&|entry| entry["apiVersion"] = json!("")), "apiVersion must not be empty");
        assert_eq!(invalid(&|entry| entry["fieldsType"] = json!("V2")), "invalid fieldsType \"V2\" in managed fields entry 0");
        assert_eq!(invalid(&|entry| entry["fieldsV1"] = json!({"data": {}})), "error decoding set: missing colon: data");
        assert!(crate::json::decode::<ManagedFields>(json!("x")).is_err());
    }

    #[test]
    fn managers_are_named_as_messages_name_them() {
        let manager = |operation, subresource: &str| Manager {
            name: "m".into(),
            operation,
            api_version: "apps/v1".into(),
            subresource: subresource.into(),
        };
        assert_eq!(manager(Operation::Update, "").to_string(), r#""m" using apps/v1"#);
        assert_eq!(manager(Operation::Update, "scale").to_string(), r#""m" with subresource "scale" using apps/v1"#);
        assert_eq!(manager(Operation::Apply, "").to_string(), r#""m""#);
    }
}
