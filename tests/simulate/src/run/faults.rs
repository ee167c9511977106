//! What goes wrong: crashes, which tear what the disk was writing, rotting disks, cuts, slow and lossy links, slow disks, moves of the leader,
//! changes of the members.

use super::{Place, Run};
use etcd::server::{Disk, EtcdServer};
use raft::{ConfChangeSingle, Index, NodeId, Role, Term};
use sim::{Link, LinkFault, Rng};
use std::time::Duration;

/// The highest number of a member that may be added.
const MAX_MEMBERS: u64 = 7;

/// Cuts leaders off at the two moments at which the most hangs on what a leader may commit: before its first entry has left it, and when
/// it commits for the first time. Each time, whoever was cut off before comes back, so that logs meet which have parted (figure 8 of the Raft
/// paper).
pub(super) struct Ambush {
    rng: Rng,
    /// The newest term that somebody leads.
    newest: Term,
    /// Its leader falls as soon as it has committed more than this; `None` when it has fallen.
    waits: Option<Index>,
}

impl Ambush {
    /// In one run of eight.
    pub(super) fn deal(rng: &Rng) -> Option<Self> {
        let mut rng = rng.stream("ambush");
        rng.chance(125_000).then_some(Ambush { rng, newest: Term(0), waits: None })
    }

    /// Whether it is now that a member, which has just been driven, falls.
    pub(super) fn springs(&mut self, server: &EtcdServer) -> bool {
        let raft = server.raft();
        if raft.role() != Role::Leader || raft.term() < self.newest {
            return false;
        }
        let committed = raft.log().committed();
        if raft.term() > self.newest {
            self.newest = raft.term();
            if self.rng.chance(500_000) {
                self.waits = None;
                return true;
            }
            self.waits = Some(committed);
        }
        self.waits.take_if(|before| committed > *before).is_some()
    }
}

/// Deals the faults.
pub(super) struct Faults {
    rng: Rng,
    /// Whether the members are changed in this run.
    changes_members: bool,
    /// Whether it is mostly the leader that is hit, and again as soon as there is another.
    hunts_leaders: bool,
    /// Whether a disk rots in this run.
    rots: bool,
    /// For how long a member that was just left behind stays so; then all links are healed.
    leaves_behind: Option<Duration>,
}

impl Faults {
    pub(super) fn new(rng: &Rng) -> Self {
        let mut rng = rng.stream("faults");
        let changes_members = rng.chance(500_000);
        let hunts_leaders = rng.chance(500_000);
        let rots = rng.chance(250_000);
        Faults { rng, changes_members, hunts_leaders, rots, leaves_behind: None }
    }

    /// How long until the next fault.
    pub(super) fn pause(&mut self) -> Duration {
        if let Some(pause) = self.leaves_behind {
            return pause;
        }
        let most = if self.hunts_leaders { 600 } else { 2_500 };
        self.rng.duration(Duration::from_millis(1), Duration::from_millis(most))
    }

    /// Whom the next fault hits.
    fn victim(&mut self, run: &Run) -> NodeId {
        match run.leader().filter(|_| self.hunts_leaders && self.rng.chance(700_000)) {
            Some(leader) => leader,
            None => self.member(run),
        }
    }

    fn member(&mut self, run: &Run) -> NodeId {
        let place = self.rng.index(run.places.len());
        run.places.keys().nth(place).copied().expect("there are members")
    }

    /// Makes one.
    ///
    /// # Errors
    /// When a disk that has rotted is believed.
    pub(super) fn make(&mut self, run: &mut Run) -> Result<(), String> {
        if self.leaves_behind.take().is_some() {
            run.kernel.network().heal_all();
            return Ok(());
        }
        let id = self.victim(run);
        match self.rng.below(14) {
            0 => run.crash(id),
            1 => run.crash_in_writing(id),
            2..=4 => {
                let down = self.member(run);
                run.start(down);
            }
            11 => {
                run.cut_from_members(id);
                // Nothing else goes wrong for a while: the others go on, compact, and drop the log that it would need.
                let pause = self.rng.duration(Duration::from_secs(1), Duration::from_secs(6));
                self.leaves_behind = self.rng.chance(500_000).then_some(pause);
            }
            12 => {
                // Whoever was down the longest may win the next election.
                run.crash(id);
                let ids: Vec<NodeId> = run.places.keys().copied().filter(|other| *other != id).collect();
                ids.into_iter().for_each(|other| run.start(other));
            }
            5 => {
                let other = self.member(run);
                let (a, b) = (run.places[&id].endpoint, run.places[&other].endpoint);
                run.inject(LinkFault::Cut(a, b));
            }
            6 => {
                run.inject(LinkFault::Isolate(run.places[&id].endpoint));
                run.clients.disconnected(id);
            }
            7 | 8 => run.kernel.network().heal_all(),
            9 => self.bad_link(run, id),
            10 => {
                let fsync = self.rng.duration(Duration::ZERO, Duration::from_millis(400));
                if let Some(server) = run.places.get_mut(&id).and_then(|place| place.server.as_mut()) {
                    server.set_fsync(fsync);
                }
            }
            // With three members the group bears the loss of one.
            13 if self.rots && run.places.values().all(|place| !place.rotten) => run.rot(id)?,
            _ => self.move_or_change(run, id),
        }
        Ok(())
    }

    /// A member's links get slow, and lose and double what they carry.
    fn bad_link(&mut self, run: &mut Run, id: NodeId) {
        let link = Link {
            latency: self.rng.duration(Duration::ZERO, Duration::from_millis(20)),
            jitter: self.rng.duration(Duration::ZERO, Duration::from_millis(300)),
            loss_ppm: u32::try_from(self.rng.below(300_000)).unwrap_or(0),
            duplicate_ppm: u32::try_from(self.rng.below(300_000)).unwrap_or(0),
        };
        let ends: Vec<_> = run.places.values().map(|place: &Place| place.endpoint).collect();
        let from = run.places[&id].endpoint;
        for to in ends.into_iter().filter(|to| *to != from) {
            run.inject(LinkFault::Shape(from, to, link.clone()));
        }
    }

    /// The leader moves, a member joins, or one leaves.
    fn move_or_change(&mut self, run: &mut Run, id: NodeId) {
        let Some(leader) = run.leader() else { return };
        if !self.changes_members || self.rng.chance(300_000) {
            if let Some(server) = run.places.get_mut(&leader).and_then(|place| place.server.as_mut()) {
                server.move_leader(id);
            }
            return;
        }
        let Some(server) = run.places[&leader].server.as_ref() else { return };
        let voters = run.places.keys().filter(|id| server.raft().conf_state().contains(**id)).count() as u64;
        let next = NodeId(run.places.len() as u64 + 1);
        let change = if voters > 3 && self.rng.chance(500_000) {
            ConfChangeSingle::RemoveNode(id)
        } else if next.0 <= MAX_MEMBERS {
            run.add_place(next, Disk::default());
            run.start(next);
            ConfChangeSingle::AddNode(next)
        } else {
            // Nobody is left who was never a member, and a number is never used again.
            return;
        };
        if let Some(server) = run.places.get_mut(&leader).and_then(|place| place.server.as_mut()) {
            // Nobody may be able to take it now.
            let _ = server.change_members(change);
        }
    }
}
