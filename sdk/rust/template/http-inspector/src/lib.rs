//! An HTTP inspector of an API that speaks plain text: a request is one operation, an answer one value. To be replaced by
//! yours; `weir-sdk/wit/http.wit` says what each call means.

use std::collections::BTreeMap;
use weir_sdk::http::{
    AnswerHead, AnswerOutcome, Fault, Found, Header, HttpInspector, Limits, NoSettings, Operation, OwnAnswer,
    Parameter, RequestHead, RequestOutcome, SessionInfo, Spans, TOP_BIT, Values, show,
};

/// What is remembered of an exchange until its end.
struct Exchange {
    operation: Operation,
    /// Bytes of the answer's body.
    length: u32,
}

struct PlainText {
    masking: bool,
    last: u32,
    exchanges: BTreeMap<u32, Exchange>,
}

impl HttpInspector for PlainText {
    const NAME: &'static str = "{{name}}";
    type Settings = NoSettings;

    fn open(_: &NoSettings, _: &SessionInfo, _: Limits, masking: bool) -> Result<Self, Fault> {
        Ok(Self { masking, last: 0, exchanges: BTreeMap::new() })
    }

    fn request(&mut self, exchange: u32, head: &RequestHead) -> Result<RequestOutcome, Fault> {
        let mut outcome = RequestOutcome::default();
        let operation = Operation {
            kind: "http.request".into(),
            action: if head.method == "GET" { "read" } else { "write" }.into(),
            text: format!("{} {}", head.method, head.path),
            objects: vec![head.path.clone()],
            parameters: vec![],
            attributes: vec![],
            claimed: vec![],
        };
        if head.query.is_some() {
            // What it does not understand, it refuses.
            outcome.refusal = Some(Fault::new("query", "this API has no queries"));
        }
        if head.has_body {
            // Without its body it is not known what is asked: the operation comes with that.
            outcome.show = show::WHOLE;
        } else {
            outcome.operations.push(self.found(operation.clone()));
        }
        self.exchanges.insert(exchange, Exchange { operation, length: 0 });
        Ok(outcome)
    }

    fn request_body(&mut self, exchange: u32, data: &[u8], _: bool) -> Result<RequestOutcome, Fault> {
        let mut operation = self.exchange(exchange)?.operation.clone();
        let Ok(text) = std::str::from_utf8(data) else {
            let refusal = Some(Fault::new("no-text", "this API takes text"));
            return Ok(RequestOutcome {
                operations: vec![self.found(operation)],
                refusal,
                ..Default::default()
            });
        };
        let value = Some(text.to_owned());
        operation.parameters.push(Parameter { name: "body".into(), type_name: "text".into(), value });
        let operations = vec![self.found(operation)];
        Ok(RequestOutcome { operations, release: data.len() as u32, ..Default::default() })
    }

    fn answer(&mut self, _: u32, head: &AnswerHead) -> Result<AnswerOutcome, Fault> {
        let mut outcome = AnswerOutcome::default();
        let is_text = head.headers.get("content-type").is_some_and(|kind| kind.starts_with("text/plain"));
        if self.masking && head.has_body {
            match is_text {
                true => outcome.show = show::WHOLE,
                false => {
                    outcome.refusal = Some(Fault::new("no-text", "an answer whose values cannot be found"))
                }
            }
        }
        Ok(outcome)
    }

    fn answer_body(&mut self, exchange: u32, data: &[u8], _: bool) -> Result<AnswerOutcome, Fault> {
        let length = data.len() as u32;
        let exchange = self.exchange(exchange)?;
        exchange.length = length;
        if std::str::from_utf8(data).is_err() {
            let refusal = Some(Fault::new("no-text", "an answer that is no text"));
            return Ok(AnswerOutcome { refusal, ..Default::default() });
        }
        let mut values = Values { cells: vec![0, 0, length], ..Default::default() };
        values.columns.push("body", &exchange.operation.text, "body", "text", &[]);
        Ok(AnswerOutcome { values, release: length, ..Default::default() })
    }

    fn encode(&mut self, exchange: u32, cells: &[u32], texts: &[u8], _: &[u32]) -> Result<Spans, Fault> {
        let length = self.exchange(exchange)?.length;
        let mut spans = Spans::default();
        if let Some(cell) = cells.first() {
            spans.push(0, length, if cell & TOP_BIT == 0 { texts } else { b"" })?;
        }
        Ok(spans)
    }

    fn refuse(&mut self, _: u32, _: &[u32], why: &Fault) -> OwnAnswer {
        let kind = Header { name: "content-type".into(), value: "text/plain".into() };
        OwnAnswer { status: 403, headers: vec![kind], body: format!("{}\n", why.message).into_bytes() }
    }

    fn end(&mut self, exchange: u32) {
        self.exchanges.remove(&exchange);
    }
}

impl PlainText {
    fn found(&mut self, operation: Operation) -> Found {
        self.last += 1;
        Found { id: self.last, continues: 0, operation }
    }

    fn exchange(&mut self, exchange: u32) -> Result<&mut Exchange, Fault> {
        self.exchanges.get_mut(&exchange).ok_or_else(|| Fault::new("unknown", "an exchange that never began"))
    }
}

weir_sdk::export_http_inspector!(PlainText);
