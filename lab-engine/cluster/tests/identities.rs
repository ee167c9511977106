//! Who the parts of a cluster are, and what they may do.

use cluster::{Cluster, ClusterConfig};
use sim::What;
use std::time::Duration;

fn run(cluster: &mut Cluster, line: &str) -> String {
    let result = cluster.run_line(line, Duration::from_secs(60));
    format!("{}{}", result.stdout, result.stderr)
}

#[test]
fn no_part_is_refused_what_it_needs() {
    let mut cluster = Cluster::booted(&ClusterConfig::default()).expect("a cluster");
    run(&mut cluster, "kubectl create deployment web --image=nginx --replicas=3");
    run(&mut cluster, "kubectl rollout status deployment/web");
    run(&mut cluster, "kubectl set image deployment/web nginx=nginx:1.27");
    run(&mut cluster, "kubectl rollout status deployment/web");
    run(&mut cluster, "kubectl create namespace shop");
    run(&mut cluster, "kubectl create configmap settings --from-literal=a=b -n shop");
    run(&mut cluster, "kubectl delete namespace shop");
    run(&mut cluster, "kubectl delete deployment web");
    cluster.advance(Duration::from_secs(120), 1_000_000);
    let refused: Vec<String> = cluster
        .trace()
        .iter()
        .filter(|event| matches!(&event.what, What::Refused { code: 401 | 403, .. }))
        .map(|event| event.to_string())
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn kubectl_asks_what_a_user_may() {
    let mut cluster = Cluster::booted(&ClusterConfig::default()).expect("a cluster");
    run(&mut cluster, "kubectl create role reader --verb=get,list --resource=pods");
    run(&mut cluster, "kubectl create rolebinding jane --role=reader --user=jane");
    assert_eq!(run(&mut cluster, "kubectl auth can-i list pods --as jane"), "yes\n");
    assert_eq!(run(&mut cluster, "kubectl auth can-i delete pods --as=jane"), "no\n");
    assert_eq!(run(&mut cluster, "kubectl auth can-i get /version --as=jane"), "yes\n");
    assert_eq!(run(&mut cluster, "kubectl get pods --as=jane"), "No resources found in default namespace.\n");
    assert_eq!(
        run(&mut cluster, "kubectl get nodes --as=jane"),
        "Error from server (Forbidden): nodes is forbidden: User \"jane\" cannot list resource \"nodes\" in API group \"\" at the cluster \
         scope\n"
    );
    assert_eq!(
        run(&mut cluster, "kubectl auth whoami --as=jane --as-group=dev"),
        "ATTRIBUTE   VALUE\nUsername    jane\nGroups      [dev system:authenticated]\n"
    );
    assert_eq!(
        run(&mut cluster, "kubectl auth whoami"),
        "ATTRIBUTE   VALUE\nUsername    kubernetes-admin\nGroups      [system:masters system:authenticated]\n"
    );
    let list = run(&mut cluster, "kubectl auth can-i --list --as=jane");
    assert!(list.lines().any(|line| line.starts_with("pods ") && line.ends_with("[get list]")), "{list}");
    assert_eq!(run(&mut cluster, "kubectl get pods --token=abc.def.ghi"), "error: You must be logged in to the server (Unauthorized)\n");
}

#[test]
fn a_robot_comes_in_with_its_token() {
    let mut cluster = Cluster::booted(&ClusterConfig::default()).expect("a cluster");
    run(&mut cluster, "kubectl create serviceaccount robot");
    run(&mut cluster, "kubectl create rolebinding robot --clusterrole=view --serviceaccount=default:robot");
    let token = run(&mut cluster, "kubectl create token robot --duration=10m");
    assert_eq!(token.trim().split('.').count(), 3, "{token}");
    let can_i = |cluster: &mut Cluster, what: &str| run(cluster, &format!("kubectl auth can-i {what} --token={}", token.trim()));
    assert_eq!(can_i(&mut cluster, "list pods"), "yes\n");
    assert_eq!(can_i(&mut cluster, "list secrets"), "no\n");
    let who = run(&mut cluster, &format!("kubectl auth whoami --token={}", token.trim()));
    assert!(who.lines().any(|line| line.starts_with("Username ") && line.ends_with(" system:serviceaccount:default:robot")), "{who}");
    assert_eq!(run(&mut cluster, "kubectl create token nobody"), "error: failed to create token: serviceaccounts \"nobody\" not found\n");
}

#[test]
fn a_quota_holds_a_deployment_back_until_it_is_raised() {
    let mut cluster = Cluster::booted(&ClusterConfig::default()).expect("a cluster");
    run(&mut cluster, "kubectl create quota few --hard=pods=2");
    run(&mut cluster, "kubectl create deployment web --image=nginx --replicas=3");
    cluster.advance(Duration::from_secs(30), 1_000_000);
    assert_eq!(run(&mut cluster, "kubectl get pods -o name").lines().count(), 2);
    assert_eq!(run(&mut cluster, "kubectl get quota few -o jsonpath={.status.used.pods}"), "2");
    let events = run(&mut cluster, "kubectl get events");
    assert!(events.contains("is forbidden: exceeded quota: few, requested: pods=1, used: pods=2, limited: pods=2"), "{events}");
    run(&mut cluster, "kubectl patch quota few -p '{\"spec\":{\"hard\":{\"pods\":\"3\"}}}'");
    run(&mut cluster, "kubectl rollout status deployment/web --timeout=50s");
    assert_eq!(run(&mut cluster, "kubectl get pods -o name").lines().count(), 3);
}

/// A request for a certificate of `/O=dev/CN=jane`, as `openssl req -new` writes it, in base64.
const REQUEST: &str = "\
    LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIV01IOENBUUF3SFRFTU1Bb0dBMVVFQ2d3RFpHVjJNUTB3Q3dZRFZRUUREQVJxWVc1bE1Ga3dFd1lIS2\
    9aSQp6ajBDQVFZSUtvWkl6ajBEQVFjRFFnQUVlOGNRM0NHTjJnRmNzbWRtRXNmalpBZTB6QXdCME50RVpMVEpUMGMxCkJEZkg5dTFJeU1kK1U1WFZ6Z2R5V3lKbUo1Nnhr\
    TDdyZXpoR2ZJOHhGcFR1NEtBQU1Bb0dDQ3FHU000OUJBTUMKQTBjQU1FUUNJQWxWa05wR2FpUXR4OGZBSGR2dC92MWlrUmJIRjhNdnlkb2JjWWtnSGZzbkFpQTZkUzBJYT\
    UzSwpMSUlTMU1zUkhLOW5CZWFzeFpXcUtOM0VlYzlYbXcvRDNnPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg==";

/// As the documentation of certificates for API clients does it.
#[test]
fn a_user_comes_in_with_a_certificate_of_the_cluster() {
    let mut cluster = Cluster::booted(&ClusterConfig::default()).expect("a cluster");
    let request = format!(
        "kubectl apply -f - <<EOF\napiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata: {{name: jane}}\nspec:\n  \
         request: {REQUEST}\n  signerName: kubernetes.io/kube-apiserver-client\n  usages: [client auth]\nEOF\n"
    );
    run(&mut cluster, &request);
    run(&mut cluster, "kubectl certificate approve jane");
    cluster.advance(Duration::from_secs(2), 100_000);
    run(&mut cluster, "kubectl get csr jane -o jsonpath='{.status.certificate}' | base64 -d > jane.crt; echo KEY > jane.key");
    run(&mut cluster, "kubectl create rolebinding jane --clusterrole=view --user=jane");
    run(&mut cluster, "kubectl config set-credentials jane --client-key=jane.key --client-certificate=jane.crt --embed-certs=true");
    run(&mut cluster, "kubectl config set-context jane --cluster=kubernetes --user=jane");
    let who = run(&mut cluster, "kubectl --context jane auth whoami");
    assert!(who.contains(" jane\n") && who.contains("[dev system:authenticated]"), "{who}");
    run(&mut cluster, "kubectl config use-context jane");
    assert_eq!(run(&mut cluster, "kubectl get pods"), "No resources found in default namespace.\n");
    let refused = "Error from server (Forbidden): nodes is forbidden: User \"jane\" cannot list resource \"nodes\" in API group \"\" at the cluster scope\n";
    assert_eq!(run(&mut cluster, "kubectl get nodes"), refused);
}
