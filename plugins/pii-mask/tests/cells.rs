//! The labelled cells of `cells.txt`: what is found, what is missed, what is found wrongly.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test's helpers may panic")]

use std::collections::BTreeMap;
use weir_plugin_pii_mask::form::Interest;
use weir_plugin_pii_mask::hint::Hint;
use weir_plugin_pii_mask::kind::{Kind, Kinds};
use weir_plugin_pii_mask::scan::{Hit, Scanner};

struct Labelled {
    line: usize,
    column: String,
    type_name: String,
    value: String,
    expected: Vec<(Kind, usize, usize)>,
}

fn special(text: &str) -> String {
    let mut text = text.replace("{Z}", "\u{200b}").replace("{N}", "\u{a0}").replace("\\n", "\n");
    while let Some(start) = text.find("{F:") {
        let stop = start + text[start..].find('}').unwrap();
        let wide: String = text[start + 3..stop]
            .chars()
            .map(|c| if c.is_ascii_graphic() { char::from_u32(c as u32 + 0xfee0).unwrap() } else { c })
            .collect();
        text.replace_range(start..=stop, &wide);
    }
    text
}

fn cells() -> Vec<Labelled> {
    let mut cells = Vec::new();
    for (number, line) in include_str!("cells.txt").lines().enumerate() {
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        let mut parts = line.splitn(3, " | ");
        let (column, type_name) = (parts.next().unwrap().to_owned(), parts.next().unwrap().to_owned());
        let marked = special(parts.next().unwrap());
        let (mut value, mut expected) = (String::new(), Vec::new());
        let mut rest = marked.as_str();
        while let Some(open) = rest.find('⟦') {
            value.push_str(&rest[..open]);
            let inside = &rest[open + '⟦'.len_utf8()..];
            let close = inside.find('⟧').unwrap();
            let (kind, text) = inside[..close].split_once(':').unwrap();
            let start = value.len();
            value.push_str(text);
            expected.push((Kind::of_name(kind).unwrap(), start, value.len()));
            rest = &inside[close + '⟧'.len_utf8()..];
        }
        value.push_str(rest);
        cells.push(Labelled { line: number + 1, column, type_name, value, expected });
    }
    cells
}

#[derive(Default)]
struct Score {
    right: usize,
    wrong: usize,
    missed: usize,
}

#[test]
fn precision_and_recall() {
    let mut scanner = Scanner::new(Kinds::from_iter(Kind::ALL));
    let mut scores: BTreeMap<&str, Score> = BTreeMap::new();
    let cells = cells();
    let mut clean_touched = 0;
    for cell in &cells {
        let mut hits: Vec<Hit> = Vec::new();
        let hint = Hint::of_name(&cell.column);
        let wanted = match Interest::of_type(&cell.type_name) {
            Interest::Never => false,
            Interest::Hinted => !hint.kinds.is_empty(),
            Interest::Always => true,
        };
        if wanted {
            scanner.scan(&cell.value, hint, &mut hits);
        }
        let found: Vec<_> =
            hits.iter().map(|hit| (hit.kind, hit.start as usize, hit.stop as usize)).collect();
        for expected in &cell.expected {
            let score = scores.entry(expected.0.name()).or_default();
            if found.contains(expected) {
                score.right += 1;
            } else {
                score.missed += 1;
                println!("line {}: missed {expected:?} in {:?}, found {found:?}", cell.line, cell.value);
            }
        }
        for wrong in found.iter().filter(|found| !cell.expected.contains(found)) {
            scores.entry(wrong.0.name()).or_default().wrong += 1;
            println!("line {}: wrong {wrong:?} in {:?}", cell.line, cell.value);
        }
        clean_touched += usize::from(cell.expected.is_empty() && !found.is_empty());
    }
    let (mut right, mut wrong, mut missed) = (0, 0, 0);
    println!("{:<8} {:>5} {:>6} {:>6}", "kind", "n", "P", "R");
    for (kind, score) in &scores {
        let precision = score.right as f64 / (score.right + score.wrong).max(1) as f64;
        let recall = score.right as f64 / (score.right + score.missed).max(1) as f64;
        println!("{kind:<8} {:>5} {precision:>6.3} {recall:>6.3}", score.right + score.missed);
        right += score.right;
        wrong += score.wrong;
        missed += score.missed;
    }
    let (precision, recall) = (right as f64 / (right + wrong) as f64, right as f64 / (right + missed) as f64);
    let clean = cells.iter().filter(|cell| cell.expected.is_empty()).count();
    println!("{} cells, {} of them clean, {clean_touched} clean ones touched", cells.len(), clean);
    println!("all      {:>5} {precision:>6.3} {recall:>6.3}", right + missed);
    assert!(cells.len() >= 300);
    assert!(precision >= 0.95 && recall >= 0.95, "precision {precision}, recall {recall}");
}
