//! What a statement does.
//!
//! Each statement is parsed on its own by a recursive descent over PostgreSQL's grammar (`parser` and its
//! siblings), which builds no tree and writes down what it meets. The statement's class is the greatest of
//! what was met. A statement whose grammar is not recognised to its last token is `Unknown`.
//!
//! Reading order: `class` and `statement` are the answer; `utility` goes from the first word to the rest;
//! `query`, `from`, `table_function`, `expr`, `primary`, `notation`, `arguments`, `special`, `types` are the grammar of queries; `dml` and `selective`
//! judge changes of rows; `system` knows the server's own relations; `session`, `prepared`, `copy`, `define`, `relations` are the other statements.

mod arguments;
mod class;
mod copy;
mod define;
mod dml;
mod expr;
mod from;
mod notation;
mod parser;
mod prepared;
mod primary;
mod query;
mod relations;
mod selective;
mod session;
mod settings;
mod special;
mod statement;
mod system;
mod table_function;
mod types;
mod utility;

pub use class::{Action, Class, Classes};
pub use parser::MAX_DEPTH;
pub use statement::{
    Analysis, Copy, CopyFormat, CopyOut, CopySource, Flags, Function, ItemForm, Object, OutputItem,
    Statement, Verb,
};

use crate::lex::{Span, Token};
use crate::split::{next_statement, significant};
use parser::{Parser, Stop};

/// What a statement turned out to be, besides what was found in it.
struct Head {
    verb: Verb,
    name: Option<String>,
}

impl Head {
    fn of(verb: Verb) -> Head {
        Head { verb, name: None }
    }
}

/// Says what each statement of `text` does. `standard_conforming_strings` is the session's setting; with the
/// wrong one strings end in other places than the server thinks.
pub fn analyse(text: &str, standard_conforming_strings: bool) -> Analysis {
    let tokens = match significant(text, standard_conforming_strings) {
        Ok(tokens) => tokens,
        Err(error) => {
            let span = Span { start: 0, end: u32::try_from(text.len()).unwrap_or(u32::MAX) };
            return Analysis { statements: vec![unknown(span, Flags::default())], error: Some(error) };
        }
    };
    let mut statements = Vec::with_capacity(1);
    let mut rest: &[Token] = &tokens;
    while !rest.is_empty() {
        let (statement, after) = next_statement(rest);
        if !statement.is_empty() {
            statements.push(one(text, statement));
        }
        rest = after;
    }
    Analysis { statements, error: None }
}

fn one(text: &str, tokens: &[Token]) -> Statement {
    let start = tokens.first().map_or(0, |token| token.span.start);
    let end = tokens.last().map_or(start, |token| token.span.end);
    let span = Span { start, end };
    let mut parser = Parser::new(text, tokens);
    let (head, copy) = match parser.statement() {
        Ok(recognised) => recognised,
        Err(stop) => {
            let flags = Flags { too_deep: stop == Stop::TooDeep, ..Flags::default() };
            return unknown(span, flags);
        }
    };
    parser.calls_in_disguise();
    let mut found = parser.found;
    // the class of a definition is greater than that of a call, which may touch more
    found.flags.unnamed |= found.classes.contains(Class::FunctionCall)
        && found.classes.greatest().is_some_and(|class| class > Class::FunctionCall);
    let mut classes = found.classes;
    let mut inner = None;
    if matches!(head.verb, Verb::Prepare | Verb::Declare) {
        inner = classes.greatest();
        classes.insert(if head.verb == Verb::Prepare { Class::Prepared } else { Class::Cursor });
    }
    let class = match head.verb {
        Verb::Prepare => Class::Prepared,
        Verb::Declare => Class::Cursor,
        _ => classes.greatest().unwrap_or(Class::Unknown),
    };
    let output_items = if head.verb == Verb::Select { parser.items } else { None };
    Statement {
        span,
        verb: head.verb,
        class,
        classes,
        inner,
        name: head.name,
        objects: found.objects,
        functions: found.functions,
        flags: found.flags,
        copy,
        output_items,
    }
}

fn unknown(span: Span, flags: Flags) -> Statement {
    let mut classes = Classes::NONE;
    classes.insert(Class::Unknown);
    Statement {
        span,
        verb: Verb::Unknown,
        class: Class::Unknown,
        classes,
        inner: None,
        name: None,
        objects: Vec::new(),
        functions: Vec::new(),
        flags,
        copy: None,
        output_items: None,
    }
}

impl Parser<'_> {
    /// `x.name`, where `x` stands for a function in FROM that returns plain values, calls the function `name`
    /// if there is no such column. And whatever `x` is, the name of a function known to do something is no
    /// good name for a column.
    fn calls_in_disguise(&mut self) {
        let qualified = core::mem::take(&mut self.found.qualified);
        for at in qualified {
            let Some(name) = self.tokens.get(at).map(|token| self.name_of(*token)) else { continue };
            let class = arguments::class_of_computed(&name).or_else(|| crate::functions::known_class(&name));
            if let Some(class) = class {
                self.called(name.into_owned(), Some(class));
                continue;
            }
            if self.found.function_aliases.is_empty() {
                continue;
            }
            let qualifier =
                at.checked_sub(2).and_then(|at| self.tokens.get(at)).map(|token| self.name_of(*token));
            let Some(qualifier) = qualifier else { continue };
            if self.is_of_function(&qualifier, &name) {
                self.field_or_call(&name);
            }
        }
    }

    /// Does `qualifier.name` belong to a function in FROM, as far as one can tell, that has no such column? Functions in
    /// different queries may be called the same: then each of them must have it.
    fn is_of_function(&self, qualifier: &str, name: &str) -> bool {
        let functions = &self.found.function_aliases;
        if functions.len() > MOST_ALIASES || functions.iter().any(Option::is_none) {
            return true;
        }
        let mut has_columns = [self.found.declared.len() > MOST_ALIASES; MOST_ALIASES];
        let mut has_it = [false; MOST_ALIASES];
        for (of, declared) in self.found.declared.iter().take(MOST_ALIASES) {
            let Some(of) = *of else { continue };
            if let (Some(columns), Some(it)) = (has_columns.get_mut(of), has_it.get_mut(of)) {
                *columns = true;
                *it |= declared == name;
            }
        }
        // a function of one column has its own name for it, unless another is given
        let is_column = |columns: bool, it: bool| it || (!columns && name == qualifier);
        let mut called_so = functions.iter().zip(has_columns.iter().zip(&has_it));
        called_so.any(|(alias, (columns, it))| {
            alias.as_deref().is_some_and(|alias| may_be_one(alias, qualifier)) && !is_column(*columns, *it)
        })
    }
}

/// A server with an encoding of single bytes folds `É` to `é`, one with UTF-8 does not.
fn may_be_one(name: &str, other: &str) -> bool {
    name == other || !name.is_ascii() && name.to_lowercase() == other.to_lowercase()
}

/// So many names of functions in FROM, and of their columns, are compared with each column; beyond, every
/// qualified column counts as one of a function.
const MOST_ALIASES: usize = 200;

#[cfg(test)]
mod tests;
