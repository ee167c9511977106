//! Programs of base images; so far `sleep`.
//!
//! **Simplified here:** no scripts yet.

use super::programs::{Output, Step};
use super::registry::Image;
use super::sandbox::Ctx;
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    argv: Vec<String>,
    until: Option<sim::Time>,
}
impl Machine {
    pub(crate) fn has_tool(name: &str) -> bool {
        name == "sleep"
    }
    pub(crate) fn run(argv: Vec<String>, _env: Vec<(String, String)>, _image: &Image) -> Self {
        Machine { argv, until: None }
    }
    pub(crate) fn set_stdin(&mut self, _stdin: String) {}
    pub(crate) fn signal(&mut self, _signal: &str) -> bool {
        false
    }
    pub(crate) fn step(&mut self, ctx: &mut Ctx<'_>, _out: &mut Output) -> Step {
        let now = ctx.now();
        let time = self.argv.get(1).and_then(|t| super::programs::seconds(t)).unwrap_or_default();
        let until = *self.until.get_or_insert(now.saturating_add(time));
        if until <= now { Step::Exit(0) } else { Step::Wait(Some(until)) }
    }
}
