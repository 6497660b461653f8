//! Messages, spelled short.

pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend((body.len() as u32 + 4).to_be_bytes());
    out.extend(body);
    out
}

pub fn cat(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

pub fn query(text: &str) -> Vec<u8> {
    message(b'Q', &cat(&[text.as_bytes(), b"\0"]))
}

pub fn parse(name: &str, text: &str) -> Vec<u8> {
    message(b'P', &cat(&[name.as_bytes(), b"\0", text.as_bytes(), b"\0\0\0"]))
}

/// Text parameters, text results.
pub fn bind(portal: &str, statement: &str, values: &[&str]) -> Vec<u8> {
    let mut body = cat(&[portal.as_bytes(), b"\0", statement.as_bytes(), b"\0\0\0"]);
    body.extend((values.len() as u16).to_be_bytes());
    for value in values {
        body.extend((value.len() as u32).to_be_bytes());
        body.extend(value.as_bytes());
    }
    body.extend([0, 0]);
    message(b'B', &body)
}

pub fn describe(what: u8, name: &str) -> Vec<u8> {
    message(b'D', &cat(&[&[what], name.as_bytes(), b"\0"]))
}

pub fn close(what: u8, name: &str) -> Vec<u8> {
    message(b'C', &cat(&[&[what], name.as_bytes(), b"\0"]))
}

pub fn execute(portal: &str, max_rows: u32) -> Vec<u8> {
    message(b'E', &cat(&[portal.as_bytes(), b"\0", &max_rows.to_be_bytes()]))
}

pub const SYNC: &[u8] = b"S\0\0\0\x04";
pub const FLUSH: &[u8] = b"H\0\0\0\x04";
pub const COPY_DONE: &[u8] = b"c\0\0\0\x04";

pub const PARSED: &[u8] = b"1\0\0\0\x04";
pub const BOUND: &[u8] = b"2\0\0\0\x04";
pub const CLOSED: &[u8] = b"3\0\0\0\x04";
pub const NO_DATA: &[u8] = b"n\0\0\0\x04";
pub const SUSPENDED: &[u8] = b"s\0\0\0\x04";
pub const IDLE: &[u8] = b"Z\0\0\0\x05I";
pub const IN_TRANSACTION: &[u8] = b"Z\0\0\0\x05T";
pub const FAILED: &[u8] = b"Z\0\0\0\x05E";

pub fn tag(text: &str) -> Vec<u8> {
    message(b'C', &cat(&[text.as_bytes(), b"\0"]))
}

pub fn row(values: &[&str]) -> Vec<u8> {
    let mut body = (values.len() as u16).to_be_bytes().to_vec();
    for value in values {
        body.extend((value.len() as u32).to_be_bytes());
        body.extend(value.as_bytes());
    }
    message(b'D', &body)
}

/// Columns as (name, type OID, typmod, format).
pub fn columns(columns: &[(&str, u32, i32, u16)]) -> Vec<u8> {
    let mut body = (columns.len() as u16).to_be_bytes().to_vec();
    for (index, (name, oid, modifier, format)) in columns.iter().enumerate() {
        body.extend(name.as_bytes());
        body.push(0);
        body.extend(16_500u32.to_be_bytes());
        body.extend((index as u16 + 1).to_be_bytes());
        body.extend(oid.to_be_bytes());
        body.extend((-1i16).to_be_bytes());
        body.extend(modifier.to_be_bytes());
        body.extend(format.to_be_bytes());
    }
    message(b'T', &body)
}

pub fn text_columns(names: &[&str]) -> Vec<u8> {
    columns(&names.iter().map(|name| (*name, 25, -1, 0)).collect::<Vec<_>>())
}

pub fn error(code: &str, text: &str) -> Vec<u8> {
    message(b'E', &cat(&[b"SERROR\0VERROR\0C", code.as_bytes(), b"\0M", text.as_bytes(), b"\0\0"]))
}

pub fn notice(text: &str) -> Vec<u8> {
    message(b'N', &cat(&[b"SNOTICE\0VNOTICE\0C00000\0M", text.as_bytes(), b"\0\0"]))
}

pub fn copy_data(text: &[u8]) -> Vec<u8> {
    message(b'd', text)
}

/// CopyInResponse or CopyOutResponse, all columns in one format.
pub fn copy_response(kind: u8, format: u8, columns: u16) -> Vec<u8> {
    let mut body = vec![format];
    body.extend(columns.to_be_bytes());
    for _ in 0..columns {
        body.extend([0, format]);
    }
    message(kind, &body)
}
