//! What the analyser says of a text and of each statement in it.

use super::class::{Action, Class, Classes};
use crate::lex::{LexError, Span};

/// What a text is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Analysis {
    /// In order, without empty ones. When the text is no sequence of tokens: one of class `Unknown` that
    /// covers all of it, so that whoever looks at classes only is refused too.
    pub statements: Vec<Statement>,
    /// why the text is no sequence of tokens
    pub error: Option<LexError>,
}

impl Analysis {
    /// The greatest class of all statements; `None` for a text without any.
    pub fn class(&self) -> Option<Class> {
        self.statements.iter().map(|statement| statement.class).max()
    }

    /// The greatest effect of all statements, bodies of PREPARE and DECLARE included.
    pub fn effect(&self) -> Option<Class> {
        self.statements.iter().map(Statement::effect).max()
    }
}

/// One statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    /// without the semicolon and outer white space
    pub span: Span,
    /// which command it is
    pub verb: Verb,
    /// the greatest of `classes`
    pub class: Class,
    /// everything it does, nested queries included
    pub classes: Classes,
    /// PREPARE and DECLARE: what the body does once it runs. None for every other statement.
    pub inner: Option<Class>,
    /// the folded name of the prepared statement, cursor, setting, savepoint or channel. None where the
    /// statement says ALL, and where it has no such name.
    pub name: Option<String>,
    /// relations it reads or writes, as far as the text tells; views and triggers may touch others
    pub objects: Vec<Object>,
    /// functions it calls, harmless ones included; in definitions only those known to do something
    pub functions: Vec<Function>,
    pub flags: Flags,
    /// for COPY
    pub copy: Option<Copy>,
    /// The items of a plain SELECT's list: one SELECT, no set operation, no WITH, no subquery in FROM.
    /// `None` for everything else: then any output column may come from anywhere.
    pub output_items: Option<Vec<OutputItem>>,
}

impl Statement {
    /// What it does once everything it carries has run: the body's class for PREPARE and DECLARE. For EXECUTE
    /// it is `Prepared`: only who has seen the PREPARE can tell.
    pub fn effect(&self) -> Class {
        self.inner.unwrap_or(self.class)
    }

    /// The name of the prepared statement it runs: EXECUTE, EXPLAIN EXECUTE, CREATE TABLE AS EXECUTE.
    pub fn executes(&self) -> Option<&str> {
        self.name.as_deref().filter(|_| self.runs_prepared())
    }

    fn runs_prepared(&self) -> bool {
        self.classes.contains(Class::Prepared)
            && !matches!(self.verb, Verb::Prepare | Verb::Deallocate | Verb::Discard)
    }

    /// The general word for it: that of its effect. But what runs a prepared statement is unknown, FETCH and
    /// MOVE read, NOTIFY and two-phase commit reach other sessions and write.
    pub fn action(&self) -> Action {
        match self.verb {
            _ if self.runs_prepared() => Action::Unknown,
            Verb::Fetch | Verb::Move => Action::Read,
            Verb::Notify => Action::Write,
            _ if self.flags.two_phase => Action::Write,
            _ => self.effect().action(),
        }
    }

    /// Everything it does if the unlisted functions that `is_allowed` accepts are harmless, bodies of PREPARE and
    /// DECLARE included; never empty. Names come folded, with the schema if one was written.
    pub fn classes_allowing(&self, is_allowed: impl Fn(&str) -> bool) -> Classes {
        let mut unlisted = self.functions.iter().filter(|f| f.is_unlisted());
        let mut classes = self.classes;
        if unlisted.all(|function| is_allowed(&function.name)) {
            classes.remove(Class::FunctionCall);
        }
        if classes == Classes::NONE {
            classes.insert(self.class);
        }
        classes
    }
}

/// Which command a statement is. Commands that only define something are one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Verb {
    Begin,
    Call,
    Checkpoint,
    Close,
    Cluster,
    Commit,
    Copy,
    Deallocate,
    Declare,
    Define,
    Delete,
    Discard,
    Do,
    Execute,
    Explain,
    Fetch,
    Grant,
    Insert,
    Listen,
    Load,
    Lock,
    Merge,
    Move,
    Notify,
    Prepare,
    PrepareTransaction,
    Refresh,
    Reset,
    Rollback,
    Savepoint,
    Select,
    Set,
    SetConstraints,
    SetTransaction,
    Show,
    Truncate,
    Unlisten,
    Update,
    Vacuum,
    Unknown,
}

/// A relation a statement touches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Object {
    /// folded; `schema.table` when it was written so. A part that contains a dot or a double quote keeps its
    /// quotes, so that `"a.b"` and `a.b` differ.
    pub name: String,
    pub reads: bool,
    pub writes: bool,
}

/// A function (or operator, or field that may be a function) a statement calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Function {
    /// folded, with the schema if one was written; an operator is written as such
    pub name: String,
    /// what it does; `None`: nothing. `FunctionCall` if it is on no list.
    pub class: Option<Class>,
}

impl Function {
    pub fn is_unlisted(&self) -> bool {
        self.class == Some(Class::FunctionCall)
    }
}

/// Facts that are no classes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags {
    /// FOR UPDATE, FOR SHARE and their weaker forms: reads, but makes others wait
    pub locks: bool,
    /// PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED
    pub two_phase: bool,
    /// asks for a transaction that may write, whatever the session's default says
    pub read_write: bool,
    /// EXPLAIN that runs its statement
    pub analyze: bool,
    /// nested deeper than the analyser follows; the class is `Unknown`
    pub too_deep: bool,
    /// DEALLOCATE ALL, CLOSE ALL, RESET ALL, DISCARD ALL, UNLISTEN *
    pub all: bool,
    /// may change relations that its text does not name: CASCADE, an index by its name, calls of unlisted functions,
    /// rows of the system's catalogs. Not told of code and of definitions that name no relation at all.
    pub unnamed: bool,
}

/// One item of a select list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutputItem {
    /// the expression, without its alias
    pub span: Span,
    /// folded, if one is written
    pub alias: Option<String>,
    pub form: ItemForm,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ItemForm {
    /// `a`, `t.a`, `s.t.a`: a column as it is
    Column,
    /// `*`, `t.*`: several columns
    Star,
    /// anything else
    Expression,
}

/// Where a COPY moves rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Copy {
    /// FROM STDIN: the client sends rows
    In,
    /// TO STDOUT: the client gets rows
    Out(CopyOut),
    /// a file or program of the server
    Server,
}

/// What the rows of a COPY TO STDOUT are and how they are written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CopyOut {
    pub source: CopySource,
    pub format: CopyFormat,
    /// between two values (text and CSV)
    pub delimiter: char,
    /// how NULL is written (text and CSV)
    pub null: String,
    /// CSV only
    pub quote: char,
    /// CSV only: what precedes a quote inside quotes
    pub escape: char,
    /// the first line has the columns' names
    pub header: bool,
    /// as written, in lower case; `None`: the client's encoding
    pub encoding: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CopySource {
    /// no columns: all of them
    Table { name: String, columns: Vec<String> },
    /// the statement between the parentheses
    Query { span: Span, output_items: Option<Vec<OutputItem>> },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CopyFormat {
    Text,
    Csv,
    Binary,
}
