//! What commands that write have in common: `--dry-run`, `-o` and the line that says what happened.

use crate::command::{Io, Step, json_of};
use crate::flags::{Flag, Parsed, optional, value};
use crate::output::{Format, without_managed_fields};
use crate::resources::{Context, result_name};
use api::http::{Body, Method, PatchType, Request, ResourcePath};
use api::kinds::KindInfo;
use serde_json::Value;

/// The flags of every command that writes.
pub(super) const FLAGS: &[Flag] = &[
    value("output", Some('o')),
    optional("dry-run", "unchanged"),
    value("field-manager", None),
    optional("validate", "strict"),
    optional("save-config", "true"),
    optional("record", "true"),
    optional("show-managed-fields", "true"),
];

/// How far a write goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DryRun {
    /// It is done.
    None,
    /// Nothing is sent.
    Client,
    /// The server says what would come of it.
    Server,
}

/// How a write is done and told.
#[derive(Clone, Debug)]
pub(super) struct Submit {
    /// How far it goes.
    pub(super) dry_run: DryRun,
    format: Option<Format>,
    manager: String,
    validation: &'static str,
    managed_fields: bool,
}

impl Submit {
    /// Reads the flags; `manager` is the field manager unless one is given. Empty for commands that name none: the server takes the
    /// program's name then.
    ///
    /// # Errors
    /// The text that follows `error: `.
    pub(super) fn read(context: &Context<'_>, parsed: &Parsed, manager: &str) -> Result<Self, String> {
        let dry_run = match parsed.get("dry-run") {
            None | Some("none") => DryRun::None,
            Some("client") => DryRun::Client,
            Some("server") => DryRun::Server,
            Some("unchanged") => {
                return Err(
                    "--dry-run flag without a value was specified. A value must be set: \"none\", \"server\", or \"client\".".into()
                );
            }
            Some(other) => return Err(format!("Invalid dry-run value ({other}). Must be \"none\", \"server\", or \"client\".")),
        };
        let format = match parsed.get("output") {
            None | Some("") => None,
            Some(text) => Some(Format::parse(text, context.environment.files)?),
        };
        let validation = match parsed.get("validate") {
            Some("false" | "ignore") => "Ignore",
            Some("warn") => "Warn",
            _ => "Strict",
        };
        let manager = parsed.get("field-manager").unwrap_or(manager).to_owned();
        Ok(Submit { dry_run, format, manager, validation, managed_fields: parsed.on("show-managed-fields") })
    }

    /// The field manager.
    pub(super) fn manager(&self) -> &str {
        &self.manager
    }

    /// The same by another field manager.
    pub(super) fn as_manager(&self, manager: &str) -> Self {
        Submit { manager: manager.to_owned(), ..self.clone() }
    }

    /// A request that writes, with what the flags ask for.
    pub(super) fn request(&self, method: Method, path: ResourcePath, body: Body) -> Request {
        let mut request = Request::new(method, path).body(body);
        if method != Method::Delete {
            if !self.manager.is_empty() {
                request = request.query("fieldManager", self.manager.clone());
            }
            if !matches!(request.body, Body::Patch(PatchType::Json, _)) {
                request = request.query("fieldValidation", self.validation);
            }
        }
        if self.dry_run == DryRun::Server { request.query("dryRun", "All") } else { request }
    }

    /// ` (dry run)` and ` (server dry run)`.
    pub(super) fn suffix(&self) -> &'static str {
        match self.dry_run {
            DryRun::None => "",
            DryRun::Client => " (dry run)",
            DryRun::Server => " (server dry run)",
        }
    }

    /// Whether the line that says what happened is replaced by an object.
    pub(super) fn prints_objects(&self) -> bool {
        self.format.is_some()
    }

    /// Tells what happened to an object.
    pub(super) fn show(&self, info: &KindInfo, object: &Value, verb: &str, io: &mut Io<'_>) -> Step {
        let Some(format) = &self.format else {
            let name = object["metadata"]["name"].as_str().filter(|name| !name.is_empty()).unwrap_or("<unknown>");
            io.print(format!("{} {verb}{}\n", result_name(info, name), self.suffix()));
            return Step::Done(0);
        };
        let shown = if self.managed_fields { object.clone() } else { without_managed_fields(object.clone()) };
        match format.print(&shown) {
            Ok(text) => {
                io.print(text);
                Step::Done(0)
            }
            Err(message) => io.error(&message),
        }
    }

    /// Creates an object and tells so; `failed` words a refusal.
    pub(super) fn create(self, info: &'static KindInfo, namespace: &str, value: Value, failed: &str, io: &mut Io<'_>) -> Step {
        if self.dry_run == DryRun::Client {
            return self.show(info, &value, "created", io);
        }
        let namespace = if info.namespaced { namespace } else { "" };
        let request = self.request(Method::Post, ResourcePath::collection(info, namespace), Body::Json(value));
        let failed = failed.to_owned();
        Step::ask(request, move |answer, io| match answer {
            Ok(body) => self.show(info, &json_of(body), "created", io),
            Err(failure) if failed.is_empty() => io.fail(&failure),
            Err(failure) => io.error(&format!("{failed}: {}", failure.message())),
        })
    }
}
