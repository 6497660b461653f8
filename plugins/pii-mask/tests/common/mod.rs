//! What the tests share: columns, operations, applying edits as the host does.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic, their helpers too")]

use weir_plugin_pii_mask::masker::PiiMask;
use weir_plugin_pii_mask::settings::Settings;
use weir_sdk::masker::{Batch, Column, Edits, MaskingPlan, Operation};

pub(crate) fn masker(settings: &str) -> PiiMask {
    let settings: Settings = serde_json::from_str(settings).unwrap();
    PiiMask::new(settings.rules().unwrap())
}

pub(crate) fn column(name: &str, relation: &str, type_name: &str) -> Column {
    Column {
        name: name.into(),
        relation: relation.into(),
        source: if relation.is_empty() { String::new() } else { name.into() },
        type_name: type_name.into(),
        labels: Vec::new(),
    }
}

pub(crate) fn labelled(name: &str, label: &str) -> Column {
    Column { labels: vec![label.into()], ..column(name, "", "") }
}

pub(crate) fn operation(text: &str) -> Operation {
    Operation {
        kind: "sql.query".into(),
        action: "read".into(),
        text: text.into(),
        objects: Vec::new(),
        parameters: Vec::new(),
        attributes: Vec::new(),
        claimed: Vec::new(),
    }
}

pub(crate) fn batch(cells: &[(u16, &str)]) -> Batch {
    let mut batch = Batch { cells: Vec::new(), ends: Vec::new(), columns: Vec::new() };
    for (column, text) in cells {
        batch.cells.extend_from_slice(text.as_bytes());
        batch.ends.push(batch.cells.len() as u32);
        batch.columns.push(*column);
    }
    batch
}

/// The cells with the edits applied; checks every promise of the contract on the way. NULL is none.
pub(crate) fn applied(cells: &[(u16, &str)], edits: &Edits, rules: usize) -> Vec<Option<String>> {
    let mut texts: Vec<Option<String>> = vec![Some(String::new()); cells.len()];
    let count = edits.cells.len();
    assert!(
        [edits.starts.len(), edits.stops.len(), edits.ends.len(), edits.rules.len()]
            .iter()
            .all(|n| *n == count)
    );
    assert!(
        edits.rules.iter().chain(&edits.null_rules).all(|rule| usize::from(*rule) < rules),
        "rule out of bounds"
    );
    assert_eq!(edits.nulls.len(), edits.null_rules.len());
    assert!(edits.nulls.windows(2).all(|pair| pair[0] < pair[1]));
    let replacements = std::str::from_utf8(&edits.replacements).unwrap();
    let (mut edit, mut from) = (0, 0usize);
    for (index, (_, text)) in cells.iter().enumerate() {
        let mut place = 0;
        let mut masked = String::new();
        let null = edits.nulls.contains(&(index as u32));
        while edit < count && edits.cells[edit] as usize == index {
            let (start, stop, end) =
                (edits.starts[edit] as usize, edits.stops[edit] as usize, edits.ends[edit] as usize);
            assert!(!null, "a cell that becomes NULL has an edit");
            assert!(
                place <= start && start <= stop && stop <= text.len(),
                "order or bounds: {start}..{stop} of {text:?}"
            );
            assert!(
                text.is_char_boundary(start) && text.is_char_boundary(stop),
                "{start}..{stop} cuts {text:?}"
            );
            masked.push_str(&text[place..start]);
            masked.push_str(&replacements[from..end]);
            (place, from) = (stop, end);
            edit += 1;
        }
        masked.push_str(&text[place..]);
        texts[index] = if null { None } else { Some(masked) };
    }
    assert_eq!(edit, count, "edits out of order");
    texts
}

pub(crate) fn plan_and_mask(
    masker: &mut PiiMask,
    columns: &[Column],
    statement: &str,
    cells: &[(u16, &str)],
) -> (MaskingPlan, Vec<Option<String>>) {
    let plan = masker.plan_shape(1, columns, &operation(statement));
    let sent: Vec<(u16, &str)> = cells.iter().copied().filter(|cell| plan.wanted.contains(&cell.0)).collect();
    if plan.wanted.is_empty() {
        return (plan, cells.iter().map(|cell| Some(cell.1.to_owned())).collect());
    }
    let edits = masker.mask_shape(1, &batch(&sent)).unwrap();
    let mut masked = applied(&sent, &edits, plan.rules.len()).into_iter();
    let all = cells.iter().map(|cell| match plan.wanted.contains(&cell.0) {
        true => masked.next().unwrap(),
        false => Some(cell.1.to_owned()),
    });
    let all = all.collect();
    (plan, all)
}

/// One cell of one column.
pub(crate) fn one(settings: &str, column: Column, statement: &str, cell: &str) -> Option<String> {
    let (_, mut masked) = plan_and_mask(&mut masker(settings), &[column], statement, &[(0, cell)]);
    masked.remove(0)
}
