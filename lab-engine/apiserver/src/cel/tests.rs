//! Expressions as the documentation of Kubernetes writes them.

use super::*;
use serde_json::json;

fn value(source: &str, object: Json) -> Result<Value, EvalError> {
    let mut scope = Scope::new();
    scope.set("object", object);
    Program::compile(source, &["object"]).unwrap().evaluate(&scope)
}

#[test]
fn the_library_is_there() {
    let object = json!({"name": "Web-1", "image": "registry.k8s.io/pause:3.10", "limits": {"memory": "64Mi"}, "ports": [80, 443],
        "labels": {"a": "b"}});
    for source in [
        "object.image.matches('^registry[.]k8s[.]io/')",
        "object.image.split(':')[1] == '3.10'",
        "object.name.lowerAscii() == 'web-1'",
        "object.ports.all(p, p > 0 && p < 65536)",
        "object.ports.exists_one(p, p == 443)",
        "object.ports.map(p, string(p)).join(',') == '80,443'",
        "!has(object.missing) && has(object.labels.a)",
        "'a' in object.labels && object.labels['a'] == 'b'",
        "object.labels.all(k, k.startsWith('a'))",
        "quantity(object.limits.memory).isLessThan(quantity('1Gi'))",
        "quantity('1').compareTo(quantity('1000m')) == 0",
        "quantity('200M').asInteger() == 200000000",
        "quantity('50k').add(quantity('20k')) == quantity('70k')",
        "isQuantity('20M') && !isQuantity('20MX')",
        "object.image.find('[0-9]+') == '8'",
        "object.ports.sum() == 523 && object.ports.isSorted() && object.ports.max() == 443",
        "isIP('10.0.0.1') && !isIP('10.0.0') && isCIDR('10.0.0.0/8')",
        "isURL('https://example.com/x') && !isURL('example')",
        "object.?missing.orValue('none') == 'none'",
    ] {
        assert_eq!(value(source, object.clone()), Ok(Value::Bool(true)), "{source}");
    }
}

#[test]
fn errors_are_upstreams() {
    assert_eq!(value("object.spec.x > 1", json!({"spec": {}})).unwrap_err().to_string(), "no such key: x");
    assert_eq!(value("object.a < 'x'", json!({"a": 1})).unwrap_err().to_string(), "no such overload");
    let unknown = Program::compile("object.a == foo", &["object"]).unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "compilation failed: ERROR: <input>:1:13: undeclared reference to 'foo' (in container '')\n | object.a == foo\n | ............^"
    );
    assert!(Program::compile("object.all(", &["object"]).unwrap_err().to_string().starts_with("compilation failed: ERROR: <input>:1:"));
}

#[test]
fn nothing_runs_for_long() {
    let list: Vec<u32> = (0..2000).collect();
    let deep = "object.l.all(a, object.l.all(b, a + b >= 0))";
    assert_eq!(value(deep, json!({"l": list})).unwrap_err().to_string(), "operation cancelled: actual cost limit exceeded");
    let deeper = "object.all(a, object.all(b, object.all(c, object.all(d, object.all(e, true)))))";
    assert!(Program::compile(deeper, &["object"]).is_err());
    let text = "x".repeat(100_000);
    assert!(value("object.t.split('').all(a, object.t.split('').all(b, a == b))", json!({"t": text})).is_err());
    assert!(Program::compile(&"(".repeat(5000), &["object"]).is_err());
}
