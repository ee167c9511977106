//! Image references: `nginx`, `registry.k8s.io/pause:3.10`, `repo@sha256:…` (`github.com/distribution/reference`).

use std::fmt;

/// A reference in full: registry, repository, tag or digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reference {
    /// For example `docker.io/library/nginx`.
    pub(crate) repository: String,
    /// Empty when only a digest is given.
    pub(crate) tag: String,
    /// `sha256:…`, or empty.
    pub(crate) digest: String,
}

impl Reference {
    /// The registry's host.
    pub(crate) fn host(&self) -> &str {
        self.repository.split('/').next().unwrap_or("")
    }

    /// The repository without its host.
    pub(crate) fn path(&self) -> &str {
        self.repository.split_once('/').map_or("", |(_, path)| path)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        if !self.tag.is_empty() {
            write!(f, ":{}", self.tag)?;
        }
        if !self.digest.is_empty() {
            write!(f, "@{}", self.digest)?;
        }
        Ok(())
    }
}

/// Reads an image name as a user writes it and completes it: `docker.io`, `library/`, `:latest`.
///
/// # Errors
/// The message of the reference parser, for example `invalid reference format`.
pub(crate) fn parse(image: &str) -> Result<Reference, String> {
    const BAD: &str = "invalid reference format";
    if image.len() == 64 && image.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(format!("invalid repository name ({image}), cannot specify 64-byte hexadecimal strings"));
    }
    let (name, digest) = image.split_once('@').unwrap_or((image, ""));
    if name.is_empty() || image.ends_with('@') || (!digest.is_empty() && !is_digest(digest)) {
        return Err(BAD.to_owned());
    }
    let (first, rest) = name.split_once('/').unwrap_or(("", name));
    let (host, path) =
        if !first.is_empty() && (first.contains(['.', ':']) || first == "localhost") { (first, rest) } else { ("docker.io", name) };
    let (path, tag) = match path.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (path, None),
    };
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err(BAD.to_owned());
    }
    let path = if host == "docker.io" && !path.contains('/') { format!("library/{path}") } else { path.to_owned() };
    if path.chars().any(|c| c.is_ascii_uppercase()) {
        return Err(format!("{BAD}: repository name ({path}) must be lowercase"));
    }
    if !path.split('/').all(is_component) {
        return Err(BAD.to_owned());
    }
    let host = if host == "k8s.gcr.io" { "registry.k8s.io" } else { host };
    let tag = tag.unwrap_or(if digest.is_empty() { "latest" } else { "" });
    Ok(Reference { repository: format!("{host}/{path}"), tag: tag.to_owned(), digest: digest.to_owned() })
}

fn is_digest(digest: &str) -> bool {
    digest.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_tag(tag: &str) -> bool {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    !tag.is_empty() && tag.len() <= 128 && tag.chars().all(valid) && !tag.starts_with(['.', '-'])
}

/// Lower-case letters and digits, separated by `.`, `_`, `__` or dashes.
fn is_component(part: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    !part.is_empty()
        && part.chars().all(|c| alphanumeric(c) || matches!(c, '.' | '_' | '-'))
        && part.starts_with(alphanumeric)
        && part.ends_with(alphanumeric)
        && !part.contains("..")
}

/// The image name with `:latest` where it has neither tag nor digest (`applyDefaultImageTag`).
///
/// # Errors
/// Like `parse`, with the kubelet's words before it.
pub fn apply_default_tag(image: &str) -> Result<String, String> {
    let reference = parse(image).map_err(|error| format!("couldn't parse image name {image:?}: {error}"))?;
    let named = image.contains('@') || image.rsplit('/').next().is_some_and(|last| last.contains(':'));
    Ok(if named { image.to_owned() } else { format!("{image}:{}", reference.tag) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed() {
        for (image, full) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.14.2", "docker.io/library/nginx:1.14.2"),
            ("polinux/stress", "docker.io/polinux/stress:latest"),
            ("docker.io/library/busybox", "docker.io/library/busybox:latest"),
            ("k8s.gcr.io/pause:3.9", "registry.k8s.io/pause:3.9"),
            ("localhost:5000/app:v1", "localhost:5000/app:v1"),
        ] {
            assert_eq!(parse(image).unwrap().to_string(), full);
        }
    }

    #[test]
    fn malformed_names_are_refused() {
        assert_eq!(parse("Nginx"), Err("invalid reference format: repository name (library/Nginx) must be lowercase".to_owned()));
        for image in ["", "nginx:", "ngi nx", "nginx:-x", "/nginx", "a//b", "nginx@sha256:12", "nginx:l:a"] {
            assert_eq!(parse(image), Err("invalid reference format".to_owned()), "{image}");
        }
        let id = "0123456789abcdef".repeat(4);
        assert_eq!(parse(&id), Err(format!("invalid repository name ({id}), cannot specify 64-byte hexadecimal strings")));
        assert!(parse(&id[1..]).is_ok());
    }
}
