//! The answer to `tools/list`: tools that are not offered to the principal, or are not what they were, are cut out of
//! the list; every other byte stays.

use crate::message::{Wrong, code};
use crate::pins::{self, Pins};
use crate::settings::Offer;
use crate::tree::Node;

/// Which tools of `result.tools` go, by index.
///
/// # Errors
/// When the list is none, or a tool has no name.
pub fn hidden(result: &Node<'_>, offer: &Offer, pins: &mut Pins) -> Result<Vec<bool>, Wrong> {
    let Some(tools) = result.member("tools") else { return Ok(Vec::new()) };
    if !matches!(tools.value, crate::tree::Value::List(_)) {
        return Err(Wrong::new(code::INTERNAL, "the server's list of tools is none"));
    }
    let hidden = tools.elements().iter().map(|tool| {
        let name = tool.member_text("name").filter(|name| !name.is_empty());
        let name =
            name.ok_or_else(|| Wrong::new(code::INTERNAL, "the server lists a tool without a name"))?;
        // Both are asked: a tool that is hidden today has its definition remembered all the same.
        let fits = pins.show(name, &pins::digest(tool));
        Ok(!fits || !offer.has(name))
    });
    hidden.collect()
}

/// The bytes to cut so that the elements marked go, each with one comma: ascending, not overlapping.
pub fn cuts(list: &Node<'_>, gone: &[bool]) -> Vec<(usize, usize)> {
    let elements = list.elements();
    let mut cuts = Vec::new();
    let mut last_kept: Option<&Node<'_>> = None;
    let mut run: Option<(&Node<'_>, &Node<'_>)> = None;
    for (element, gone) in elements.iter().zip(gone) {
        if *gone {
            run = Some((run.map_or(element, |(first, _)| first), element));
            continue;
        }
        if let Some((first, last)) = run.take() {
            cuts.push(match last_kept {
                // With the comma before it.
                Some(kept) => (kept.stop, last.stop),
                // With the comma behind it.
                None => (first.start, element.start),
            });
        }
        last_kept = Some(element);
    }
    if let Some((first, last)) = run {
        cuts.push((last_kept.map_or(first.start, |kept| kept.stop), last.stop));
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use proptest::prelude::*;

    fn cut(text: &str, gone: &[bool]) -> String {
        let root = crate::tree::read(text.as_bytes()).unwrap();
        let mut out = text.to_owned();
        for (start, stop) in cuts(&root, gone).into_iter().rev() {
            out.replace_range(start..stop, "");
        }
        out
    }

    #[test]
    fn elements_go_with_their_comma() {
        let text = "[ 1 , 2 , 3 ]";
        assert_eq!(cut(text, &[true, false, false]), "[ 2 , 3 ]");
        assert_eq!(cut(text, &[false, true, false]), "[ 1 , 3 ]");
        assert_eq!(cut(text, &[false, false, true]), "[ 1 , 2 ]");
        assert_eq!(cut(text, &[true, true, true]), "[  ]");
        assert_eq!(cut(text, &[true, false, true]), "[ 2 ]");
        assert_eq!(cut("[]", &[]), "[]");
    }

    proptest! {
        #[test]
        fn what_stays_is_the_list_without_them(gone in prop::collection::vec(any::<bool>(), 0..12), spaces: bool) {
            let all: Vec<usize> = (0..gone.len()).collect();
            let text = if spaces { serde_json::to_string_pretty(&all) } else { serde_json::to_string(&all) }.unwrap();
            let kept: Vec<usize> = all.into_iter().filter(|index| !gone[*index]).collect();
            prop_assert_eq!(serde_json::from_str::<Vec<usize>>(&cut(&text, &gone)).unwrap(), kept);
        }
    }

    #[test]
    fn tools_are_hidden_by_offer_and_by_digest() {
        let settings: Settings = serde_json::from_str(r#"{"visible": [{"tools": ["read_*"]}]}"#).unwrap();
        let offer = settings.offer(&[]);
        let mut pins = Pins::new(&settings);
        let mut ask = |text: &str| hidden(&crate::tree::read(text.as_bytes()).unwrap(), &offer, &mut pins);
        let list = r#"{"tools":[{"name":"read_a"},{"name":"drop"},{"name":"read_b"}]}"#;
        assert_eq!(ask(list).unwrap(), [false, true, false]);
        let changed = r#"{"tools":[{"name":"read_a","description":"new"},{"name":"read_b"},{"name":"read_b","title":""}]}"#;
        assert_eq!(ask(changed).unwrap(), [true, false, true]);
        assert!(ask(r#"{"tools":{}}"#).is_err());
        assert!(ask(r#"{"tools":[{}]}"#).is_err());
        assert!(ask(r#"{}"#).unwrap().is_empty());
    }
}
