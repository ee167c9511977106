//! The fields of all built-in kinds: names, types, and how a strategic merge patch and server-side apply treat them.
//!
//! Read once from `schema/types.txt`, which `cargo xtask schema` writes. Its lines: `>GROUP VERSION KIND TYPE` names the type of a kind,
//! `#TYPE` begins a type, and each line below is a field: `NAME TYPE [MERGE-KEY STRATEGY]`, with `!` behind the names of required fields.
//! Types are `[]T` (list), `{}T` (map), the name of another type, or a letter: `s` text, `y` bytes, `i` and `l` integers of 32 and 64
//! bits, `f` float, `b` boolean, `q` quantity, `x` integer or text, `t` and `u` times, `o` any object, `a` any value. For server-side apply
//! the brackets of a list name its keys (`[containerPort,protocol=TCP]T`, or `[=]T` for a set), `{=}T` is an atomic map, `#TYPE=` an atomic
//! struct, `~T` a struct that is granular here though it is atomic elsewhere, and `&T` one that is there even when it is empty.
//!
//! **Simplified here:** no descriptions and no lists of allowed values.

use crate::kinds::KindInfo;
use rustc_hash::FxBuildHasher;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

/// A struct of the API.
#[derive(Debug)]
pub struct TypeSchema {
    /// Its name, for example `DeploymentSpec`; with group and version behind it where several groups have the name.
    pub name: &'static str,
    /// Whether server-side apply replaces it whole (`x-kubernetes-map-type: atomic`).
    pub atomic: bool,
    fields: BTreeMap<&'static str, Field>,
}

/// A field of a struct.
#[derive(Debug)]
pub struct Field {
    /// Its type.
    pub type_: Type,
    /// Whether it must be there.
    pub required: bool,
    /// How a strategic merge patch treats it.
    pub patch: PatchStrategy,
    /// How server-side apply merges it.
    pub relation: Relation,
}

/// How server-side apply merges a field (`x-kubernetes-list-type`, `-list-map-keys`, `-map-type`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Relation {
    /// As its type says: lists are replaced whole, maps and structs merged, unless the struct is atomic.
    #[default]
    Default,
    /// A map that is replaced whole.
    Atomic,
    /// A struct that is merged though its type is atomic.
    Granular,
    /// A struct that Go keeps by value, so that it is there even when it is empty.
    Value,
    /// A list of scalars, each at most once.
    Set,
    /// A list of structs that these fields tell apart.
    Map(Vec<Key>),
}

/// A field that tells the elements of a list apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it is when an element does not say: a text, or nothing for the zero of its type.
    pub default: Option<&'static str>,
    /// Whether an element without it just lacks it.
    pub optional: bool,
}

/// How a strategic merge patch treats a field (`patchStrategy` and `patchMergeKey`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PatchStrategy {
    /// Lists: merged, not replaced.
    pub merge: bool,
    /// Merged lists of objects: the field that tells their elements apart.
    pub merge_key: Option<&'static str>,
    /// Maps: replaced whole, not merged.
    pub replace: bool,
    /// Unions: fields that the patch does not name go away.
    pub retain_keys: bool,
}

/// A field's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// A text.
    String,
    /// Bytes, as base64 text.
    Bytes,
    /// A 32-bit integer.
    Int32,
    /// A 64-bit integer.
    Int64,
    /// A float.
    Float,
    /// A boolean.
    Bool,
    /// `resource.Quantity`.
    Quantity,
    /// An integer or a text.
    IntOrString,
    /// `metav1.Time`.
    Time,
    /// `metav1.MicroTime`.
    MicroTime,
    /// Any JSON object.
    Object,
    /// Any JSON value.
    Any,
    /// A list.
    List(Box<Type>),
    /// A map with texts as keys.
    Map(Box<Type>),
    /// A struct, by name.
    Struct(&'static str),
}

impl Type {
    fn parse(text: &'static str) -> Type {
        let text = text.trim_start_matches(['&', '~']);
        if let Some((_, item)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            return Type::List(Box::new(Type::parse(item)));
        }
        if let Some((_, item)) = text.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            return Type::Map(Box::new(Type::parse(item)));
        }
        match text {
            "s" => Type::String,
            "y" => Type::Bytes,
            "i" => Type::Int32,
            "l" => Type::Int64,
            "f" => Type::Float,
            "b" => Type::Bool,
            "q" => Type::Quantity,
            "x" => Type::IntOrString,
            "t" => Type::Time,
            "u" => Type::MicroTime,
            "o" => Type::Object,
            "a" => Type::Any,
            name => Type::Struct(name),
        }
    }

    /// The struct that the type is, if it is one.
    pub fn as_struct(&self) -> Option<&'static TypeSchema> {
        match self {
            Type::Struct(name) => table().types.get(name),
            _ => None,
        }
    }

    /// The type of the elements of a list or the values of a map.
    pub fn element(&self) -> Option<&Type> {
        match self {
            Type::List(element) | Type::Map(element) => Some(element),
            _ => None,
        }
    }
}

impl Relation {
    /// Reads what stands before the name of a type.
    fn parse(text: &'static str) -> Relation {
        if let Some((keys, _)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            return match keys {
                "" => Relation::Default,
                "=" => Relation::Set,
                keys => Relation::Map(keys.split(',').map(Key::parse).collect()),
            };
        }
        match text.as_bytes() {
            [b'&', ..] => Relation::Value,
            [b'~', ..] => Relation::Granular,
            [b'{', b'=', ..] => Relation::Atomic,
            _ => Relation::Default,
        }
    }
}

impl Key {
    fn parse(text: &'static str) -> Key {
        let (text, optional) = text.strip_suffix('?').map_or((text, false), |text| (text, true));
        let (name, default) = text.split_once('=').map_or((text, None), |(name, default)| (name, Some(default)));
        Key { name, default, optional }
    }
}

/// As `kubectl explain` writes types: `<string>`, `<[]Container>`, without the brackets.
impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Type::String | Type::Bytes | Type::Time | Type::MicroTime | Type::Quantity | Type::IntOrString => f.write_str(match self {
                Type::Quantity => "Quantity",
                Type::IntOrString => "IntOrString",
                _ => "string",
            }),
            Type::Int32 | Type::Int64 => f.write_str("integer"),
            Type::Float => f.write_str("number"),
            Type::Bool => f.write_str("boolean"),
            Type::Object | Type::Any => f.write_str("Object"),
            Type::List(element) => write!(f, "[]{element}"),
            Type::Map(element) => write!(f, "map[string]{element}"),
            Type::Struct(name) => f.write_str(name.split('.').next().unwrap_or(name)),
        }
    }
}

impl TypeSchema {
    /// The field with this name.
    pub fn get(&self, name: &str) -> Option<&'static Field> {
        // The table lives as long as the program; looking the type up again gives that lifetime.
        table().types.get(self.name)?.fields.get(name)
    }

    /// The field with this name, and the name for as long as the program lives.
    pub fn entry(&'static self, name: &str) -> Option<(&'static str, &'static Field)> {
        self.fields.get_key_value(name).map(|(name, field)| (*name, field))
    }

    /// All fields, in name order.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &Field)> {
        self.fields.iter().map(|(name, field)| (*name, field))
    }

    /// The field at a path such as `spec.template.spec.containers`; list indices are not needed, map keys are passed over by any name.
    pub fn field(&self, path: &str) -> Option<&'static Field> {
        let mut here = self.name;
        let mut found: Option<&'static Field> = None;
        let mut inside_map = false;
        for step in path.split('.').filter(|step| !step.is_empty()) {
            if std::mem::take(&mut inside_map) {
                continue;
            }
            let name = step.split('[').next().unwrap_or(step);
            let field = table().types.get(here)?.fields.get(name)?;
            let mut type_ = &field.type_;
            while let Type::List(element) = type_ {
                type_ = element;
            }
            if let Type::Map(element) = type_ {
                inside_map = true;
                type_ = element;
            }
            here = type_.as_struct().map_or("", |schema| schema.name);
            found = Some(field);
        }
        found
    }
}

#[derive(Default)]
struct Table {
    kinds: HashMap<(&'static str, &'static str, &'static str), &'static str, FxBuildHasher>,
    types: HashMap<&'static str, TypeSchema, FxBuildHasher>,
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| parse(include_str!("../schema/types.txt")))
}

fn parse(text: &'static str) -> Table {
    let mut table = Table::default();
    let mut current: Option<TypeSchema> = None;
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix('>') {
            if let [group, version, kind, name] = kind.split(' ').collect::<Vec<_>>()[..] {
                table.kinds.insert((group, version, kind), name);
            }
        } else if let Some(text) = line.strip_prefix('#') {
            let name = text.strip_suffix('=').unwrap_or(text);
            let next = TypeSchema { name, atomic: text.ends_with('='), fields: BTreeMap::new() };
            table.types.extend(current.replace(next).map(|schema| (schema.name, schema)));
        } else if let Some(schema) = &mut current {
            let (name, field) = parse_field(line);
            schema.fields.insert(name, field);
        }
    }
    table.types.extend(current.map(|schema| (schema.name, schema)));
    table
}

fn parse_field(line: &'static str) -> (&'static str, Field) {
    let mut words = line.split(' ');
    let name = words.next().unwrap_or_default();
    let type_text = words.next().unwrap_or("a");
    let (type_, relation) = (Type::parse(type_text), Relation::parse(type_text));
    let key = words.next().filter(|key| *key != "-");
    let strategy = words.next().unwrap_or_default();
    let has = |part: &str| strategy.split(',').any(|p| p == part);
    let patch = PatchStrategy { merge: has("merge"), merge_key: key, retain_keys: has("retainKeys"), replace: has("replace") };
    (name.strip_suffix('!').unwrap_or(name), Field { type_, required: name.ends_with('!'), patch, relation })
}

/// The fields of a kind.
pub fn for_kind(info: &KindInfo) -> Option<&'static TypeSchema> {
    let table = table();
    table.types.get(table.kinds.get(&(&*info.group, &*info.version, &*info.kind))?)
}

/// The paths in `value` that its kind does not have, for example `spec.template.spec.containers[0].imagePullPolcy`, in the order of their
/// names. They are taken out of `value`.
pub fn prune(schema: &TypeSchema, value: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    prune_struct(schema, value, "", &mut unknown);
    unknown
}

fn prune_struct(schema: &TypeSchema, value: &mut Value, path: &str, unknown: &mut Vec<String>) {
    let Value::Object(fields) = value else { return };
    fields.retain(|name, value| {
        let here = crate::json::join(path, name);
        if let Some(field) = schema.fields.get(name.as_str()) {
            prune_type(&field.type_, value, &here, unknown);
            return true;
        }
        unknown.push(here);
        false
    });
}

fn prune_type(type_: &Type, value: &mut Value, path: &str, unknown: &mut Vec<String>) {
    match (type_, value) {
        (Type::List(element), Value::Array(items)) => {
            for (index, item) in items.iter_mut().enumerate() {
                prune_type(element, item, &format!("{path}[{index}]"), unknown);
            }
        }
        (Type::Map(element), Value::Object(entries)) => {
            for (key, value) in entries {
                prune_type(element, value, &format!("{path}.{key}"), unknown);
            }
        }
        (Type::Struct(_), value) => {
            if let Some(schema) = type_.as_struct() {
                prune_struct(schema, value, path, unknown);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{KINDS, find_kind};
    use serde_json::json;

    fn schema(api_version: &str, kind: &str) -> &'static TypeSchema {
        for_kind(find_kind(api_version, kind).unwrap()).unwrap()
    }

    #[test]
    fn every_kind_has_a_schema_and_every_named_type_exists() {
        for info in KINDS {
            let schema = for_kind(info).unwrap_or_else(|| panic!("{} has no schema", info.kind));
            assert!(schema.get("metadata").is_some(), "{}", info.kind);
        }
        for (name, schema) in table().types.iter().collect::<BTreeMap<_, _>>() {
            for (field, Field { type_, .. }) in schema.fields() {
                let mut inner = type_;
                while let Some(element) = inner.element() {
                    inner = element;
                }
                assert!(!matches!(inner, Type::Struct(_)) || inner.as_struct().is_some(), "{name}.{field}: {inner:?}");
            }
        }
    }

    #[test]
    fn fields_are_found_through_lists_and_templates() {
        let deployment = schema("apps/v1", "Deployment");
        let containers = deployment.field("spec.template.spec.containers").unwrap();
        assert_eq!((containers.type_.to_string().as_str(), containers.required), ("[]Container", true));
        assert_eq!(containers.patch, PatchStrategy { merge: true, merge_key: Some("name"), ..PatchStrategy::default() });
        assert_eq!(deployment.field("spec.template.spec.containers[0].ports.containerPort").unwrap().type_, Type::Int32);
        assert_eq!(deployment.field("metadata.labels").unwrap().type_.to_string(), "map[string]string");
        assert_eq!(deployment.field("spec.template.spec.nothing").map(|f| f.required), None);
        assert!(deployment.field("spec.strategy").unwrap().patch.retain_keys);
        assert_eq!(schema("v1", "Secret").field("data").unwrap().type_, Type::Map(Box::new(Type::Bytes)));
    }

    #[test]
    fn relations_are_those_of_the_api() {
        let relation = |api_version: &str, kind: &str, path: &str| schema(api_version, kind).field(path).unwrap().relation.clone();
        let key = |name, default| Key { name, default, optional: false };
        assert_eq!(relation("v1", "Pod", "spec.containers"), Relation::Map(vec![key("name", None)]));
        let ports = vec![key("containerPort", None), key("protocol", Some("TCP"))];
        assert_eq!(relation("v1", "Pod", "spec.containers.ports"), Relation::Map(ports));
        assert_eq!(relation("v1", "Pod", "metadata.finalizers"), Relation::Set);
        assert_eq!(relation("v1", "Pod", "spec.containers.args"), Relation::Default);
        assert_eq!(relation("v1", "Service", "spec.selector"), Relation::Atomic);
        assert_eq!(relation("apps/v1", "Deployment", "spec.strategy"), Relation::Value);
        assert_eq!(relation("apps/v1", "Deployment", "spec.strategy.rollingUpdate"), Relation::Default);
        let selector = &schema("apps/v1", "Deployment").field("spec.selector").unwrap().type_;
        assert!(selector.as_struct().unwrap().atomic);
        assert_eq!(relation("v1", "PersistentVolume", "spec.claimRef"), Relation::Granular);
    }

    #[test]
    fn unknown_fields_are_named_and_taken_out() {
        let mut value =
            json!({"spec": {"foo": 1, "nodeSelector": {"any": "x"}, "containers": [{"name": "a", "imagePullPolcy": "Always"}]}});
        let unknown = prune(schema("v1", "Pod"), &mut value);
        assert_eq!(unknown, ["spec.containers[0].imagePullPolcy", "spec.foo"]);
        assert_eq!(value, json!({"spec": {"nodeSelector": {"any": "x"}, "containers": [{"name": "a"}]}}));
    }
}
