//! Where a value stands, in words.
//!
//! Parameters of operations keep everything apart: elements have their index, and a key that could be taken for
//! something else is quoted (`arguments.items[0].id`, `arguments["a.b"]`). Columns of values collapse elements and keep
//! keys as they are (`content[].text`), so that one rule fits all elements.

use crate::tree::{Node, Value};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Parameter,
    Column,
}

/// Calls `visit` for each leaf below `node`, in the order of the text. Empty objects and arrays are leaves. Stops when
/// `visit` says `false`; answers whether all were seen.
pub fn leaves<'n, 'a>(
    node: &'n Node<'a>,
    path: &mut String,
    style: Style,
    visit: &mut dyn FnMut(&str, &'n Node<'a>) -> bool,
) -> bool {
    let length = path.len();
    match &node.value {
        Value::Object(members) if !members.is_empty() => members.iter().all(|(key, value)| {
            push_key(path, key, style);
            let goes_on = leaves(value, path, style, visit);
            path.truncate(length);
            goes_on
        }),
        Value::List(elements) if !elements.is_empty() => elements.iter().enumerate().all(|(index, value)| {
            push_index(path, index, style);
            let goes_on = leaves(value, path, style, visit);
            path.truncate(length);
            goes_on
        }),
        _ => visit(path, node),
    }
}

pub fn push_key(path: &mut String, key: &str, style: Style) {
    let odd = key.is_empty() || key.contains(['.', '[', ']', '"']) || key.chars().any(char::is_control);
    if style == Style::Parameter && odd {
        path.push('[');
        path.push_str(&serde_json::Value::from(key).to_string());
        path.push(']');
        return;
    }
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
}

pub fn push_index(path: &mut String, index: usize, style: Style) {
    match style {
        Style::Parameter => path.push_str(&format!("[{index}]")),
        Style::Column => path.push_str("[]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, style: Style) -> Vec<String> {
        let root = crate::tree::read(text.as_bytes()).unwrap();
        let mut found = Vec::new();
        leaves(&root, &mut String::new(), style, &mut |path, node| {
            found.push(format!("{path}={}", node.leaf().unwrap().1.unwrap_or("NULL")));
            true
        });
        found
    }

    #[test]
    fn parameters_keep_what_columns_collapse() {
        let text = r#"{"arguments":{"items":[{"id":1},{"id":2}],"a.b":"x","a":{"b":null},"":[],"e":{}}}"#;
        assert_eq!(
            all(text, Style::Parameter),
            [
                "arguments.items[0].id=1",
                "arguments.items[1].id=2",
                r#"arguments["a.b"]=x"#,
                "arguments.a.b=NULL",
                r#"arguments[""]=[]"#,
                "arguments.e={}",
            ]
        );
        assert_eq!(all(text, Style::Column)[..2], ["arguments.items[].id=1", "arguments.items[].id=2"]);
    }
}
