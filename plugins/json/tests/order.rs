//! Keys of objects in a list, in whatever order: each has one place, and one that stands twice is found.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use weir_json::{Leaf, Limits, Place, Problem, Stop, Visitor, walk};

#[derive(Default)]
struct Nodes(Vec<(String, u32)>);

impl Visitor for Nodes {
    fn leaf(&mut self, place: &Place<'_>, _: &Leaf<'_>) -> Result<(), Stop> {
        self.0.push((place.path(), place.node()));
        Ok(())
    }
}

fn nodes(text: &str) -> Result<Vec<(String, u32)>, Problem> {
    let mut nodes = Nodes::default();
    walk(text.as_bytes(), Limits::default(), &mut nodes).map(|()| nodes.0).map_err(|error| error.problem)
}

#[test]
fn a_place_is_the_same_in_whatever_order_its_keys_come() {
    let text = r#"[{"a":1,"b":{"a":1,"c":2}},{"b":{"c":2,"a":1},"a":1},{"\u0061":1,"d":0,"b":{"a":1}},{"d":0},{"a":1,"b":{}}]"#;
    let nodes = nodes(text).unwrap();
    for (path, node) in &nodes {
        let same = nodes.iter().filter(|(other, _)| other == path).all(|(_, other)| other == node);
        let only = nodes.iter().filter(|(_, other)| other == node).all(|(other, _)| other == path);
        assert!(same && only, "{nodes:?}");
    }
    let paths: Vec<_> = nodes.iter().map(|(path, _)| path.as_str()).collect();
    let expected = "[].a [].b.a [].b.c [].b.c [].b.a [].a [].a [].d [].b.a [].d [].a [].b";
    assert_eq!(paths.join(" "), expected);
}

#[test]
fn a_key_that_stands_twice_is_found_behind_objects_without_it() {
    for text in [
        r#"{"a":1,"a":2}"#,
        r#"[{"a":1,"b":2},{"a":1,"b":2,"a":3}]"#,
        r#"[{"a":1,"b":2},{"b":1,"a":2,"b":3}]"#,
        r#"[{"a":{"a":1}},{"a":{"a":1,"a":2}}]"#,
        r#"[{"a":1},{"\u0061":1,"a":2}]"#,
        r#"{"a":{"a":{"b":0}},"b":0,"a":0}"#,
    ] {
        assert_eq!(nodes(text), Err(Problem::Duplicate), "{text}");
    }
    assert!(nodes(r#"[{"a":1,"b":2},{"a":1},{"b":2},{"a":1,"b":{"a":1,"b":2}}]"#).is_ok());
}
