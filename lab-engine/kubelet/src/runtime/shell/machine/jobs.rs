//! Background jobs: what runs beside a shell, as the shell and `ps` see it.
//!
//! A job is a process with a number, which `$!` gives. One that is a single command has that command's name, another that of its shell.

use super::{Frame, Machine, Poll, Thread};
use crate::runtime::programs::Output;
use crate::runtime::sandbox::Ctx;
use sim::Time;
use std::sync::Arc;

/// A background job.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pid: u32,
    since: Time,
    thread: Thread,
}

/// A background job as `ps` shows it.
#[derive(Clone, Debug)]
pub(crate) struct Child {
    pub(crate) pid: usize,
    pub(crate) started: Time,
    /// Its command; a subshell has that of its shell.
    pub(crate) command: Option<Arc<str>>,
}

impl Machine {
    /// Says that the first job is the process after this one.
    pub(crate) fn number_jobs_after(&mut self, pid: usize) {
        self.thread.last_job = u32::try_from(pid).unwrap_or(1);
    }

    /// Its background jobs.
    pub(crate) fn children(&self) -> Vec<Child> {
        self.thread.children()
    }

    /// Ends a background job; false when there is none of this number.
    pub(crate) fn kill_job(&mut self, pid: usize) -> bool {
        self.thread.kill_job(pid)
    }
}

impl Thread {
    /// Starts what a frame does as a job; whether that is one command.
    pub(super) fn start_job(&mut self, frame: Frame, one_command: bool, ctx: &Ctx<'_>) {
        let mut thread = self.fork(None);
        thread.frames.push(frame);
        thread.tells_command = one_command;
        self.last_job = self.last_job.saturating_add(1);
        self.jobs.push(Job { pid: self.last_job, since: ctx.now(), thread: *thread });
    }

    /// Runs the background jobs; when the next of them has something to do.
    pub(super) fn run_jobs(&mut self, ctx: &mut Ctx<'_>, out: &mut Output) -> Option<Time> {
        let mut wake = None;
        let mut jobs = std::mem::take(&mut self.jobs);
        jobs.retain_mut(|job| {
            let mut output = Output::default();
            let poll = job.thread.run(ctx, &mut output);
            for chunk in output.0 {
                self.write(chunk.fd, &chunk.text, ctx, out);
            }
            match poll {
                Poll::Done(_) => false,
                Poll::Wait(at) => {
                    wake = [wake, at].into_iter().flatten().min();
                    true
                }
            }
        });
        self.jobs = jobs;
        wake
    }

    /// Its background jobs, and those of the shells that run in it.
    fn children(&self) -> Vec<Child> {
        let own = |job: &Job| Child { pid: job.pid as usize, started: job.since, command: job.thread.running.clone() };
        let mut all: Vec<Child> = self.jobs.iter().map(own).collect();
        for frame in &self.frames {
            match frame {
                Frame::Subshell(child) | Frame::Pipe { child: Some(child), .. } | Frame::Expand { child: Some(child), .. } => {
                    all.extend(child.children());
                }
                _ => {}
            }
        }
        all
    }

    /// Its background jobs, and those of the shells around it.
    pub(in crate::runtime::shell) fn family(&self) -> Vec<Child> {
        self.around.iter().cloned().chain(self.children()).collect()
    }

    /// Ends a background job; false when there is none of this number.
    pub(in crate::runtime::shell) fn kill_job(&mut self, pid: usize) -> bool {
        let before = self.jobs.len();
        self.jobs.retain(|job| job.pid as usize != pid);
        self.jobs.len() < before
            || self.frames.iter_mut().any(|frame| match frame {
                Frame::Subshell(child) | Frame::Pipe { child: Some(child), .. } | Frame::Expand { child: Some(child), .. } => {
                    child.kill_job(pid)
                }
                _ => false,
            })
    }

    /// Ends all background jobs.
    pub(in crate::runtime::shell) fn kill_jobs(&mut self) {
        self.jobs.clear();
    }
}
