//! Custom resources as a learner meets them: a definition, objects, and what `kubectl` and the controllers make of them.

use cluster::{Cluster, ClusterConfig};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

const DEFINITION: &str = r"apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: crontabs.stable.example.com
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        description: A program that runs at certain times.
        properties:
          spec:
            type: object
            required: [cronSpec]
            properties:
              cronSpec:
                type: string
                description: When it runs, in five fields.
                pattern: '^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$'
              image: {type: string}
              replicas: {type: integer, minimum: 1, maximum: 10, default: 1}
            x-kubernetes-validations:
            - rule: self.replicas < 10 || self.image == 'big'
              message: ten replicas need the big image
          status:
            type: object
            properties:
              replicas: {type: integer}
              labelSelector: {type: string}
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas, labelSelectorPath: .status.labelSelector}
    additionalPrinterColumns:
    - {name: Spec, type: string, jsonPath: .spec.cronSpec}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas}
    - {name: Image, type: string, jsonPath: .spec.image, priority: 1}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
";

const TAB: &str = "apiVersion: stable.example.com/v1
kind: CronTab
metadata:
  name: my-tab
spec:
  cronSpec: '* * * * */5'
  image: my-image
";

fn booted() -> Cluster {
    let mut cluster = Cluster::booted(&ClusterConfig::default()).expect("the default configuration is right");
    for (path, text) in [("crd.yaml", DEFINITION), ("tab.yaml", TAB)] {
        cluster.terminal_mut().files_mut().write(path, text).expect("a file");
    }
    cluster
}

/// What a command prints that must succeed.
fn printed(cluster: &mut Cluster, line: &str) -> String {
    let result = cluster.run_line(line, 2 * MINUTE);
    assert_eq!(result.exit_code, 0, "{line}: {}", result.stderr);
    result.stdout
}

/// What a command complains that must fail.
fn complaint(cluster: &mut Cluster, line: &str) -> String {
    let result = cluster.run_line(line, 2 * MINUTE);
    assert_eq!(result.exit_code, 1, "{line}: {}", result.stdout);
    result.stderr
}

fn defined() -> Cluster {
    let mut cluster = booted();
    printed(&mut cluster, "kubectl apply -f crd.yaml");
    printed(&mut cluster, "kubectl wait --for condition=established crd/crontabs.stable.example.com");
    cluster
}

#[test]
fn a_custom_resource_from_its_definition_to_its_end() {
    let mut cluster = booted();
    assert_eq!(complaint(&mut cluster, "kubectl get crontabs"), "error: the server doesn't have a resource type \"crontabs\"\n");
    cluster.terminal_mut().files_mut().write("both.yaml", format!("{DEFINITION}---\n{TAB}")).expect("a file");
    let first = cluster.run_line("kubectl apply -f both.yaml", MINUTE);
    assert_eq!(first.stdout, "customresourcedefinition.apiextensions.k8s.io/crontabs.stable.example.com created\n");
    assert!(first.stderr.contains("no matches for kind \"CronTab\" in version \"stable.example.com/v1\"\nensure CRDs are installed first"));
    assert!(printed(&mut cluster, "kubectl apply -f both.yaml").ends_with("crontab.stable.example.com/my-tab created\n"));
    assert_eq!(printed(&mut cluster, "kubectl apply -f tab.yaml"), "crontab.stable.example.com/my-tab unchanged\n");
    let table = "NAME     SPEC          REPLICAS   AGE\nmy-tab   * * * * */5   1          0s\n";
    assert_eq!(printed(&mut cluster, "kubectl get ct"), table);
    assert!(printed(&mut cluster, "kubectl get all").contains("crontab.stable.example.com/my-tab   * * * * */5"));
    assert_eq!(printed(&mut cluster, "kubectl get crontabs.v1.stable.example.com -o name"), "crontab.stable.example.com/my-tab\n");
    assert_eq!(printed(&mut cluster, "kubectl scale crontab/my-tab --replicas=5"), "crontab.stable.example.com/my-tab scaled\n");
    assert_eq!(printed(&mut cluster, "kubectl get ct my-tab -o jsonpath={.spec.replicas}").trim(), "5");
    assert!(printed(&mut cluster, "kubectl describe ct my-tab").contains("Spec:\n  Cron Spec:  * * * * */5\n"));
    assert_eq!(printed(&mut cluster, "kubectl delete crd crontabs.stable.example.com").lines().count(), 1);
    assert!(complaint(&mut cluster, "kubectl get ct").contains("the server doesn't have a resource type \"ct\""));
}

#[test]
fn what_is_wrong_with_an_object_is_told_at_its_field() {
    let mut cluster = defined();
    let wrong = TAB.replace("image: my-image", "image: 5\n  replica: 2");
    cluster.terminal_mut().files_mut().write("wrong.yaml", &wrong).expect("a file");
    let strict = complaint(&mut cluster, "kubectl apply -f wrong.yaml");
    assert!(strict.contains("strict decoding error: unknown field \"spec.replica\""), "{strict}");
    assert!(strict.contains("--> wrong.yaml:8:3  spec.replica"), "{strict}");
    let type_ = complaint(&mut cluster, "kubectl apply -f wrong.yaml --validate=false");
    assert!(
        type_.contains("The CronTab \"my-tab\" is invalid: \n* spec.image: Invalid value: \"integer\": spec.image in body must be of type string: \"integer\""),
        "{type_}"
    );
    printed(&mut cluster, "kubectl apply -f tab.yaml");
    assert_eq!(
        complaint(&mut cluster, "kubectl patch ct my-tab --type=merge -p '{\"spec\":{\"replicas\":10}}'"),
        "The CronTab \"my-tab\" is invalid: spec: Invalid value: ten replicas need the big image\n"
    );
    assert_eq!(
        complaint(&mut cluster, "kubectl patch ct my-tab -p '{}'"),
        "error: application/strategic-merge-patch+json is not supported by stable.example.com/v1, Kind=CronTab: the body of the request was \
         in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml\n"
    );
}

#[test]
fn kubectl_knows_custom_kinds_and_their_fields() {
    let mut cluster = defined();
    assert_eq!(
        printed(&mut cluster, "kubectl api-resources --api-group=stable.example.com"),
        "NAME       SHORTNAMES   APIVERSION              NAMESPACED   KIND\ncrontabs   ct           stable.example.com/v1   true         CronTab\n"
    );
    assert!(printed(&mut cluster, "kubectl api-versions").contains("stable.example.com/v1\n"));
    assert_eq!(
        printed(&mut cluster, "kubectl explain ct.spec.cronSpec"),
        "GROUP:      stable.example.com\nKIND:       CronTab\nVERSION:    v1\n\nFIELD: cronSpec <string> -required-\n\nDESCRIPTION:\n    \
         When it runs, in five fields.\n\n"
    );
    assert!(complaint(&mut cluster, "kubectl explain ct.spec.nothing").contains("field \"nothing\" does not exist"));
    let crds = printed(&mut cluster, "kubectl get crd");
    assert!(crds.starts_with("NAME                          CREATED AT\ncrontabs.stable.example.com   20"), "{crds}");
}

#[test]
fn custom_objects_are_owned_and_collected_and_go_with_their_namespace() {
    let mut cluster = defined();
    printed(&mut cluster, "kubectl apply -f tab.yaml");
    let uid = printed(&mut cluster, "kubectl get ct my-tab -o jsonpath={.metadata.uid}");
    let owned = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: owned\n  ownerReferences:\n  - {{apiVersion: stable.example.com/v1, kind: CronTab, \
         name: my-tab, uid: {}}}\n",
        uid.trim()
    );
    cluster.terminal_mut().files_mut().write("owned.yaml", &owned).expect("a file");
    printed(&mut cluster, "kubectl apply -f owned.yaml");
    cluster.advance(MINUTE, u64::MAX);
    printed(&mut cluster, "kubectl get cm owned");
    printed(&mut cluster, "kubectl delete ct my-tab");
    cluster.advance(MINUTE, u64::MAX);
    assert!(complaint(&mut cluster, "kubectl get cm owned").contains("NotFound"));
    printed(&mut cluster, "kubectl create namespace short");
    printed(&mut cluster, "kubectl apply -n short -f tab.yaml");
    printed(&mut cluster, "kubectl delete namespace short");
    printed(&mut cluster, "kubectl create namespace short");
    assert_eq!(cluster.run_line("kubectl get ct -A", MINUTE).stderr, "No resources found\n");
}
