//! Makes new inputs out of known ones: pieces are cut, doubled, swapped and mixed, bytes change, and numbers become extreme.

use sim::Rng;

/// How long an input gets at most. Longer ones find little more, slowly.
const MAX_BYTES: usize = 64 * 1024;

/// What readers are often wrong about.
const SPICE: &[&[u8]] = &[
    b"0",
    b"-1",
    b"1",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"18446744073709551616",
    b"1e999",
    b"1e-999",
    b"0x7f",
    b"010",
    b"NaN",
    b"null",
    b"~",
    b"true",
    b"no",
    b"\"\"",
    b"''",
    b"{}",
    b"[]",
    b"[[[[[[[[",
    b"{{{{{{{{",
    b"&a",
    b"*a",
    b"!!",
    b"---\n",
    b"...\n",
    b"<<: ",
    b"|\n ",
    b"? ",
    b": ",
    b"- ",
    b"#",
    b"%",
    b"\t",
    b"\r\n",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    "\u{202e}".as_bytes(),
    "\u{1f980}".as_bytes(),
    b"$patch",
    b"$setElementOrder/",
    b"$deleteFromPrimitiveList/",
    b"$retainKeys",
    b"/",
    b"//",
    b"..",
    b"~0",
    b"~1",
    b"%2f",
    b",",
    b"=",
    b"!=",
    b"!",
    b" in (",
    b")",
    b"notin",
    b"Ki",
    b"m",
    b"E",
    b"e",
    b".",
    b"+",
    b"\\",
    b"\\u0000",
    b"\\ud800",
];

/// A new input, made from the corpus, which is not empty.
pub fn mutate(corpus: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let pick = |rng: &mut Rng| corpus.get(rng.index(corpus.len())).cloned().unwrap_or_default();
    let mut input = pick(rng);
    for _ in 0..=rng.below(6) {
        let (start, end) = piece(&input, rng);
        match rng.below(9) {
            0 => drop(input.drain(start..end)),
            1 => {
                let copy = input[start..end].to_vec();
                let most = if rng.chance(50_000) { 2_000 } else { 4 };
                let times = 1 + rng.index(most);
                insert(&mut input, end, &copy.repeat(times));
            }
            2 | 3 => {
                let spice = SPICE[rng.index(SPICE.len())];
                let most = if rng.chance(50_000) { 20_000 } else { 2 };
                let times = 1 + rng.index(most);
                insert(&mut input, start, &spice.repeat(times));
            }
            4 => {
                let spice = SPICE[rng.index(SPICE.len())];
                drop(input.splice(start..end, spice.iter().copied()));
            }
            5 => {
                let other = pick(rng);
                let (from, to) = piece(&other, rng);
                insert(&mut input, start, &other[from..to]);
            }
            6 => {
                if let Some(byte) = input.get_mut(start) {
                    *byte ^= 1 << rng.below(8);
                }
            }
            7 => {
                if let Some(byte) = input.get_mut(start) {
                    *byte = u8::try_from(rng.below(256)).unwrap_or(0);
                }
            }
            _ => input.truncate(end),
        }
        input.truncate(MAX_BYTES);
    }
    input
}

/// A part of an input; often a line or a word.
fn piece(input: &[u8], rng: &mut Rng) -> (usize, usize) {
    let at = rng.index(input.len() + 1);
    let is_end: fn(&u8) -> bool = if rng.chance(500_000) { |byte| *byte == b'\n' } else { |byte| !byte.is_ascii_alphanumeric() };
    let start = if rng.chance(700_000) { input[..at].iter().rposition(is_end).map_or(0, |before| before + 1) } else { at };
    let longest = 1 + rng.index(40);
    let end = input[at..].iter().take(longest).position(is_end).map_or((at + longest).min(input.len()), |after| at + after);
    (start, end.max(start))
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let room = MAX_BYTES.saturating_sub(input.len());
    drop(input.splice(at..at, bytes.iter().take(room).copied()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim::Seed;

    #[test]
    fn inputs_differ_and_stay_short() {
        let corpus = vec![b"a: 1\nb: [x, y]\n".to_vec(), Vec::new()];
        let inputs: std::collections::BTreeSet<_> = (0..1000).map(|seed| mutate(&corpus, &mut Seed(seed).stream("m"))).collect();
        assert!(inputs.len() > 500, "{}", inputs.len());
        assert!(inputs.iter().all(|input| input.len() <= MAX_BYTES));
        assert_eq!(mutate(&corpus, &mut Seed(7).stream("m")), mutate(&corpus, &mut Seed(7).stream("m")));
    }
}
