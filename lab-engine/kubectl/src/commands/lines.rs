//! The difference of two texts, line by line.

/// How many lines a text may have to be compared well; beyond that all is shown.
const MAX_LINES: usize = 2000;

/// The lines of both texts, those that only the first has with `-` in front, those that only the second has with `+`.
pub(super) fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let mut text = String::new();
    let mut push = |mark: char, line: &str| text.extend([mark.to_string().as_str(), line, "\n"]);
    if old.len() > MAX_LINES || new.len() > MAX_LINES {
        old.iter().for_each(|line| push('-', line));
        new.iter().for_each(|line| push('+', line));
        return text;
    }
    // Lengths of the longest common subsequences of the texts' ends.
    let width = new.len() + 1;
    let mut common = vec![0_u16; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            let here = i * width + j;
            common[here] = if old[i] == new[j] { common[here + width + 1] + 1 } else { common[here + width].max(common[here + 1]) };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            push(' ', old[i]);
            (i, j) = (i + 1, j + 1);
        } else if i < old.len() && (j == new.len() || common[(i + 1) * width + j] >= common[i * width + j + 1]) {
            push('-', old[i]);
            i += 1;
        } else {
            push('+', new[j]);
            j += 1;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn lines_that_differ_are_marked() {
        assert_eq!(super::difference("a\nb\nc\n", "a\nx\nc\nd\n"), " a\n-b\n+x\n c\n+d\n");
    }
}
