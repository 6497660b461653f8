//! The host's vocabulary in the contract's types: borrowed, so that no text is copied on its way to a guest.

use crate::contract::v0_1::inspect::weir::plugin::types as owned;
use crate::contract::v0_1::judge::weir::plugin::types as lent;
use crate::limits::MAX_WORD_CHARS;
use crate::text::clean;
use smallvec::SmallVec;
use weir_model::{Action, Attribute, Column, Operation, Parameter, SessionInfo, Status};
use weir_session::traffic::ResultInfo;

/// The human an agent acts for, as an attribute of its principal.
const ON_BEHALF_OF: &str = "on-behalf-of";

/// As long as most are, they need no memory of their own.
type Short<Entry> = SmallVec<[Entry; 4]>;

/// The small lists an operation needs beside its texts.
pub(crate) struct LentOperation<'a> {
    operation: &'a Operation,
    objects: Short<&'a str>,
    parameters: Short<lent::Parameter<'a>>,
    attributes: Short<lent::AttributeParam<'a>>,
    claimed: Short<lent::AttributeParam<'a>>,
}

impl<'a> LentOperation<'a> {
    pub(crate) fn new(operation: &'a Operation) -> Self {
        Self {
            operation,
            objects: operation.objects.iter().map(String::as_str).collect(),
            parameters: operation.parameters.iter().map(lend_parameter).collect(),
            attributes: operation.attributes.iter().map(lend_attribute).collect(),
            claimed: operation.claimed.iter().map(lend_attribute).collect(),
        }
    }

    pub(crate) fn lend(&self) -> lent::Operation<'_> {
        lent::Operation {
            kind: &self.operation.kind,
            action: self.operation.action.as_word(),
            text: &self.operation.text,
            objects: &self.objects,
            parameters: &self.parameters,
            attributes: &self.attributes,
            claimed: &self.claimed,
        }
    }
}

fn lend_parameter(parameter: &Parameter) -> lent::Parameter<'_> {
    lent::Parameter {
        name: &parameter.name,
        type_name: &parameter.type_name,
        value: parameter.value.as_deref(),
    }
}

fn lend_attribute(attribute: &Attribute) -> lent::AttributeParam<'_> {
    lent::AttributeParam { name: &attribute.name, value: &attribute.value }
}

/// The same for a session.
pub(crate) struct LentSession<'a> {
    info: &'a SessionInfo,
    groups: Vec<&'a str>,
    principal: Vec<lent::AttributeParam<'a>>,
    attributes: Vec<lent::AttributeParam<'a>>,
    claimed: Vec<lent::AttributeParam<'a>>,
}

impl<'a> LentSession<'a> {
    pub(crate) fn new(info: &'a SessionInfo) -> Self {
        let on_behalf_of = info.who.on_behalf_of.iter();
        Self {
            info,
            groups: info.who.groups.iter().map(String::as_str).collect(),
            principal: on_behalf_of.map(|value| lent::AttributeParam { name: ON_BEHALF_OF, value }).collect(),
            attributes: info.attributes.iter().map(lend_attribute).collect(),
            claimed: info.claimed.iter().map(lend_attribute).collect(),
        }
    }

    pub(crate) fn lend(&self) -> lent::SessionInfo<'_> {
        lent::SessionInfo {
            id: self.info.id.as_str(),
            resource_name: self.info.resource.as_str(),
            protocol: &self.info.protocol,
            who: lent::Principal {
                id: &self.info.who.id,
                kind: self.info.who.kind.as_word(),
                groups: &self.groups,
                attributes: &self.principal,
            },
            client_address: &self.info.client_address,
            started_ms: self.info.started_ms,
            attributes: &self.attributes,
            claimed: &self.claimed,
        }
    }
}

/// The small lists a set of columns needs beside its texts.
pub(crate) struct LentColumns<'a> {
    columns: &'a [Column],
    labels: Vec<Vec<&'a str>>,
}

impl<'a> LentColumns<'a> {
    pub(crate) fn new(columns: &'a [Column]) -> Self {
        let labels = columns.iter().map(|column| column.labels.iter().map(String::as_str).collect());
        Self { columns, labels: labels.collect() }
    }

    pub(crate) fn columns(&self) -> &'a [Column] {
        self.columns
    }

    pub(crate) fn lend(&self) -> Vec<lent::Column<'_>> {
        let with_labels = self.columns.iter().zip(&self.labels);
        with_labels
            .map(|(column, labels)| lent::Column {
                name: &column.name,
                relation: &column.relation,
                source: &column.source,
                type_name: &column.type_name,
                labels,
            })
            .collect()
    }
}

/// A session for an inspector, which gets it once: copying is fine.
pub(crate) fn give_session(info: &SessionInfo) -> owned::SessionInfo {
    let attributes = |list: &[Attribute]| -> Vec<owned::Attribute> {
        let copies = list.iter();
        copies.map(|each| owned::Attribute { name: each.name.clone(), value: each.value.clone() }).collect()
    };
    let on_behalf_of = info.who.on_behalf_of.iter();
    owned::SessionInfo {
        id: info.id.as_str().to_owned(),
        resource_name: info.resource.as_str().to_owned(),
        protocol: info.protocol.clone(),
        who: owned::Principal {
            id: info.who.id.clone(),
            kind: info.who.kind.as_word().to_owned(),
            groups: info.who.groups.clone(),
            attributes: on_behalf_of
                .map(|human| owned::Attribute { name: ON_BEHALF_OF.to_owned(), value: human.clone() })
                .collect(),
        },
        client_address: info.client_address.clone(),
        started_ms: info.started_ms,
        attributes: attributes(&info.attributes),
        claimed: attributes(&info.claimed),
    }
}

/// An operation an inspector found. Its texts move, none is copied.
pub(crate) fn take_operation(given: owned::Operation) -> Operation {
    let attributes = |list: Vec<owned::Attribute>| -> Vec<Attribute> {
        list.into_iter().map(|each| Attribute { name: each.name, value: each.value }).collect()
    };
    let parameters = given.parameters.into_iter();
    Operation {
        kind: given.kind,
        action: Action::from_word(&given.action),
        text: given.text,
        objects: given.objects,
        parameters: parameters
            .map(|each| Parameter { name: each.name, type_name: each.type_name, value: each.value })
            .collect(),
        attributes: attributes(given.attributes),
        claimed: attributes(given.claimed),
    }
}

/// How an operation ended. The two kinds of inspectors have a record each for it, of the same fields.
pub(crate) fn take_result(
    operation: u32,
    status: u8,
    rows: u64,
    (tag, code): (String, String),
    message: String,
) -> Result<ResultInfo, &'static str> {
    let (tag, code) = (clean(tag, MAX_WORD_CHARS), clean(code, MAX_WORD_CHARS));
    Ok(ResultInfo { operation, status: take_status(status)?, rows, tag, code, message })
}

/// By the number inspectors have for it.
fn take_status(given: u8) -> Result<Status, &'static str> {
    match given {
        0 => Ok(Status::Ok),
        1 => Ok(Status::Error),
        2 => Ok(Status::Skipped),
        3 => Ok(Status::Suspended),
        _ => Err("a result of unknown status"),
    }
}
