//! The rules of the house, as tests: module headers, file sizes, the direction of dependencies, and a map that tells the truth.

use std::path::Path;
use tests::{root, rust_files};

const SOURCES: &[&str] = &["exercises/src", "lab-engine", "tests", "web/src", "xtask/src"];

/// The engine's crates and what each may depend on among them: only what stands before it, apart from the exceptions named here.
const LAYERS: &[&str] = &[
    "sim",
    "raft",
    "etcd",
    "api",
    "pki",
    "client",
    "apiserver",
    "scheduler",
    "controllers",
    "kubelet",
    "network",
    "metrics-server",
    "kubectl",
    "cluster",
    "lab",
    "conform",
];

/// Parts that meet only at the API server, and so never depend on one another.
const PEERS: &[&str] = &["apiserver", "scheduler", "controllers", "kubelet", "network", "metrics-server", "kubectl"];

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_module_says_what_it_is() {
    let silent: Vec<_> = rust_files(SOURCES).into_iter().filter(|path| !read(path).starts_with("//!")).collect();
    assert!(silent.is_empty(), "without a `//!` header: {silent:#?}");
}

#[test]
fn files_stay_small_enough_to_read() {
    let mut long = Vec::new();
    for path in rust_files(SOURCES) {
        let text = read(&path);
        let code = text.lines().take_while(|line| line.trim() != "#[cfg(test)]").count();
        if code > 650 {
            long.push(format!("{}: {code} lines", path.display()));
        }
    }
    assert!(long.is_empty(), "these want a split: {long:#?}");
}

/// The workspace crates in the `[dependencies]` of an engine crate.
fn engine_dependencies(name: &str) -> Vec<String> {
    let manifest = read(&root().join("lab-engine").join(name).join("Cargo.toml"));
    let section = manifest.split("[dependencies]").nth(1).unwrap_or_default();
    let lines = section.lines().skip(1).take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.split(['.', ' ', '=']).next()).map(str::to_owned);
    names.filter(|dependency| LAYERS.contains(&dependency.as_str())).collect()
}

#[test]
fn dependencies_point_downwards() {
    for (height, name) in LAYERS.iter().enumerate() {
        for dependency in engine_dependencies(name) {
            let depth = LAYERS.iter().position(|layer| *layer == dependency).expect("only layers are listed");
            assert!(depth < height, "{name} must not depend on {dependency}");
            assert!(!(PEERS.contains(name) && PEERS.contains(&dependency.as_str())), "{name} and {dependency} meet only at the API server");
        }
    }
    assert!(engine_dependencies("apiserver").contains(&"etcd".to_owned()), "the reader of manifests finds dependencies");
    // The terminal's `etcdctl` talks to etcd, in the open; `client` knows its messages for that.
    for name in ["scheduler", "controllers", "kubelet", "network", "metrics-server"] {
        assert!(!engine_dependencies(name).contains(&"etcd".to_owned()), "{name}: only the API server talks to etcd");
    }
}

#[test]
fn every_folder_of_the_engine_has_its_layer() {
    let mut folders: Vec<String> = std::fs::read_dir(root().join("lab-engine"))
        .expect("the engine's folder can be read")
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    folders.sort();
    let mut layers = LAYERS.to_vec();
    layers.sort_unstable();
    assert_eq!(folders, layers);
}

#[test]
fn the_map_names_only_what_exists() {
    let map = read(&root().join("ARCHITECTURE.md"));
    let named = map.split('`').skip(1).step_by(2).filter(|text| text.contains('/') && !text.contains([' ', '<', ':', '=', '{']));
    let missing: Vec<&str> = named.filter(|text| !root().join(text).exists()).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names what is not there: {missing:?}");
}
