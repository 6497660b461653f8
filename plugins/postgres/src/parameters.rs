//! Bound values as text.

use crate::messages::bind::{Format, Values};
use crate::types::{self, decode};
use weir_sdk::inspector::Parameter;

#[derive(Debug, Default)]
pub struct Decoded {
    pub parameters: Vec<Parameter>,
    /// Names of those whose value is not (exactly) known.
    pub undecoded: String,
}

/// `declared` are the statement's parameter types as far as they are known.
pub fn decode(values: Values<'_>, declared: &[u32]) -> Decoded {
    let mut decoded = Decoded::default();
    for (index, (format, value)) in values.parameters().into_iter().enumerate() {
        let oid = declared.get(index).copied().unwrap_or(0);
        decoded.push(oid, format, value);
    }
    decoded
}

/// Arguments of a function call: their types are the server's secret.
pub fn decode_arguments(arguments: &[(Format, Option<&[u8]>)]) -> Decoded {
    let mut decoded = Decoded::default();
    for (format, value) in arguments {
        let value = value.map(|bytes| match format {
            Format::Text => String::from_utf8_lossy(bytes).into_owned(),
            Format::Binary => {
                let mut text = Vec::new();
                decode::hex(bytes, &mut text);
                String::from_utf8_lossy(&text).into_owned()
            }
        });
        let name = decoded.next_name();
        decoded.parameters.push(Parameter { name, type_name: String::new(), value });
    }
    decoded
}

impl Decoded {
    fn next_name(&self) -> String {
        format!("${}", self.parameters.len() + 1)
    }

    fn push(&mut self, oid: u32, format: Format, value: Option<&[u8]>) {
        let name = self.next_name();
        let (value, exact) = match (value, format) {
            (None, _) => (None, true),
            (Some(bytes), Format::Text) => text(bytes),
            (Some(bytes), Format::Binary) => {
                let mut out = Vec::new();
                match decode::to_text(oid, bytes, &mut out) {
                    Some(()) => text(&out),
                    None => (None, false),
                }
            }
        };
        if !exact {
            if !self.undecoded.is_empty() {
                self.undecoded.push(' ');
            }
            self.undecoded.push_str(&name);
        }
        self.parameters.push(Parameter { name, type_name: types::name(oid), value });
    }
}

fn text(bytes: &[u8]) -> (Option<String>, bool) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text.to_owned()), true),
        Err(_) => (Some(String::from_utf8_lossy(bytes).into_owned()), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_declared_type_by_format_or_not_at_all() {
        // formats: binary, text, binary, binary; values: int4 7, 'x', NULL, two bytes of nobody knows what
        let body = b"\0\x04\0\x01\0\0\0\x01\0\x01\0\x04\0\0\0\x04\0\0\0\x07\0\0\0\x01x\xff\xff\xff\xff\0\0\0\x02ab\0\0";
        let decoded = decode(Values::kept(body), &[23, 25]);
        let values: Vec<_> =
            decoded.parameters.iter().map(|p| (p.name.as_str(), p.value.as_deref())).collect();
        assert_eq!(values, [("$1", Some("7")), ("$2", Some("x")), ("$3", None), ("$4", None)]);
        assert_eq!(decoded.parameters[0].type_name, "int4");
        assert_eq!(decoded.undecoded, "$4");
    }
}
