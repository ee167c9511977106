//! When probes run and what follows, to the virtual millisecond: a table that was written down and calculated by hand.
//!
//! In every row the Pod is added at T = 0, so a worker's ticks fall on multiples of its period. `S0` is the moment its container is first
//! started, `S1` that of its first restart. Each S0 lies between 0.4 s and 1 s, which the test makes sure of: its whole second, from which
//! `initialDelaySeconds` counts, is 0. The demo-app listens 50 ms after its start unless told otherwise.

use super::*;

/// What an expectation is counted from.
#[derive(Clone, Copy, Debug)]
enum Base {
    /// The Pod was added.
    T,
    /// The container was started for the n-th time, from 0.
    S(usize),
}
use Base::{S, T};

/// What is expected, in order: from when, milliseconds, what.
type Expected = &'static [(Base, u64, &'static str)];

struct Row {
    name: &'static str,
    /// Arguments of the demo-app; or, with `sh`, the script of a busybox.
    run: &'static [&'static str],
    /// Fields of the container.
    probes: Value,
    /// Grace period of the Pod in seconds, restart policy, when it is deleted in seconds.
    pod: (u64, &'static str, Option<u64>),
    until: u64,
    expected: Expected,
}

/// Healthy for twelve seconds, and deaf to SIGTERM.
const HEALTHY: &str = "touch /tmp/healthy; sleep 12; rm /tmp/healthy; sleep 600";
const HEALTHZ: &str = "/healthz";

fn http(period: u32, more: Value) -> Value {
    let mut probe = json!({"httpGet": {"path": HEALTHZ, "port": 8080}, "periodSeconds": period});
    let more = more.as_object().cloned().unwrap_or_default();
    probe.as_object_mut().unwrap().extend(more);
    probe
}

fn spec(row: &Row) -> Value {
    let mut container = json!({"name": "c", "image": "demo-app:1.0", "args": row.run});
    if let ["sh", script] = row.run {
        container = json!({"name": "c", "image": "busybox:1.28", "command": ["sh", "-c", script]});
    }
    container["imagePullPolicy"] = json!("IfNotPresent");
    container.as_object_mut().unwrap().extend(row.probes.as_object().cloned().unwrap());
    json!({"containers": [container], "terminationGracePeriodSeconds": row.pod.0, "restartPolicy": row.pod.1})
}

/// What happens in a row: when, in milliseconds, and what.
fn happens(row: &Row) -> (Vec<u64>, Vec<(u64, String)>) {
    let mut world = World::new();
    world.apply("p", spec(row));
    let mut found = Vec::new();
    let mut ready = false;
    let mut seen = 0;
    let mut deleted = row.pod.2.map(Time::from_secs);
    let end = Time::from_secs(row.until);
    loop {
        let wake = world.kubelet.next_wake().unwrap_or(end);
        let at = deleted.map_or(wake, |deleted| deleted.min(wake));
        if at > end {
            break;
        }
        world.now = world.now.max(at);
        if deleted.take_if(|deleted| *deleted <= world.now).is_some() {
            world.delete("p", i64::try_from(row.pod.0).unwrap());
        } else {
            world.give(Input::Wake);
        }
        for (at, what) in &world.trace[seen..] {
            let what = match what {
                What::Probe { probe, success, .. } => format!("{probe} {}", if *success { "ok" } else { "failed" }),
                What::ContainerKilling { .. } => "killed".to_owned(),
                What::ContainerExited { exit_code, .. } => format!("exited {exit_code}"),
                _ => continue,
            };
            found.push((at.as_millis(), what));
        }
        seen = world.trace.len();
        let now_ready = world.pods.contains_key("p") && world.ready("p");
        if std::mem::replace(&mut ready, now_ready) != now_ready {
            found.push((world.now.as_millis(), if now_ready { "Ready" } else { "not Ready" }.to_owned()));
        }
    }
    (world.starts(), found)
}

fn rows() -> Vec<Row> {
    let row = |name, run, probes, until, expected| Row { name, run, probes, pod: (30, "Always", None), until, expected };
    let mut rows = vec![
        row(
            "a liveness probe runs at the ticks of its worker",
            &[],
            json!({"livenessProbe": http(5, json!({}))}),
            16,
            // The tick at 0 finds no container. Without a readiness probe the Pod is ready when it has started.
            &[(S(0), 0, "Ready"), (T, 5_000, "liveness ok"), (T, 10_000, "liveness ok"), (T, 15_000, "liveness ok")],
        ),
        row(
            "an initial delay counts from the whole second of the start, and the probe waits for the next tick",
            &[],
            json!({"livenessProbe": http(5, json!({"initialDelaySeconds": 7}))}),
            16,
            // 0 + 7 s is passed at 7.0; the next multiple of 5 is 10.
            &[(S(0), 0, "Ready"), (T, 10_000, "liveness ok"), (T, 15_000, "liveness ok")],
        ),
        row(
            "a readiness probe runs at the start and begins its ticks there",
            &[],
            json!({"readinessProbe": http(10, json!({}))}),
            12,
            // At S0 nothing listens yet: that comes 50 ms later.
            &[(S(0), 0, "readiness failed"), (S(0), 10_000, "readiness ok"), (S(0), 10_000, "Ready")],
        ),
        row(
            "with an initial delay the start still begins the ticks of a readiness probe",
            &[],
            json!({"readinessProbe": http(3, json!({"initialDelaySeconds": 5}))}),
            10,
            // S0 + 3 s lies before 5.0, S0 + 6 s after.
            &[(S(0), 6_000, "readiness ok"), (S(0), 6_000, "Ready"), (S(0), 9_000, "readiness ok")],
        ),
        row(
            "a startup probe holds the others back, and its success runs the readiness probe",
            &["--startup=7s"],
            json!({"startupProbe": http(2, json!({"failureThreshold": 30})), "livenessProbe": http(5, json!({})),
                "readinessProbe": http(4, json!({}))}),
            13,
            // It listens at S0 + 7 s, before 8.0. The liveness probe's next tick is 10; the readiness probe goes on from 8.
            &[
                (T, 2_000, "startup failed"),
                (T, 4_000, "startup failed"),
                (T, 6_000, "startup failed"),
                (T, 8_000, "startup ok"),
                (T, 8_000, "readiness ok"),
                (T, 8_000, "Ready"),
                (T, 10_000, "liveness ok"),
                (T, 12_000, "readiness ok"),
            ],
        ),
        row(
            "a liveness tick at the very moment of the startup probe's success has passed",
            &[],
            json!({"startupProbe": http(5, json!({})), "livenessProbe": http(5, json!({}))}),
            11,
            &[(T, 5_000, "startup ok"), (T, 5_000, "Ready"), (T, 10_000, "liveness ok")],
        ),
    ];
    rows.extend(kills());
    rows.extend(durations());
    rows
}

/// Rows in which a probe ends its container.
fn kills() -> Vec<Row> {
    let cat = |more: Value| {
        let mut probe = json!({"exec": {"command": ["cat", "/tmp/healthy"]}, "periodSeconds": 5, "failureThreshold": 2});
        probe.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        probe
    };
    let short = || json!({"livenessProbe": cat(json!({"terminationGracePeriodSeconds": 4}))});
    vec![
        Row {
            name: "a liveness probe kills with its own grace period, and begins anew with the next container",
            run: &["sh", HEALTHY],
            probes: short(),
            pod: (30, "Always", None),
            until: 50,
            // The file is gone at S0 + 12 s, between 12.4 and 13. The shell ignores SIGTERM: SIGKILL comes 4 s after the second failure.
            // The restart takes less than a second and does not wait: S1 is before 25. Its file is gone between 36 and 37.
            expected: &[
                (S(0), 0, "Ready"),
                (T, 5_000, "liveness ok"),
                (T, 10_000, "liveness ok"),
                (T, 15_000, "liveness failed"),
                (T, 20_000, "liveness failed"),
                (T, 20_000, "killed"),
                (T, 24_000, "exited 137"),
                (T, 24_000, "not Ready"),
                (S(1), 0, "Ready"),
                (T, 25_000, "liveness ok"),
                (T, 30_000, "liveness ok"),
                (T, 35_000, "liveness ok"),
                (T, 40_000, "liveness failed"),
                (T, 45_000, "liveness failed"),
                (T, 45_000, "killed"),
                (T, 49_000, "exited 137"),
                (T, 49_000, "not Ready"),
                (S(2), 0, "Ready"),
            ],
        },
        Row {
            name: "without restarts the whole Pod is killed, with the Pod's grace period",
            run: &["sh", HEALTHY],
            probes: short(),
            pod: (8, "Never", None),
            until: 40,
            expected: &[
                (S(0), 0, "Ready"),
                (T, 5_000, "liveness ok"),
                (T, 10_000, "liveness ok"),
                (T, 15_000, "liveness failed"),
                (T, 20_000, "liveness failed"),
                (T, 20_000, "killed"),
                (T, 28_000, "exited 137"),
                (T, 28_000, "not Ready"),
            ],
        },
        Row {
            name: "a startup probe that gives up kills; two seconds are the least before SIGKILL",
            run: &["--startup=60s", "--ignore-sigterm"],
            probes: json!({"startupProbe": http(3, json!({"failureThreshold": 3, "terminationGracePeriodSeconds": 1}))}),
            pod: (30, "Always", None),
            until: 19,
            expected: &[
                (T, 3_000, "startup failed"),
                (T, 6_000, "startup failed"),
                (T, 9_000, "startup failed"),
                (T, 9_000, "killed"),
                (T, 11_000, "exited 137"),
                (T, 12_000, "startup failed"),
                (T, 15_000, "startup failed"),
                (T, 18_000, "startup failed"),
                (T, 18_000, "killed"),
            ],
        },
        Row {
            name: "readiness never kills, and goes on while the Pod is deleted; liveness does not",
            run: &["--unhealthy-after=12s", "--ignore-sigterm"],
            probes: json!({"livenessProbe": http(5, json!({"failureThreshold": 10})), "readinessProbe": http(5, json!({"failureThreshold": 2}))}),
            pod: (10, "Always", Some(22)),
            until: 40,
            // It answers 500 from S0 + 12.05 s on: at 15 and S0 + 15 s both fail. The second failure of readiness is at S0 + 20 s.
            // Deleted at 22, it lives until 32.
            expected: &[
                (S(0), 0, "readiness failed"),
                (T, 5_000, "liveness ok"),
                (S(0), 5_000, "readiness ok"),
                (S(0), 5_000, "Ready"),
                (T, 10_000, "liveness ok"),
                (S(0), 10_000, "readiness ok"),
                (T, 15_000, "liveness failed"),
                (S(0), 15_000, "readiness failed"),
                (T, 20_000, "liveness failed"),
                (S(0), 20_000, "readiness failed"),
                (S(0), 20_000, "not Ready"),
                (T, 22_000, "killed"),
                (S(0), 25_000, "readiness failed"),
                (S(0), 30_000, "readiness failed"),
                (T, 32_000, "exited 137"),
            ],
        },
    ]
}

/// Rows in which a probe takes its time, and other ways to probe.
fn durations() -> Vec<Row> {
    let row = |name, run, probes, until, expected| Row { name, run, probes, pod: (3, "Always", None), until, expected };
    vec![
        row(
            "a command that takes too long has failed when its timeout is over",
            &["sh", "sleep 600"],
            json!({"livenessProbe": {"exec": {"command": ["sleep", "5"]}, "periodSeconds": 10, "timeoutSeconds": 2}}),
            36,
            // Three failures by default, then 3 s of grace.
            &[
                (S(0), 0, "Ready"),
                (T, 12_000, "liveness failed"),
                (T, 22_000, "liveness failed"),
                (T, 32_000, "liveness failed"),
                (T, 32_000, "killed"),
                (T, 35_000, "exited 137"),
                (T, 35_000, "not Ready"),
                (S(1), 0, "Ready"),
            ],
        ),
        row(
            "an answer that comes too late is none",
            &["--latency=3s"],
            json!({"livenessProbe": http(2, json!({"timeoutSeconds": 1}))}),
            7,
            // It ends 20 ms after SIGTERM, at 7.02.
            &[
                (S(0), 0, "Ready"),
                (T, 3_000, "liveness failed"),
                (T, 5_000, "liveness failed"),
                (T, 7_000, "liveness failed"),
                (T, 7_000, "killed"),
            ],
        ),
        row(
            "of the ticks that come while a probe runs, one is kept",
            &["--latency=3s"],
            json!({"livenessProbe": http(2, json!({"timeoutSeconds": 5}))}),
            12,
            // From 2 to 5; the tick of 4 was kept, so from 5 to 8; that of 6 was kept, so from 8 to 11.
            &[(S(0), 0, "Ready"), (T, 5_000, "liveness ok"), (T, 8_000, "liveness ok"), (T, 11_000, "liveness ok")],
        ),
        row(
            "TCP: two successes in a row make it ready",
            &[],
            json!({"readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 4, "successThreshold": 2}}),
            10,
            &[(S(0), 0, "readiness failed"), (S(0), 4_000, "readiness ok"), (S(0), 8_000, "readiness ok"), (S(0), 8_000, "Ready")],
        ),
        row(
            "gRPC: what listens and speaks no gRPC fails when the timeout is over",
            &[],
            json!({"livenessProbe": {"grpc": {"port": 8080}, "periodSeconds": 5, "timeoutSeconds": 2, "failureThreshold": 9}}),
            13,
            &[(S(0), 0, "Ready"), (T, 7_000, "liveness failed"), (T, 12_000, "liveness failed")],
        ),
    ]
}

#[test]
fn the_trace_says_which_attempt_of_how_many_it_was_and_whether_it_came_too_late() {
    let mut world = World::new();
    let probes = json!({"livenessProbe": {"exec": {"command": ["sh", "-c", "sleep 9"]}, "timeoutSeconds": 2, "periodSeconds": 5},
        "readinessProbe": {"exec": {"command": ["true"]}, "successThreshold": 2, "periodSeconds": 5}});
    let row = Row { name: "", run: &["sh", HEALTHY], probes, pod: (0, "Never", None), until: 20, expected: &[] };
    world.apply("p", spec(&row));
    while let Some(at) = world.kubelet.next_wake().filter(|at| *at <= Time::from_secs(row.until)) {
        world.now = world.now.max(at);
        world.give(Input::Wake);
    }
    let told = |wanted: &str| -> Vec<(bool, bool, u32, u32)> {
        let told = world.trace.iter().filter_map(|(_, what)| match what {
            What::Probe { probe, success, timed_out, in_a_row, threshold, .. } if *probe == wanted => {
                Some((*success, *timed_out, *in_a_row, *threshold))
            }
            _ => None,
        });
        told.collect()
    };
    assert_eq!(told("liveness"), [(false, true, 1, 3), (false, true, 2, 3), (false, true, 3, 3)]);
    assert_eq!(told("readiness")[..3], [(true, false, 1, 2), (true, false, 2, 2), (true, false, 3, 2)]);
}

#[test]
fn every_row_happens_as_calculated() {
    for row in rows() {
        let (starts, found) = happens(&row);
        assert!((400..1000).contains(&starts[0]), "{}: S0 is {}", row.name, starts[0]);
        let expected: Vec<(u64, String)> = row
            .expected
            .iter()
            .map(|(from, after, what)| {
                let base = match from {
                    T => 0,
                    S(run) => starts[*run],
                };
                (base + after, (*what).to_owned())
            })
            .collect();
        assert_eq!(found, expected, "{}", row.name);
    }
}
