//! An inspector of a protocol of lines. A client's line is an operation; lines of the upstream pass. A line
//! that begins with `!` asks for nonsense.

use weir_sdk::inspector::{
    ClientOutcome, Event, Limits, NoSettings, Operation, Request, ResultInfo, ServerOutcome, StreamInspector,
    Substitute, WireColumn, kind,
};
use weir_sdk::{Fault, SessionInfo};

struct Lines {
    next: u32,
    parameters: usize,
}

impl StreamInspector for Lines {
    const NAME: &'static str = "lines";
    type Settings = NoSettings;

    fn open(
        _: &NoSettings,
        _: &SessionInfo,
        parameters: &[(String, String)],
        _: Limits,
        _: bool,
    ) -> Result<Self, Fault> {
        Ok(Self { next: 1, parameters: parameters.len() })
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
        let event = |kind, len: usize, count, ref_| Event { kind, bits: 0, len: len as u32, count, ref_ };
        for line in data.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            match line {
                b"!loop\n" => forever(),
                b"!panic\n" => panic!("told to"),
                b"!fault\n" => return Err(Fault::new("no", "told to refuse")),
                b"!kind\n" => outcome.events.push(event(99, line.len(), 0, 0)),
                b"!operation\n" => outcome.events.push(event(kind::OPERATION, line.len(), 0, 7)),
                b"!insert\n" => outcome.events.push(event(kind::INSERT, 0, 0, 7)),
                b"!refused\n" => outcome.events.push(event(kind::REFUSED, 0, 7, 0)),
                b"!fatal\n" => {
                    outcome.refusals.push(Fault::new("bad\u{7}", "cannot\ngo on"));
                    outcome.events.push(event(kind::FATAL, 0, 0, 0));
                }
                b"!zero\n" => {
                    outcome.operations.push(Request { id: 0, continues: 0, operation: operation("") })
                }
                b"!insert-instead\n" => {
                    outcome.operations.push(Request { id: 9, continues: 0, operation: operation("x") });
                    outcome.events.push(Event {
                        kind: kind::OPERATION,
                        bits: 1,
                        len: line.len() as u32,
                        count: 4,
                        ref_: 0,
                    });
                }
                b"!events\n" => outcome.events = vec![event(kind::PASS, 0, 0, 0); 7 << 19],
                line => {
                    let text = String::from_utf8_lossy(line.trim_ascii_end());
                    let index = outcome.operations.len() as u32;
                    outcome.operations.push(Request {
                        id: self.next,
                        continues: 0,
                        operation: operation(&text),
                    });
                    self.next += 1;
                    outcome.events.push(event(kind::OPERATION, line.len(), 0, index));
                }
            }
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
        let event = |kind, count, ref_| Event { kind, bits: 0, len: 0, count, ref_ };
        match data {
            b"!kind\n" => outcome.events.push(event(99, 0, 0)),
            b"!shape\n" => outcome.events.push(event(kind::SHAPE, 3, 0)),
            b"!done\n" => outcome.events.push(event(kind::DONE, 0, 3)),
            b"!status\n" => outcome.results.push(ResultInfo {
                operation: 1,
                status: 9,
                rows: 0,
                tag: String::new(),
                code: String::new(),
                message: String::new(),
            }),
            b"!half\n" => outcome.cells.push(1),
            b"!cell\n" => outcome.cells = vec![3, 1000],
            b"!decoded\n" => outcome.cells = vec![1 << 31, 1],
            b"shape\n" => {
                outcome.shapes.push(vec![WireColumn {
                    name: "column".into(),
                    type_id: 25,
                    type_modifier: -1,
                    relation_id: 0,
                    column_number: 1,
                    type_name: "text".into(),
                }]);
                outcome.cells = vec![0, 5, 0, u32::MAX];
                outcome.events.push(event(kind::SHAPE, 0, 1));
            }
            _ => outcome.events.push(Event {
                kind: kind::PASS,
                bits: 0,
                len: data.len() as u32,
                count: 0,
                ref_: 0,
            }),
        }
        Ok(outcome)
    }

    fn want(&mut self, _: &[u16], _: u32) -> Result<(), Fault> {
        Ok(())
    }

    fn edit(
        &mut self,
        data: &[u8],
        _: u16,
        _: u32,
        cells: &[u32],
        texts: &[u8],
        _: &[u32],
    ) -> Result<Vec<u8>, Fault> {
        Ok([data, format!("|{}|", cells.len()).as_bytes(), texts].concat())
    }

    fn refuse(&mut self, id: u32, why: &Fault) -> Result<Substitute, Fault> {
        Ok(Substitute { upstream: vec![], client: format!("refused {id}: {}\n", why.message).into_bytes() })
    }

    fn rewrite(&mut self, _: u32, text: &str) -> Result<(Substitute, Operation), Fault> {
        let upstream = format!("{text}\n").into_bytes();
        Ok((Substitute { upstream, client: vec![] }, operation(text)))
    }

    fn notice(&mut self, message: &str) -> Vec<u8> {
        format!("notice: {message} ({} parameters)\n", self.parameters).into_bytes()
    }

    fn closing(&mut self, why: &Fault) -> Vec<u8> {
        format!("closing: {}\n", why.message).into_bytes()
    }
}

fn operation(text: &str) -> Operation {
    Operation {
        kind: "line".into(),
        action: "read".into(),
        text: text.into(),
        objects: vec![],
        parameters: vec![],
        attributes: vec![],
        claimed: vec![],
    }
}

fn forever() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns + 1);
    }
}

weir_sdk::export_stream_inspector!(Lines);
