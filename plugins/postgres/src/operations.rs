//! Operations as the host gets them.

use crate::names::Statement;
use crate::parameters::Decoded;
use crate::sql::Facts;
use weir_sdk::inspector::{Attribute, Operation};

pub const QUERY: &str = "sql.query";
pub const PREPARE: &str = "sql.prepare";
pub const FETCH: &str = "sql.fetch";
pub const CALL: &str = "sql.call";

pub fn attribute(name: &str, value: impl Into<String>) -> Attribute {
    Attribute { name: name.to_owned(), value: value.into() }
}

/// An operation about a text; parameters are filled in by `bound`.
pub fn of_text(kind: &str, text: String, facts: &Facts) -> Operation {
    let mut attributes = vec![
        attribute("sql-class", facts.class.as_str()),
        attribute("sql-statements", facts.statements.to_string()),
    ];
    if facts.objects_incomplete {
        attributes.push(attribute("sql-objects", "incomplete"));
    }
    if facts.unsafe_reading {
        attributes.push(attribute("sql-lexing", "unsafe"));
    }
    if facts.old_strings {
        attributes.push(attribute("sql-standard-conforming-strings", "off"));
    }
    if facts.not_utf8 {
        attributes.push(attribute("text-not-utf8", "true"));
    }
    Operation {
        kind: kind.to_owned(),
        action: facts.action.to_owned(),
        text,
        objects: facts.objects.clone(),
        parameters: Vec::new(),
        attributes,
        claimed: facts.claimed.iter().map(|(name, value)| attribute(name, value.as_str())).collect(),
    }
}

pub fn of_statement(kind: &str, statement: &Statement, bound: Option<Decoded>) -> Operation {
    let mut operation = of_text(kind, statement.text.clone(), &statement.facts);
    if let Some(decoded) = bound {
        with_parameters(&mut operation, decoded);
    }
    operation
}

pub fn call(function: u32, decoded: Decoded) -> Operation {
    let mut operation = Operation {
        kind: CALL.to_owned(),
        action: "call".to_owned(),
        text: format!("function call of OID {function}"),
        objects: vec![format!("function:{function}")],
        parameters: Vec::new(),
        attributes: Vec::new(),
        claimed: Vec::new(),
    };
    with_parameters(&mut operation, decoded);
    operation
}

/// About what it takes to hand an operation on: its texts, and for each a bit more.
pub fn told_bytes(operation: &Operation) -> usize {
    const EACH: usize = 64;
    let objects = operation.objects.iter().map(|name| name.len() + EACH);
    let attributes = operation.attributes.iter().chain(&operation.claimed);
    let attributes = attributes.map(|attribute| attribute.name.len() + attribute.value.len() + EACH);
    objects.chain(attributes).fold(operation.text.len() + EACH, usize::saturating_add)
}

/// Something that is refused here, so that nobody judges it any more.
pub fn unread(kind: &str, text: String) -> Operation {
    of_text(kind, text, &Facts::unknown())
}

fn with_parameters(operation: &mut Operation, decoded: Decoded) {
    operation.parameters = decoded.parameters;
    if !decoded.undecoded.is_empty() {
        operation.attributes.push(attribute("undecoded-parameters", decoded.undecoded));
    }
}
