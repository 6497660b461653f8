//! An operation while it is put together.

use weir_sdk::http::{Attribute, Operation, Parameter};

/// Of one name, this many parameters are listed; an attribute tells how many there are. Only for object ids, which
/// nobody judges one by one.
const MAX_LISTED: usize = 100;

#[derive(Clone, Debug)]
pub struct Draft(Operation);

impl Draft {
    pub fn new(kind: &str, action: &str, text: String) -> Self {
        Self(Operation {
            kind: kind.to_owned(),
            action: action.to_owned(),
            text,
            objects: Vec::new(),
            parameters: Vec::new(),
            attributes: Vec::new(),
            claimed: Vec::new(),
        })
    }

    pub fn object(mut self, name: String) -> Self {
        if !self.0.objects.contains(&name) {
            self.0.objects.push(name);
        }
        self
    }

    pub fn attribute(mut self, name: &str, value: &str) -> Self {
        self.0.attributes.push(Attribute::new(name, value));
        self
    }

    pub fn claimed(mut self, name: &str, value: Option<&str>) -> Self {
        self.0.claimed.extend(value.map(|value| Attribute::new(name, value)));
        self
    }

    pub fn parameter(mut self, name: &str, type_name: &str, value: &str) -> Self {
        self.0.parameters.push(Parameter {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            value: Some(value.to_owned()),
        });
        self
    }

    /// Several of one name: `want`, `want[1]`, `want[2]`, …
    pub fn parameters(mut self, name: &str, type_name: &str, values: &[String]) -> Self {
        for (index, value) in values.iter().enumerate() {
            self = match index {
                0 => self.parameter(name, type_name, value),
                _ => self.parameter(&format!("{name}[{index}]"), type_name, value),
            };
        }
        self
    }

    /// The same for object ids, of which there may be very many; `count` is the attribute with their number.
    pub fn ids(self, name: &str, count: &str, values: &[String]) -> Self {
        if values.is_empty() {
            return self;
        }
        let listed = values.get(..MAX_LISTED).unwrap_or(values);
        self.attribute(count, &values.len().to_string()).parameters(name, "object-id", listed)
    }

    /// Bytes of all it says, about.
    pub fn weight(&self) -> usize {
        let facts = self.0.attributes.iter().chain(&self.0.claimed);
        let facts = facts.map(|each| each.name.len() + each.value.len());
        let parameters = self.0.parameters.iter();
        let parameters = parameters.map(|each| each.name.len() + each.value.as_ref().map_or(0, String::len));
        self.0.objects.iter().map(String::len).chain(facts).chain(parameters).sum()
    }

    pub fn finish(self) -> Operation {
        self.0
    }
}
