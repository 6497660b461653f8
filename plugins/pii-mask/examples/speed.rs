//! How fast is masking, natively and on one thread? Prints cells and bytes per second for columns of one kind.
//!
//! `cargo run --release -p weir-plugin-pii-mask --example speed [-- PART-OF-A-TITLE]`

use std::time::{Duration, Instant};
use weir_plugin_pii_mask::masker::PiiMask;
use weir_plugin_pii_mask::settings::Settings;
use weir_sdk::masker::{Batch, Column, Operation};

const CELLS: usize = 512;

fn column(name: &str, type_name: &str) -> Column {
    Column {
        name: name.into(),
        relation: "public.t".into(),
        source: name.into(),
        type_name: type_name.into(),
        labels: Vec::new(),
    }
}

fn operation() -> Operation {
    Operation {
        kind: "sql.query".into(),
        action: "read".into(),
        text: "select * from t".into(),
        objects: Vec::new(),
        parameters: Vec::new(),
        attributes: Vec::new(),
        claimed: Vec::new(),
    }
}

/// With an argument, only what has it in its title.
fn asked_for(title: &str) -> bool {
    std::env::args().nth(1).is_none_or(|part| title.contains(&part))
}

/// Time this thread has had a processor, where the system tells; wall time elsewhere.
fn processor_time(start: Instant) -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let told = told.and_then(|text| text.split(' ').next().and_then(|first| first.parse().ok()));
    told.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

fn measure(title: &str, settings: &str, columns: &[Column], cell: impl Fn(usize) -> String) {
    if !asked_for(title) {
        return;
    }
    let settings: Settings = serde_json::from_str(settings).unwrap_or_default();
    let Ok(rules) = settings.rules() else { return };
    let mut masker = PiiMask::new(rules);
    let _ = masker.plan_shape(0, columns, &operation());
    let mut batch = Batch { cells: Vec::new(), ends: Vec::new(), columns: Vec::new() };
    for index in 0..CELLS {
        batch.cells.extend_from_slice(cell(index).as_bytes());
        batch.ends.push(batch.cells.len() as u32);
        batch.columns.push((index % columns.len()) as u16);
    }
    let mut edits = 0;
    let mut rounds = 0u64;
    let start = Instant::now();
    let before = processor_time(start);
    while start.elapsed().as_millis() < 400 {
        for _ in 0..20 {
            edits = masker.mask_shape(0, &batch).map(|edits| edits.cells.len()).unwrap_or_default();
            rounds += 1;
        }
    }
    let seconds = (processor_time(start) - before).as_secs_f64();
    let cells = (rounds * CELLS as u64) as f64 / seconds;
    let bytes = (rounds * batch.cells.len() as u64) as f64 / seconds;
    println!(
        "{title:<44} {:>7.2} M cells/s {:>7.1} MB/s {:>6.1} ns/cell  {edits} of {CELLS} edited",
        cells / 1e6,
        bytes / 1e6,
        1e9 / cells
    );
}

fn main() {
    let names = ["Ann", "Barbara", "Christopher", "Dmitri", "Elizabeth"];
    let name = |index: usize| names.get(index % names.len()).copied().unwrap_or_default();
    let text = [column("notes", "text")];
    let default = "{}";
    measure("clean, short words", default, &text, |i| format!("{} Smith, batch", name(i)));
    measure("clean, 31 bytes of prose", default, &text, |i| format!("{:.<12} went out for lunch", name(i)));
    measure("clean, timestamps as text", default, &text, |i| {
        format!("2024-01-{:02} 10:30:00.123456+02", i % 28 + 1)
    });
    measure("clean, 9-digit int8", default, &[column("id", "int8")], |i| format!("{}", 123_456_000 + i));
    measure("clean, 36-byte uuid in text", default, &text, |i| {
        format!("f47ac10b-58cc-4372-a567-0e02b2c3{i:04x}")
    });
    measure("clean, 200 bytes of prose", default, &text, |i| {
        format!("{} said that nothing in this note is of interest to anybody, ", name(i)).repeat(3)
    });
    measure("mostly clean: 1 e-mail in 32 cells", default, &text, |i| match i % 32 {
        0 => format!("{i}@example.com"),
        _ => format!("{} Smith, batch", name(i)),
    });
    measure("e-mail column (decided)", default, &[column("email", "text")], |i| {
        format!("{}{i}@example.com", name(i))
    });
    measure("phone column (decided)", default, &[column("phone", "text")], |i| format!("+1415555{:04}", i));
    measure("card column (decided)", default, &[column("card", "text")], |_| {
        "4111 1111 1111 1111".to_owned()
    });
    let three = [column("email", "text"), column("phone", "text"), column("card", "text")];
    measure("e-mail, phone, card in turn (decided)", default, &three, |i| match i % 3 {
        0 => format!("{}{i}@example.com", name(i)),
        1 => format!("+1415555{i:04}"),
        _ => "4111 1111 1111 1111".to_owned(),
    });
    measure("e-mails in prose (found one by one)", default, &text, |i| {
        format!("write to {}{i}@example.com soon", name(i))
    });
    let hash = r#"{"method":"hash","hash_key":"0123456789abcdef0123456789abcdef"}"#;
    measure("e-mail column, hashed", hash, &[column("email", "text")], |i| {
        format!("{}{i}@example.com", name(i))
    });
    let named = r#"{"columns":["t.full_name"]}"#;
    measure("named column", named, &[column("full_name", "text")], |i| format!("{} Smith", name(i)));
    measure("JSON, 60 bytes, clean", default, &[column("doc", "jsonb")], |i| {
        format!(r#"{{"id": {i}, "name": "{}", "tags": ["a", "b"], "ok": true}}"#, name(i))
    });
    statements("statement of a point query, nothing named", default);
    statements("the same, a column named", named);
}

/// What every operation pays: its text is planned and masked for the trail.
fn statements(title: &str, settings: &str) {
    if !asked_for(title) {
        return;
    }
    let settings: Settings = serde_json::from_str(settings).unwrap_or_default();
    let Ok(rules) = settings.rules() else { return };
    let mut masker = PiiMask::new(rules);
    let columns = [Column { labels: vec!["statement".into()], ..column("statement", "") }];
    let mut rounds = 0u32;
    let start = Instant::now();
    let before = processor_time(start);
    while start.elapsed().as_millis() < 400 {
        for _ in 0..100 {
            let text = format!("SELECT abalance FROM pgbench_accounts WHERE aid = {rounds};");
            let operation = Operation { text: text.clone(), ..operation() };
            let _ = masker.plan_shape(0, &columns, &operation);
            let ends = vec![text.len() as u32];
            let _ = masker.mask_shape(0, &Batch { cells: text.into_bytes(), ends, columns: vec![0] });
            rounds += 1;
        }
    }
    let spent = processor_time(start) - before;
    println!("{title:<44} {:>7.0} ns per statement", spent.as_nanos() as f64 / f64::from(rounds));
}
