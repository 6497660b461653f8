//! The parser's hands: looking at tokens, taking them, and writing down what was found.
//!
//! It is a recursive descent over PostgreSQL's grammar that builds no tree. Each function takes the tokens of
//! one construct or stops; what matters on the way (relations, functions, classes) is written into `found`.
//! A stop makes the statement `Unknown`, so a function may be narrower than PostgreSQL, never wider in a way
//! that loses an effect.

use std::borrow::Cow;

use super::class::{Class, Classes};
use super::selective::Target;
use super::statement::{Flags, Function, Object, OutputItem};
use crate::decode;
use crate::functions::{self, Effect};
use crate::keyword::{Category, Keyword};
use crate::lex::{Kind, Span, Token};

/// How deep expressions and queries may nest. Each level costs about a kilobyte of stack, and a WebAssembly
/// guest has one megabyte in all; hand-written and generated SQL stays below thirty levels.
pub const MAX_DEPTH: u32 = 100;

/// Why parsing stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stop {
    /// a token the grammar here does not expect
    Unexpected,
    TooDeep,
}

pub(super) type Parse<T> = Result<T, Stop>;

/// What has been found in the statement so far.
#[derive(Default)]
pub(super) struct Found {
    pub(super) classes: Classes,
    pub(super) objects: Vec<Object>,
    pub(super) functions: Vec<Function>,
    pub(super) flags: Flags,
    /// references to columns so far
    pub(super) columns: u32,
    /// references to columns of the relation being changed, from inside subqueries
    pub(super) outer_columns: u32,
    /// tables in subqueries that have the same name as the relation being changed
    pub(super) outer_shadows: u32,
    /// subqueries in FROM so far, and names that WITH has given to some
    pub(super) queries: u32,
    /// subqueries in expressions so far
    pub(super) inner_queries: u32,
    /// what stands in FROM so far: relations, subqueries, functions
    pub(super) tables: u32,
    /// where qualified columns have their last name: some may be calls in disguise
    pub(super) qualified: Vec<usize>,
    /// what functions in FROM are called, in the order of their ends; `None`: the server makes the name
    pub(super) function_aliases: Vec<Option<String>>,
    /// columns that functions in FROM are said to have, and of which function (its place among `function_aliases`)
    pub(super) declared: Vec<(Option<usize>, String)>,
}

pub(super) struct Parser<'t> {
    pub(super) text: &'t str,
    pub(super) tokens: &'t [Token],
    pub(super) at: usize,
    pub(super) depth: u32,
    pub(super) found: Found,
    /// names that WITH has defined, innermost last, with the relations whose rows they may return
    pub(super) ctes: Vec<(String, Wide)>,
    /// what WHERE is judged against: the target of the UPDATE, DELETE or MERGE around it
    pub(super) target: Option<Target>,
    /// where tables in FROM are to be remembered by what they are called
    pub(super) others: Option<Vec<(String, Wide)>>,
    /// inside a subquery of a condition: what the relation being changed is called
    pub(super) outer: Option<String>,
    /// the select list of the outermost SELECT, as long as it is plain
    pub(super) items: Option<Vec<OutputItem>>,
    /// whether the next SELECT is the outermost
    pub(super) wants_items: bool,
}

/// Relations (by their place in `Found::objects`) of which a query may return every row. Bit 63 stands for
/// all that have no bit of their own. Bit 62 says that it may return any number of rows, of no relation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Wide(u64);

impl Wide {
    pub(super) const NONE: Wide = Wide(0);
    pub(super) const ALL: Wide = Wide(1 << 63);
    pub(super) const MANY: Wide = Wide(1 << 62);

    pub(super) fn object(index: usize) -> Wide {
        if index < MOST_OBJECTS { Wide(1 << index) } else { Wide::ALL }
    }

    pub(super) fn and(self, other: Wide) -> Wide {
        Wide(self.0 | other.0)
    }

    pub(super) fn has(self, other: Wide) -> bool {
        self.0 & other.0 != 0
    }
}

/// Objects with a bit of their own in [`Wide`].
const MOST_OBJECTS: usize = 62;

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t str, tokens: &'t [Token]) -> Self {
        Parser {
            text,
            tokens,
            at: 0,
            depth: 0,
            found: Found::default(),
            ctes: Vec::new(),
            target: None,
            others: None,
            outer: None,
            items: None,
            wants_items: false,
        }
    }

    // --- looking

    pub(super) fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    pub(super) fn kind(&self) -> Option<Kind> {
        self.peek().map(|token| token.kind)
    }

    pub(super) fn kind_at(&self, ahead: usize) -> Option<Kind> {
        self.tokens.get(self.at + ahead).map(|token| token.kind)
    }

    pub(super) fn word(&self) -> Keyword {
        self.word_at(0)
    }

    pub(super) fn word_at(&self, ahead: usize) -> Keyword {
        self.tokens.get(self.at + ahead).map_or(Keyword::NotAKeyword, |token| token.word)
    }

    pub(super) fn at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    pub(super) fn is(&self, kind: Kind) -> bool {
        self.kind() == Some(kind)
    }

    pub(super) fn is_word(&self, word: Keyword) -> bool {
        self.word() == word
    }

    /// Does a query begin here? VALUES may also be a column's name.
    pub(super) fn is_query_start(&self) -> bool {
        self.is_query_start_at(0)
    }

    pub(super) fn is_query_start_at(&self, ahead: usize) -> bool {
        match self.word_at(ahead) {
            Keyword::Select | Keyword::With | Keyword::Table => true,
            Keyword::Values => self.kind_at(ahead + 1) == Some(Kind::LeftParen),
            _ => false,
        }
    }

    // --- taking

    pub(super) fn skip(&mut self) {
        self.at += 1;
    }

    pub(super) fn take(&mut self, kind: Kind) -> bool {
        let found = self.is(kind);
        self.at += usize::from(found);
        found
    }

    pub(super) fn take_word(&mut self, word: Keyword) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    pub(super) fn take_any(&mut self, words: &[Keyword]) -> bool {
        let found = !self.at_end() && words.contains(&self.word());
        self.at += usize::from(found);
        found
    }

    /// All of the words in a row, or nothing.
    pub(super) fn take_words(&mut self, words: &[Keyword]) -> bool {
        let found = words.iter().enumerate().all(|(ahead, word)| self.word_at(ahead) == *word);
        if found {
            self.at += words.len();
        }
        found
    }

    pub(super) fn expect(&mut self, kind: Kind) -> Parse<()> {
        if self.take(kind) { Ok(()) } else { Err(Stop::Unexpected) }
    }

    pub(super) fn expect_word(&mut self, word: Keyword) -> Parse<()> {
        if self.take_word(word) { Ok(()) } else { Err(Stop::Unexpected) }
    }

    pub(super) fn expect_end(&self) -> Parse<()> {
        if self.at_end() { Ok(()) } else { Err(Stop::Unexpected) }
    }

    pub(super) fn deeper<T>(&mut self, inside: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        if self.depth >= MAX_DEPTH {
            return Err(Stop::TooDeep);
        }
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        result
    }

    /// `one, one, one`
    pub(super) fn list(&mut self, mut one: impl FnMut(&mut Self) -> Parse<()>) -> Parse<()> {
        loop {
            one(self)?;
            if !self.take(Kind::Comma) {
                return Ok(());
            }
        }
    }

    // --- names

    pub(super) fn name_of(&self, token: Token) -> Cow<'t, str> {
        decode::folded_name(self.text, token).unwrap_or(Cow::Borrowed(""))
    }

    pub(super) fn span_from(&self, first: usize) -> Span {
        let start = self.tokens.get(first).map_or(0, |token| token.span.start);
        let end = self.at.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(start, |t| t.span.end);
        Span { start, end }
    }

    /// A name of a column or relation (`ColId`).
    pub(super) fn is_column_name(&self) -> bool {
        self.is_name_in(&[Category::Unreserved, Category::ColName])
    }

    /// A name of a function or type (`type_function_name`).
    pub(super) fn is_function_name(&self) -> bool {
        self.is_name_in(&[Category::Unreserved, Category::TypeFunc])
    }

    fn is_name_in(&self, categories: &[Category]) -> bool {
        match self.peek() {
            Some(Token { kind: Kind::Word, word, .. }) => categories.contains(&word.category()),
            Some(token) => token.kind.is_name(),
            None => false,
        }
    }

    pub(super) fn column_name(&mut self) -> Parse<Token> {
        let token = self.peek().filter(|_| self.is_column_name()).ok_or(Stop::Unexpected)?;
        self.skip();
        Ok(token)
    }

    /// Any word, reserved or not (`ColLabel`).
    pub(super) fn label(&mut self) -> Parse<Token> {
        let token = self.peek().filter(|token| token.kind.is_name()).ok_or(Stop::Unexpected)?;
        self.skip();
        Ok(token)
    }

    /// May the word here name the expression before it without AS?
    pub(super) fn is_bare_label(&self) -> bool {
        match self.peek() {
            Some(Token { kind: Kind::Word, word, .. }) => word.is_bare_label(),
            Some(token) => token.kind.is_name(),
            None => false,
        }
    }

    /// `a`, `a.b`, `a.b.c`: the name of a relation or other object, folded.
    pub(super) fn qualified_name(&mut self) -> Parse<String> {
        let first = self.column_name()?;
        let mut name = quote_part(self.name_of(first)).into_owned();
        while self.take(Kind::Dot) {
            let part = self.label()?;
            name.push('.');
            name.push_str(&quote_part(self.name_of(part)));
        }
        Ok(name)
    }

    /// `any_name`: like a qualified name, for types, collations and so on.
    pub(super) fn any_name(&mut self) -> Parse<()> {
        self.label()?;
        while self.take(Kind::Dot) {
            self.label()?;
        }
        Ok(())
    }

    pub(super) fn name_list(&mut self) -> Parse<()> {
        self.list(|p| p.column_name().map(|_| ()))
    }

    // --- writing down

    pub(super) fn class(&mut self, class: Class) {
        self.found.classes.insert(class);
    }

    /// Writes a relation down; its place in the list.
    pub(super) fn object(&mut self, name: String, writes: bool) -> usize {
        self.touches(&name, writes);
        // looking at the first few only keeps a long list linear; beyond them one may be listed twice
        if let Some(at) = self.found.objects.iter().take(64).position(|object| object.name == name) {
            if let Some(object) = self.found.objects.get_mut(at) {
                object.reads |= !writes;
                object.writes |= writes;
            }
            return at;
        }
        self.found.objects.push(Object { name, reads: !writes, writes });
        self.found.objects.len() - 1
    }

    /// Writes a call down. `name` is folded; `schema` is what was written before it.
    pub(super) fn function(&mut self, schema: Option<&str>, name: &str) {
        let class = match schema {
            None | Some("pg_catalog" | "information_schema") => match functions::effect_of(name) {
                Effect::Harmless => None,
                Effect::Like(class) => Some(class),
                Effect::Unlisted => Some(Class::FunctionCall),
            },
            Some(_) => Some(functions::known_class(name).unwrap_or(Class::FunctionCall)),
        };
        let written = match schema {
            Some(schema) => {
                format!("{}.{}", quote_part(Cow::Borrowed(schema)), quote_part(Cow::Borrowed(name)))
            }
            None => quote_part(Cow::Borrowed(name)).into_owned(),
        };
        self.called(written, class);
    }

    pub(super) fn called(&mut self, name: String, class: Option<Class>) {
        if let Some(class) = class {
            self.class(class);
        }
        // the sequence is an argument
        self.found.flags.unnamed |= name.rsplit('.').next() == Some("setval");
        // a text may call one function a million times: looking at the last few keeps this linear
        let known = self.found.functions.iter().rev().take(8).any(|f| f.name == name && f.class == class);
        if !known {
            self.found.functions.push(Function { name, class });
        }
    }

    /// An operator in an expression, as written.
    pub(super) fn operator(&mut self, token: Token) {
        let written = token.span.of(self.text);
        if token.kind == Kind::Operator && !functions::is_harmless_operator(written) {
            self.called(written.to_owned(), Some(Class::FunctionCall));
        }
    }
}

/// A part of a dotted name, in quotes if it would not read as one part otherwise.
pub(super) fn quote_part(part: Cow<'_, str>) -> Cow<'_, str> {
    if part.contains(['.', '"']) { Cow::Owned(format!("\"{}\"", part.replace('"', "\"\""))) } else { part }
}
