//! How the containers of a node share its CPU (`MilliCPUToShares` of `pkg/kubelet/cm`, and what the kernel makes of `cpu.weight`).
//!
//! A container gets what it wants while there is enough. Where there is not, those that want more than their part share what is left in
//! proportion to their weight, which comes from their requests; what one does not need goes to the others; nobody gets more than its limit:
//!
//! ```text
//! four cores       weight   wants   gets
//! request 1        1024     3       0.925   \ what the last leaves is shared one to three
//! request 3        3072     4       2.775   /
//! request 0.5      512      0.3     0.3
//! ```
//!
//! Shares are computed when a container that burns CPU all the time starts, ends or changes, and when the containers beside it do. On a node
//! where none does, nothing is computed.
//!
//! **Simplified here:** work that comes in pieces (a request, a step of a script) is done as fast as its container could be beside what the
//! others burn all the time, and is in nobody's way itself; weights are those of containers, not of the groups of Pods and QoS classes
//! that they are in; what runs on the node beside containers takes none.

use crate::kubelet::Kubelet;
use crate::pod_worker::PodWorker;
use sim::Time;
use std::sync::Arc;

/// The least weight, of a container without a request (`MinShares`).
const MIN_SHARES: u64 = 2;
/// The weight of a core (`SharesPerCPU`).
const SHARES_PER_CPU: u64 = 1024;

/// What a running container asks of its node's CPU; amounts in thousandths of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CpuClaim {
    /// Its run in the Pod's sandbox.
    run: usize,
    weight: u64,
    limit: u64,
    /// What it would burn all the time.
    wanted: u64,
}

/// Deals `capacity` out: to each at most what it wants, and where that is too much in proportion to the weights. Rounded down.
fn deal(capacity: u64, wanted: &[(u64, u64)]) -> Vec<u64> {
    let mut dealt = vec![0; wanted.len()];
    let mut open: Vec<usize> = (0..wanted.len()).collect();
    let mut left = capacity;
    loop {
        let weights: u64 = open.iter().map(|&index| wanted[index].0).sum();
        let part = |index: usize| {
            let part = u128::from(left) * u128::from(wanted[index].0) / u128::from(weights.max(1));
            u64::try_from(part).unwrap_or(u64::MAX)
        };
        // Those whose part is enough are done with what they want; what they leave is dealt out again.
        let (content, short): (Vec<usize>, Vec<usize>) = open.iter().partition(|&&index| wanted[index].1 <= part(index));
        if content.is_empty() {
            short.iter().for_each(|&index| dealt[index] = part(index));
            return dealt;
        }
        for index in content {
            dealt[index] = wanted[index].1;
            left -= wanted[index].1;
        }
        open = short;
    }
}

impl PodWorker {
    /// Whether a running container burns CPU all the time.
    fn burns_cpu(&self) -> bool {
        self.running().any(|(_, run)| self.sandbox.containers[run].meter.wanted() > 0)
    }

    /// The running containers and their runs.
    fn running(&self) -> impl Iterator<Item = (usize, usize)> {
        let last = self.records.iter().enumerate().filter_map(|(index, record)| Some((index, *record.runs.last()?)));
        last.filter(|(_, run)| self.sandbox.runs(*run))
    }

    fn cpu_claims(&self, node_milli: u64) -> Vec<CpuClaim> {
        let claim = |(index, run): (usize, usize)| {
            let request = self.records[index].in_force.requests.get("cpu").and_then(|cpu| u64::try_from(cpu.milli_value()).ok());
            let weight = (request.unwrap_or(0).saturating_mul(SHARES_PER_CPU) / 1000).max(MIN_SHARES);
            let container = &self.sandbox.containers[run];
            let limit = container.config.cpu_milli.unwrap_or(node_milli).min(node_milli);
            CpuClaim { run, weight, limit, wanted: container.meter.wanted().min(limit) }
        };
        self.running().map(claim).collect()
    }
}

impl Kubelet {
    /// Shares the node's CPU anew if this Pod asks for more or less of it than before.
    pub(crate) fn share_cpu(&mut self, uid: &Arc<str>, now: Time) {
        let Some(managed) = self.managed.get(uid) else { return };
        if self.cpu_claims.is_empty() && !managed.worker.burns_cpu() {
            return;
        }
        let node_milli = self.config.cpu_milli;
        let claims = managed.worker.cpu_claims(node_milli);
        if self.cpu_claims.get(uid) == Some(&claims) {
            return;
        }
        if self.cpu_claims.is_empty() {
            let all = self.managed.iter().map(|(uid, managed)| (uid.clone(), managed.worker.cpu_claims(node_milli)));
            self.cpu_claims = all.collect();
        } else {
            self.cpu_claims.insert(uid.clone(), claims);
        }
        self.deal_cpu(now);
    }

    /// A Pod is gone.
    pub(crate) fn release_cpu(&mut self, uid: &Arc<str>, now: Time) {
        if self.cpu_claims.remove(uid).is_some() {
            self.deal_cpu(now);
        }
    }

    fn deal_cpu(&mut self, now: Time) {
        let node_milli = self.config.cpu_milli;
        let claims: Vec<(Arc<str>, CpuClaim)> =
            self.cpu_claims.iter().flat_map(|(uid, claims)| claims.iter().map(|claim| (uid.clone(), *claim))).collect();
        let mut wanted: Vec<(u64, u64)> = claims.iter().map(|(_, claim)| (claim.weight, claim.wanted)).collect();
        let steady = deal(node_milli, &wanted);
        for (index, (uid, claim)) in claims.iter().enumerate() {
            // What it could have if it wanted all that it may have.
            wanted[index].1 = claim.limit;
            let most = deal(node_milli, &wanted)[index];
            wanted[index].1 = claim.wanted;
            let container = self.managed.get_mut(uid).and_then(|managed| managed.worker.sandbox.containers.get_mut(claim.run));
            if let Some(container) = container {
                container.meter.share(now, steady[index], most);
            }
        }
        if claims.iter().all(|(_, claim)| claim.wanted == 0) {
            self.cpu_claims.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_dealt_by_weight_and_what_one_leaves_goes_to_the_others() {
        assert_eq!(deal(4000, &[(1024, 1000), (2, 2000)]), [1000, 2000], "there is enough");
        assert_eq!(deal(4000, &[(1024, 3000), (3072, 4000)]), [1000, 3000]);
        // 4000 in the proportion 2 : 6 : 1 is 888 : 2666 : 444. The last wants 300 only, so that 3700 are left for 1 : 3.
        assert_eq!(deal(4000, &[(1024, 3000), (3072, 4000), (512, 300)]), [925, 2775, 300]);
        assert_eq!(deal(1000, &[(2, 1000), (2, 1000), (1022, 1000)]), [1, 1, 996], "without a request there is hardly anything");
        assert_eq!(deal(4000, &[]), [0; 0]);
    }
}
