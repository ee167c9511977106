//! The readers, their corpora, and what must hold.

use api::decode::{FieldValidation, decode_object};
use api::http::ResourcePath;
use api::labels::Selector;
use api::quantity::Quantity;
use api::{Object, kinds, patch, yaml};
use etcd::disk::SimDisk;
use etcd::wal::{self, Entry, HardState, SnapshotMark, Wal, WalError};
use serde_json::Value;

/// A reader that is tried.
#[derive(Debug)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// What it reads.
    pub what: &'static str,
    /// Inputs to begin with.
    pub corpus: fn() -> Vec<Vec<u8>>,
    /// Gives it an input; whether it was read and not refused. An error says what does not hold.
    pub check: fn(&[u8]) -> Result<bool, String>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "manifest", what: "YAML and JSON manifests, to objects and back", corpus: manifests, check: manifest },
    Target { name: "json-patch", what: "JSON patches", corpus: json_patches, check: json_patch },
    Target { name: "merge-patch", what: "JSON merge patches", corpus: merge_patches, check: merge_patch },
    Target { name: "strategic-patch", what: "strategic merge patches of a Pod", corpus: strategic_patches, check: strategic_patch },
    Target { name: "selector", what: "label selectors", corpus: selectors, check: selector },
    Target { name: "quantity", what: "quantities", corpus: quantities, check: quantity },
    Target { name: "path", what: "paths of the API", corpus: paths, check: path },
    Target { name: "wal", what: "segments of a write-ahead log", corpus: segments, check: segment },
];

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

const POD: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"default","labels":{"app":"web"},
"finalizers":["a/b","c/d"]},"spec":{"containers":[{"name":"web","image":"nginx:1.27","ports":[{"containerPort":80}],
"env":[{"name":"A","value":"1"},{"name":"B","value":"2"}]},{"name":"side","image":"busybox"}],"tolerations":[{"key":"k","operator":"Exists"}]}}"#;

fn manifests() -> Vec<Vec<u8>> {
    let mut corpus = texts(&[
        include_str!("../../fixtures/ready/deployment.yaml"),
        POD,
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: a}\n  data: {k: \"v\", n: |\n    x\n    y\n  }\n",
        "apiVersion: v1\nkind: Service\nmetadata: &m\n  name: s\nspec:\n  ports: [{port: 80, targetPort: http}]\n  selector: {<<: *m}\n---\nkind: Namespace\napiVersion: v1\nmetadata: {name: n}\n",
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: c, annotations: {a: '1', b: \"\\u00e9\\n\"}}\nspec:\n  schedule: '*/5 * * * *'\n  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox, args: [\"-c\", >-\n    folded\n    text\n  ]}]}}}}\n",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: r}\nspec:\n  containers:\n  - name: a\n    image: nginx\n    resources: {requests: {cpu: 100m, memory: 1Gi}, limits: {cpu: 0.5, memory: 1e9}}\n    livenessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 010}\n",
    ]);
    corpus.push(b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n".to_vec());
    corpus
}

/// Objects that were read are written and read again the same; places of fields can be asked for.
fn manifest(input: &[u8]) -> Result<bool, String> {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(false) };
    let documents = match yaml::read_documents(text) {
        Ok(documents) => documents,
        Err(error) => {
            let told = yaml::excerpt(text, error.position());
            return if told.len() <= 4 * text.len() + 4096 { Ok(false) } else { Err(format!("an excerpt of {} bytes", told.len())) };
        }
    };
    let mut read = false;
    for document in documents {
        let _ = document.positions.locate("spec.containers[0].image");
        for validation in [FieldValidation::Strict, FieldValidation::Warn] {
            if let Ok(decoded) = decode_object(document.value.clone(), validation) {
                reads_again(&decoded.object)?;
                read = true;
            }
        }
    }
    Ok(read)
}

fn reads_again(object: &Object) -> Result<(), String> {
    let json = object.to_json();
    let again = Object::decode_as(&object.api_version(), object.kind(), json.clone()).map_err(|error| format!("{error} in {json}"))?;
    if again.to_json() == json { Ok(()) } else { Err(format!("{json} is read as {}", again.to_json())) }
}

/// Two JSON values, one to a line.
fn pair(input: &[u8]) -> Option<(Value, Value)> {
    let text = std::str::from_utf8(input).ok()?;
    let (first, second) = text.split_once("\n\n")?;
    Some((serde_json::from_str(first).ok()?, serde_json::from_str(second).ok()?))
}

fn on_pod(patches: &[&str]) -> Vec<Vec<u8>> {
    patches.iter().map(|patch| format!("{POD}\n\n{patch}").into_bytes()).collect()
}

fn json_patches() -> Vec<Vec<u8>> {
    on_pod(&[
        r#"[{"op":"replace","path":"/spec/containers/0/image","value":"x"},{"op":"test","path":"/metadata/name","value":"web"}]"#,
        r#"[{"op":"add","path":"/metadata/labels/a~1b","value":"c"},{"op":"remove","path":"/spec/containers/1"},{"op":"add","path":"/spec/containers/-","value":{}}]"#,
        r#"[{"op":"move","from":"/metadata/labels","path":"/metadata/annotations"},{"op":"copy","from":"/spec","path":"/spec/x"},{"op":"copy","from":"","path":"/a"}]"#,
    ])
}

fn json_patch(input: &[u8]) -> Result<bool, String> {
    let Some((original, change)) = pair(input) else { return Ok(false) };
    // Copies may double an object; the API server bounds how often.
    let length = original.to_string().len();
    match patch::json_patch(original, &change) {
        Ok(patched) if patched.to_string().len() > 64 * (length + input.len()) + 4 * 1024 * 1024 => {
            Err("it grows without bound".to_owned())
        }
        patched => Ok(patched.is_ok()),
    }
}

fn merge_patches() -> Vec<Vec<u8>> {
    on_pod(&[
        r#"{"spec":{"containers":[{"name":"a","image":"b"}]},"metadata":{"labels":null,"annotations":{"a":"b","c":null}}}"#,
        r#"{"metadata":{"name":{"deep":{"er":null}}},"spec":null,"new":[null,{"x":null}]}"#,
        r#"[1,2]"#,
    ])
}

/// A patch that was applied changes nothing when it is applied again.
fn merge_patch(input: &[u8]) -> Result<bool, String> {
    let Some((original, change)) = pair(input) else { return Ok(false) };
    let once = patch::merge(original.clone(), &change);
    let twice = patch::merge(once.clone(), &change);
    if once != twice {
        return Err(format!("{once} becomes {twice}"));
    }
    let found = patch::three_way_merge(&original, &once, &original);
    let _ = patch::merge(original, &found);
    Ok(true)
}

fn strategic_patches() -> Vec<Vec<u8>> {
    on_pod(&[
        r#"{"spec":{"containers":[{"name":"web","image":"x","env":[{"name":"A","$patch":"delete"}]},{"name":"new"}]}}"#,
        r#"{"spec":{"$setElementOrder/containers":[{"name":"side"},{"name":"web"}],"containers":[{"$patch":"delete","name":"web"}]}}"#,
        r#"{"metadata":{"$deleteFromPrimitiveList/finalizers":["a/b"],"$setElementOrder/finalizers":["c/d"],"labels":{"$patch":"replace","x":"y"}}}"#,
        r#"{"spec":{"$retainKeys":["containers"],"containers":[{"$patch":"replace"},{"name":"only","image":"z"}],"tolerations":null}}"#,
    ])
}

fn strategic_patch(input: &[u8]) -> Result<bool, String> {
    let Some((original, change)) = pair(input) else { return Ok(false) };
    let Some(info) = kinds::find_kind("v1", "Pod") else { return Err("there is no kind Pod".to_owned()) };
    let read = patch::strategic_merge(info, original.clone(), &change).is_ok();
    if let Ok(difference) = patch::three_way_strategic(info, &original, &change, &original) {
        let _ = patch::strategic_merge(info, original, &difference);
    }
    Ok(read)
}

fn selectors() -> Vec<Vec<u8>> {
    texts(&[
        "a=b",
        "a==b,c!=d",
        "x in (a,b, c),y notin (z),!w,v",
        "app.kubernetes.io/name=web,tier gt 3,n lt 5",
        "a in (),b=",
        ",",
        "(",
        "a in (x",
    ])
}

/// A selector that was read is printed so that it is read the same.
fn selector(input: &[u8]) -> Result<bool, String> {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(false) };
    let Ok(selector) = Selector::parse(text) else { return Ok(false) };
    let printed = selector.to_string();
    match Selector::parse(&printed) {
        Ok(again) if again.to_string() == printed => Ok(true),
        Ok(again) => Err(format!("{printed:?} is printed as {:?} next", again.to_string())),
        Err(error) => Err(format!("{printed:?} is not read again: {error}")),
    }
}

fn quantities() -> Vec<Vec<u8>> {
    texts(&[
        "0",
        "100m",
        "1Gi",
        "1.5",
        "-3e6",
        "1E",
        "12e-9",
        "0.000000001",
        "9223372036854775807",
        "1e18",
        "999999999999n",
        "+5Ti",
        ".5",
        "1.",
        "1u",
    ])
}

/// A quantity that was read is printed so that it is the same quantity.
fn quantity(input: &[u8]) -> Result<bool, String> {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(false) };
    let Ok(read) = Quantity::parse(text) else { return Ok(false) };
    let printed = read.to_string();
    let again = Quantity::parse(&printed).map_err(|error| format!("{printed:?} is not read again: {error}"))?;
    let _ = (read.milli_value(), read.decimal());
    if again == read && again.to_string() == printed {
        Ok(true)
    } else {
        Err(format!("{text:?} becomes {printed:?}, which is {again:?}, not {read:?}"))
    }
}

fn paths() -> Vec<Vec<u8>> {
    texts(&[
        "/api/v1/namespaces/default/pods/web/status",
        "/apis/apps/v1/namespaces/default/deployments/web/scale",
        "/api/v1/nodes/n/proxy/metrics",
        "/apis/apps/v1/deployments",
        "/api/v1/namespaces/default/finalize",
        "/api",
        "//apis///x",
    ])
}

/// A path that was read is written so that it is read the same.
fn path(input: &[u8]) -> Result<bool, String> {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(false) };
    let Some(read) = ResourcePath::parse(text) else { return Ok(false) };
    let written = read.to_string();
    match ResourcePath::parse(&written) {
        Some(again) if again == read => Ok(true),
        again => Err(format!("{text:?} is written as {written:?}, which is {again:?}, not {read:?}")),
    }
}

const DIR: &str = "wal";

fn entry(index: u64, len: usize) -> Entry {
    Entry { term: 1, index, data: Some(vec![b'x'; len]), ..Entry::default() }
}

/// Two segments, behind each other.
fn segments() -> Vec<Vec<u8>> {
    let mut disk = SimDisk::default();
    let Ok(mut wal) = Wal::create(&mut disk, DIR, b"me".to_vec()) else { return vec![Vec::new()] };
    for index in 1..=6 {
        wal.save(
            &mut disk,
            Some(HardState { term: 1, vote: 1, commit: index - 1 }),
            &[entry(index, 40 * usize::try_from(index).unwrap_or(1))],
        );
    }
    wal.save_snapshot(&mut disk, &SnapshotMark { index: 3, term: 1, conf_state: None });
    let whole = disk.read(wal.position().0).map(|file| file.bytes.to_vec()).unwrap_or_default();
    vec![whole.clone(), whole[..whole.len() / 2].to_vec(), Vec::new()]
}

/// Whatever a segment holds: it is read or refused, a repair ends that, and what was opened once opens again, with the same in it.
fn segment(input: &[u8]) -> Result<bool, String> {
    let mut disk = SimDisk::default();
    disk.write("wal/0000000000000000-0000000000000000.wal", 0, input);
    disk.set_len("wal/0000000000000000-0000000000000000.wal", input.len() as u64 + 512);
    let start = SnapshotMark::default();
    let _ = (wal::valid_snapshots(&disk, DIR), wal::data_of_records(&disk, DIR), Wal::read(&disk, DIR, &start));
    let mut opened = Wal::open(&mut disk, DIR, &start);
    if let Err(WalError::Torn { .. }) = opened {
        wal::repair(&mut disk, DIR).map_err(|error| format!("a torn log is not repaired: {error}"))?;
        opened = Wal::open(&mut disk, DIR, &start);
    }
    let Ok((mut wal, mut contents)) = opened else { return Ok(false) };
    if contents.entries.len() > input.len() {
        return Err(format!("{} entries in {} bytes", contents.entries.len(), input.len()));
    }
    let next = entry(contents.entries.len() as u64 + 1, 10);
    wal.save(&mut disk, None, std::slice::from_ref(&next));
    contents.entries.push(next);
    match Wal::open(&mut disk, DIR, &start) {
        Ok((_, again)) if again.entries == contents.entries => Ok(true),
        again => Err(format!("what was opened and written to gives {again:?}")),
    }
}
