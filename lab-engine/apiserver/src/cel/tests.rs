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
fn addresses_urls_times_sets_and_formats_are_there() {
    for source in [
        "ip('10.0.0.1').family() == 4 && ip('::1').isLoopback() && ip('169.254.1.1').isLinkLocalUnicast()",
        "ip.isCanonical('2001:db8::1') && !ip.isCanonical('2001:DB8::1') && string(ip('10.0.0.1')) == '10.0.0.1'",
        "!isIP('::ffff:1.2.3.4') && !isIP('10.0.0.01')",
        "cidr('10.1.0.0/16').containsIP('10.1.2.3') && !cidr('10.1.0.0/16').containsIP(ip('10.2.0.1'))",
        "cidr('10.0.0.0/8').containsCIDR(cidr('10.1.0.0/16')) && cidr('10.1.2.3/16').masked() == cidr('10.1.0.0/16')",
        "cidr('10.1.2.3/16').prefixLength() == 16 && cidr('10.1.2.3/16').ip() == ip('10.1.2.3') && !isCIDR('10.0.0.0/33')",
        "url('https://user@example.com:8443/a%20b?x=1&x=2').getHost() == 'example.com:8443'",
        "url('https://[::1]:80/').getHostname() == '::1' && url('https://[::1]:80/').getPort() == '80'",
        "url('https://a.b/p?x=1&x=2').getQuery()['x'] == ['1', '2'] && url('/p q').getEscapedPath() == '/p%20q'",
        "url('/path').getScheme() == '' && !isURL('a b') && !isURL('')",
        "timestamp('2026-03-01T00:00:00Z') - timestamp('2026-02-01T00:00:00Z') == duration('672h')",
        "timestamp('2026-01-01T00:00:00Z') + duration('36h') > timestamp('2026-01-02T00:00:00Z')",
        "timestamp('2026-07-01T23:30:00Z').getHours('Europe/Berlin') == 1 && timestamp('2026-07-01T00:00:00Z').getMonth() == 6",
        "timestamp('2026-11-26T00:00:00Z').getDayOfWeek() == 4 && timestamp('2026-01-01T00:00:00Z').getDayOfYear() == 0",
        "duration('90m').getHours() == 1 && duration('90m').getMinutes() == 90 && string(duration('1.5s')) == '1.5s'",
        "string(timestamp('2026-01-01T00:00:00.250Z')) == '2026-01-01T00:00:00.25Z' && int(timestamp('1970-01-01T00:01:00Z')) == 60",
        "sets.contains([1, 2, 3], [3, 1]) && sets.equivalent([1, 1, 2], [2, 1]) && !sets.intersects([1], [2])",
        "['a', 'b', 'a'].indexOf('a') == 0 && ['a', 'b', 'a'].lastIndexOf('a') == 2 && 'abc'.indexOf('c') == 2 && [1].indexOf(2) == -1",
        "'a1b22'.findAll('[0-9]+') == ['1', '22'] && 'a1b22'.findAll('[0-9]+', 1) == ['1']",
        "!format.dns1123Label().validate('web').hasValue() && format.dns1123Label().validate('Web').value().size() == 1",
        "format.named('uuid').hasValue() && !format.named('nothing').hasValue()",
        "'%s has %d'.format(['web', 3]) == 'web has 3'",
        "optional.of(1).orValue(2) == 1 && optional.none().orValue(2) == 2",
    ] {
        assert_eq!(value(source, json!({})), Ok(Value::Bool(true)), "{source}");
    }
}

#[test]
fn what_is_no_address_or_time_is_an_error() {
    for (source, expected) in [
        ("ip('10.0.0')", "IP Address \"10.0.0\" parse error during conversion from string"),
        ("duration('1 hour') > duration('1h')", "time: invalid duration \"1 hour\""),
        ("timestamp('9999-12-31T00:00:00Z') + duration('48h') == timestamp('2026-01-01T00:00:00Z')", "timestamp overflow"),
        ("quantity('a') == quantity('1')", "quantities must match the regular expression"),
    ] {
        let error = value(source, json!({})).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{source}: {error}");
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
