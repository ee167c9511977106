//! What a value is to server-side apply: a scalar, a list or a map, merged or replaced whole (`schema.Atom`).

use super::custom::{CustomKey, CustomList, CustomMap, CustomType, metadata};
use super::path::{Name, PathElement, Scalar};
use crate::schema::{Field, Key, Relation, Type, TypeSchema};
use serde_json::{Map, Value};
use std::sync::{Arc, LazyLock};

/// The type of a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum TypeRef<'t> {
    /// A kind.
    Schema(&'static TypeSchema),
    /// A struct's field.
    Field(&'static Field),
    /// The element of a list or map.
    Element(&'static Type),
    /// A value of a custom resource.
    Custom(&'t CustomType),
    /// Whatever the value is: objects are merged, lists replaced (`__untyped_deduced_`).
    Deduced,
    /// Whatever the value is, replaced whole (`__untyped_atomic_`).
    Untyped,
}

/// The kinds of scalars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScalarKind {
    Numeric,
    String,
    Boolean,
    Any,
}

/// How the elements of a list are told apart.
#[derive(Clone, Copy, Debug)]
pub(super) enum ListKind<'t> {
    Atomic,
    Set,
    Map(&'static [Key]),
    /// As the definition of a custom resource says.
    Keys(&'t [CustomKey]),
}

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Atom<'t> {
    Scalar(ScalarKind),
    List(ListKind<'t>, TypeRef<'t>),
    Map(MapType<'t>),
}

/// A map or struct.
#[derive(Clone, Copy, Debug)]
pub(super) struct MapType<'t> {
    pub(super) schema: Option<&'static TypeSchema>,
    /// In its place for a custom resource.
    pub(super) custom: Option<&'t CustomMap>,
    /// The type of entries that the schema does not name; `None` where there are none.
    pub(super) element: Option<TypeRef<'t>>,
    pub(super) atomic: bool,
}

impl<'t> MapType<'t> {
    /// The name and type of an entry, and whether the schema names it.
    pub(super) fn entry(&self, name: &str) -> (PathElement, TypeRef<'t>, bool) {
        if let Some(type_) = self.custom.and_then(|map| map.fields.get(name)) {
            return (PathElement::Field(Name::Shared(name.into())), TypeRef::Custom(type_), true);
        }
        match self.schema.and_then(|schema| schema.entry(name)) {
            Some((name, field)) => (PathElement::field(name), TypeRef::Field(field), true),
            None => (PathElement::Field(Name::Shared(name.into())), self.element.unwrap_or(TypeRef::Deduced), false),
        }
    }
}

impl<'t> TypeRef<'t> {
    fn parts(self) -> Option<(&'static Type, &'static Relation)> {
        match self {
            TypeRef::Field(field) => Some((&field.type_, &field.relation)),
            TypeRef::Element(type_) => Some((type_, &Relation::Default)),
            _ => None,
        }
    }

    /// What a value of the type is; where the type leaves it open, the value says.
    pub(super) fn atom(self, value: &Value) -> Atom<'t> {
        if let TypeRef::Custom(type_) = self {
            return custom(type_, value);
        }
        if let TypeRef::Schema(schema) = self {
            return Atom::Map(MapType { schema: Some(schema), custom: None, element: None, atomic: false });
        }
        let Some((type_, relation)) = self.parts() else { return untyped(value, matches!(self, TypeRef::Untyped)) };
        match type_ {
            Type::String | Type::Bytes | Type::Time | Type::MicroTime => Atom::Scalar(ScalarKind::String),
            Type::Int32 | Type::Int64 | Type::Float => Atom::Scalar(ScalarKind::Numeric),
            Type::Bool => Atom::Scalar(ScalarKind::Boolean),
            Type::Quantity | Type::IntOrString => Atom::Scalar(ScalarKind::Any),
            Type::Object | Type::Any => untyped(value, false),
            Type::List(element) => {
                let kind = match relation {
                    Relation::Set => ListKind::Set,
                    Relation::Map(keys) => ListKind::Map(keys),
                    _ => ListKind::Atomic,
                };
                Atom::List(kind, TypeRef::Element(element))
            }
            Type::Map(element) => Atom::Map(MapType {
                schema: None,
                custom: None,
                element: Some(TypeRef::Element(element)),
                atomic: *relation == Relation::Atomic,
            }),
            Type::Struct(_) => match type_.as_struct() {
                Some(schema) => {
                    let atomic = schema.atomic && *relation != Relation::Granular;
                    Atom::Map(MapType { schema: Some(schema), custom: None, element: None, atomic })
                }
                None => untyped(value, false),
            },
        }
    }

    /// What Go has in the place of a field that is not there, in a struct that is: an empty struct, or the null of a list that is never
    /// left out.
    pub(super) fn absent(self) -> Option<&'static Value> {
        static EMPTY: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));
        static NULL: Value = Value::Null;
        match self {
            TypeRef::Field(Field { relation: Relation::Value, .. }) => Some(&*EMPTY),
            TypeRef::Field(Field { type_: Type::List(_), required: true, .. }) => Some(&NULL),
            _ => None,
        }
    }

    /// The steps to the elements of a list.
    ///
    /// # Errors
    /// Why an element has none, with its place.
    pub(super) fn elements(self, kind: ListKind<'_>, items: &[Value]) -> Result<Vec<PathElement>, (usize, String)> {
        let step = |(index, item)| match kind {
            ListKind::Atomic => Ok(PathElement::Index(index as u64)),
            ListKind::Set => set_element(item).map_err(|error| (index, error)),
            ListKind::Map(keys) => self.key_element(keys, item).map_err(|error| (index, error)),
            ListKind::Keys(keys) => custom_element(keys, item).map_err(|error| (index, error)),
        };
        items.iter().enumerate().map(step).collect()
    }

    fn key_element(self, keys: &'static [Key], item: &Value) -> Result<PathElement, String> {
        let fields = keyed_fields(item)?;
        let schema = self.parts().and_then(|(type_, _)| type_.as_struct());
        let value = |key: &Key| match (fields.get(key.name), key.default) {
            (Some(value), _) => Some(Scalar::from(value)),
            (None, Some(text)) => Some(Scalar::Text(text.into())),
            (None, None) if key.optional => None,
            (None, None) => Some(match schema.and_then(|schema| schema.get(key.name)).map(|field| &field.type_) {
                Some(Type::Int32 | Type::Int64) => Scalar::Int(0),
                Some(Type::Bool) => Scalar::Bool(false),
                _ => Scalar::Text("".into()),
            }),
        };
        let found: Vec<(Name, Scalar)> = keys.iter().filter_map(|key| value(key).map(|value| (Name::Static(key.name), value))).collect();
        key_of(found, &mut keys.iter().map(|key| key.name))
    }
}

/// The fields of an element that is told apart by some of them.
fn keyed_fields(item: &Value) -> Result<&Map<String, Value>, String> {
    match item {
        Value::Object(fields) => Ok(fields),
        Value::Null => Err("associative list with keys may not have a null element".to_owned()),
        _ => Err("associative list with keys may not have non-map elements".to_owned()),
    }
}

/// The step to an element with these keys.
fn key_of(mut found: Vec<(Name, Scalar)>, names: &mut dyn Iterator<Item = &str>) -> Result<PathElement, String> {
    if found.is_empty() {
        let names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
            names.join(" ")
        ));
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(PathElement::Key(Arc::from(found)))
}

fn custom_element(keys: &[CustomKey], item: &Value) -> Result<PathElement, String> {
    let fields = keyed_fields(item)?;
    let value = |key: &CustomKey| fields.get(&key.name).or(key.default.as_ref()).map(Scalar::from);
    let found = keys.iter().filter_map(|key| value(key).map(|value| (Name::Shared(key.name.as_str().into()), value))).collect();
    key_of(found, &mut keys.iter().map(|key| key.name.as_str()))
}

/// What a value of a custom resource is.
fn custom<'t>(type_: &'t CustomType, value: &Value) -> Atom<'t> {
    match type_ {
        CustomType::Text => Atom::Scalar(ScalarKind::String),
        CustomType::Number => Atom::Scalar(ScalarKind::Numeric),
        CustomType::Boolean => Atom::Scalar(ScalarKind::Boolean),
        CustomType::Scalar => Atom::Scalar(ScalarKind::Any),
        CustomType::List(kind, element) => {
            let kind = match kind {
                CustomList::Atomic => ListKind::Atomic,
                CustomList::Set => ListKind::Set,
                CustomList::Map(keys) => ListKind::Keys(keys),
            };
            Atom::List(kind, TypeRef::Custom(element))
        }
        CustomType::Map(map) => {
            let element = map.element.as_deref().map(TypeRef::Custom);
            Atom::Map(MapType { schema: None, custom: Some(map), element, atomic: map.atomic })
        }
        CustomType::Metadata => metadata().map_or_else(|| untyped(value, false), |field| TypeRef::Field(field).atom(value)),
        CustomType::Open => untyped(value, false),
    }
}

fn set_element(item: &Value) -> Result<PathElement, String> {
    match item {
        Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
        Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
        Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
        scalar => Ok(PathElement::Value(Scalar::from(scalar))),
    }
}

fn untyped<'t>(value: &Value, atomic: bool) -> Atom<'t> {
    match value {
        Value::Array(_) => Atom::List(ListKind::Atomic, TypeRef::Untyped),
        Value::Object(_) => {
            let element = if atomic { TypeRef::Untyped } else { TypeRef::Deduced };
            Atom::Map(MapType { schema: None, custom: None, element: Some(element), atomic })
        }
        _ => Atom::Scalar(ScalarKind::Any),
    }
}

/// Two sorted maps side by side: each key once, with the values of either.
pub(super) fn zip<'v, V: 'v, M: IntoIterator<Item = (&'v String, &'v V)>>(
    left: Option<M>,
    right: Option<M>,
) -> impl Iterator<Item = (&'v String, Option<&'v V>, Option<&'v V>)> {
    let mut left = left.into_iter().flatten().peekable();
    let mut right = right.into_iter().flatten().peekable();
    std::iter::from_fn(move || {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return None,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((l, _)), Some((r, _))) => l.cmp(r),
        };
        let l = if order.is_le() { left.next() } else { None };
        let r = if order.is_ge() { right.next() } else { None };
        let key = l.or(r)?.0;
        Some((key, l.map(|(_, value)| value), r.map(|(_, value)| value)))
    })
}
