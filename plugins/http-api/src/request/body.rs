//! A request's body, all of it, as parameters of its operation.

use super::{Attribute, Fault, Look, Operation, Parameter, add_pairs, is_method_member, method_parameter};
use crate::fault;
use weir_json::{Kind, Leaf, Limits, Place, Stop, Visitor};

/// More than people look at, and few enough that every policy can: 10 000 fields of 100 bytes are a megabyte.
pub const MAX_PARAMETERS: usize = 10_000;

/// Adds what a body says. `semicolons`: whether a form may hold `;`.
///
/// # Errors
/// When it is not what its type says, or holds more than can be judged.
pub fn add_body(operation: &mut Operation, look: Look, data: &[u8], semicolons: bool) -> Result<(), Fault> {
    match look {
        Look::Json => add_json(operation, "body", data),
        Look::Lines => {
            let lines = data.split(|byte| *byte == b'\n').map(without_separator);
            let lines = lines.filter(|line| !line.trim_ascii().is_empty());
            for (number, line) in lines.enumerate() {
                add_json(operation, &format!("body[{number}]"), line)?;
            }
            Ok(())
        }
        Look::Form => {
            let text = std::str::from_utf8(data).map_err(|_| form("it is not ASCII"))?;
            add_pairs(operation, "body.", text, semicolons, form)
        }
        Look::Text | Look::Events => {
            let text = std::str::from_utf8(data)
                .map_err(|_| Fault::new(fault::BODY, "the body is not UTF-8, so it cannot be judged"))?;
            operation.parameters.push(Parameter {
                name: "body".to_owned(),
                type_name: "text".to_owned(),
                value: Some(text.to_owned()),
            });
            Ok(())
        }
        Look::Unseen => {
            operation.attributes.push(Attribute::new("http-body", "unseen"));
            Ok(())
        }
    }
}

/// Of `application/json-seq`, which has one in front of each text (RFC 7464).
pub(crate) fn without_separator(line: &[u8]) -> &[u8] {
    const SEPARATOR: u8 = 0x1e;
    line.get(line.iter().take_while(|byte| **byte == SEPARATOR).count()..).unwrap_or_default()
}

fn form(why: &str) -> Fault {
    Fault::new(fault::BODY, format!("the form cannot be judged: {why}"))
}

fn add_json(operation: &mut Operation, prefix: &str, data: &[u8]) -> Result<(), Fault> {
    let is_request = operation.kind == "http.request";
    let mut leaves = Leaves { parameters: &mut operation.parameters, prefix, is_request, method: None };
    let walked = weir_json::walk(data, Limits::default(), &mut leaves);
    if let Some(name) = leaves.method {
        return Err(method_parameter(&name));
    }
    walked.map_err(|error| match error.problem {
        problem if problem.is_limit() => {
            Fault::new(fault::TOO_MANY, format!("the JSON is more than can be judged: {error}"))
        }
        _ => Fault::new(fault::JSON, format!("the body is not the JSON it should be: {error}")),
    })
}

/// The member at the top that some servers take for the method, when a place is it or lies in it.
fn method_member(path: &str) -> Option<&str> {
    path.split(['.', '[']).next().filter(|name| is_method_member(name))
}

struct Leaves<'a> {
    parameters: &'a mut Vec<Parameter>,
    prefix: &'a str,
    /// a message has no method that could be another
    is_request: bool,
    /// the member that some servers take for the method
    method: Option<String>,
}

impl Visitor for Leaves<'_> {
    fn leaf(&mut self, place: &Place<'_>, leaf: &Leaf<'_>) -> Result<(), Stop> {
        if self.parameters.len() >= MAX_PARAMETERS {
            return Err(Stop);
        }
        let path = place.indexed();
        if let Some(name) = method_member(&path).filter(|_| self.is_request) {
            self.method = Some(name.to_owned());
            return Err(Stop);
        }
        let joint = if path.is_empty() || path.starts_with('[') { "" } else { "." };
        let type_name = match leaf.kind {
            Kind::String => "string",
            Kind::Number => "number",
            Kind::Boolean => "boolean",
            Kind::Null => "null",
            Kind::EmptyObject => "object",
            Kind::EmptyArray => "array",
        };
        let written_out = match leaf.kind {
            Kind::Number => weir_json::without_exponent(&leaf.text),
            _ => None,
        };
        let value = (leaf.kind != Kind::Null).then(|| written_out.unwrap_or_else(|| leaf.text.to_string()));
        self.parameters.push(Parameter {
            name: format!("{}{joint}{path}", self.prefix),
            type_name: type_name.to_owned(),
            value,
        });
        Ok(())
    }
}
