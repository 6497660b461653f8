use super::*;
use proptest::prelude::*;

fn batch(cells: &[&str]) -> Batch {
    let mut batch = Batch::default();
    cells.iter().for_each(|cell| batch.push(cell.as_bytes(), 0).unwrap());
    batch
}

fn none() -> Edits {
    Edits {
        cells: vec![],
        starts: vec![],
        stops: vec![],
        replacements: vec![],
        ends: vec![],
        rules: vec![],
        nulls: vec![],
        null_rules: vec![],
    }
}

/// Edits as (cell, start, stop, text), all by rule 0.
fn edits(list: &[(u32, u32, u32, &str)], nulls: &[u32]) -> Edits {
    let mut edits = none();
    for (cell, start, stop, text) in list {
        edits.cells.push(*cell);
        edits.starts.push(*start);
        edits.stops.push(*stop);
        edits.replacements.extend(text.as_bytes());
        edits.ends.push(u32::try_from(edits.replacements.len()).unwrap());
        edits.rules.push(0);
    }
    edits.nulls = nulls.to_vec();
    edits.null_rules = vec![0; nulls.len()];
    edits
}

fn rules() -> Vec<String> {
    vec!["mail".into(), "name".into()]
}

fn shown(masked: &Masked) -> Vec<(u32, Option<String>)> {
    let text = |change: Change<'_>| match change {
        Change::Text(text) => Some(String::from_utf8(text.to_vec()).unwrap()),
        Change::Null => None,
    };
    changes(masked).map(|(cell, change)| (cell, text(change))).collect()
}

fn text(cell: u32, text: &str) -> (u32, Option<String>) {
    (cell, Some(text.into()))
}

#[test]
fn spans_are_replaced_and_the_rest_stays() {
    let given = batch(&["ann@example.com", "plain", "", "müller"]);
    let edits = edits(&[(0, 0, 3, "***"), (0, 12, 15, "org"), (2, 0, 0, "new"), (3, 1, 3, "u")], &[1]);
    let masked = apply(&given, &edits, &rules(), 100).unwrap();
    assert_eq!(shown(&masked), [text(0, "***@example.org"), (1, None), text(2, "new"), text(3, "muller")]);
    assert_eq!(masked.applied, [Applied { rule: "mail".into(), cells: 4, beside: None }]);
}

#[test]
fn nothing_to_do_is_nothing_done() {
    assert_eq!(apply(&batch(&["a"]), &none(), &rules(), 0), Ok(Masked::default()));
    assert_eq!(apply(&batch(&[]), &none(), &[], 0), Ok(Masked::default()));
}

#[test]
fn each_breach_has_its_name() {
    let given = batch(&["éab", "cd"]);
    let with = |change: fn(&mut Edits)| {
        let mut edits = edits(&[(0, 0, 2, "x"), (1, 0, 1, "y")], &[]);
        change(&mut edits);
        edits
    };
    let cases = [
        (edits(&[(1, 0, 0, "x"), (0, 0, 0, "x")], &[]), EditProblem::CellOrder),
        (edits(&[(0, 0, 0, "x"), (1, 0, 0, "x"), (0, 2, 2, "x")], &[]), EditProblem::CellOrder),
        (edits(&[(2, 0, 0, "x")], &[]), EditProblem::NoSuchCell),
        (edits(&[(0, 3, 2, "x")], &[]), EditProblem::Span),
        (edits(&[(1, 0, 3, "x")], &[]), EditProblem::Span),
        (edits(&[(1, u32::MAX, u32::MAX, "x")], &[]), EditProblem::Span),
        (edits(&[(1, 0, 2, "x"), (1, 1, 2, "x")], &[]), EditProblem::Overlap),
        (edits(&[(1, 1, 2, "x"), (1, 0, 1, "x")], &[]), EditProblem::Overlap),
        (edits(&[(0, 1, 2, "x")], &[]), EditProblem::MidCharacter),
        (edits(&[(0, 0, 1, "x")], &[]), EditProblem::MidCharacter),
        (edits(&[], &[1, 0]), EditProblem::CellOrder),
        (edits(&[], &[1, 1]), EditProblem::CellOrder),
        (edits(&[], &[2]), EditProblem::NoSuchCell),
        (edits(&[], &[u32::MAX]), EditProblem::NoSuchCell),
        (edits(&[(0, 0, 0, "x")], &[0]), EditProblem::EditedNull),
        (edits(&[(1, 0, 0, "x")], &[0, 1]), EditProblem::EditedNull),
        (with(|edits| edits.starts.truncate(1)), EditProblem::Ragged),
        (with(|edits| edits.rules.truncate(1)), EditProblem::Ragged),
        (with(|edits| edits.nulls.push(0)), EditProblem::Ragged),
        (with(|edits| edits.rules = vec![0, 2]), EditProblem::NoSuchRule),
        (with(|edits| edits.ends = vec![2, 1]), EditProblem::Ends),
        (with(|edits| edits.ends = vec![1, 9]), EditProblem::Ends),
        (with(|edits| edits.replacements.push(b'z')), EditProblem::Ends),
        (with(|edits| edits.replacements = vec![b'x', 0xff]), EditProblem::NotText),
        (with(|edits| (edits.replacements, edits.ends) = ("é".into(), vec![1, 2])), EditProblem::NotText),
    ];
    for (edits, problem) in cases {
        assert_eq!(apply(&given, &edits, &rules(), 100), Err(problem), "{edits:?}");
    }
    let long = edits(&[(0, 0, 0, "0123456789")], &[]);
    assert_eq!(apply(&given, &long, &rules(), 4), Err(EditProblem::Growth));
    assert!(apply(&given, &long, &rules(), 10).is_ok());
}

#[test]
fn a_rule_counts_a_cell_once() {
    let mut twice = edits(&[(0, 0, 1, "x"), (0, 1, 2, "x"), (0, 2, 3, "x"), (1, 0, 1, "x")], &[]);
    twice.rules = vec![1, 0, 1, 1];
    let masked = apply(&batch(&["abc", "abc"]), &twice, &rules(), 100).unwrap();
    let counted: Vec<_> = masked.applied.iter().map(|each| (each.rule.as_str(), each.cells)).collect();
    assert_eq!(counted, [("mail", 1), ("name", 2)]);
}

#[test]
fn a_chain_narrows_and_composes() {
    let mut given = Batch::default();
    for (cell, column) in [("a", 0), ("b", 1), ("c", 0), ("d", 2)] {
        given.push(cell.as_bytes(), column).unwrap();
    }
    let first = apply(&given, &edits(&[(2, 0, 1, "C")], &[0]), &rules(), 9).unwrap();
    let (narrowed, indices) = narrow(&given, &first, &[true, true, false]).unwrap();
    assert_eq!((narrowed.cells.as_slice(), indices.as_slice()), (&b"bC"[..], &[1, 2][..]));
    let second = apply(&narrowed, &edits(&[(1, 1, 1, "!")], &[0]), &rules(), 9).unwrap();
    let both = compose(&first, &second, &indices).unwrap();
    assert_eq!(shown(&both), [(0, None), (1, None), text(2, "C!")]);
    assert_eq!(both.applied, [Applied { rule: "mail".into(), cells: 4, beside: None }]);
}

#[test]
fn an_unsound_batch_is_seen() {
    let sound = batch(&["é", "", "x"]);
    assert!(batch_is_sound(&sound, 1) && batch_is_sound(&Batch::default(), 0));
    assert!(!batch_is_sound(&sound, 0), "a column that is not there");
    let with = |change: fn(&mut Batch)| {
        let mut batch = sound.clone();
        change(&mut batch);
        batch
    };
    for broken in [
        with(|batch| batch.ends[0] = 1),
        with(|batch| batch.ends[1] = 0),
        with(|batch| batch.cells.push(b'x')),
        with(|batch| batch.cells[0] = 0xff),
        with(|batch| _ = batch.columns.pop()),
        with(|batch| batch.ends[2] = 99),
    ] {
        assert!(!batch_is_sound(&broken, 1), "{broken:?}");
    }
}

/// A cell of small texts with wide characters, and a way to cut it.
fn cells() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[a-cé€𝄞]{0,6}", 0..6)
}

proptest! {
    /// Whatever a guest answers, the result is a breach or sound text for cells that exist, in order.
    #[test]
    fn any_answer_is_refused_or_sound(
        cells in cells(),
        list in prop::collection::vec((0..7_u32, 0..12_u32, 0..12_u32, "[xé]{0,3}"), 0..6),
        nulls in prop::collection::vec(0..7_u32, 0..3),
        growth in 0..20_usize,
    ) {
        let texts: Vec<_> = cells.iter().map(String::as_str).collect();
        let given = batch(&texts);
        let list: Vec<_> = list.iter().map(|(a, b, c, text)| (*a, *b, *c, text.as_str())).collect();
        if let Ok(masked) = apply(&given, &edits(&list, &nulls), &rules(), growth) {
            prop_assert!(masked.texts.len() <= given.cells.len() + growth);
            prop_assert!(std::str::from_utf8(&masked.texts).is_ok());
            prop_assert_eq!(masked.cells.len(), masked.ends.len());
            let touched: Vec<_> = shown(&masked).into_iter().map(|(cell, _)| cell).collect();
            prop_assert!(touched.is_sorted_by(|a, b| a < b));
            prop_assert!(touched.iter().all(|cell| (*cell as usize) < cells.len()));
        }
    }

    /// Sound edits give what replacing the spans from behind gives.
    #[test]
    fn sound_edits_do_what_they_say(cells in cells(), seed in any::<u64>()) {
        let texts: Vec<_> = cells.iter().map(String::as_str).collect();
        let given = batch(&texts);
        let mut list = Vec::new();
        let mut expected = Vec::new();
        for (cell, text) in (0_u32..).zip(&texts) {
            let bounds: Vec<usize> =
                text.char_indices().map(|(at, _)| at).chain([text.len()]).filter(|at| seed >> (at % 60) & 1 == 1).collect();
            let spans: Vec<_> = bounds.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
            if spans.is_empty() {
                continue;
            }
            let mut new = (*text).to_owned();
            for (start, stop) in spans.iter().rev() {
                new.replace_range(start..stop, "<>");
            }
            let number = |at: &usize| u32::try_from(*at).unwrap();
            list.extend(spans.iter().map(|(start, stop)| (cell, number(start), number(stop), "<>")));
            expected.push((cell, Some(new)));
        }
        let masked = apply(&given, &edits(&list, &[]), &rules(), 1000).unwrap();
        prop_assert_eq!(shown(&masked), expected);
    }

    /// The lists themselves, not even of one length: the result is a breach or sound, and what is sound is what
    /// replacing from behind gives.
    #[test]
    fn any_lists_are_refused_or_sound(
        cells in cells(),
        numbers in prop::collection::vec(prop::collection::vec(prop_oneof![5 => 0..7_u32, 1 => any::<u32>(), 1 => Just(TOP_BIT)], 0..5), 5),
        replacements in prop::collection::vec(any::<u8>(), 0..8),
        marks in prop::collection::vec(0..4_u16, 0..5),
        null_marks in prop::collection::vec(0..4_u16, 0..4),
        growth in 0..20_usize,
    ) {
        let texts: Vec<_> = cells.iter().map(String::as_str).collect();
        let given = batch(&texts);
        let list = |at: usize| numbers.get(at).cloned().unwrap_or_default();
        let said = Edits {
            cells: list(0), starts: list(1), stops: list(2), ends: list(3), nulls: list(4),
            replacements, rules: marks, null_rules: null_marks,
        };
        if let Ok(masked) = apply(&given, &said, &rules(), growth) {
            prop_assert!(masked.texts.len() <= given.cells.len() + growth);
            let new = shown(&masked);
            let touched: Vec<_> = new.iter().map(|(cell, _)| *cell).collect();
            prop_assert!(touched.is_sorted_by(|a, b| a < b));
            prop_assert!(touched.iter().all(|cell| (*cell as usize) < cells.len()));
            for (cell, text) in new {
                if said.nulls.contains(&cell) {
                    prop_assert_eq!(text, None);
                    continue;
                }
                let mut expected = cells[cell as usize].clone();
                for at in (0..said.cells.len()).rev().filter(|at| said.cells[*at] == cell) {
                    let from = if at == 0 { 0 } else { said.ends[at - 1] as usize };
                    let instead = std::str::from_utf8(&said.replacements[from..said.ends[at] as usize]).unwrap();
                    expected.replace_range(said.starts[at] as usize..said.stops[at] as usize, instead);
                }
                prop_assert_eq!(text, Some(expected));
            }
        }
    }
}
