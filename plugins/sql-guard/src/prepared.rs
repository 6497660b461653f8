//! What a session has prepared under which name, so that `EXECUTE name` is judged by what it runs.
//!
//! A name keeps every class it ever had: whether a `PREPARE` succeeded, or a `DEALLOCATE`, is not known here, and
//! believing the harmless one of two would be a way around. What is not known counts as unknown: also what was
//! prepared before this policy was replaced.

use std::collections::HashMap;
use weir_sql::Class;

/// Names remembered; a session that prepares more has its `EXECUTE`s treated as unknown.
const MAX_NAMES: usize = 10_000;

#[derive(Debug, Default)]
pub struct Prepared {
    names: HashMap<String, Vec<Class>>,
}

impl Prepared {
    pub fn remember(&mut self, name: &str, class: Class) {
        if self.names.len() >= MAX_NAMES && !self.names.contains_key(name) {
            return;
        }
        let classes = self.names.entry(name.to_owned()).or_default();
        if !classes.contains(&class) {
            classes.push(class);
        }
    }

    /// Everything the name may run.
    pub fn classes(&self, name: &str) -> &[Class] {
        self.names.get(name).map_or(&[Class::Unknown], Vec::as_slice)
    }
}
