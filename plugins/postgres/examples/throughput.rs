//! How fast is the inspector, natively and on one thread? A point query there and back, and rows with three masked
//! columns.
//!
//! `cargo run --release -p weir-plugin-postgres --example throughput`
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "an example may fail loudly")]

use std::hint::black_box;
use std::time::Instant;
use weir_plugin_postgres::Inspector;
use weir_sdk::inspector::{Limits, kind};

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend((body.len() as u32 + 4).to_be_bytes());
    out.extend(body);
    out
}

fn row(values: &[&str]) -> Vec<u8> {
    let mut body = (values.len() as u16).to_be_bytes().to_vec();
    for value in values {
        body.extend((value.len() as u32).to_be_bytes());
        body.extend(value.as_bytes());
    }
    message(b'D', &body)
}

fn columns(columns: &[(&str, u32)]) -> Vec<u8> {
    let mut body = (columns.len() as u16).to_be_bytes().to_vec();
    for (name, oid) in columns {
        body.extend(name.as_bytes());
        body.extend([0, 0, 0, 0, 9, 0, 1]);
        body.extend(oid.to_be_bytes());
        body.extend([0xff; 6]);
        body.extend([0, 0]);
    }
    message(b'T', &body)
}

fn inspector() -> Inspector {
    Inspector::new(&[], Limits { max_operation: 8 << 20, max_answer: 16 << 20 }, true)
}

fn per_round(title: &str, mut round: impl FnMut() -> usize) {
    let (mut best, mut bytes) = (f64::MAX, 0);
    for _ in 0..200 {
        let start = Instant::now();
        for _ in 0..20 {
            bytes = black_box(round());
        }
        best = best.min(start.elapsed().as_nanos() as f64 / 20.0);
    }
    println!("{title:<32} {best:>9.0} ns {:>8.1} MB/s", bytes as f64 * 1000.0 / best);
}

fn main() {
    let mut one = inspector();
    let query = message(b'Q', b"SELECT abalance FROM pgbench_accounts WHERE aid = 12345;\0");
    let described = columns(&[("abalance", 23)]);
    let rest = [row(&["0"]), message(b'C', b"SELECT 1\0"), message(b'Z', b"I")].concat();
    per_round("point query", || {
        black_box(one.read_client(&query, false));
        let answer = [described.as_slice(), &rest].concat();
        black_box(one.read_server(&answer, false));
        one.want_columns(&[], 0).unwrap();
        black_box(one.read_server(&rest, false));
        query.len() + answer.len()
    });

    let mut many = inspector();
    let six = [("id", 23), ("name", 25), ("email", 25), ("phone", 25), ("card", 25), ("note", 25)];
    many.read_client(&query, false);
    many.read_server(&columns(&six), false);
    many.want_columns(&[1, 2, 3, 4, 5], 0).unwrap();
    let mut rows = Vec::new();
    let mut count = 0u32;
    while rows.len() < 60_000 {
        let number = format!("{count:06}");
        let email = format!("customer{number}@example.com");
        let phone = format!("+49151{number}");
        rows.extend(row(&[&number, "Ann Smith", &email, &phone, "4111111111111111", "went out for lunch"]));
        count += 1;
    }
    per_round("rows shown", || {
        black_box(many.read_server(&rows, false));
        rows.len()
    });
    let (mut cells, mut texts, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..count {
        for (cell, new) in [(1, "[EMAIL]"), (2, "[PHONE]"), (3, "****1111")] {
            cells.push(index * 5 + cell);
            texts.extend(new.bytes());
            ends.push(texts.len() as u32);
        }
    }
    per_round("rows edited", || {
        black_box(many.edit_event(&rows, kind::ROWS, 0, &cells, &texts, &ends).unwrap()).len();
        rows.len()
    });
}
