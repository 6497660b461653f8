//! Are the objects of an operation all that it touches?
//!
//! An inspector names what it sees. Some operations touch what nobody sees: SQL that calls a function, is not
//! understood, or drops a schema with what is in it. Those count as touching everything.

use crate::names::is_sql;
use weir_sdk::policy::Operation;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Nothing that could be protected.
    Nothing,
    /// What its objects say.
    Objects,
    Anything,
}

/// `operation` changes something, or nobody knows whether it does.
pub fn of(operation: &Operation) -> Reach {
    if is_sql(&operation.kind) {
        return sql(operation);
    }
    if operation.objects.is_empty() { Reach::Anything } else { Reach::Objects }
}

fn sql(operation: &Operation) -> Reach {
    let class = operation.attribute("sql-class").unwrap_or("unknown");
    let unread = operation.attribute("sql-lexing").is_some()
        || operation.attribute("text-not-utf8").is_some()
        || operation.attribute("sql-executes-unknown").is_some()
        || operation.attribute("sql-objects").is_some();
    let objects = if operation.objects.is_empty() { Reach::Anything } else { Reach::Objects };
    match (operation.kind.as_str(), operation.action.as_str(), class) {
        // Settings of the session.
        ("sql.startup", ..) if operation.objects.is_empty() => Reach::Nothing,
        _ if unread => Reach::Anything,
        // What each of them stands for are other sessions, or what was judged before.
        (_, "write" | "call", "transaction" | "listen" | "lock") if operation.objects.is_empty() => {
            Reach::Nothing
        }
        (_, "call", "lock") => objects,
        (_, _, "function-call" | "file-or-network" | "code-execution" | "unknown") => Reach::Anything,
        (_, "write", _) => objects,
        // Of several statements one may drop a schema while another names a table.
        (_, "define", _) if operation.attribute("sql-statements") == Some("1") => objects,
        (_, "read" | "session", _) => objects,
        _ => Reach::Anything,
    }
}

/// It only says what a later operation will do; that one is judged again. Not so if functions may do it: when a portal is
/// bound, planning calls those that are not declared VOLATILE.
pub fn runs_later(operation: &Operation) -> bool {
    let by_function = operation.attribute("portal-name").is_some()
        && matches!(
            operation.attribute("sql-class").unwrap_or("unknown"),
            "function-call" | "file-or-network" | "code-execution" | "unknown"
        );
    let executes = operation.attributes.iter().any(|attribute| attribute.name.starts_with("sql-executes"));
    operation.kind == "sql.prepare" && !by_function
        || operation.kind == "sql.query"
            && operation.attribute("sql-class") == Some("prepared")
            && operation.attribute("sql-statements") == Some("1")
            // EXECUTE of what is not known
            && operation.action != "unknown"
            && !executes
}
