//! Relations that belong to the server: writing them is defining in other words, and some read its files.
//!
//! A rule on `pg_settings` makes an UPDATE of it a SET, and a row of a catalog is a role, a function or a
//! right. The server allows some of it to anyone and most of it to superusers; text cannot tell who is one.

use super::class::Class;
use super::parser::Parser;
use super::selective::is_of_server;

/// Views on functions that read the server's files or say where they are.
const FILES: [&str; 4] = ["pg_config", "pg_file_settings", "pg_hba_file_rules", "pg_ident_file_mappings"];

/// What writing the relation does beside changing rows. `name` is as `Parser::qualified_name` writes it.
fn class_of_write(name: &str) -> Option<Class> {
    let (schema, relation) = parts(name);
    let schema = schema.unwrap_or("");
    if schema.starts_with("pg_temp") {
        return None;
    }
    if relation == "pg_settings" {
        return Some(Class::ParsingSetting);
    }
    let system = match schema {
        // `search_path` may put another schema first, and usually does not
        "" => relation.starts_with("pg_"),
        "information_schema" => true,
        // PostgreSQL keeps every schema that begins so for itself
        schema => schema.starts_with("pg_"),
    };
    system.then_some(Class::PrivilegeChange)
}

fn class_of_read(name: &str) -> Option<Class> {
    let (schema, relation) = parts(name);
    let system = is_of_server(schema);
    (system && FILES.contains(&relation)).then_some(Class::FileOrNetwork)
}

/// The last two parts. A part in quotes has a dot or a quote in it: no name of the system has.
fn parts(name: &str) -> (Option<&str>, &str) {
    match name.rsplit_once('.') {
        None => (None, name),
        Some((before, relation)) => {
            (Some(before.rsplit_once('.').map_or(before, |(_, schema)| schema)), relation)
        }
    }
}

impl Parser<'_> {
    /// What touching the relation does because it is the server's own.
    pub(super) fn touches(&mut self, name: &str, writes: bool) {
        let class = if writes { class_of_write(name) } else { None };
        self.found.flags.unnamed |= class.is_some();
        for class in class.into_iter().chain(class_of_read(name)) {
            self.class(class);
        }
    }

    /// A name somewhere in a definition: a view on `pg_settings` can be written like it.
    pub(super) fn mentions_system(&mut self, name: &str) {
        if name == "pg_settings" {
            self.class(Class::ParsingSetting);
        }
        self.touches(name, false);
    }
}
