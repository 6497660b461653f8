//! Event streams (`text/event-stream` of the HTML standard), cut into events as they arrive.
//!
//! Readers differ in what ends a line: a carriage return without a line feed does for the standard and does not for
//! many. Such a stream is refused, as is one with a byte order mark.

use crate::message::{Wrong, code};

/// Where the search for the end of the first event goes on when more has come. Offsets count from its first byte.
#[derive(Debug, Clone, Default)]
pub struct Search {
    line: usize,
    scanned: usize,
}

impl Search {
    /// The length of the first event in `data`, its blank line included; none while it is not all there. At the `end`
    /// the rest is an event: some readers take it for one.
    ///
    /// # Errors
    /// When a line ends with a carriage return alone.
    pub fn event(&mut self, data: &[u8], end: bool) -> Result<Option<usize>, Wrong> {
        loop {
            let rest = data.get(self.scanned..).unwrap_or_default();
            let Some(offset) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.scanned = data.len();
                return Ok((end && !data.is_empty()).then_some(data.len()));
            };
            let at = self.scanned + offset;
            let next = match (data.get(at), data.get(at + 1)) {
                (Some(b'\n'), _) => at + 1,
                (_, Some(b'\n')) => at + 2,
                (_, None) if !end => {
                    self.scanned = at;
                    return Ok(None);
                }
                _ => return Err(wrong("a line of the event stream ends with a carriage return alone")),
            };
            let is_blank = at == self.line;
            self.line = next;
            self.scanned = next;
            if is_blank {
                *self = Search::default();
                return Ok(Some(next));
            }
        }
    }
}

fn wrong(message: &str) -> Wrong {
    Wrong::new(code::INTERNAL, message)
}

/// One event. Places are bytes `start..stop` of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// the values of its `data` lines
    pub data: Vec<(usize, usize)>,
    /// the last `event` line
    pub name: String,
    /// comments and fields nobody knows, as far as they say something
    pub other: Vec<(usize, usize)>,
}

/// # Errors
/// When it is not UTF-8 or has a byte order mark.
pub fn event(bytes: &[u8]) -> Result<Event, Wrong> {
    let text = std::str::from_utf8(bytes).map_err(|_| wrong("the event stream is not UTF-8"))?;
    let mut event = Event::default();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        if content.starts_with('\u{feff}') {
            return Err(wrong("a byte order mark in the event stream"));
        }
        let (field, value) = content.split_once(':').unwrap_or((content, ""));
        let value_at = if value.starts_with(' ') { field.len() + 2 } else { field.len() + 1 };
        let place = (start + value_at.min(content.len()), start + content.len());
        match field {
            "data" => event.data.push(place),
            "event" => event.name = text.get(place.0..place.1).unwrap_or_default().to_owned(),
            "id" | "retry" => {}
            _ if place.0 < place.1 => event.other.push(place),
            "" => {}
            _ => event.other.push((start, start + content.len())),
        }
        start += line.len();
    }
    Ok(event)
}

impl Event {
    /// Its data, lines joined, and how places in it map to places in the event.
    pub fn joined(&self, bytes: &[u8]) -> (Vec<u8>, Map) {
        let mut joined = Vec::new();
        let mut map = Map::default();
        for (index, (start, stop)) in self.data.iter().enumerate() {
            if index > 0 {
                joined.push(b'\n');
            }
            map.pieces.push((joined.len(), *start));
            joined.extend_from_slice(bytes.get(*start..*stop).unwrap_or_default());
        }
        (joined, map)
    }
}

/// From places in joined data to places in the event.
#[derive(Debug, Default)]
pub struct Map {
    /// where a line begins in the joined data, and in the event
    pieces: Vec<(usize, usize)>,
}

impl Map {
    pub fn place(&self, at: usize) -> usize {
        let before = self.pieces.partition_point(|(joined, _)| *joined <= at);
        let piece = before.checked_sub(1).and_then(|index| self.pieces.get(index));
        piece.map_or(at, |(joined, event)| event + (at - joined))
    }
}

/// `json` as an event. It has no line breaks: JSON needs none.
pub fn write(json: &str) -> String {
    format!("event: message\ndata: {json}\n\n")
}

/// A comment, which no client reads as a message.
pub fn comment(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!(": {line}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(data: &[u8]) -> Vec<String> {
        let mut search = Search::default();
        let mut events = Vec::new();
        let mut from = 0;
        while let Some(length) = search.event(&data[from..], true).unwrap() {
            events.push(String::from_utf8(data[from..from + length].to_vec()).unwrap());
            from += length;
        }
        events
    }

    /// The same, with the bytes coming one after another and the events taken as soon as they are there.
    fn grown(data: &[u8], pieces: &[usize]) -> Vec<String> {
        let mut search = Search::default();
        let mut events = Vec::new();
        let (mut from, mut there) = (0, 0);
        let mut sizes = pieces.iter().cycle();
        loop {
            let end = there == data.len();
            while let Some(length) = search.event(&data[from..there], end).unwrap() {
                events.push(String::from_utf8(data[from..from + length].to_vec()).unwrap());
                from += length;
            }
            if end {
                return events;
            }
            there = (there + sizes.next().unwrap()).min(data.len());
        }
    }

    #[test]
    fn an_event_ends_with_a_blank_line() {
        assert_eq!(
            all(b"data: a\n\ndata: b\r\n\r\n: c\n\n\nid: 1"),
            ["data: a\n\n", "data: b\r\n\r\n", ": c\n\n", "\n", "id: 1"]
        );
        assert!(Search::default().event(b"data: a\r\r", true).is_err());
        assert!(Search::default().event(b"data: a\rdata: b\n\n", true).is_err());
        assert_eq!(Search::default().event(b"data: a\r\n\r", false).unwrap(), None);
    }

    #[test]
    fn fields_are_read_as_the_standard_says() {
        let bytes = "id: 7\nevent: message\ndata: {\"a\":\ndata:1}\n: hello\nfoo\ndata\n\n".as_bytes();
        let event = event(bytes).unwrap();
        let of = |(start, stop): &(usize, usize)| std::str::from_utf8(&bytes[*start..*stop]).unwrap();
        assert_eq!(event.data.iter().map(of).collect::<Vec<_>>(), ["{\"a\":", "1}", ""]);
        assert_eq!(event.name, "message");
        assert_eq!(event.other.iter().map(of).collect::<Vec<_>>(), ["hello", "foo"]);
        let (joined, map) = event.joined(bytes);
        assert_eq!(joined, b"{\"a\":\n1}\n");
        let one = joined.iter().position(|byte| *byte == b'1').unwrap();
        assert_eq!(bytes[map.place(one)], b'1');
        assert_eq!(bytes[map.place(0)], b'{');
        assert!(super::event("\u{feff}data: x\n\n".as_bytes()).is_err());
        assert!(super::event(b"data: \xff\n\n").is_err());
    }

    #[test]
    fn a_comment_stays_one_line() {
        assert_eq!(comment("a\nb\rc"), ": a b c\n\n");
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_events_are_the_same(
            text in "(data: [a-z]{0,5}\n|: x\r\n|\n|\r\n|id: 1\n|é\n){0,12}[a-z]{0,3}",
            pieces in prop::collection::vec(1usize..5, 1..5),
        ) {
            prop_assert_eq!(grown(text.as_bytes(), &pieces), all(text.as_bytes()));
            prop_assert_eq!(all(text.as_bytes()).concat(), text);
        }
    }
}
