//! Whether the members hold the same (`server/etcdserver/corrupt.go`): nobody compares what members have applied unless one of three checks
//! is on. None is by default.
//!
//! | check | in etcd | when | what is found |
//! |---|---|---|---|
//! | [`initial`](CorruptionChecks::initial) | `--feature-gates=InitialCorruptCheck=true` | a member starts again | it does not start |
//! | [`periodic`](CorruptionChecks::periodic) | `--corrupt-check-time` | every so often, on the leader | an alarm for one member that differs from the leader |
//! | [`compaction`](CorruptionChecks::compaction) | `--feature-gates=CompactHashCheck=true` | every so often, on the leader, of the last compactions | an alarm for each member that differs from the majority |
//!
//! All compare checksums of the key space up to a revision, as far as it is compacted ([`Store::hash_kv`]). While the alarm `CORRUPT` is on,
//! changes are refused with `etcdserver: corrupt cluster`; reads are answered from whatever the member has.
//!
//! **Simplified here:** all members are asked at once, not one after the other; a member that does not run is waited for as one that is cut off,
//! where etcd's connection is refused; checksums of compactions are only made where their check is on.

use crate::server::{Change, EtcdServer, Output, REQUEST_TIMEOUT};
use crate::{EtcdError, Revision, Store};
use raft::{NodeId, Role};
use sim::Time;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Of how many compactions the checksum is remembered (`hashStorageMaxSize`).
const REMEMBERED: usize = 10;

/// Which checks a server makes. The default is etcd's: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CorruptionChecks {
    /// Whether a member that starts again first compares itself with the others (the feature gate `InitialCorruptCheck`).
    pub initial: bool,
    /// Every how long a leader compares the others with itself (`--corrupt-check-time`); `None` for never, which etcd writes as 0.
    pub periodic: Option<Duration>,
    /// Every how long a leader compares the checksums of compactions (`--compact-hash-check-time`, one minute by default), if it does at all
    /// (the feature gate `CompactHashCheck`).
    pub compaction: Option<Duration>,
}

/// The checksum of a key space (`mvcc.KeyValueHash`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyValueHash {
    /// The checksum.
    pub hash: u32,
    /// Up to which revision.
    pub revision: Revision,
    /// Up to which revision it was compacted.
    pub compact_revision: Revision,
}

/// What members say to each other of their checksums, beside Raft (`/members/hashkv`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashMessage {
    /// Who says it.
    pub from: NodeId,
    /// To whom.
    pub to: NodeId,
    /// Which check of the asking member it is for.
    pub check: u64,
    /// What.
    pub body: HashBody,
}

/// A question or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashBody {
    /// What is the checksum up to this revision?
    Ask(Revision),
    /// The checksum and the present revision; or why there is none.
    Answer(Result<(KeyValueHash, Revision), EtcdError>),
}

/// What a check is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Initial,
    Periodic,
    /// With older compactions, newest first, that are looked at if this one cannot be compared everywhere.
    Compaction(Vec<KeyValueHash>),
}

/// A check under way.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    number: u64,
    kind: Kind,
    own: KeyValueHash,
    /// How many others there are.
    others: usize,
    /// Who has not answered.
    asked: BTreeSet<NodeId>,
    /// The checksums and present revisions of those who have one.
    answers: BTreeMap<NodeId, (KeyValueHash, Revision)>,
    deadline: Time,
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// Nothing that is wrong.
    Fine,
    /// The members to raise an alarm for; 0 for all of them, when nobody can say who is wrong.
    Corrupt(Vec<NodeId>),
    /// Not everybody could be compared.
    Incomplete,
}

/// The checks of a member.
#[derive(Debug)]
pub(crate) struct Checker {
    checks: CorruptionChecks,
    next_number: u64,
    under_way: Vec<Check>,
    next_periodic: Option<Time>,
    next_compaction: Option<Time>,
    /// The checksums of the last compactions, oldest first.
    compactions: VecDeque<KeyValueHash>,
    /// The newest compaction that was compared everywhere.
    compared: Revision,
}

impl Checker {
    /// The checks of a member that starts at `now`. `start` counts its starts: it keeps its questions apart.
    pub(crate) fn new(checks: CorruptionChecks, now: Time, start: u32) -> Self {
        Checker {
            checks,
            next_number: u64::from(start) << 32,
            under_way: Vec::new(),
            next_periodic: checks.periodic.map(|every| now + every),
            next_compaction: checks.compaction.map(|every| now + every),
            compactions: VecDeque::new(),
            compared: 0,
        }
    }

    /// Remembers the checksum of a key space that is about to be compacted at a revision.
    pub(crate) fn before_compaction(&mut self, store: &Store, revision: Revision) {
        if self.checks.compaction.is_none() || revision <= store.compacted_revision() {
            return;
        }
        if let Ok(hash) = hash_of(store, revision) {
            self.compactions.push_back(hash);
            if self.compactions.len() > REMEMBERED {
                self.compactions.pop_front();
            }
        }
    }

    /// The checksum at a revision: of a compaction as it was made, else as the key space is now (`HashByRev`).
    fn hash_by_revision(&self, store: &Store, revision: Revision) -> Result<KeyValueHash, EtcdError> {
        let known = self.compactions.iter().find(|known| known.revision == revision);
        known.copied().map_or_else(|| hash_of(store, revision), Ok)
    }

    /// Whether the member compares itself before it does anything else.
    pub(crate) fn holds_back(&self) -> bool {
        self.under_way.iter().any(|check| check.kind == Kind::Initial)
    }

    /// When it wants to be woken next.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        let deadlines = self.under_way.iter().filter(|check| !check.asked.is_empty()).map(|check| check.deadline);
        deadlines.chain(self.next_periodic).chain(self.next_compaction).min()
    }

    /// Whether a time has come; the next one is set.
    fn is_due(next: &mut Option<Time>, every: Option<Duration>, now: Time) -> bool {
        match (&next, every) {
            (Some(at), Some(every)) if *at <= now => {
                *next = Some(now + every);
                true
            }
            _ => false,
        }
    }

    /// Takes a check that everybody has answered, or that has waited long enough.
    fn take_answered(&mut self, now: Time) -> Option<Check> {
        let place = self.under_way.iter().position(|check| check.asked.is_empty() || check.deadline <= now)?;
        Some(self.under_way.remove(place))
    }
}

impl EtcdServer {
    /// Damages the value of a key in this member's key space alone, as a faulty disk does: its last letter or digit changes. False if there is no
    /// such key.
    pub fn damage(&mut self, key: &str) -> bool {
        self.store.damage(key)
    }

    /// Compares a member that starts again with the others, if it is to.
    pub(super) fn begin_initial_check(&mut self, now: Time) {
        if self.checker.checks.initial
            && let Ok(own) = hash_of(&self.store, 0)
        {
            self.begin_check(now, Kind::Initial, own);
        }
    }

    /// Asks the others for their checksums. The questions go out with the next input.
    fn begin_check(&mut self, now: Time, kind: Kind, own: KeyValueHash) {
        let asked: BTreeSet<NodeId> = self.raft.conf_state().ids().into_iter().filter(|id| *id != self.config.id).collect();
        self.checker.next_number += 1;
        let number = self.checker.next_number;
        let questions =
            asked.iter().map(|to| HashMessage { from: self.config.id, to: *to, check: number, body: HashBody::Ask(own.revision) });
        self.questions.extend(questions);
        let (others, deadline) = (asked.len(), now + REQUEST_TIMEOUT);
        self.checker.under_way.push(Check { number, kind, own, others, asked, answers: BTreeMap::new(), deadline });
    }

    /// Somebody asks for a checksum, or answers.
    pub(super) fn handle_hash(&mut self, message: HashMessage, out: &mut Vec<Output>) {
        let HashMessage { from, check: number, body, .. } = message;
        match body {
            // Who has not started yet answers nobody.
            HashBody::Ask(_) if self.checker.holds_back() => {}
            HashBody::Ask(revision) => {
                let hash = self.checker.hash_by_revision(&self.store, revision).map(|hash| (hash, self.store.revision()));
                let answer = HashMessage { from: self.config.id, to: from, check: number, body: HashBody::Answer(hash) };
                out.push(Output::Hash(answer));
            }
            HashBody::Answer(answer) => {
                let check = self.checker.under_way.iter_mut().find(|check| check.number == number);
                if let Some(check) = check
                    && check.asked.remove(&from)
                    && let Ok(hash) = answer
                {
                    check.answers.insert(from, hash);
                }
            }
        }
    }

    /// Begins the checks whose time has come, and ends those that have all answers.
    pub(super) fn check_members(&mut self, now: Time, out: &mut Vec<Output>) {
        let checks = self.checker.checks;
        let leads = self.raft.role() == Role::Leader;
        // A check that takes longer than the time between two is not overtaken.
        let rests = |checks: &[Check], periodic: bool| checks.iter().all(|check| (check.kind == Kind::Periodic) != periodic);
        if Checker::is_due(&mut self.checker.next_periodic, checks.periodic, now)
            && leads
            && self.confirming.is_empty()
            && rests(&self.checker.under_way, true)
            && let Ok(own) = hash_of(&self.store, 0)
        {
            self.begin_check(now, Kind::Periodic, own);
        }
        if Checker::is_due(&mut self.checker.next_compaction, checks.compaction, now) && leads && rests(&self.checker.under_way, false) {
            let compared = self.checker.compared;
            let open = self.checker.compactions.iter().rev().filter(|hash| hash.revision > compared).copied().collect();
            self.begin_compaction_check(now, open);
        }
        while let Some(check) = self.checker.take_answered(now) {
            self.end_check(now, check);
        }
        out.extend(std::mem::take(&mut self.questions).into_iter().map(Output::Hash));
    }

    fn begin_compaction_check(&mut self, now: Time, mut open: Vec<KeyValueHash>) {
        if !open.is_empty() {
            let newest = open.remove(0);
            self.begin_check(now, Kind::Compaction(open), newest);
        }
    }

    fn end_check(&mut self, now: Time, check: Check) {
        match &check.kind {
            Kind::Initial if differs_from_peers(&check) => {
                self.failure = Some(format!("{} found data inconsistency with peers", self.config.id));
                self.stops_at = Some(now);
            }
            Kind::Initial => self.next_tick = now + super::TICK,
            // The leader must have caught up with what followers may have applied before it (`LinearizableReadNotify`).
            Kind::Periodic => {
                let number = self.reads.add_check(now);
                self.confirming.push((number, check));
            }
            Kind::Compaction(older) => match compare_compaction(&check, self.config.id) {
                Verdict::Incomplete => self.begin_compaction_check(now, older.clone()),
                Verdict::Fine => self.checker.compared = self.checker.compared.max(check.own.revision),
                Verdict::Corrupt(members) => self.raise_corrupt(members),
            },
        }
    }

    /// Ends the periodic checks whose read was confirmed. One whose read timed out has found nothing.
    pub(super) fn end_confirmed_checks(&mut self) {
        for (number, confirmed) in self.reads.take_checks() {
            let Some(place) = self.confirming.iter().position(|(waiting, _)| *waiting == number) else { continue };
            let (_, check) = self.confirming.remove(place);
            if confirmed
                && let Ok(now) = hash_of(&self.store, 0)
                && let Verdict::Corrupt(members) = compare_present(&check, now, self.config.id)
            {
                self.raise_corrupt(members);
            }
        }
    }

    fn raise_corrupt(&mut self, members: Vec<NodeId>) {
        for member in members {
            self.propose_change(Change::Raise(member, crate::maintenance::Alarm::Corrupt), None);
        }
    }
}

/// The checksum of a key space at a revision, 0 for the present.
fn hash_of(store: &Store, revision: Revision) -> Result<KeyValueHash, EtcdError> {
    let (hash, revision) = store.hash_kv(revision)?;
    Ok(KeyValueHash { hash, revision, compact_revision: store.compacted_revision() })
}

/// Whether a member that starts has other data than somebody else (`InitialCheck`). Who has compacted otherwise cannot be compared.
fn differs_from_peers(check: &Check) -> bool {
    check.answers.values().any(|(theirs, _)| theirs.compact_revision == check.own.compact_revision && theirs.hash != check.own.hash)
}

/// Compares the others with the leader, as it was when it asked and is `now` (`PeriodicCheck`). Only the first that differs is named.
fn compare_present(check: &Check, now: KeyValueHash, leader: NodeId) -> Verdict {
    let own = check.own;
    if now != own && (now.revision, now.compact_revision) == (own.revision, own.compact_revision) {
        return Verdict::Corrupt(vec![leader]);
    }
    let is_wrong = |(theirs, revision): &(KeyValueHash, Revision)| {
        *revision > now.revision
            || theirs.compact_revision > now.compact_revision
            || theirs.compact_revision == own.compact_revision && theirs.hash != own.hash
    };
    match check.answers.iter().find(|(_, answer)| is_wrong(answer)) {
        Some((member, _)) => Verdict::Corrupt(vec![*member]),
        None => Verdict::Fine,
    }
}

/// Compares the checksums of a compaction: who is not of the majority is wrong (`checkPeerHashes`).
fn compare_compaction(check: &Check, leader: NodeId) -> Verdict {
    let mut members: BTreeMap<u32, Vec<NodeId>> = BTreeMap::from([(check.own.hash, vec![leader])]);
    let comparable = check.answers.iter().filter(|(_, (theirs, _))| theirs.compact_revision == check.own.compact_revision);
    for (member, (theirs, _)) in comparable {
        members.entry(theirs.hash).or_default().push(*member);
    }
    if members.len() == 1 {
        let compared = members.values().map(Vec::len).sum::<usize>() - 1;
        return if compared == check.others && compared > 0 { Verdict::Fine } else { Verdict::Incomplete };
    }
    let everybody = check.others + 1;
    let quorum = everybody / 2 + 1;
    match members.iter().find(|(_, with)| with.len() >= quorum).map(|(hash, _)| *hash) {
        None => Verdict::Corrupt(vec![NodeId(0)]),
        Some(majority) => {
            members.remove(&majority);
            Verdict::Corrupt(members.into_values().flatten().collect())
        }
    }
}

#[cfg(test)]
mod tests;
