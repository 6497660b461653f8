//! A stream inspector of a protocol of lines, to be replaced by yours. `weir-sdk/wit/inspect.wit` says what each call means.
//! The client sends `get KEY` or `set KEY VALUE`; the server answers each line with one line:
//! `value TEXT`, `ok` or `error TEXT`, in order.

use std::collections::VecDeque;
use weir_sdk::inspector::{
    ClientOutcome, Event, Limits, NoSettings, Operation, Request, ResultInfo, ServerOutcome, StreamInspector,
    Substitute, WireColumn, kind,
};
use weir_sdk::{Fault, SessionInfo};

const VALUE: &[u8] = b"value ";

/// A line that was sent, or takes the place of one that was, and whose answer is still to come.
struct Asked {
    id: u32,
    key: String,
    /// What the client gets instead of the server's answer.
    refused: Option<String>,
}

struct Lines {
    limits: Limits,
    masking: bool,
    last: u32,
    asked: VecDeque<Asked>,
    /// The first of `asked` has been announced by a shape, and its value is wanted or not.
    shaped: Option<bool>,
}

impl StreamInspector for Lines {
    const NAME: &'static str = "{{name}}";
    type Settings = NoSettings;

    fn open(
        _: &NoSettings,
        _: &SessionInfo,
        _: &[(String, String)],
        limits: Limits,
        masking: bool,
    ) -> Result<Self, Fault> {
        Ok(Self { limits, masking, last: 0, asked: VecDeque::new(), shaped: None })
    }

    fn client(&mut self, data: &[u8], _: bool) -> Result<ClientOutcome, Fault> {
        let mut outcome = ClientOutcome {
            events: vec![],
            operations: vec![],
            inserts: vec![],
            refusals: vec![],
            need: 0,
            wait: false,
        };
        let mut rest = 0;
        // What follows the last line break stays with the host, and comes again with more behind it.
        for line in data.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            self.last += 1;
            let operation = operation(&String::from_utf8_lossy(line));
            let key = operation.objects.first().cloned().unwrap_or_default();
            let reference = outcome.operations.len() as u32;
            outcome.operations.push(Request { id: self.last, continues: 0, operation });
            outcome.events.push(event(kind::OPERATION, line.len(), 0, reference));
            self.asked.push_back(Asked { id: self.last, key, refused: None });
            rest += line.len();
        }
        if data.len() - rest > self.limits.max_operation as usize {
            outcome.refusals.push(Fault::new("too-long", "a line longer than may be judged"));
            outcome.events.push(event(kind::FATAL, 0, 0, 0));
        }
        Ok(outcome)
    }

    fn server(&mut self, data: &[u8], _: bool, _: u32) -> Result<ServerOutcome, Fault> {
        let mut outcome = ServerOutcome {
            events: vec![],
            inserts: vec![],
            refusals: vec![],
            shapes: vec![],
            results: vec![],
            cells: vec![],
            decoded: vec![],
            need: 0,
        };
        let mut start = 0;
        for line in data.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            let Some(asked) = self.asked.front() else {
                return Err(Fault::new("not-asked", "the server answered what nobody asked"));
            };
            if let Some(why) = &asked.refused {
                // The answer to the line that went in its place: ours takes its place in turn.
                outcome.events.push(event(kind::DROP, line.len(), 0, 0));
                outcome.events.push(event(kind::INSERT, 0, 0, outcome.inserts.len() as u32));
                outcome.inserts.push(format!("error {why}\n").into_bytes());
            } else {
                match line.strip_prefix(VALUE) {
                    Some(value) if self.masking => {
                        let Some(is_wanted) = self.shaped.take() else {
                            // Always the last event: the host plans, says what it wants, and gives the line again.
                            outcome.events.push(event(kind::SHAPE, 0, 0, asked.id));
                            outcome.shapes.push(vec![column(&asked.key)]);
                            self.shaped = Some(false);
                            return Ok(outcome);
                        };
                        if is_wanted {
                            outcome.cells.extend([(start + VALUE.len()) as u32, (value.len() - 1) as u32]);
                        }
                        outcome.events.push(event(kind::ROWS, line.len(), 1, 0));
                    }
                    _ => outcome.events.push(event(kind::PASS, line.len(), 0, 0)),
                }
                outcome.events.push(event(kind::DONE, 0, 0, outcome.results.len() as u32));
                outcome.results.push(result(asked.id, line));
            }
            start += line.len();
            self.asked.pop_front();
        }
        if self.asked.is_empty() {
            outcome.events.push(event(kind::IDLE, 0, 0, 0));
        }
        Ok(outcome)
    }

    fn want(&mut self, columns: &[u16], _: u32) -> Result<(), Fault> {
        self.shaped = Some(columns.contains(&0));
        Ok(())
    }

    fn edit(
        &mut self,
        _: &[u8],
        _: u16,
        _: u32,
        _: &[u32],
        texts: &[u8],
        _: &[u32],
    ) -> Result<Vec<u8>, Fault> {
        // One value in a line, so all of `texts` is its new text; none for NULL. It may not end the line.
        let text = texts.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte });
        Ok(VALUE.iter().copied().chain(text).chain([b'\n']).collect())
    }

    fn refuse(&mut self, id: u32, why: &Fault) -> Result<Substitute, Fault> {
        let asked = self.asked.iter_mut().find(|asked| asked.id == id);
        let asked = asked.ok_or_else(|| Fault::new("unknown", "an operation that was not found"))?;
        asked.refused = Some(why.message.replace('\n', " "));
        // A line that the server answers with an error, so that the order of answers stays.
        Ok(Substitute { upstream: b"refused\n".to_vec(), client: vec![] })
    }

    fn rewrite(&mut self, _: u32, text: &str) -> Result<(Substitute, Operation), Fault> {
        if text.contains('\n') {
            return Err(Fault::new("several-lines", "one line can be rewritten by one line only"));
        }
        let upstream = format!("{text}\n");
        let operation = operation(&upstream);
        Ok((Substitute { upstream: upstream.into_bytes(), client: vec![] }, operation))
    }

    fn notice(&mut self, _: &str) -> Vec<u8> {
        // The protocol has nothing a client would not take for an answer.
        vec![]
    }

    fn closing(&mut self, why: &Fault) -> Vec<u8> {
        format!("error {}\n", why.message.replace('\n', " ")).into_bytes()
    }
}

fn event(kind: u16, len: usize, count: u32, ref_: u32) -> Event {
    Event { kind, bits: 0, len: len as u32, count, ref_ }
}

fn operation(line: &str) -> Operation {
    let text = line.trim_end_matches('\n');
    let mut words = text.splitn(3, ' ');
    let (word, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let action = match word {
        "get" => "read",
        "set" => "write",
        _ => "unknown",
    };
    Operation {
        kind: format!("key-value.{}", if action == "unknown" { "other" } else { word }),
        action: action.into(),
        text: text.into(),
        objects: vec![key.into()],
        parameters: vec![],
        attributes: vec![],
        claimed: vec![],
    }
}

fn column(key: &str) -> WireColumn {
    WireColumn {
        name: key.into(),
        type_id: 0,
        type_modifier: -1,
        relation_id: 0,
        column_number: 0,
        type_name: "text".into(),
    }
}

fn result(operation: u32, line: &[u8]) -> ResultInfo {
    let message =
        line.strip_prefix(b"error ").map(|text| String::from_utf8_lossy(text).trim_end().to_owned());
    ResultInfo {
        operation,
        status: u8::from(message.is_some()),
        rows: u64::from(line.starts_with(VALUE)),
        tag: String::new(),
        code: String::new(),
        message: message.unwrap_or_default(),
    }
}

weir_sdk::export_stream_inspector!(Lines);
