//! Every rule that a lab must keep, apart from those that need the engine to run.

use crate::expr::Expression;
use crate::spec::{Check, Input, Items, Lab, Operate, Predict, Step, Task, TaskKind, Variable, When};
use crate::text::Text;
use cluster::Fault;
use std::collections::BTreeSet;

/// Something wrong with a lab or card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field, for example `tasks[0].kind.operate.checks[1].cel`.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it; may be empty.
    pub help: String,
}

impl Problem {
    /// A problem of a field.
    pub fn new(field: impl Into<String>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Problem { field: field.into(), message: message.into(), help: help.into() }
    }

    /// The same problem, seen from the field that holds the whole.
    #[must_use]
    pub fn below(self, parent: &str) -> Self {
        Problem { field: format!("{parent}.{}", self.field), ..self }
    }
}

/// All problems of a lab, in the order of its fields.
pub fn validate(lab: &Lab) -> Vec<Problem> {
    let mut rules = Rules { lab, problems: Vec::new() };
    rules.shape();
    rules.steps("setup", &lab.setup);
    rules.unique("tasks", lab.tasks.iter().map(|task| task.id.as_str()));
    let kinds = |wanted: fn(&TaskKind) -> bool| lab.tasks.iter().filter(|task| wanted(&task.kind)).count();
    if kinds(|kind| matches!(kind, TaskKind::Predict(_))) < 1 || kinds(|kind| matches!(kind, TaskKind::Operate(_))) < 1 {
        rules.add("tasks", "a kind of task is missing", "a lab has at least one `predict` and one `operate` task");
    }
    for (index, task) in lab.tasks.iter().enumerate() {
        rules.task(&format!("tasks[{index}]"), task);
    }
    rules.problems
}

/// Whether `id` names something of this lab that an attempt can fail: `task/check` of an `operate` task, or a `predict` task.
pub fn can_fail(lab: &Lab, id: &str) -> bool {
    let (task, check) = id.split_once('/').map_or((id, None), |(task, check)| (task, Some(check)));
    match (lab.task(task).map(|task| &task.kind), check) {
        (Some(TaskKind::Predict(_)), None) => true,
        (Some(TaskKind::Operate(operate)), Some(check)) => operate.checks.iter().any(|known| known.id == check),
        _ => false,
    }
}

struct Rules<'l> {
    lab: &'l Lab,
    problems: Vec<Problem>,
}

impl Rules<'_> {
    fn add(&mut self, field: impl Into<String>, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::new(field, message, help));
    }

    fn unique<'a>(&mut self, field: &str, ids: impl Iterator<Item = &'a str>) {
        let mut seen = BTreeSet::new();
        for (index, id) in ids.enumerate() {
            let place = format!("{field}[{index}].id");
            if id.is_empty() || id.contains(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')) {
                self.add(&place, format!("`{id}` is no id"), "an id has lower-case letters, digits and dashes");
            }
            if !seen.insert(id) {
                self.add(place, format!("the id `{id}` is taken"), "ids are unique within their list");
            }
        }
    }

    fn text(&mut self, field: &str, text: &Text) {
        for (name, words) in [("en", &text.en), ("zh", &text.zh)] {
            if words.trim().is_empty() {
                self.add(format!("{field}.{name}"), "the text is empty", "a card is complete in both languages");
            }
            for unknown in unknown_variables(self.lab, words) {
                self.add(format!("{field}.{name}"), format!("there is no variable `{unknown}`"), "declare it in `variables`");
            }
        }
    }

    fn cel(&mut self, field: impl Into<String>, source: &str) {
        if let Err(error) = Expression::parse(source) {
            self.add(field, error.to_string(), "");
        }
    }

    fn shape(&mut self) {
        let nodes = self.lab.cluster.nodes.len();
        if !(1..=100).contains(&nodes) {
            self.add("cluster.nodes", format!("there are {nodes} nodes"), "a lab's cluster has 1 to 100");
        }
        let (members, servers) = (self.lab.cluster.etcd.members, self.lab.cluster.api_servers);
        if !matches!(members, 1 | 3 | 5) {
            self.add("cluster.etcd.members", format!("there are {members} members"), "etcd has 1, 3 or 5");
        }
        if !(1..=5).contains(&servers) {
            self.add("cluster.apiServers", format!("there are {servers} API servers"), "a lab's cluster has 1 to 5");
        }
        for (name, variable) in &self.lab.variables {
            let Variable::Choose(choices) = variable;
            if choices.is_empty() {
                self.add(format!("variables.{name}.choose"), "there is nothing to choose from", "");
            }
        }
        for name in self.lab.files.keys() {
            if name.is_empty() || name.starts_with(['/', '.']) || name.contains("..") || name.contains(char::is_whitespace) {
                self.add(format!("files[{name}]"), format!("`{name}` is no name for a file"), "write a relative path like web.yaml");
            }
        }
    }

    fn steps(&mut self, field: &str, steps: &[Step]) {
        for (index, step) in steps.iter().enumerate() {
            let place = format!("{field}[{index}]");
            match step {
                Step::Apply(file) if !self.lab.files.contains_key(file) => {
                    self.add(format!("{place}.apply"), format!("there is no file `{file}`"), "name a file of `files`");
                }
                Step::Until(until) => self.cel(format!("{place}.until.cel"), &until.cel),
                Step::CutNode(node) | Step::HealNode(node) if !self.has_node(node) => {
                    self.add(place, format!("there is no node `{node}`"), "nodes are called node-1, node-2, … unless they are named");
                }
                Step::Heal(Fault::Corrupt(..)) => {
                    self.add(place, "damage cannot be taken away", "replace the member: etcdctl member remove, then etcdctl member add");
                }
                Step::Inject(fault) | Step::Heal(fault) => self.fault(place, fault),
                _ => {}
            }
        }
    }

    fn fault(&mut self, place: String, fault: &Fault) {
        let parts = match fault {
            Fault::CutNode(node) => vec![format!("kubelet/{node}")],
            Fault::Isolate(part) | Fault::Crash(part) | Fault::SlowDisk(part, _) | Fault::Corrupt(part, _) => vec![part.clone()],
            Fault::Cut(one, other) => vec![one.clone(), other.clone()],
            Fault::Node(fault) => fault.node().map(|node| format!("kubelet/{node}")).into_iter().collect(),
            Fault::DropPackets(one, other, _) => {
                let part = |name: &String| if self.has_node(name) { format!("kubelet/{name}") } else { name.clone() };
                vec![part(one), part(other)]
            }
            Fault::DnsServfail => Vec::new(),
        };
        let missing: Vec<&String> = parts.iter().filter(|part| !self.has_part(part)).collect();
        for part in missing {
            self.add(
                &*place,
                format!("the cluster has no `{part}`"),
                "parts are called as in the trace: etcd-1, kube-apiserver, kubelet/node-1",
            );
        }
    }

    fn has_part(&self, name: &str) -> bool {
        let numbered = |first: &str, base: &str, count: u32| {
            name == first || (2..=count).any(|number| name.strip_prefix(base).is_some_and(|rest| rest == number.to_string()))
        };
        let shape = &self.lab.cluster;
        name == "kubectl"
            || (name == "metrics-server" && shape.metrics_server)
            || (name == "prometheus-adapter" && shape.prometheus_adapter)
            || numbered("kube-scheduler", "kube-scheduler-", shape.schedulers)
            || numbered("kube-controller-manager", "kube-controller-manager-", shape.controller_managers)
            || numbered("etcd-1", "etcd-", shape.etcd.members)
            || numbered("kube-apiserver", "kube-apiserver-", shape.api_servers)
            || name == "coredns"
            || (name == "ingress-controller" && shape.ingress_controller)
            || (name == "gateway-controller" && shape.gateway_controller)
            || ["kubelet/", "kube-proxy/", "network-policies/"]
                .iter()
                .any(|of| name.strip_prefix(of).is_some_and(|node| self.has_node(node)))
    }

    fn has_node(&self, name: &str) -> bool {
        let names = self.lab.cluster.nodes.iter().enumerate();
        names.map(|(index, node)| node.name.clone().unwrap_or_else(|| format!("node-{}", index + 1))).any(|known| known == name)
    }

    fn task(&mut self, field: &str, task: &Task) {
        self.text(&format!("{field}.title"), &task.title);
        self.text(&format!("{field}.prompt"), &task.prompt);
        match &task.kind {
            TaskKind::Predict(predict) => self.predict(&format!("{field}.kind.predict"), predict),
            TaskKind::Operate(operate) => self.operate(&format!("{field}.kind.operate"), operate),
        }
        if task.hints.is_empty() {
            self.add(format!("{field}.hints"), "there is no hint", "give at least one");
        }
        for (index, hint) in task.hints.iter().enumerate() {
            self.text(&format!("{field}.hints[{index}]"), hint);
        }
    }

    fn predict(&mut self, field: &str, predict: &Predict) {
        match &predict.input {
            Input::Choice(items) => self.items(&format!("{field}.input.choice"), items),
            Input::Order(items) => self.items(&format!("{field}.input.order"), items),
            Input::Number(number) => {
                self.text(&format!("{field}.input.number.unit"), &number.unit);
                if number.tolerance.is_nan() || number.tolerance < 0.0 {
                    self.add(format!("{field}.input.number.tolerance"), "the tolerance is negative", "");
                }
            }
            Input::Text(text) => self.text(&format!("{field}.input.text.placeholder"), &text.placeholder),
        }
        self.steps(&format!("{field}.run"), &predict.run);
        if predict.run.is_empty() {
            self.add(format!("{field}.run"), "nothing is run", "the truth of a prediction comes from the engine");
        }
        self.cel(format!("{field}.truth"), &predict.truth);
        self.text(&format!("{field}.explanation"), &predict.explanation);
    }

    fn items(&mut self, field: &str, items: &Items) {
        self.unique(&format!("{field}.items"), items.items.iter().map(|item| item.id.as_str()));
        if items.items.len() < 2 {
            self.add(field, format!("there are {} items", items.items.len()), "at least 2 make a question");
        }
        for (index, item) in items.items.iter().enumerate() {
            self.text(&format!("{field}.items[{index}].text"), &item.text);
        }
    }

    fn operate(&mut self, field: &str, operate: &Operate) {
        if operate.checks.is_empty() {
            self.add(format!("{field}.checks"), "nothing is checked", "");
        }
        self.unique(&format!("{field}.checks"), operate.checks.iter().map(|check| check.id.as_str()));
        for (index, check) in operate.checks.iter().enumerate() {
            self.check(&format!("{field}.checks[{index}]"), check);
        }
        if operate.checks.iter().all(|check| check.when == When::Always) {
            self.add(format!("{field}.checks"), "all checks hold from the start", "at least one is `eventually` or `atEnd`");
        }
    }

    fn check(&mut self, field: &str, check: &Check) {
        self.text(&format!("{field}.says"), &check.says);
        self.cel(format!("{field}.cel"), &check.cel);
        for (name, source) in [("after", &check.after), ("actual", &check.actual)] {
            if let Some(source) = source {
                self.cel(format!("{field}.{name}"), source);
            }
        }
        if check.within.is_some() && check.when != When::Eventually {
            self.add(format!("{field}.within"), "`within` is for `eventually`", "");
        }
    }
}

/// The names in `${name}` that the lab does not have.
fn unknown_variables(lab: &Lab, text: &str) -> Vec<String> {
    let named = text.split("${").skip(1).filter_map(|after| after.split_once('}')).map(|(name, _)| name);
    named.filter(|name| !lab.variables.contains_key(*name)).map(str::to_owned).collect()
}
