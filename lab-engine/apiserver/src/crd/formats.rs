//! The formats of texts that a schema can ask for (`kube-openapi/pkg/validation/strfmt`; unknown ones ask for nothing).
//!
//! **Simplified here:** `bsonobjectid`, `isbn`, `creditcard`, `ssn`, `hexcolor`, `rgbcolor` are not looked at.

use api::names;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The formats that are known, without dashes; those of numbers and texts apart.
const KNOWN: [&str; 26] = [
    "bsonobjectid",
    "byte",
    "cidr",
    "creditcard",
    "date",
    "datetime",
    "duration",
    "email",
    "hexcolor",
    "hostname",
    "ipv4",
    "ipv6",
    "isbn",
    "isbn10",
    "isbn13",
    "k8slongname",
    "k8sshortname",
    "mac",
    "password",
    "rgbcolor",
    "ssn",
    "uri",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
];

/// Whether values of a type can have the format.
pub(crate) fn is_known(type_: &str, format: &str) -> bool {
    match type_ {
        "" | "string" => KNOWN.contains(&format.replace('-', "").as_str()),
        "integer" => matches!(format, "int32" | "int64"),
        "number" => matches!(format, "float" | "double"),
        _ => false,
    }
}

/// Whether a text has the format.
pub(crate) fn holds(format: &str, text: &str) -> bool {
    match format {
        "k8s-short-name" => names::dns1123_label(text).is_empty(),
        "k8s-long-name" => names::dns1123_subdomain(text).is_empty(),
        "date" => is_date(text),
        "date-time" | "datetime" => is_date_time(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => text.split_once('/').is_some_and(|(address, bits)| {
            let most = if address.parse::<Ipv4Addr>().is_ok() { 32 } else { 128 };
            (most == 32 || address.parse::<Ipv6Addr>().is_ok()) && bits.parse::<u8>().is_ok_and(|bits| bits <= most)
        }),
        "mac" => is_mac(text),
        "uuid" => is_uuid(text, None),
        "uuid3" => is_uuid(text, Some(b'3')),
        "uuid4" => is_uuid(text, Some(b'4')),
        "uuid5" => is_uuid(text, Some(b'5')),
        "byte" => is_base64(text),
        "email" => {
            text.split_once('@').is_some_and(|(who, host)| !who.is_empty() && !host.is_empty() && !text.contains(char::is_whitespace))
        }
        "uri" => text.split_once(':').is_some_and(|(scheme, rest)| {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && !rest.is_empty() && !text.contains(char::is_whitespace)
        }),
        "hostname" => !text.is_empty() && text.len() <= 255 && text.split('.').all(is_host_label),
        "duration" => is_duration(text),
        _ => true,
    }
}

fn digits(text: &str, length: usize) -> Option<u32> {
    (text.len() == length && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return false };
    let (Some(year), Some(month), Some(day)) = (digits(year, 4), digits(month, 2), digits(day, 2)) else { return false };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=last).contains(&day)
}

fn is_date_time(text: &str) -> bool {
    let Some((date, time)) = text.split_at_checked(10) else { return false };
    let Some(time) = time.strip_prefix(['T', 't']) else { return false };
    let (time, zone) = match time.find(['Z', 'z', '+', '-']) {
        Some(at) => time.split_at(at),
        None => return false,
    };
    let (clock, fraction) = time.split_once('.').map_or((time, None), |(clock, fraction)| (clock, Some(fraction)));
    let parts: Vec<&str> = clock.split(':').collect();
    let [hour, minute, second] = parts[..] else { return false };
    let below = |text: &str, limit: u32| digits(text, 2).is_some_and(|number| number < limit);
    let zone_fits =
        matches!(zone, "Z" | "z") || zone[1..].split_once(':').is_some_and(|(hours, minutes)| below(hours, 24) && below(minutes, 60));
    is_date(date)
        && below(hour, 24)
        && below(minute, 60)
        && below(second, 61)
        && fraction.is_none_or(|fraction| !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit()))
        && zone_fits
}

fn is_mac(text: &str) -> bool {
    let parts: Vec<&str> = text.split([':', '-']).collect();
    parts.len() == 6 && parts.iter().all(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_uuid(text: &str, version: Option<u8>) -> bool {
    let bare: Vec<u8> = text.bytes().filter(|b| *b != b'-').collect();
    let dashes_fit = !text.contains('-') || text.char_indices().filter(|(_, c)| *c == '-').map(|(at, _)| at).eq([8, 13, 18, 23]);
    bare.len() == 32 && dashes_fit && bare.iter().all(u8::is_ascii_hexdigit) && version.is_none_or(|version| bare[12] == version)
}

fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - body.len() <= 2
        && body.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

fn is_host_label(label: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    label.len() <= 63
        && edge(label.bytes().next())
        && edge(label.bytes().last())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Go's notation (`1h30m`), or a number and a word (`3 days`).
fn is_duration(text: &str) -> bool {
    const GO: [&str; 7] = ["ns", "us", "µs", "ms", "s", "m", "h"];
    const WORDS: [&str; 8] = ["nanoseconds", "microseconds", "milliseconds", "seconds", "minutes", "hours", "days", "weeks"];
    let mut rest = text.trim_start_matches(['+', '-']);
    if rest == "0" {
        return true;
    }
    if let Some((number, word)) = rest.split_once(' ') {
        return number.parse::<u32>().is_ok() && WORDS.iter().any(|known| *known == word || known.trim_end_matches('s') == word);
    }
    let mut parts = 0;
    while !rest.is_empty() {
        let number = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
        let unit = rest[number..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| number + at);
        if number == 0 || !(GO.contains(&&rest[number..unit]) || matches!(&rest[number..unit], "d" | "w")) {
            return false;
        }
        rest = &rest[unit..];
        parts += 1;
    }
    parts > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_apart() {
        for (format, good, bad) in [
            ("date", "2024-02-29", "2023-02-29"),
            ("date-time", "2024-01-01T10:00:00.5+02:00", "2024-01-01T10:00:00"),
            ("ipv4", "10.0.0.1", "10.0.0.256"),
            ("ipv6", "fe80::1", "10.0.0.1"),
            ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
            ("mac", "00:1b:44:11:3a:b7", "00:1b:44"),
            ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567"),
            ("uuid4", "123e4567-e89b-42d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"),
            ("byte", "aGk=", "a"),
            ("email", "a@b.example", "a.b"),
            ("uri", "http://x.example/", "no uri"),
            ("hostname", "a.example", "-a.example"),
            ("duration", "1h30m", "soon"),
            ("duration", "3 days", "3 fortnights"),
        ] {
            assert!(holds(format, good), "{format} {good}");
            assert!(!holds(format, bad), "{format} {bad}");
        }
    }
}
