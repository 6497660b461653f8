//! The values of an answer, as the host wants them, and the way back: what a masked value becomes in the body.

use std::collections::BTreeMap;
use weir_sdk::http::{Fault, Spans, TOP_BIT, Values};

/// Columns of one call. The host counts no more than 65 535.
const MAX_COLUMNS: u32 = 60_000;

/// Values of one call.
#[derive(Debug, Default)]
pub struct Cells {
    values: Values,
    columns: BTreeMap<Key, u32>,
    places: Vec<Place>,
    inners: Vec<Inner>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub name: String,
    pub relation: String,
    pub source: String,
    pub type_name: &'static str,
    pub label: Option<&'static str>,
}

/// What stands in the body for a value, and what must stand there when it is masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// a literal of JSON, quotes included; `nullable`: nothing is `null`, else an empty string
    Literal { start: usize, stop: usize, is_number: bool, nullable: bool },
    /// a literal inside the JSON that a string holds; `nullable` as above
    Inner { inner: usize, start: usize, stop: usize, is_number: bool, nullable: bool },
    /// a string that holds text in base64, quotes included
    Base64 { start: usize, stop: usize },
    /// text outside JSON; `line`: it must stay one
    Plain { start: usize, stop: usize, line: bool },
}

/// Edits of one string that holds JSON: which, and the bytes in it with what they become.
type Edits = (usize, Vec<(usize, usize, Vec<u8>)>);

/// A string of the body that holds JSON.
#[derive(Debug)]
struct Inner {
    start: usize,
    stop: usize,
    text: String,
}

fn too_large() -> Fault {
    Fault { code: "too-large".to_owned(), message: "too many values in one answer".to_owned() }
}

fn breach() -> Fault {
    Fault { code: "breach".to_owned(), message: "an edit of a value that is not there".to_owned() }
}

impl Cells {
    /// Remembers a string that holds JSON, for [`Place::Inner`].
    pub fn inner(&mut self, start: usize, stop: usize, text: &str) -> usize {
        self.inners.push(Inner { start, stop, text: text.to_owned() });
        self.inners.len() - 1
    }

    /// A value that stands in the body as it is, from `start`.
    ///
    /// # Errors
    /// When there are too many.
    pub fn push(&mut self, key: Key, start: usize, length: usize, place: Place) -> Result<(), Fault> {
        let start = u32::try_from(start).ok().filter(|start| start & TOP_BIT == 0).ok_or_else(too_large)?;
        self.add(key, start, length, place)
    }

    /// A value whose text is not what stands in the body.
    ///
    /// # Errors
    /// When there are too many.
    pub fn push_decoded(&mut self, key: Key, text: &str, place: Place) -> Result<(), Fault> {
        let start = u32::try_from(self.values.decoded.len()).ok().filter(|start| start & TOP_BIT == 0);
        let start = start.ok_or_else(too_large)?;
        self.values.decoded.extend_from_slice(text.as_bytes());
        self.add(key, start | TOP_BIT, text.len(), place)
    }

    fn add(&mut self, key: Key, start: u32, length: usize, place: Place) -> Result<(), Fault> {
        let next = u32::try_from(self.values.columns.len()).map_err(|_| too_large())?;
        if next >= MAX_COLUMNS && !self.columns.contains_key(&key) {
            return Err(too_large());
        }
        let column = *self.columns.entry(key).or_insert_with_key(|key| {
            let Key { name, relation, source, type_name, label } = key;
            self.values.columns.push(name, relation, source, type_name, label.as_slice());
            next
        });
        let length = u32::try_from(length).map_err(|_| too_large())?;
        self.values.cells.extend([column, start, length]);
        self.places.push(place);
        Ok(())
    }

    /// What the host gets; what is needed to encode stays.
    pub fn take_values(&mut self) -> Values {
        std::mem::take(&mut self.values)
    }

    /// What the body becomes when every cell says `text`.
    ///
    /// # Errors
    /// When there are too many.
    pub fn encode_all(&self, text: &str) -> Result<Spans, Fault> {
        let count = u32::try_from(self.places.len()).map_err(|_| too_large())?;
        let length = u32::try_from(text.len()).map_err(|_| too_large())?;
        let cells: Vec<u32> = (0..count).collect();
        let ends: Vec<u32> = (1..=count).map(|cell| cell.saturating_mul(length)).collect();
        self.encode(&cells, text.repeat(cells.len()).as_bytes(), &ends)
    }

    /// What the body becomes when `cells` have the new texts.
    ///
    /// # Errors
    /// When a cell or a text is not there.
    pub fn encode(&self, cells: &[u32], texts: &[u8], ends: &[u32]) -> Result<Spans, Fault> {
        let mut spans = Spans::default();
        // The string that holds JSON in which edits are being gathered.
        let mut open: Option<Edits> = None;
        let mut from = 0;
        for (cell, end) in cells.iter().zip(ends) {
            let end = *end as usize;
            let text = std::str::from_utf8(texts.get(from..end).ok_or_else(breach)?).map_err(|_| breach())?;
            let text = (cell & TOP_BIT == 0).then_some(text);
            from = end;
            let place = self.places.get((cell & !TOP_BIT) as usize).ok_or_else(breach)?;
            if let Place::Inner { inner, start, stop, is_number, nullable } = *place {
                if open.as_ref().is_none_or(|(opened, _)| *opened != inner) {
                    self.close(open.take(), &mut spans)?;
                }
                let edit = (start, stop, literal(text, is_number, nullable));
                open.get_or_insert_with(|| (inner, Vec::new())).1.push(edit);
                continue;
            }
            self.close(open.take(), &mut spans)?;
            let (start, stop, new) = match *place {
                Place::Literal { start, stop, is_number, nullable } => {
                    (start, stop, literal(text, is_number, nullable))
                }
                Place::Base64 { start, stop } => {
                    use base64::Engine;
                    let encoded = base64::engine::general_purpose::STANDARD.encode(text.unwrap_or_default());
                    (start, stop, weir_json::literal(&encoded))
                }
                Place::Plain { start, stop, line } => {
                    let kept = |c: char| if line && matches!(c, '\n' | '\r') { ' ' } else { c };
                    (start, stop, text.unwrap_or_default().chars().map(kept).collect::<String>().into_bytes())
                }
                Place::Inner { .. } => return Err(breach()),
            };
            push(&mut spans, start, stop, &new)?;
        }
        self.close(open, &mut spans)?;
        Ok(spans)
    }

    /// Puts a string that holds JSON back, with all edits of its values.
    fn close(&self, open: Option<Edits>, spans: &mut Spans) -> Result<(), Fault> {
        let Some((inner, edits)) = open else { return Ok(()) };
        let inner = self.inners.get(inner).ok_or_else(breach)?;
        let mut text = Vec::with_capacity(inner.text.len());
        let mut from = 0;
        for (start, stop, new) in edits {
            text.extend_from_slice(inner.text.as_bytes().get(from..start).ok_or_else(breach)?);
            text.extend_from_slice(&new);
            from = stop;
        }
        text.extend_from_slice(inner.text.as_bytes().get(from..).ok_or_else(breach)?);
        let text = String::from_utf8(text).map_err(|_| breach())?;
        push(spans, inner.start, inner.stop, &weir_json::literal(&text))
    }
}

fn push(spans: &mut Spans, start: usize, stop: usize, text: &[u8]) -> Result<(), Fault> {
    let place = |at: usize| u32::try_from(at).map_err(|_| too_large());
    spans.push(place(start)?, place(stop)?, text)
}

/// A new text as JSON: a number stays one when it still is; none is `null`, where that may stand.
fn literal(text: Option<&str>, is_number: bool, nullable: bool) -> Vec<u8> {
    match text {
        None if nullable => b"null".to_vec(),
        Some(text) if is_number && weir_json::is_number(text) => text.as_bytes().to_vec(),
        text => weir_json::literal(text.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key {
            name: name.into(),
            relation: "mcp:t".into(),
            source: name.into(),
            type_name: "string",
            label: None,
        }
    }

    fn apply(body: &str, spans: &Spans) -> String {
        let mut out = String::new();
        let (mut from, mut text) = (0, 0);
        for ((start, stop), end) in spans.starts.iter().zip(&spans.stops).zip(&spans.ends) {
            out.push_str(&body[from..*start as usize]);
            out.push_str(std::str::from_utf8(&spans.texts[text..*end as usize]).unwrap());
            (from, text) = (*stop as usize, *end as usize);
        }
        out + &body[from..]
    }

    #[test]
    fn each_place_gets_its_own_form() {
        let body = r#"{"a":"x","n":12,"m":13,"j":"{\"k\":\"v\",\"w\":2}","b":"aGk=","z":"q"} tail"#;
        let at = |part: &str| (body.find(part).unwrap(), body.find(part).unwrap() + part.len());
        let mut cells = Cells::default();
        let lit = |(start, stop), is_number, nullable| Place::Literal { start, stop, is_number, nullable };
        cells.push(key("a"), at("\"x\"").0 + 1, 1, lit(at("\"x\""), false, false)).unwrap();
        cells.push(key("n"), at("12").0, 2, lit(at("12"), true, true)).unwrap();
        cells.push(key("n"), at("13").0, 2, lit(at("13"), true, true)).unwrap();
        let outer = at(r#""{\"k\":\"v\",\"w\":2}""#);
        let inner = cells.inner(outer.0, outer.1, r#"{"k":"v","w":2}"#);
        let inside = |start, stop, is_number| Place::Inner { inner, start, stop, is_number, nullable: true };
        cells.push_decoded(key("k"), "v", inside(5, 8, false)).unwrap();
        cells.push_decoded(key("w"), "2", inside(13, 14, true)).unwrap();
        let (start, stop) = at("\"aGk=\"");
        cells.push_decoded(key("b"), "hi", Place::Base64 { start, stop }).unwrap();
        cells.push(key("z"), at("\"q\"").0 + 1, 1, lit(at("\"q\""), false, false)).unwrap();
        let (start, stop) = at("tail");
        cells.push(key("t"), start, 4, Place::Plain { start, stop, line: true }).unwrap();

        let values = cells.take_values();
        assert_eq!(values.columns.len(), 7);
        assert_eq!(values.decoded, b"v2hi");
        assert_eq!(values.cells.len(), 8 * 3);
        let new = ["\"\n", "99", "***", "in\"ner", "", "ho", "", "a\nb"];
        let ends = new.iter().scan(0, |end, text| {
            *end += text.len() as u32;
            Some(*end)
        });
        let cells_of = [0, 1, 2, 3, 4 | TOP_BIT, 5, 6 | TOP_BIT, 7];
        let spans = cells.encode(&cells_of, new.concat().as_bytes(), &ends.collect::<Vec<_>>()).unwrap();
        assert_eq!(
            apply(body, &spans),
            r#"{"a":"\"\n","n":99,"m":"***","j":"{\"k\":\"in\\\"ner\",\"w\":null}","b":"aG8=","z":""} a b"#
        );
        assert!(cells.encode(&[99], b"", &[0]).is_err());
        assert!(cells.encode(&[0], b"", &[5]).is_err());
    }
}
