//! What is wrong with a manifest while it is being written: the reader and the decoder of the API server, asked without a cluster.

use crate::protocol::FileProblem;
use api::decode::{FieldValidation, decode_object};
use api::unsimulated::unsimulated_warnings;
use api::yaml::{Document, Position, read_documents};

/// What is wrong with a file, in its order. Files that are no manifests (by their ending) have no problems.
pub fn file_problems(name: &str, text: &str) -> Vec<FileProblem> {
    if ![".yaml", ".yml", ".json"].iter().any(|ending| name.ends_with(ending)) {
        return Vec::new();
    }
    let documents = match read_documents(text) {
        Ok(documents) => documents,
        Err(error) => return vec![FileProblem { line: error.line, column: error.column, error: true, message: error.message }],
    };
    let mut problems: Vec<FileProblem> = documents.iter().flat_map(document_problems).collect();
    problems.sort();
    problems
}

fn document_problems(document: &Document) -> Vec<FileProblem> {
    let at = |field: &str| document.positions.find(field).unwrap_or(Position { line: document.line, column: 1 });
    let problem = |field: &str, error: bool, message: String| {
        let Position { line, column } = at(field);
        FileProblem { line, column, error, message }
    };
    match decode_object(document.value.clone(), FieldValidation::Warn) {
        Ok(decoded) => {
            let simulated = unsimulated_warnings(&decoded.object);
            let warnings = decoded.warnings.into_iter().chain(simulated);
            warnings.map(|message| problem(field_of(&message), message.starts_with("unknown field"), message.clone())).collect()
        }
        Err(status) => match status.details.causes.as_slice() {
            [] => vec![problem("", true, status.message)],
            causes => causes.iter().map(|cause| problem(&cause.field, true, cause.message.clone())).collect(),
        },
    }
}

/// The field that a warning is about: `unknown field "spec.x"`, or `spec.x: accepted, …`; empty when it names none.
fn field_of(message: &str) -> &str {
    match message.strip_prefix("unknown field \"") {
        Some(rest) => rest.trim_end_matches('"'),
        None => message.split_once(": ").map_or("", |(field, _)| field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<(usize, usize, bool, String)> {
        let found = file_problems("a.yaml", text);
        found.into_iter().map(|problem| (problem.line, problem.column, problem.error, problem.message)).collect()
    }

    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: c\n    image: nginx\n";

    #[test]
    fn a_good_manifest_has_no_problems() {
        assert_eq!(problems(POD), []);
        assert_eq!(file_problems("notes.txt", "a: [").len(), 0);
    }

    #[test]
    fn each_problem_stands_at_its_line() {
        let found = problems(&POD.replace("    image", "    imagee"));
        assert_eq!(found, [(7, 5, true, "unknown field \"spec.containers[0].imagee\"".to_owned())]);
        let found = problems("a: [1\nb: 2");
        assert_eq!((found.len(), found[0].2), (1, true), "{found:?}");
        let found = problems(&POD.replace("metadata: {name: a}", "metadata: {name: [a]}"));
        assert_eq!((found[0].0, found[0].2), (3, true), "{found:?}");
    }

    #[test]
    fn what_is_not_simulated_is_only_a_warning() {
        let found = problems(&POD.replace("  containers:", "  hostPID: true\n  containers:"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].0, found[0].2), (5, false), "{found:?}");
    }
}
