//! Variants of images: what may stand behind the version in a tag (see `registry`).

/// Whether a part of a tag after the version names a variant: `alpine`, `alpine3.20`, `bookworm`, `slim`, …
pub(crate) fn is_variant(part: &str) -> bool {
    const VARIANTS: &[&str] = &[
        "alpine",
        "slim",
        "bookworm",
        "bullseye",
        "trixie",
        "buster",
        "perl",
        "otel",
        "apache",
        "fpm",
        "glibc",
        "musl",
        "uclibc",
        "debian",
        "management",
        "nanoserver",
        "threaded",
        "oracle",
        "alpha",
        "beta",
        "rc",
        "php8",
        "0",
        "1",
        "2",
        "3",
    ];
    let stem = part.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    VARIANTS.contains(&part) || VARIANTS.contains(&stem)
}
