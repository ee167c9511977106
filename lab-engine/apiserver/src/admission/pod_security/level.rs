//! Levels, versions and policies of Pod Security, and the namespace labels that choose them (`k8s.io/pod-security-admission/api`).

use api::meta::StringMap;
use api::status::FieldError;
use std::fmt;

/// What all labels of Pod Security begin with.
pub(super) const PREFIX: &str = "pod-security.kubernetes.io/";

/// How much a Pod may do, from everything to little: stricter levels are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everything.
    #[default]
    Privileged,
    /// What cannot raise its privileges by known ways.
    Baseline,
    /// What follows the practices of hardening.
    Restricted,
}

/// A release whose rules apply: the minor number of `v1.x`, or `latest`; `latest` is greater than all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// The rules as they were in `v1.x`.
    Minor(u32),
    /// The rules of this server.
    #[default]
    Latest,
}

/// A level as of a version: `restricted:latest`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LevelVersion {
    /// The level.
    pub level: Level,
    /// The version.
    pub version: Version,
}

/// What a namespace enforces, records and warns of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Pods that violate it are refused.
    pub enforce: LevelVersion,
    /// Violations are annotated in the audit log.
    pub audit: LevelVersion,
    /// Violations are answered with a warning.
    pub warn: LevelVersion,
}

impl fmt::Display for LevelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        };
        match self.version {
            Version::Latest => write!(f, "{level}:latest"),
            Version::Minor(minor) => write!(f, "{level}:v1.{minor}"),
        }
    }
}

fn parse_level(text: &str) -> Option<Level> {
    Some(match text {
        "privileged" => Level::Privileged,
        "baseline" => Level::Baseline,
        "restricted" => Level::Restricted,
        _ => return None,
    })
}

fn parse_version(text: &str) -> Option<Version> {
    if text == "latest" {
        return Some(Version::Latest);
    }
    let digits = text.strip_prefix("v1.")?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|_| plain).map(Version::Minor)
}

/// Reads one mode from the labels. A level that cannot be read becomes `fallback`, a version that cannot be read `latest`.
fn read(labels: &StringMap, mode: &str, fallback: Level, into: &mut LevelVersion, errors: &mut Vec<FieldError>) -> (Option<bool>, bool) {
    let mut invalid = |label: &str, value: &str, detail: &str| {
        errors.push(FieldError::invalid(format!("metadata.labels[{label}]"), value, detail));
    };
    let label = format!("{PREFIX}{mode}");
    let level = labels.get(&label).map(|text| {
        let level = parse_level(text);
        if level.is_none() {
            invalid(&label, text, "must be one of privileged, baseline, restricted");
        }
        into.level = level.unwrap_or(fallback);
        level.is_some()
    });
    let label = format!("{label}-version");
    let version = labels.get(&label);
    if let Some(text) = version {
        let version = parse_version(text);
        if version.is_none() {
            invalid(&label, text, "must be \"latest\" or \"v1.x\"");
        }
        into.version = version.unwrap_or_default();
    }
    (level, version.is_some())
}

impl Policy {
    /// The policy of a namespace with these labels, and what is wrong with them. Labels that cannot be read enforce the strictest level,
    /// and record and warn of nothing (`PolicyToEvaluate`).
    pub fn of(labels: &StringMap, defaults: &Policy) -> (Policy, Vec<FieldError>) {
        let (mut policy, mut errors) = (*defaults, Vec::new());
        let (enforce, _) = read(labels, "enforce", Level::Restricted, &mut policy.enforce, &mut errors);
        read(labels, "audit", Level::Privileged, &mut policy.audit, &mut errors);
        let (warn, warn_version) = read(labels, "warn", Level::Privileged, &mut policy.warn, &mut errors);
        // Who enforces and says nothing of warnings gets them for workloads, whose Pods would be refused later.
        if warn.is_none() && enforce == Some(true) && policy.enforce.level > policy.warn.level {
            policy.warn.level = policy.enforce.level;
            if !warn_version {
                policy.warn.version = policy.enforce.version;
            }
        }
        (policy, errors)
    }

    /// Whether every mode allows everything.
    pub fn is_privileged(&self) -> bool {
        [self.enforce, self.audit, self.warn].iter().all(|mode| mode.level == Level::Privileged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> StringMap {
        pairs.iter().map(|(mode, value)| (format!("{PREFIX}{mode}"), (*value).to_owned())).collect()
    }

    #[test]
    fn who_enforces_warns_too() {
        let (policy, errors) = Policy::of(&labels(&[("enforce", "baseline"), ("enforce-version", "v1.24")]), &Policy::default());
        assert!(errors.is_empty());
        assert_eq!([policy.enforce, policy.warn].map(|mode| mode.to_string()), ["baseline:v1.24", "baseline:v1.24"]);
        assert_eq!(policy.audit.to_string(), "privileged:latest");
        let (policy, _) = Policy::of(&labels(&[("enforce", "baseline"), ("warn", "privileged")]), &Policy::default());
        assert_eq!(policy.warn.level, Level::Privileged, "said is said");
    }

    #[test]
    fn labels_that_cannot_be_read_are_told_and_closed() {
        let (policy, errors) = Policy::of(&labels(&[("enforce", "strict"), ("audit", "x"), ("warn-version", "v1.07")]), &Policy::default());
        assert_eq!((policy.enforce.level, policy.audit.level), (Level::Restricted, Level::Privileged));
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts[0],
            "metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"strict\": must be one of privileged, baseline, restricted"
        );
        assert!(texts[2].ends_with("Invalid value: \"v1.07\": must be \"latest\" or \"v1.x\""), "{texts:?}");
        assert_eq!(policy.warn.level, Level::Privileged, "a level that cannot be read sets no warnings");
    }
}
