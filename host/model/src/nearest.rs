//! What somebody may have meant by a word that we do not know.

/// A help line: the nearest of the known words, or all of them when none is near.
pub fn suggest(word: &str, known: &[&str], all: &str) -> String {
    if let Some(near) = nearest(word, known) {
        return format!("did you mean `{near}`?");
    }
    let mut known: Vec<String> = known.iter().map(|word| format!("`{word}`")).collect();
    known.sort();
    known.dedup();
    format!("{all} {}", known.join(", "))
}

/// The known word that differs least, if that is in at most a third of its letters (and at least one may differ).
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let simple = |word: &str| word.to_lowercase().replace('-', "_");
    known
        .iter()
        .map(|candidate| (distance(&simple(word), &simple(candidate)), *candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).max(1))
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, taken out, replaced or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut best =
                (at(&last, j) + usize::from(from != to)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(to) && b.get(j - 1) == Some(from);
            if swapped {
                best = best.min(at(&before_last, j - 1) + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_the_usual_slips() {
        for (a, b, expected) in
            [("", "", 0), ("abc", "abc", 0), ("abc", "acb", 1), ("abc", "abcd", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        let known = ["listen", "drain_timeout", "name"];
        assert_eq!(suggest("listne", &known, "keys:"), "did you mean `listen`?");
        assert_eq!(suggest("Drain-Timeout", &known, "keys:"), "did you mean `drain_timeout`?");
        assert_eq!(suggest("colour", &known, "keys:"), "keys: `drain_timeout`, `listen`, `name`");
    }
}
