//! From the first byte to the last, with a stack of what is open.

use crate::error::{Error, Problem};
use crate::number;
use crate::paths::{Place, TOP, Tree};
use crate::text;
use std::borrow::Cow;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    String,
    Number,
    Boolean,
    Null,
    /// an object without members
    EmptyObject,
    /// an array without elements
    EmptyArray,
}

/// A value that holds no others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf<'a> {
    pub kind: Kind,
    /// bytes of the document before it
    pub start: usize,
    /// bytes it takes, quotes included
    pub length: usize,
    /// what it says: a string without quotes and escapes, anything else as written
    pub text: Cow<'a, str>,
}

impl Leaf<'_> {
    /// A string with escapes: `text` is not what stands in the document.
    pub fn is_escaped(&self) -> bool {
        matches!(self.text, Cow::Owned(_))
    }

    /// Where its text stands: inside the quotes of a string, else all of it. Start and end.
    pub fn inside(&self) -> (usize, usize) {
        let quote = usize::from(self.kind == Kind::String);
        (self.start + quote, (self.start + self.length).saturating_sub(quote))
    }
}

/// The visitor wants no more: the walk ends with [`Problem::Stopped`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop;

/// Who is told what stands in a document, in its order. What was told before an error was told in vain: the whole
/// document is refused then.
pub trait Visitor {
    /// # Errors
    /// When it wants no more.
    fn leaf(&mut self, place: &Place<'_>, leaf: &Leaf<'_>) -> Result<(), Stop>;

    /// A key; `place` is that of its value, `key` says where it stands and reads as a string does.
    ///
    /// # Errors
    /// When it wants no more.
    fn key(&mut self, _place: &Place<'_>, _key: &Leaf<'_>) -> Result<(), Stop> {
        Ok(())
    }

    /// An object or array ended, which takes `length` bytes from `start`. Told for empty ones too.
    ///
    /// # Errors
    /// When it wants no more.
    fn closed(&mut self, _place: &Place<'_>, _start: usize, _length: usize) -> Result<(), Stop> {
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// objects and arrays that may be open at once
    pub depth: u32,
    /// different places (elements of an array are one)
    pub paths: u32,
    /// bytes of all keys on the way to a value
    pub path_bytes: u32,
}

impl Default for Limits {
    /// Deeper than anything people write, and below where common readers give up (the strictest at 64 to 128); more
    /// keys than a table has columns, while a place costs about 150 bytes; and every value may be told with its path, so
    /// a long one is paid for again and again.
    fn default() -> Self {
        Self { depth: 100, paths: 50_000, path_bytes: 1024 }
    }
}

const LONGEST: usize = 1 << 31;

/// Objects and arrays that are open at once in most documents.
const FIRST_OPEN: usize = 8;

/// Whether a text is meant to be JSON with something in it: an object or an array, by its first two tokens. Tells
/// `{"a":` and `[1` from `[DONE]` and `{name}`.
pub fn begins_like_json(data: &[u8]) -> bool {
    let data = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    let mut bytes = data.iter().copied().filter(|byte| !is_space(*byte));
    match (bytes.next(), bytes.next()) {
        (Some(b'{'), next) => matches!(next, None | Some(b'"' | b'}')),
        (Some(b'['), next) => {
            matches!(next, None | Some(b'"' | b'{' | b'[' | b']' | b'-' | b't' | b'f' | b'n' | b'0'..=b'9'))
        }
        _ => false,
    }
}

/// Whether `data` is one JSON text.
///
/// # Errors
/// What is wrong with it, and where.
pub fn check(data: &[u8], limits: Limits) -> Result<(), Error> {
    struct Nobody;
    impl Visitor for Nobody {
        fn leaf(&mut self, _: &Place<'_>, _: &Leaf<'_>) -> Result<(), Stop> {
            Ok(())
        }
    }
    walk(data, limits, &mut Nobody)
}

/// Tells `visitor` every value of the one JSON text that `data` must be. White space may stand around it.
///
/// # Errors
/// What is wrong with it, and where; or that the visitor stopped.
pub fn walk<V: Visitor>(data: &[u8], limits: Limits, visitor: &mut V) -> Result<(), Error> {
    if data.starts_with(b"\xef\xbb\xbf") {
        return Err(Error { at: 0, problem: Problem::Mark });
    }
    if data.len() >= LONGEST {
        return Err(Error { at: LONGEST, problem: Problem::Length });
    }
    let text = std::str::from_utf8(data)
        .map_err(|error| Error { at: error.valid_up_to(), problem: Problem::Utf8 })?;
    let mut walk = Walk {
        text,
        at: 0,
        depth: limits.depth as usize,
        tree: Tree::new(limits),
        open: Vec::with_capacity(FIRST_OPEN),
        indices: Vec::with_capacity(FIRST_OPEN),
    };
    walk.document(visitor).map_err(|(at, problem)| Error { at, problem })
}

type Outcome<T> = Result<T, (usize, Problem)>;

struct Walk<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    tree: Tree<'a>,
    open: Vec<Open>,
    /// for each open array
    indices: Vec<usize>,
}

/// An object or array that has not ended.
#[derive(Clone, Copy)]
struct Open {
    node: u32,
    start: usize,
    /// the object's number; none for an array
    object: Option<u64>,
    /// the place of its last member
    member: u32,
}

impl<'a> Walk<'a> {
    fn document<V: Visitor>(&mut self, visitor: &mut V) -> Outcome<()> {
        let mut node = TOP;
        loop {
            // A value begins here, unless it is the end of an empty object or array.
            node = match self.value(node, visitor)? {
                Some(inside) => inside,
                None => match self.behind(visitor)? {
                    Some(next) => next,
                    None => return Ok(()),
                },
            };
        }
    }

    /// Reads a value. When it is an object or array with something in it: the place of its first value, before which
    /// the walk stands then.
    fn value<V: Visitor>(&mut self, node: u32, visitor: &mut V) -> Outcome<Option<u32>> {
        self.space();
        let start = self.at;
        let leaf = match self.peek() {
            Some(b'{') => return self.enter(node, true, visitor),
            Some(b'[') => return self.enter(node, false, visitor),
            Some(b'"') => self.string()?,
            Some(b'-' | b'0'..=b'9') => {
                let rest = self.rest();
                let length = number::length(rest.as_bytes()).ok_or((start, Problem::Number))?;
                self.plain(Kind::Number, length)
            }
            Some(b't') if self.rest().starts_with("true") => self.plain(Kind::Boolean, 4),
            Some(b'f') if self.rest().starts_with("false") => self.plain(Kind::Boolean, 5),
            Some(b'n') if self.rest().starts_with("null") => self.plain(Kind::Null, 4),
            Some(_) => return Err((start, Problem::Value)),
            None => return Err((start, Problem::End)),
        };
        let place = Place { tree: &self.tree, node, indices: &self.indices };
        visitor.leaf(&place, &leaf).map_err(|Stop| (start, Problem::Stopped))?;
        Ok(None)
    }

    fn enter<V: Visitor>(&mut self, node: u32, is_object: bool, visitor: &mut V) -> Outcome<Option<u32>> {
        let start = self.at;
        if self.open.len() >= self.depth {
            return Err((start, Problem::Depth));
        }
        self.at += 1;
        self.space();
        let end = if is_object { b'}' } else { b']' };
        if self.peek() == Some(end) {
            self.at += 1;
            let kind = if is_object { Kind::EmptyObject } else { Kind::EmptyArray };
            let length = self.at - start;
            let text = Cow::Borrowed(if is_object { "{}" } else { "[]" });
            let place = Place { tree: &self.tree, node, indices: &self.indices };
            let told = visitor.leaf(&place, &Leaf { kind, start, length, text });
            told.and_then(|()| visitor.closed(&place, start, length))
                .map_err(|Stop| (start, Problem::Stopped))?;
            return Ok(None);
        }
        let object = is_object.then(|| self.tree.object());
        self.open.push(Open { node, start, object, member: TOP });
        match object {
            Some(object) => self.key(node, object, visitor).map(Some),
            None => {
                self.indices.push(0);
                self.tree.elements(node).map(Some).map_err(|problem| (start, problem))
            }
        }
    }

    /// Reads what stands behind a value: ends of objects and arrays, then the way to the next value, whose place is
    /// answered; none at the end of the document.
    fn behind<V: Visitor>(&mut self, visitor: &mut V) -> Outcome<Option<u32>> {
        loop {
            self.space();
            let Some(open) = self.open.last().copied() else {
                return match self.at == self.text.len() {
                    true => Ok(None),
                    false => Err((self.at, Problem::Behind)),
                };
            };
            match (self.peek(), open.object) {
                (Some(b','), Some(object)) => {
                    self.at += 1;
                    self.space();
                    return self.key(open.node, object, visitor).map(Some);
                }
                (Some(b','), None) => {
                    self.at += 1;
                    if let Some(index) = self.indices.last_mut() {
                        *index += 1;
                    }
                    let at = self.at;
                    return self.tree.elements(open.node).map(Some).map_err(|problem| (at, problem));
                }
                (Some(b'}'), Some(_)) | (Some(b']'), None) => {
                    self.at += 1;
                    self.open.pop();
                    if open.object.is_none() {
                        self.indices.pop();
                    }
                    let place = Place { tree: &self.tree, node: open.node, indices: &self.indices };
                    let told = visitor.closed(&place, open.start, self.at - open.start);
                    told.map_err(|Stop| (open.start, Problem::Stopped))?;
                }
                (Some(_), _) => return Err((self.at, Problem::Comma)),
                (None, _) => return Err((self.at, Problem::End)),
            }
        }
    }

    /// Reads a key and its colon, and answers the place of the value.
    fn key<V: Visitor>(&mut self, parent: u32, object: u64, visitor: &mut V) -> Outcome<u32> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => {}
            Some(_) => return Err((start, Problem::Key)),
            None => return Err((start, Problem::End)),
        }
        let key = self.string()?;
        let before = self.open.last().map(|open| open.member).filter(|member| *member != TOP);
        let node = self.tree.member(parent, before, &key.text, object).map_err(|problem| (start, problem))?;
        if let Some(open) = self.open.last_mut() {
            open.member = node;
        }
        self.space();
        match self.peek() {
            Some(b':') => self.at += 1,
            Some(_) => return Err((self.at, Problem::Colon)),
            None => return Err((self.at, Problem::End)),
        }
        let place = Place { tree: &self.tree, node, indices: &self.indices };
        visitor.key(&place, &key).map_err(|Stop| (start, Problem::Stopped))?;
        Ok(node)
    }

    fn string(&mut self) -> Outcome<Leaf<'a>> {
        let start = self.at;
        let read = text::read(self.text, start)?;
        self.at += read.length;
        Ok(Leaf { kind: Kind::String, start, length: read.length, text: read.text })
    }

    fn plain(&mut self, kind: Kind, length: usize) -> Leaf<'a> {
        let start = self.at;
        self.at += length;
        let text = Cow::Borrowed(self.text.get(start..self.at).unwrap_or_default());
        Leaf { kind, start, length, text }
    }

    fn space(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
