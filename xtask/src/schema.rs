//! `cargo xtask schema`: writes `lab-engine/api/schema/types.txt`, the fields of all built-in kinds.
//!
//! Names and types come from the `k8s-openapi` crate; how a strategic merge patch treats a field comes from `merge_keys.txt` beside the
//! output, and how server-side apply merges it from `list_types.txt`, since `k8s-openapi` does not say either. The format is described
//! where it is read, in the `api` crate's `schema` module.

use anyhow::{Context, bail};
use k8s_openapi::schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// Names a kind's module and tells the generator of it.
macro_rules! roots {
    ($generator:ident: $($group:literal $version:literal $module:path: $($kind:ident)*;)*) => {{
        let mut roots = Vec::new();
        $($({
            use $module as module;
            let schema = $generator.subschema_for::<module::$kind>();
            roots.push(($group, $version, stringify!($kind), reference(schema.as_value()).context(stringify!($kind))?));
        })*)*
        roots
    }};
}

/// Writes the file.
///
/// # Errors
/// When `k8s-openapi` describes something the format cannot say, or the file cannot be written.
pub(crate) fn run() -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lab-engine/api/schema");
    let merge_keys = std::fs::read_to_string(folder.join("merge_keys.txt")).context("merge_keys.txt")?;
    let list_types = std::fs::read_to_string(folder.join("list_types.txt")).context("list_types.txt")?;
    std::fs::write(folder.join("types.txt"), generate(&merge_keys, &list_types)?).context("types.txt")
}

/// The text of `types.txt`.
fn generate(merge_keys: &str, list_types: &str) -> anyhow::Result<String> {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let roots = all_roots(&mut generator)?;
    let types = generator.definitions().clone();
    let names = short_names(&types);
    let merge_keys = MergeKeys::parse(merge_keys)?;
    let relations = Relations::parse(list_types)?;
    let mut out = String::new();
    for (group, version, kind, root) in roots {
        let name = names.get(&root).with_context(|| format!("{kind} has no definition"))?;
        out.push_str(&format!(">{group} {version} {kind} {name}\n"));
    }
    for (full, schema) in &types {
        let Some(fields) = schema.get("properties").and_then(Value::as_object) else { continue };
        let name = &names[full];
        out.push_str(&format!("#{name}{}\n", if relations.get(name, "-").is_some() { "=" } else { "" }));
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        for (field, schema) in fields {
            let mark = if required.contains(&field.as_str()) { "!" } else { "" };
            let go = type_text(schema, &types, &names).with_context(|| format!("{full}.{field}"))?;
            let go = relations.mark(name, field, go)?;
            out.push_str(&format!("{field}{mark} {go}{}\n", merge_keys.text(name, field)));
        }
    }
    Ok(out)
}

fn all_roots(generator: &mut SchemaGenerator) -> anyhow::Result<Vec<(&'static str, &'static str, &'static str, String)>> {
    Ok(roots! { generator:
        "" "v1" k8s_openapi::api::core::v1: Binding ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolumeClaim
            PersistentVolume Pod PodTemplate ReplicationController ResourceQuota Secret ServiceAccount Service;
        "admissionregistration.k8s.io" "v1" k8s_openapi::api::admissionregistration::v1: MutatingAdmissionPolicy
            MutatingAdmissionPolicyBinding MutatingWebhookConfiguration ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding
            ValidatingWebhookConfiguration;
        "apiextensions.k8s.io" "v1" k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1: CustomResourceDefinition;
        "apiregistration.k8s.io" "v1" k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1: APIService;
        "apps" "v1" k8s_openapi::api::apps::v1: ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet;
        "autoscaling" "v2" k8s_openapi::api::autoscaling::v2: HorizontalPodAutoscaler;
        "batch" "v1" k8s_openapi::api::batch::v1: CronJob Job;
        "certificates.k8s.io" "v1" k8s_openapi::api::certificates::v1: CertificateSigningRequest;
        "coordination.k8s.io" "v1" k8s_openapi::api::coordination::v1: Lease;
        "discovery.k8s.io" "v1" k8s_openapi::api::discovery::v1: EndpointSlice;
        "flowcontrol.apiserver.k8s.io" "v1" k8s_openapi::api::flowcontrol::v1: FlowSchema PriorityLevelConfiguration;
        "networking.k8s.io" "v1" k8s_openapi::api::networking::v1: IngressClass Ingress IPAddress NetworkPolicy
            ServiceCIDR;
        "node.k8s.io" "v1" k8s_openapi::api::node::v1: RuntimeClass;
        "policy" "v1" k8s_openapi::api::policy::v1: PodDisruptionBudget;
        "rbac.authorization.k8s.io" "v1" k8s_openapi::api::rbac::v1: ClusterRoleBinding ClusterRole RoleBinding Role;
        "resource.k8s.io" "v1" k8s_openapi::api::resource::v1: DeviceClass ResourceClaim ResourceClaimTemplate ResourceSlice;
        "scheduling.k8s.io" "v1" k8s_openapi::api::scheduling::v1: PriorityClass;
        "storage.k8s.io" "v1" k8s_openapi::api::storage::v1: CSIDriver CSINode CSIStorageCapacity StorageClass VolumeAttachment;
    })
}

/// The full name of the type that a schema refers to.
fn reference(schema: &Value) -> Option<String> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/").map(str::to_owned)
}

/// `io.k8s.api.apps.v1.Deployment` becomes `Deployment`; types that share a last part keep group and version behind it.
fn short_names(types: &Map<String, Value>) -> BTreeMap<String, String> {
    let last = |full: &str| full.rsplit('.').next().unwrap_or(full).to_owned();
    let mut uses = BTreeMap::<String, usize>::new();
    for full in types.keys() {
        *uses.entry(last(full)).or_default() += 1;
    }
    let short = |full: &String| {
        let name = last(full);
        if uses[&name] == 1 {
            return name;
        }
        let mut parts = full.rsplit('.').skip(1);
        let (version, group) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        format!("{name}.{group}.{version}")
    };
    types.keys().map(|full| (full.clone(), short(full))).collect()
}

/// A field's type as the file writes it.
fn type_text(schema: &Value, types: &Map<String, Value>, names: &BTreeMap<String, String>) -> anyhow::Result<String> {
    if let Some(full) = reference(schema) {
        let target = types.get(&full).with_context(|| format!("{full} is not defined"))?;
        return if target.get("properties").is_some() { Ok(names[&full].clone()) } else { well_known(&full, target, types, names) };
    }
    if schema.get("x-kubernetes-int-or-string").is_some() {
        return Ok("x".to_owned());
    }
    let text = |key: &str| schema.get(key).and_then(Value::as_str).unwrap_or_default();
    Ok(match (text("type"), text("format")) {
        ("string", "byte") => "y".to_owned(),
        ("string", "date-time") => "t".to_owned(),
        ("string", _) => "s".to_owned(),
        ("integer", "int64") => "l".to_owned(),
        ("integer", _) => "i".to_owned(),
        ("number", _) => "f".to_owned(),
        ("boolean", _) => "b".to_owned(),
        ("array", _) => format!("[]{}", type_text(schema.get("items").context("a list without items")?, types, names)?),
        ("object", _) => match schema.get("additionalProperties") {
            Some(values) => format!("{{}}{}", type_text(values, types, names)?),
            None => "o".to_owned(),
        },
        ("", _) => "a".to_owned(),
        (other, _) => bail!("type {other:?}"),
    })
}

/// A type without fields of its own: scalars with a name, and anything that is just JSON.
fn well_known(full: &str, target: &Value, types: &Map<String, Value>, names: &BTreeMap<String, String>) -> anyhow::Result<String> {
    match full.rsplit('.').next() {
        Some("Quantity") => Ok("q".to_owned()),
        Some("IntOrString") => Ok("x".to_owned()),
        Some("Time") => Ok("t".to_owned()),
        Some("MicroTime") => Ok("u".to_owned()),
        // Any value, though its schema says object.
        Some("JSON") => Ok("a".to_owned()),
        _ => type_text(target, types, names),
    }
}

/// How strategic merge patches treat fields: by type and field, what follows the type in the file.
struct MergeKeys(BTreeMap<(String, String), String>);

impl MergeKeys {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut table = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let [type_, field, key, strategy] = line.split(' ').collect::<Vec<_>>()[..] else {
                bail!("merge_keys.txt: {line:?} has not four words");
            };
            table.insert((type_.to_owned(), field.to_owned()), format!(" {key} {strategy}"));
        }
        Ok(MergeKeys(table))
    }

    fn text(&self, type_: &str, field: &str) -> &str {
        self.0.get(&(type_.to_owned(), field.to_owned())).map_or("", String::as_str)
    }
}

/// How server-side apply merges fields: by type and field, the words of `list_types.txt`.
struct Relations(BTreeMap<(String, String), String>);

impl Relations {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut table = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let [type_, field, relation] = line.split(' ').collect::<Vec<_>>()[..] else {
                bail!("list_types.txt: {line:?} has not three words");
            };
            table.insert((type_.to_owned(), field.to_owned()), relation.to_owned());
        }
        Ok(Relations(table))
    }

    fn get(&self, type_: &str, field: &str) -> Option<&str> {
        self.0.get(&(type_.to_owned(), field.to_owned())).map(String::as_str)
    }

    /// The text of the field's type, with its relation in it.
    fn mark(&self, type_: &str, field: &str, text: String) -> anyhow::Result<String> {
        let rest = |prefix: &str| text.strip_prefix(prefix).with_context(|| format!("list_types.txt: {type_}.{field} is {text}"));
        Ok(match self.get(type_, field) {
            None => text,
            Some("atomic") => format!("{{=}}{}", rest("{}")?),
            Some("granular") => format!("~{text}"),
            Some("value") => format!("&{text}"),
            Some(keys) => format!("{keys}{}", rest("[]")?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_file_is_what_the_crate_says() {
        let list_types = include_str!("../../lab-engine/api/schema/list_types.txt");
        let text = generate(include_str!("../../lab-engine/api/schema/merge_keys.txt"), list_types).unwrap();
        assert!(text == include_str!("../../lab-engine/api/schema/types.txt"), "run `cargo xtask schema`");
    }
}
