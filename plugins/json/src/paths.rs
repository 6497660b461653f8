//! Places: where in a document a value stands. The different places of a document form a tree, in which all elements
//! of an array are one place.

use crate::error::Problem;
use crate::walk::Limits;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// One place of the tree.
#[derive(Debug)]
struct Node<'t> {
    parent: u32,
    /// the key that leads here; none for the elements of an array, and at the top
    key: Option<Cow<'t, str>>,
    elements: Option<u32>,
    /// bytes of all keys on the way here
    length: usize,
    /// the object that has had this key last
    seen: u64,
    /// the place that came behind this one last time, in the same object
    next: u32,
    /// the place of the first member of the last object here
    first: u32,
}

impl<'t> Node<'t> {
    fn new(parent: u32, key: Option<Cow<'t, str>>, length: usize) -> Self {
        Self { parent, key, elements: None, length, seen: 0, next: TOP, first: TOP }
    }
}

#[derive(Debug)]
pub(crate) struct Tree<'t> {
    nodes: Vec<Node<'t>>,
    /// The places of keys, by the place they stand in. A tree, not a table: keys come from outside, and no choice of them
    /// may make this slow.
    members: BTreeMap<(u32, Cow<'t, str>), u32>,
    limit: usize,
    longest: usize,
    objects: u64,
}

pub(crate) const TOP: u32 = 0;

/// Room for the places of most documents.
const FIRST_NODES: usize = 16;
/// Steps on most ways.
const FIRST_STEPS: usize = 8;

impl<'t> Tree<'t> {
    pub(crate) fn new(limits: Limits) -> Self {
        let (limit, longest) = (limits.paths as usize, limits.path_bytes as usize);
        let mut nodes = Vec::with_capacity(FIRST_NODES);
        nodes.push(Node::new(TOP, None, 0));
        Self { nodes, members: BTreeMap::new(), limit, longest, objects: 0 }
    }

    /// The number of an object that begins, never 0.
    pub(crate) fn object(&mut self) -> u64 {
        self.objects += 1;
        self.objects
    }

    /// The place behind `key` in the object `object`, which stands at `parent`. `before`: that of the member before, if
    /// there is one.
    #[expect(clippy::ptr_arg, reason = "a new one is kept as it came: borrowed, unless it has escapes")]
    pub(crate) fn member(
        &mut self,
        parent: u32,
        before: Option<u32>,
        key: &Cow<'t, str>,
        object: u64,
    ) -> Result<u32, Problem> {
        // Objects of one list mostly have the same keys in the same order.
        let guess = self.following(parent, before).map(|guess| *guess).filter(|guess| {
            let guessed = self.nodes.get(*guess as usize);
            guessed.is_some_and(|node| node.parent == parent && node.key.as_ref() == Some(key))
        });
        let place = match guess {
            Some(place) => place,
            None => {
                let place = self.look_up(parent, key)?;
                if let Some(following) = self.following(parent, before) {
                    *following = place;
                }
                place
            }
        };
        if let Some(node) = self.nodes.get_mut(place as usize) {
            // Objects at one place follow each other and never lie in each other, so the last one is enough to know.
            if node.seen == object {
                return Err(Problem::Duplicate);
            }
            node.seen = object;
        }
        Ok(place)
    }

    /// Where it stands what came behind a member last time, or as the first one.
    fn following(&mut self, parent: u32, before: Option<u32>) -> Option<&mut u32> {
        match before {
            Some(before) => self.nodes.get_mut(before as usize).map(|node| &mut node.next),
            None => self.nodes.get_mut(parent as usize).map(|node| &mut node.first),
        }
    }

    #[expect(clippy::ptr_arg, reason = "a new one is kept as it came: borrowed, unless it has escapes")]
    fn look_up(&mut self, parent: u32, key: &Cow<'t, str>) -> Result<u32, Problem> {
        let member = (parent, key.clone());
        if let Some(place) = self.members.get(&member) {
            return Ok(*place);
        }
        let length = self.length(parent).saturating_add(key.len());
        if length > self.longest {
            return Err(Problem::Path);
        }
        let place = self.add(Node::new(parent, Some(key.clone()), length))?;
        self.members.insert(member, place);
        Ok(place)
    }

    /// The place of the elements of the array at `parent`.
    pub(crate) fn elements(&mut self, parent: u32) -> Result<u32, Problem> {
        if let Some(place) = self.nodes.get(parent as usize).and_then(|node| node.elements) {
            return Ok(place);
        }
        let place = self.add(Node::new(parent, None, self.length(parent)))?;
        if let Some(node) = self.nodes.get_mut(parent as usize) {
            node.elements = Some(place);
        }
        Ok(place)
    }

    fn length(&self, place: u32) -> usize {
        self.nodes.get(place as usize).map_or(0, |node| node.length)
    }

    fn add(&mut self, node: Node<'t>) -> Result<u32, Problem> {
        if self.nodes.len() > self.limit {
            return Err(Problem::Paths);
        }
        let place = u32::try_from(self.nodes.len()).map_err(|_| Problem::Paths)?;
        self.nodes.push(node);
        Ok(place)
    }

    /// The keys from the top to `node`; none for elements of an array.
    fn steps(&self, node: u32) -> Vec<Option<&str>> {
        let mut steps = Vec::with_capacity(FIRST_STEPS);
        let mut at = node;
        while at != TOP {
            let Some(node) = self.nodes.get(at as usize) else { break };
            steps.push(node.key.as_deref());
            at = node.parent;
        }
        steps.reverse();
        steps
    }
}

/// A step from a container to what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// Where a value stands.
#[derive(Debug)]
pub struct Place<'a> {
    pub(crate) tree: &'a Tree<'a>,
    pub(crate) node: u32,
    /// how many elements stand before the one this is in, for each array on the way
    pub(crate) indices: &'a [usize],
}

impl Place<'_> {
    /// A small number, the same for values of this document whose [`path`](Self::path) comes by the same keys.
    pub fn node(&self) -> u32 {
        self.node
    }

    /// The number of the object it is a member of, and its key; none for elements of arrays, and at the top.
    pub fn member(&self) -> Option<(u32, &str)> {
        let node = self.tree.nodes.get(self.node as usize)?;
        node.key.as_deref().map(|key| (node.parent, key))
    }

    /// Keys joined by `.`, elements of arrays as `[]`: `items[].email`, `[].email`, and nothing for the top. Keys are
    /// not quoted: a key `a.b` looks like a `b` in an `a`.
    pub fn path(&self) -> String {
        let mut path = String::new();
        for step in self.tree.steps(self.node) {
            match step {
                None => path.push_str("[]"),
                Some(key) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(key);
                }
            }
        }
        path
    }

    /// As [`path`](Self::path), with the number of each element, from 0, and keys quoted where they would be taken for
    /// something else: `items[0].email`, `a."b.c"`. No two places of a document have the same.
    pub fn indexed(&self) -> String {
        let mut path = String::new();
        for step in self.steps() {
            match step {
                Step::Index(index) => path.push_str(&format!("[{index}]")),
                Step::Key(key) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    match key.is_empty() || key.contains(['.', '[', ']', '"', '\\']) {
                        true => path.push_str(&String::from_utf8_lossy(&crate::literal(key))),
                        false => path.push_str(key),
                    }
                }
            }
        }
        path
    }

    /// From the top to here.
    pub fn steps(&self) -> Vec<Step<'_>> {
        let mut indices = self.indices.iter();
        let steps = self.tree.steps(self.node).into_iter();
        steps
            .map(|step| match step {
                Some(key) => Step::Key(key),
                None => Step::Index(indices.next().copied().unwrap_or_default()),
            })
            .collect()
    }

    /// The last key on the way, whatever arrays lie behind it; empty when there is none.
    pub fn name(&self) -> &str {
        let mut at = self.node;
        while let Some(node) = self.tree.nodes.get(at as usize) {
            match &node.key {
                Some(key) => return key,
                None if at == TOP => break,
                None => at = node.parent,
            }
        }
        ""
    }
}
