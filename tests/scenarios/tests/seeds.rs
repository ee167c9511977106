//! Every scenario as it is written, and some crashes of each; `cargo xtask scenarios` runs as many as are wanted, faster.

use scenarios::run::deal;
use scenarios::script::Scenario;

/// How many crashes of each scenario are tried here.
const CRASHES: u64 = 2;

/// Runs those scenarios of which the number divided by `of` leaves `rest`: tests run side by side.
fn part(rest: usize, of: usize) {
    let scenarios = scenarios::load(&scenarios::folder(), &[]).expect("the scenarios can be read");
    let mut failed = Vec::new();
    for scenario in scenarios.iter().skip(rest).step_by(of) {
        if let Err(why) = try_one(scenario) {
            failed.push(format!("{}: {why}", scenario.name));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

fn try_one(scenario: &Scenario) -> Result<(), String> {
    let base = scenarios::check(scenario, 1)?;
    let writes = base.writes.len() as u64;
    if writes == 0 {
        return Err("nothing is written, so nothing is crashed".to_owned());
    }
    for seed in 1..=CRASHES {
        let repeat = format!("repeat it with: cargo xtask scenarios {} --seeds 1 --seed {seed}", scenario.name);
        scenarios::crash(scenario, seed, &deal(seed, writes), &base).map_err(|why| format!("{why}\n{repeat}"))?;
    }
    Ok(())
}

#[test]
fn some_seeds_of_the_first_third() {
    part(0, 3);
}

#[test]
fn some_seeds_of_the_second_third() {
    part(1, 3);
}

#[test]
fn some_seeds_of_the_last_third() {
    part(2, 3);
}

#[test]
fn every_controller_has_scenarios_of_its_normal_life_and_of_failures() {
    let scenarios = scenarios::load(&scenarios::folder(), &[]).expect("the scenarios can be read");
    let of = |controller: &str| scenarios.iter().filter(|scenario| scenario.name.starts_with(&format!("{controller}/"))).count();
    let all = [
        "clusterrole-aggregation",
        "cronjob",
        "csrapproving",
        "csrcleaner",
        "csrsigning",
        "daemonset",
        "deployment",
        "disruption",
        "endpoints",
        "endpointslice",
        "endpointslicemirroring",
        "ephemeral-volume",
        "garbagecollector",
        "horizontalpodautoscaler",
        "job",
        "namespace",
        "nodelifecycle",
        "persistentvolume",
        "persistentvolume-protection",
        "persistentvolumeclaim-protection",
        "podgc",
        "replicaset",
        "replicationcontroller",
        "resourcequota",
        "root-ca-cert-publisher",
        "scheduler",
        "service",
        "serviceaccount",
        "statefulset",
        "tainteviction",
        "ttlafterfinished",
    ];
    let missing: Vec<&str> = all.into_iter().filter(|controller| of(controller) < 2).collect();
    assert!(missing.is_empty(), "with less than two scenarios: {missing:?}");
}
