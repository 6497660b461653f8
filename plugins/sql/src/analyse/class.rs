//! The words for what a statement does, in order of how much care they ask for.

/// What a statement does. The order is the order of care: a statement that does several things has the
/// greatest of their classes, and [`Classes`] has them all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
#[repr(u8)]
pub enum Class {
    /// SHOW, and SET or RESET of something that changes neither meaning nor rights
    SessionSetting,
    /// BEGIN, COMMIT, SAVEPOINT, SET TRANSACTION, ...; two-phase commit too (see `Flags::two_phase`)
    Transaction,
    /// reads and does nothing else
    Read,
    /// LISTEN, UNLISTEN, NOTIFY
    Listen,
    /// LOCK TABLE, advisory locks, sleeping: waits or makes others wait
    Lock,
    /// DECLARE (the query's class is in `Statement::inner`), FETCH, MOVE, CLOSE
    Cursor,
    /// PREPARE (the body's class is in `Statement::inner`), EXECUTE, DEALLOCATE, DISCARD but for ALL
    Prepared,
    /// VACUUM, ANALYZE, REINDEX, CLUSTER, CHECKPOINT
    Maintenance,
    /// INSERT, COPY FROM STDIN, and UPDATE, DELETE, MERGE with a selective condition
    Write,
    /// UPDATE, DELETE, MERGE without one, TRUNCATE, REFRESH MATERIALIZED VIEW
    BulkWrite,
    /// calls a function or operator that is on no list: it may do anything; advisory locks and setval with
    /// computed arguments
    FunctionCall,
    /// CREATE, ALTER, DROP, COMMENT, SELECT INTO
    SchemaChange,
    /// SET of something that changes what later text means or what protects it, known or not known to us;
    /// ALTER ROLE, DATABASE or SYSTEM ... SET; RESET ALL and DISCARD ALL; BEGIN READ WRITE; writing pg_settings
    ParsingSetting,
    /// GRANT, REVOKE, roles, policies, owners, SET ROLE, writing the system's catalogs, ...
    PrivilegeChange,
    /// reads or writes the server's files, starts its programs, opens connections
    FileOrNetwork,
    /// runs code that is not in the statement's own text or not in SQL, now or later
    CodeExecution,
    /// not recognised
    Unknown,
}

impl Class {
    /// Every class, in order.
    pub const ALL: [Class; 17] = [
        Class::SessionSetting,
        Class::Transaction,
        Class::Read,
        Class::Listen,
        Class::Lock,
        Class::Cursor,
        Class::Prepared,
        Class::Maintenance,
        Class::Write,
        Class::BulkWrite,
        Class::FunctionCall,
        Class::SchemaChange,
        Class::ParsingSetting,
        Class::PrivilegeChange,
        Class::FileOrNetwork,
        Class::CodeExecution,
        Class::Unknown,
    ];

    /// A stable name for rules and records: lower-case words joined by `-`.
    pub fn name(self) -> &'static str {
        match self {
            Class::SessionSetting => "session-setting",
            Class::Transaction => "transaction",
            Class::Read => "read",
            Class::Listen => "listen",
            Class::Lock => "lock",
            Class::Cursor => "cursor",
            Class::Prepared => "prepared",
            Class::Maintenance => "maintenance",
            Class::Write => "write",
            Class::BulkWrite => "bulk-write",
            Class::FunctionCall => "function-call",
            Class::SchemaChange => "schema-change",
            Class::ParsingSetting => "parsing-setting",
            Class::PrivilegeChange => "privilege-change",
            Class::FileOrNetwork => "file-or-network",
            Class::CodeExecution => "code-execution",
            Class::Unknown => "unknown",
        }
    }

    /// The general word for it. Four are judgement: maintenance rewrites storage and so does a definition;
    /// a parsing setting redefines what later text means; locks and sleeping are calls, because they reach
    /// beyond the session; what a prepared statement or cursor does is its body's word, see
    /// [`Statement::action`](super::Statement::action).
    pub fn action(self) -> Action {
        match self {
            Class::Read => Action::Read,
            Class::Write | Class::BulkWrite => Action::Write,
            Class::Maintenance | Class::SchemaChange | Class::ParsingSetting | Class::PrivilegeChange => {
                Action::Define
            }
            Class::Lock | Class::FunctionCall | Class::FileOrNetwork | Class::CodeExecution => Action::Call,
            Class::SessionSetting | Class::Transaction | Class::Listen | Class::Cursor | Class::Prepared => {
                Action::Session
            }
            Class::Unknown => Action::Unknown,
        }
    }
}

impl core::fmt::Display for Class {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// The general words for what an operation does, whatever its protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Action {
    Read,
    Write,
    Define,
    Call,
    /// changes only the session itself
    Session,
    Unknown,
}

impl Action {
    pub fn name(self) -> &'static str {
        match self {
            Action::Read => "read",
            Action::Write => "write",
            Action::Define => "define",
            Action::Call => "call",
            Action::Session => "session",
            Action::Unknown => "unknown",
        }
    }
}

/// A set of classes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Classes(u32);

impl Classes {
    pub const NONE: Classes = Classes(0);

    pub fn insert(&mut self, class: Class) {
        self.0 |= 1 << class as u8;
    }

    pub fn remove(&mut self, class: Class) {
        self.0 &= !(1 << class as u8);
    }

    pub fn extend(&mut self, others: Classes) {
        self.0 |= others.0;
    }

    pub fn contains(self, class: Class) -> bool {
        self.0 & (1 << class as u8) != 0
    }

    /// The class that asks for most care.
    pub fn greatest(self) -> Option<Class> {
        Class::ALL.into_iter().rev().find(|class| self.contains(*class))
    }

    pub fn iter(self) -> impl Iterator<Item = Class> {
        Class::ALL.into_iter().filter(move |class| self.contains(*class))
    }
}

impl core::fmt::Debug for Classes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_complete_and_in_order() {
        assert!(Class::ALL.is_sorted());
        assert_eq!(Class::ALL.last().map(|class| *class as usize), Some(Class::ALL.len() - 1));
    }
}
