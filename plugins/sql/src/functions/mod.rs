//! Which functions and operators are harmless, and what the others do.

mod classed;
mod fields;
mod harmless;
mod operators;

use crate::analyse::Class;
use classed::CLASSED;
use fields::FIELDS;
use harmless::HARMLESS;
use operators::OPERATORS;

/// What is known of a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effect {
    /// none
    Harmless,
    /// it does what statements of this class do
    Like(Class),
    /// anything
    Unlisted,
}

pub(crate) fn is_harmless(name: &str) -> bool {
    HARMLESS.binary_search(&name).is_ok()
}

/// The effect of the function with this folded name, found without a schema or in a schema of the system.
pub(crate) fn effect_of(name: &str) -> Effect {
    if is_harmless(name) {
        return Effect::Harmless;
    }
    match CLASSED.binary_search_by(|(listed, _)| listed.cmp(&name)) {
        Ok(at) => CLASSED.get(at).map_or(Effect::Unlisted, |(_, class)| Effect::Like(*class)),
        Err(_) => Effect::Unlisted,
    }
}

/// The class of a function known to do something, even when another schema is named: an extension may be
/// installed anywhere.
pub(crate) fn known_class(name: &str) -> Option<Class> {
    match effect_of(name) {
        Effect::Like(class) => Some(class),
        Effect::Harmless | Effect::Unlisted => None,
    }
}

pub(crate) fn is_harmless_operator(operator: &str) -> bool {
    OPERATORS.binary_search(&operator).is_ok()
}

/// Is `(x).name` a field rather than a call, as far as one can tell?
pub(crate) fn is_field(name: &str) -> bool {
    FIELDS.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_disjoint() {
        assert!(HARMLESS.is_sorted_by(|a, b| a < b));
        assert!(CLASSED.is_sorted_by(|a, b| a.0 < b.0));
        assert!(OPERATORS.is_sorted_by(|a, b| a < b));
        assert!(FIELDS.is_sorted_by(|a, b| a < b));
        assert!(FIELDS.iter().all(|name| known_class(name).is_none()));
        assert!(CLASSED.iter().all(|(name, _)| HARMLESS.binary_search(name).is_err()));
    }

    #[test]
    fn functions_that_do_something_are_not_harmless() {
        for name in [
            "query_to_xml",
            "ts_stat",
            "pg_read_file",
            "nextval",
            "pg_sleep",
            "set_config",
            "pg_terminate_backend",
            "pg_reload_conf",
            "lo_get",
            "dblink",
            "pg_logical_slot_get_changes",
            "pg_promote",
            "lo_unlink",
        ] {
            assert_ne!(effect_of(name), Effect::Harmless, "{name}");
        }
    }
}
