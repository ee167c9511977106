//! The page's programs: compiles `web` for the browser and gives it its JavaScript side.
//!
//! The result is one folder, `lab/`, that pages refer to relatively. From wasm-bindgen: `lab.js` and `lab_bg.wasm`, the widgets, and
//! `engine.js` and `engine_bg.wasm`, the engine, which is downloaded only when a lab is started. Beside them `worker.js`, which runs the
//! engine in a Web Worker, `loader.js`, which pages with a card load, and `style.css` with the widgets' styles.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use wasm_bindgen_cli_support::Bindgen;

use crate::site::error::SiteError;
use crate::site::fingerprint::{Fingerprint, Stages, files_below};
use crate::site::layout::Layout;
use crate::site::precompress::precompress;
use crate::site::toolchain::{self, TARGET, Tools};

/// The programs: the binary of `web`, and the name of its module for JavaScript.
const PROGRAMS: [(&str, &str); 2] = [("web", "lab"), ("engine", "engine")];

/// What the worker does. An engine that cannot be loaded says so as one does that ends by a fault.
const WORKER_JS: &str = include_str!("assets/worker.js");

/// Loads the program on pages with a card, and says so in the card when that fails.
const LOADER_JS: &str = include_str!("assets/loader.js");

/// How the page's program is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Small, as readers get it: minutes for the first build, ten seconds for a change.
    Small,
    /// Quick to rebuild and large, for work on the widgets.
    Dev,
}

impl Profile {
    /// The name in Cargo.toml.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Small => "wasm",
            Self::Dev => "wasm-dev",
        }
    }
}

/// Brings `lab/` up to date; says whether there was anything to do.
///
/// # Errors
/// [`SiteError`] when there is no toolchain, the program does not compile, or a file cannot be written.
pub fn build(layout: &Layout, profile: Profile, say: &dyn Fn(&str)) -> Result<bool, SiteError> {
    let stages = Stages::new(layout.state());
    let fingerprint = inputs(layout.root(), profile)?;
    let lab = layout.lab();
    let bound = |name: &str| lab.join(format!("{name}_bg.wasm")).is_file() && lab.join(format!("{name}.js")).is_file();
    let changed = !(stages.is_done("wasm", &fingerprint) && PROGRAMS.iter().all(|(_, name)| bound(name)));
    if changed {
        stages.forget("wasm")?;
        let modules = compile(layout, profile, say)?;
        say("Binding the page's programs to JavaScript …");
        fs::create_dir_all(&lab).map_err(SiteError::io("create", &lab))?;
        // What was compressed from another build must never stand beside this one.
        forget_compressed(&lab)?;
        for (binary, name) in PROGRAMS {
            bind(&modules.join(format!("{binary}.wasm")), name, &lab)?;
        }
    }
    let restyled = write_assets(layout.root(), &lab)?;
    if profile == Profile::Small {
        if changed {
            say("Compressing the page's programs (some seconds) …");
        }
        precompress(&lab, &layout.state().join("br"))?;
    }
    if changed {
        stages.done("wasm", &fingerprint)?;
    }
    Ok(changed || restyled)
}

/// Removes every compressed file in `lab`.
fn forget_compressed(lab: &Path) -> Result<(), SiteError> {
    for file in files_below(lab)? {
        if file.extension().is_some_and(|ending| ending == "br") {
            fs::remove_file(&file).map_err(SiteError::io("remove", &file))?;
        }
    }
    Ok(())
}

/// Everything that is compiled into the page's programs. What only the native program uses is left out.
fn inputs(root: &Path, profile: Profile) -> Result<String, SiteError> {
    let mut all = Fingerprint::new();
    all.word(profile.name());
    for file in ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", ".cargo/config.toml"] {
        all.path(&root.join(file), &[])?;
    }
    // How the module is bound counts, too.
    all.path(&root.join("exercises/src/site/wasm.rs"), &[])?;
    all.path(&root.join("web"), &["style.css", "tests"])?;
    all.path(&root.join("lab-engine"), &[])?;
    all.path(&root.join("exercises"), &["src/site", "src/cli", "src/corpus", "src/main.rs", "cards", "tests"])?;
    Ok(all.finish())
}

/// Compiles the programs; gives the folder with their modules.
fn compile(layout: &Layout, profile: Profile, say: &dyn Fn(&str)) -> Result<PathBuf, SiteError> {
    let tools = Tools::default();
    let toolchain = toolchain::find(&tools, layout.root(), say)?;
    let first = !layout.wasm_target().join(TARGET).join(profile.name()).is_dir();
    let patience = if first { "the first time takes two to five minutes" } else { "only what changed" };
    say(&format!("Compiling the page's programs for the browser, profile {} ({patience}) …", profile.name()));
    let mut command = toolchain.cargo(&tools, layout.root());
    command.args(["--locked", "--package", "web", "--profile", profile.name(), "--target", TARGET, "--target-dir"]);
    command.arg(layout.wasm_target()).stdin(Stdio::null()).stdout(Stdio::null());
    let repeat = format!("cargo build --locked --package web --profile {} --target {TARGET}", profile.name());
    let status = command.status().map_err(SiteError::io("run", command.get_program()))?;
    if !status.success() {
        return Err(SiteError::WasmBuild { command: repeat });
    }
    Ok(layout.wasm_target().join(TARGET).join(profile.name()))
}

fn bind(module: &Path, name: &str, lab: &Path) -> Result<(), SiteError> {
    let mut bindgen = Bindgen::new();
    // `init()` without an argument finds the module beside its JavaScript.
    bindgen
        .input_path(module)
        .out_name(name)
        .omit_default_module_path(false)
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true);
    let bound = bindgen.web(true).and_then(|bindgen| bindgen.generate(lab));
    bound.map_err(|error| SiteError::Bindgen { module: module.to_path_buf(), message: format!("{error:#}") })
}

/// Writes what is not compiled; says whether anything differs from before.
pub(crate) fn write_assets(root: &Path, lab: &Path) -> Result<bool, SiteError> {
    fs::create_dir_all(lab).map_err(SiteError::io("create", lab))?;
    let style = root.join("web/style.css");
    let css = if style.is_file() { fs::read_to_string(&style).map_err(SiteError::io("read", &style))? } else { String::new() };
    let mut changed = false;
    for (name, content) in [("worker.js", WORKER_JS), ("loader.js", LOADER_JS), ("style.css", css.as_str())] {
        let file = lab.join(name);
        if fs::read_to_string(&file).is_ok_and(|old| old == content) {
            continue;
        }
        fs::write(&file, content).map_err(SiteError::io("write", &file))?;
        let compressed = lab.join(format!("{name}.br"));
        if compressed.is_file() {
            fs::remove_file(&compressed).map_err(SiteError::io("remove", &compressed))?;
        }
        changed = true;
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_page_compiles_counts_as_input() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        write("web/src/main.rs", "fn main() {}");
        write("exercises/src/site/serve.rs", "a");
        write("lab-engine/sim/src/lib.rs", "a");
        let before = inputs(dir.path(), Profile::Small).unwrap();
        for other in ["exercises/src/site/serve.rs", "exercises/cards/pods/pod-creation.yaml", "web/style.css", "book/en/SUMMARY.md"] {
            write(other, "changed");
            assert_eq!(inputs(dir.path(), Profile::Small).unwrap(), before, "{other}");
        }
        assert_ne!(inputs(dir.path(), Profile::Dev).unwrap(), before, "profile");
        write("lab-engine/sim/src/lib.rs", "b");
        assert_ne!(inputs(dir.path(), Profile::Small).unwrap(), before, "engine");
    }

    #[test]
    fn assets_are_written_when_they_differ() {
        let dir = tempfile::tempdir().unwrap();
        let lab = dir.path().join("lab");
        assert!(write_assets(dir.path(), &lab).unwrap());
        assert!(!write_assets(dir.path(), &lab).unwrap());
        fs::create_dir_all(dir.path().join("web")).unwrap();
        fs::write(dir.path().join("web/style.css"), ".cb-lab{}").unwrap();
        fs::write(lab.join("style.css.br"), "of the old styles").unwrap();
        assert!(write_assets(dir.path(), &lab).unwrap());
        assert!(!lab.join("style.css.br").exists());
        assert_eq!(fs::read_to_string(lab.join("style.css")).unwrap(), ".cb-lab{}");
    }
}
