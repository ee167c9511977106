//! Tokens of ServiceAccounts in the files of containers: who gets one, what it opens, and how long.

use cluster::{Cluster, ClusterConfig};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(600);
const FILES: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// What a command gives that must succeed.
fn run(cluster: &mut Cluster, line: &str) -> String {
    let result = cluster.run_line(line, LIMIT);
    assert_eq!(result.exit_code, 0, "{line}: {}{}", result.stdout, result.stderr);
    result.stdout
}

/// What a script prints in the container of the Pod `client`.
fn sh(cluster: &mut Cluster, script: &str) -> String {
    run(cluster, &format!("kubectl exec client -- sh -c '{script}'"))
}

/// The API server's answer to the container, which shows its token.
fn ask(cluster: &mut Cluster, path: &str) -> String {
    let bearer = format!("Authorization: Bearer $(cat {FILES}/token)");
    sh(cluster, &format!("curl -s --cacert {FILES}/ca.crt -H \"{bearer}\" https://kubernetes.default{path}"))
}

fn client(config: &ClusterConfig) -> Cluster {
    let mut cluster = Cluster::booted(config).expect("the configuration is right");
    run(&mut cluster, "kubectl run client --image=curlimages/curl -- sleep 100000");
    run(&mut cluster, "kubectl wait --for=condition=Ready pod/client");
    cluster
}

#[test]
fn a_container_is_whom_its_token_names() {
    let mut cluster = client(&ClusterConfig::with_nodes(1));
    assert_eq!(sh(&mut cluster, &format!("ls {FILES}; cat {FILES}/namespace")), "ca.crt\nnamespace\ntoken\ndefault");
    assert!(sh(&mut cluster, &format!("cat {FILES}/ca.crt")).starts_with("-----BEGIN CERTIFICATE-----\n"));
    let refused = ask(&mut cluster, "/api/v1/namespaces/default/pods");
    let why = "pods is forbidden: User \\\"system:serviceaccount:default:default\\\" cannot list resource \\\"pods\\\" in API group \\\"\\\" \
               in the namespace \\\"default\\\"";
    assert!(refused.contains(why), "{refused}");
    run(&mut cluster, "kubectl create rolebinding view --clusterrole=view --serviceaccount=default:default");
    assert!(ask(&mut cluster, "/api/v1/namespaces/default/pods").contains("\"kind\": \"PodList\""));
    let written = cluster.run_line(&format!("kubectl exec client -- sh -c 'echo x > {FILES}/token'"), LIMIT);
    assert!(written.stderr.contains("Read-only file system"), "{}", written.stderr);

    let described = run(&mut cluster, "kubectl describe pod client");
    let volume = run(&mut cluster, "kubectl get pod client -o jsonpath={.spec.volumes[0].name}");
    assert!(volume.starts_with("kube-api-access-") && volume.len() == "kube-api-access-".len() + 5, "{volume}");
    assert!(described.contains(&format!("      {FILES} from {volume} (ro)\n")), "{described}");
    let source = "    Type:                    Projected (a volume that contains injected data from multiple sources)\n    \
                  TokenExpirationSeconds:  3607\n    ConfigMapName:           kube-root-ca.crt\n    Optional:                false\n    \
                  DownwardAPI:             true\n";
    assert!(described.contains(&format!("  {volume}:\n{source}")), "{described}");
}

#[test]
fn a_token_is_renewed_and_ends_with_its_pod() {
    let mut cluster = client(&ClusterConfig::with_nodes(1));
    let first = sh(&mut cluster, &format!("cat {FILES}/token"));
    cluster.advance(Duration::from_secs(2_800), u64::MAX);
    assert_eq!(sh(&mut cluster, &format!("cat {FILES}/token")), first);
    cluster.advance(Duration::from_secs(200), u64::MAX);
    let second = sh(&mut cluster, &format!("cat {FILES}/token"));
    assert_ne!(second, first, "80 % of 3607 s are over");
    // Whoever read the first one long ago still gets in.
    let version = |cluster: &mut Cluster, token: &str| cluster.run_line(&format!("kubectl get pods --token={token}"), LIMIT).stderr;
    cluster.advance(Duration::from_secs(3_600), u64::MAX);
    for token in [&first, &second] {
        assert!(version(&mut cluster, token).contains("system:serviceaccount:default:default"), "{token}");
    }
    run(&mut cluster, "kubectl delete pod client --now");
    assert!(version(&mut cluster, &second).contains("Unauthorized"));
}

#[test]
fn who_wants_no_token_gets_none() {
    let mut cluster = client(&ClusterConfig::with_nodes(1));
    run(&mut cluster, "kubectl create serviceaccount quiet");
    run(&mut cluster, "kubectl patch serviceaccount quiet -p '{\"automountServiceAccountToken\": false}'");
    let run_as = |cluster: &mut Cluster, name: &str, spec: &str| {
        run(cluster, &format!("kubectl run {name} --image=busybox --overrides='{{\"spec\": {spec}}}' -- sleep 100000"));
        run(cluster, &format!("kubectl get pod {name} -o jsonpath={{.spec.volumes[*].name}}"))
    };
    assert_eq!(run_as(&mut cluster, "one", r#"{"serviceAccountName": "quiet"}"#), "");
    assert_eq!(run_as(&mut cluster, "two", r#"{"automountServiceAccountToken": false}"#), "");
    let loud = run_as(&mut cluster, "three", r#"{"serviceAccountName": "quiet", "automountServiceAccountToken": true}"#);
    assert!(loud.starts_with("kube-api-access-"), "the Pod's word counts before the account's: {loud:?}");
}
