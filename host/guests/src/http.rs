//! The HTTP inspector of one session.
//!
//! As for streams, what it answers is converted without copying texts, and everything in it that points somewhere is
//! checked here: lists that belong together, spans and cells inside the bytes it was given, columns that exist,
//! numbers of operations. What does not hold is a breach of the contract, and the instance is not asked again.

use crate::contract::v0_1::inspect::exports::weir::plugin::http_inspect as guest;
use crate::convert::{give_session, take_operation, take_status};
use crate::fault;
use crate::instance::Fenced;
use crate::limits::{MAX_SENTENCE_CHARS, MAX_WORD_CHARS};
use crate::load::{Exports, Loaded};
use crate::pipeline::InspectorLimits;
use crate::state::Visit;
use crate::text::clean;
use crate::trial::{StartFault, configured};
use weir_model::{Column, Fault, FaultSource, JudgedBy};
use weir_session::http::traffic::{
    AnswerHead, AnswerOutcome, Header, HttpInspector, OwnAnswer, OwnRequest, RequestHead, RequestOutcome,
    Show, Spans, Values,
};
use weir_session::traffic::{Request, ResultInfo, TOP_BIT};

/// Operations of one call: a batch of JSON-RPC, the refs of a push.
const MAX_OPERATIONS: usize = 4096;
/// Headers of an answer of its own, and those it changes of a request.
const MAX_HEADERS: usize = 64;
/// Notes of one call, and the bytes of one.
const MAX_NOTES: usize = 1024;
const MAX_NOTE_BYTES: usize = 2048;

/// [`HttpInspector`] made of a guest.
pub struct GuestHttpInspector {
    guest: Fenced,
    calls: guest::Guest,
    judged_by: JudgedBy,
}

impl GuestHttpInspector {
    pub(crate) async fn open(
        loaded: &Loaded,
        info: &Visit,
        limits: InspectorLimits,
        masking: bool,
    ) -> Result<Self, StartFault> {
        let Exports::HttpInspector(indices) = &loaded.compiled.code.exports else {
            return Err(fault::wrong_world(&loaded.name, loaded.world.as_word(), "http-inspector").into());
        };
        let (mut guest, instance) = configured(loaded, info).await?;
        let started = guest.begin_rest()?;
        let limits =
            guest::Limits { max_operation: limits.max_operation_bytes, max_answer: limits.max_answer_bytes };
        let given = give_session(info);
        let opened = match indices.load(&mut guest.store, &instance) {
            Ok(calls) => {
                calls.call_open(&mut guest.store, &given, limits, masking).await.map(|said| (calls, said))
            }
            Err(error) => Err(error),
        };
        let (calls, said) = guest.finish("open", started, opened)?;
        said.map_err(|no| fault::said_no(&guest.bounds, "open", no.code, no.message))
            .map_err(StartFault::in_open)?;
        Ok(Self { guest, calls, judged_by: loaded.judged_by("inspect") })
    }

    fn said_no(&self, call: &str, no: guest::Fault) -> Fault {
        fault::said_no(&self.guest.bounds, call, no.code, no.message)
    }

    fn lied(&mut self, call: &str, what: &str) -> Fault {
        self.guest.condemn();
        fault::lie(&self.guest.bounds, call, what)
    }
}

impl HttpInspector for GuestHttpInspector {
    fn judged_by(&self) -> JudgedBy {
        self.judged_by.clone()
    }

    fn is_usable(&self) -> bool {
        self.guest.is_usable()
    }

    async fn request(&mut self, exchange: u32, head: &RequestHead) -> Result<RequestOutcome, Fault> {
        let given = guest::RequestHead {
            method: head.method.clone(),
            authority: head.authority.clone(),
            path: head.path.clone(),
            query: head.query.clone(),
            headers: give_headers(&head.headers),
            has_body: head.has_body,
            length: head.length,
        };
        let started = self.guest.begin_call()?;
        let said = self.calls.call_request(&mut self.guest.store, exchange, &given).await;
        match self.guest.finish("request", started, said)? {
            Ok(outcome) => request_outcome(outcome, 0, true).map_err(|what| self.lied("request", what)),
            Err(no) => Err(self.said_no("request", no)),
        }
    }

    async fn request_body(&mut self, exchange: u32, data: &[u8], end: bool) -> Result<RequestOutcome, Fault> {
        let started = self.guest.begin_call()?;
        let said = self.calls.call_request_body(&mut self.guest.store, exchange, data, end).await;
        match self.guest.finish("request-body", started, said)? {
            Ok(outcome) => {
                request_outcome(outcome, data.len(), false).map_err(|what| self.lied("request-body", what))
            }
            Err(no) => Err(self.said_no("request-body", no)),
        }
    }

    async fn answer(&mut self, exchange: u32, head: &AnswerHead) -> Result<AnswerOutcome, Fault> {
        let given = guest::AnswerHead {
            status: head.status,
            headers: give_headers(&head.headers),
            has_body: head.has_body,
            length: head.length,
        };
        let started = self.guest.begin_call()?;
        let said = self.calls.call_answer(&mut self.guest.store, exchange, &given).await;
        match self.guest.finish("answer", started, said)? {
            Ok(outcome) => answer_outcome(outcome, Given::Headers(head.headers.len()))
                .map_err(|what| self.lied("answer", what)),
            Err(no) => Err(self.said_no("answer", no)),
        }
    }

    async fn answer_body(&mut self, exchange: u32, data: &[u8], end: bool) -> Result<AnswerOutcome, Fault> {
        let started = self.guest.begin_call()?;
        let said = self.calls.call_answer_body(&mut self.guest.store, exchange, data, end).await;
        match self.guest.finish("answer-body", started, said)? {
            Ok(outcome) => answer_outcome(outcome, Given::Bytes(data.len()))
                .map_err(|what| self.lied("answer-body", what)),
            Err(no) => Err(self.said_no("answer-body", no)),
        }
    }

    async fn message(&mut self, exchange: u32, text: bool, data: &[u8]) -> Result<RequestOutcome, Fault> {
        let started = self.guest.begin_call()?;
        let said = self.calls.call_message(&mut self.guest.store, exchange, text, data).await;
        match self.guest.finish("message", started, said)? {
            Ok(outcome) => {
                request_outcome(outcome, data.len(), false).map_err(|what| self.lied("message", what))
            }
            Err(no) => Err(self.said_no("message", no)),
        }
    }

    async fn answer_message(
        &mut self,
        exchange: u32,
        text: bool,
        data: &[u8],
    ) -> Result<AnswerOutcome, Fault> {
        let started = self.guest.begin_call()?;
        let said = self.calls.call_answer_message(&mut self.guest.store, exchange, text, data).await;
        match self.guest.finish("answer-message", started, said)? {
            Ok(outcome) => answer_outcome(outcome, Given::Bytes(data.len()))
                .map_err(|what| self.lied("answer-message", what)),
            Err(no) => Err(self.said_no("answer-message", no)),
        }
    }

    async fn encode(
        &mut self,
        exchange: u32,
        cells: &[u32],
        texts: &[u8],
        ends: &[u32],
    ) -> Result<Spans, Fault> {
        let started = self.guest.begin_call()?;
        let said = self.calls.call_encode(&mut self.guest.store, exchange, cells, texts, ends).await;
        match self.guest.finish("encode", started, said)? {
            // How far they may reach, the session knows.
            Ok(said) => spans(said, usize::MAX).map_err(|what| self.lied("encode", what)),
            Err(no) => Err(self.said_no("encode", no)),
        }
    }

    async fn refuse(&mut self, exchange: u32, refused: &[u32], why: &Fault) -> Result<OwnAnswer, Fault> {
        let why = shown(why);
        let started = self.guest.begin_call()?;
        let said = self.calls.call_refuse(&mut self.guest.store, exchange, refused, &why).await;
        let said = self.guest.finish("refuse", started, said)?;
        own_answer(said).map_err(|what| self.lied("refuse", what))
    }

    async fn refuse_asked(&mut self, exchange: u32, refused: &[u32], why: &Fault) -> Result<Vec<u8>, Fault> {
        let why = shown(why);
        let started = self.guest.begin_call()?;
        let said = self.calls.call_refuse_asked(&mut self.guest.store, exchange, refused, &why).await;
        self.guest.finish("refuse-asked", started, said)
    }

    async fn answer_asked(
        &mut self,
        exchange: u32,
        refused: &[u32],
        why: &Fault,
    ) -> Result<Vec<OwnRequest>, Fault> {
        let why = shown(why);
        let started = self.guest.begin_call()?;
        let said = self.calls.call_answer_asked(&mut self.guest.store, exchange, refused, &why).await;
        let said = self.guest.finish("answer-asked", started, said)?;
        if said.len() > MAX_OPERATIONS {
            return Err(self.lied("answer-asked", "too many requests of its own"));
        }
        let all: Result<_, _> = said.into_iter().map(own_request).collect();
        all.map_err(|what| self.lied("answer-asked", what))
    }

    async fn noted(&mut self, notes: &[String]) -> Result<(), Fault> {
        let started = self.guest.begin_call()?;
        let said = self.calls.call_noted(&mut self.guest.store, notes).await;
        self.guest.finish("noted", started, said)
    }

    async fn waiting(&mut self, exchange: u32, message: &str) -> Result<Option<OwnAnswer>, Fault> {
        let started = self.guest.begin_call()?;
        let said = self.calls.call_waiting(&mut self.guest.store, exchange, message).await;
        let said = self.guest.finish("waiting", started, said)?;
        said.map(own_answer).transpose().map_err(|what| self.lied("waiting", what))
    }

    async fn end(&mut self, exchange: u32) {
        let Ok(started) = self.guest.begin_call() else { return };
        let said = self.calls.call_end(&mut self.guest.store, exchange).await;
        // If it fails here, the next exchange finds out.
        let _ = self.guest.finish("end", started, said);
    }
}

/// The part of a fault the client may read.
fn shown(why: &Fault) -> guest::Fault {
    guest::Fault { code: why.code.clone(), message: why.message.clone() }
}

fn give_headers(headers: &[Header]) -> Vec<guest::Header> {
    let each = headers.iter();
    each.map(|header| guest::Header { name: header.name.clone(), value: header.text().into_owned() })
        .collect()
}

/// Names and values that can stand in a head; nothing else may come from a guest.
fn take_headers(said: Vec<guest::Header>) -> Result<Vec<Header>, &'static str> {
    if said.len() > MAX_HEADERS {
        return Err("too many headers");
    }
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte))
    };
    let is_value = |value: &str| value.bytes().all(|byte| byte == b'\t' || (byte >= 0x20 && byte != 0x7f));
    if said.iter().any(|header| !is_name(&header.name) || !is_value(&header.value)) {
        return Err("a header that is none");
    }
    Ok(said.into_iter().map(|header| Header { name: header.name, value: header.value.into() }).collect())
}

fn own_answer(said: guest::OwnAnswer) -> Result<OwnAnswer, &'static str> {
    if !(200..600).contains(&said.status) {
        return Err("an answer of impossible status");
    }
    Ok(OwnAnswer { status: said.status, headers: take_headers(said.headers)?, body: said.body })
}

fn own_request(said: guest::OwnRequest) -> Result<OwnRequest, &'static str> {
    if said.method.is_empty() || !said.method.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err("a request whose method is none");
    }
    let operation = operations(vec![said.operation])?.pop().ok_or("a request without an operation")?;
    let headers = take_headers(said.headers)?;
    Ok(OwnRequest { method: said.method, headers, body: said.body, operation })
}

fn notes(said: Vec<String>) -> Result<Vec<String>, &'static str> {
    let fits = said.len() <= MAX_NOTES && said.iter().all(|note| note.len() <= MAX_NOTE_BYTES);
    if fits { Ok(said) } else { Err("more or longer notes than are kept") }
}

fn show(said: u8) -> Result<Show, &'static str> {
    match said {
        0 => Ok(Show::Unseen),
        1 => Ok(Show::Whole),
        2 => Ok(Show::Growing),
        _ => Err("a body shown in an unknown way"),
    }
}

fn operations(said: Vec<guest::Found>) -> Result<Vec<Request>, &'static str> {
    if said.len() > MAX_OPERATIONS {
        return Err("too many operations");
    }
    if said.iter().any(|found| found.id == 0) {
        return Err("an operation numbered 0");
    }
    let requests = said.into_iter().map(|found| Request {
        id: found.id,
        continues: found.continues,
        operation: take_operation(found.operation),
    });
    Ok(requests.collect())
}

/// A refusal the inspector itself pronounces; the client may read it.
fn refusal(source: FaultSource, said: guest::Fault) -> Fault {
    Fault::new(source, clean(said.code, MAX_WORD_CHARS), clean(said.message, MAX_SENTENCE_CHARS))
}

/// `may_switch`: messages may follow.
fn request_outcome(
    said: guest::RequestOutcome,
    given: usize,
    may_switch: bool,
) -> Result<RequestOutcome, &'static str> {
    if said.release as usize > given {
        return Err("more bytes released than given");
    }
    let show = match said.show {
        3 if may_switch => Show::Messages,
        said => show(said)?,
    };
    Ok(RequestOutcome {
        show,
        operations: operations(said.operations)?,
        refusal: said.refusal.map(|no| refusal(FaultSource::Client, no)),
        release: said.release,
        need: said.need,
        headers: take_headers(said.headers)?,
    })
}

/// What an answer's call was given: what cells and spans may point at.
#[derive(Clone, Copy, Debug)]
enum Given {
    Headers(usize),
    Bytes(usize),
}

fn answer_outcome(said: guest::AnswerOutcome, given: Given) -> Result<AnswerOutcome, &'static str> {
    let release = said.release as usize;
    let reach = match given {
        Given::Headers(_) => 0,
        Given::Bytes(bytes) => bytes,
    };
    if release > reach {
        return Err("more bytes released than given");
    }
    let results: Result<Vec<_>, _> = said.results.into_iter().map(result_info).collect();
    Ok(AnswerOutcome {
        show: show(said.show)?,
        values: values(said.values, given, release)?,
        changes: spans(said.changes, release)?,
        release: said.release,
        need: said.need,
        results: results?,
        operations: operations(said.operations)?,
        refusal: said.refusal.map(|no| refusal(FaultSource::Upstream, no)),
        notes: notes(said.notes)?,
    })
}

/// Ascending, not overlapping, inside the first `within` bytes; ends that fit the texts.
fn spans(said: guest::Spans, within: usize) -> Result<Spans, &'static str> {
    let count = said.starts.len();
    if [said.stops.len(), said.ends.len()] != [count; 2] {
        return Err("spans whose lists do not belong together");
    }
    let mut last = 0;
    for (start, stop) in said.starts.iter().zip(&said.stops) {
        if *start < last || stop < start || *stop as usize > within {
            return Err("spans that overlap, do not ascend, or lie outside the bytes");
        }
        last = *stop;
    }
    let fits = said.ends.is_sorted() && said.ends.last().map_or(0, |end| *end as usize) == said.texts.len();
    if !fits {
        return Err("spans whose texts do not fit");
    }
    Ok(Spans { starts: said.starts, stops: said.stops, texts: said.texts, ends: said.ends })
}

fn values(said: guest::Values, given: Given, release: usize) -> Result<Values, &'static str> {
    let (triples, rest) = said.cells.as_chunks::<3>();
    if !rest.is_empty() {
        return Err("part of a cell");
    }
    let columns = said.columns.len();
    for [column, start, length] in triples {
        let space = match given {
            _ if start & TOP_BIT != 0 => said.decoded.len(),
            Given::Headers(count) if (*start as usize) < count => continue,
            Given::Headers(_) => return Err("a cell in a header that is not there"),
            Given::Bytes(_) => release,
        };
        let end = u64::from(start & !TOP_BIT) + u64::from(*length);
        if *column as usize >= columns || end > space as u64 {
            return Err("a cell outside the bytes or without column");
        }
    }
    if triples.iter().any(|[column, ..]| *column as usize >= columns) {
        return Err("a cell without column");
    }
    let column = |said: crate::contract::v0_1::inspect::weir::plugin::types::Column| Column {
        name: said.name,
        relation: said.relation,
        source: said.source,
        type_name: said.type_name,
        labels: said.labels,
    };
    let columns = said.columns.into_iter().map(column).collect();
    Ok(Values { columns, cells: said.cells, decoded: said.decoded })
}

fn result_info(said: guest::ResultInfo) -> Result<ResultInfo, &'static str> {
    Ok(ResultInfo {
        operation: said.operation,
        status: take_status(said.status)?,
        rows: said.rows,
        tag: clean(said.tag, MAX_WORD_CHARS),
        code: clean(said.code, MAX_WORD_CHARS),
        message: said.message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(starts: &[u32], stops: &[u32], texts: &[u8], ends: &[u32]) -> guest::Spans {
        guest::Spans { starts: starts.into(), stops: stops.into(), texts: texts.into(), ends: ends.into() }
    }

    #[test]
    fn spans_ascend_inside_the_bytes() {
        assert!(spans(said(&[0, 2], &[2, 4], b"ab", &[1, 2]), 4).is_ok());
        for wrong in [
            said(&[0, 1], &[2, 4], b"ab", &[1, 2]),
            said(&[3], &[2], b"", &[0]),
            said(&[0], &[5], b"", &[0]),
            said(&[0], &[1], b"ab", &[1]),
            said(&[0, 1], &[1, 2], b"ab", &[2, 1]),
            said(&[0], &[1, 2], b"", &[0]),
        ] {
            assert!(spans(wrong, 4).is_err());
        }
    }

    #[test]
    fn headers_of_a_guest_cannot_end_a_line() {
        let header = |name: &str, value: &str| vec![guest::Header { name: name.into(), value: value.into() }];
        assert!(take_headers(header("x-reason", "no, ann")).is_ok());
        for (name, value) in
            [("x", "a\r\nset-cookie: b"), ("x", "\0"), ("", "a"), ("X", "a"), ("a b", "c"), ("a:", "c")]
        {
            assert!(take_headers(header(name, value)).is_err(), "{name} {value}");
        }
    }

    #[test]
    fn cells_lie_in_what_was_given() {
        let column = crate::contract::v0_1::inspect::weir::plugin::types::Column {
            name: "email".into(),
            relation: String::new(),
            source: String::new(),
            type_name: String::new(),
            labels: vec![],
        };
        let with = |cells: &[u32]| guest::Values {
            columns: vec![column.clone()],
            cells: cells.into(),
            decoded: b"abc".into(),
        };
        assert!(values(with(&[0, 0, 4, 0, TOP_BIT, 3]), Given::Bytes(9), 4).is_ok());
        assert!(values(with(&[0, 1, 0]), Given::Headers(2), 0).is_ok());
        for (cells, given) in [
            (&[0, 0, 5][..], Given::Bytes(9)),
            (&[1, 0, 1], Given::Bytes(9)),
            (&[0, TOP_BIT | 1, 3], Given::Bytes(9)),
            (&[0, 2, 0], Given::Headers(2)),
            (&[1, 1, 0], Given::Headers(2)),
            (&[0, 0], Given::Bytes(9)),
        ] {
            assert!(values(with(cells), given, 4).is_err(), "{cells:?}");
        }
    }

    /// Small numbers are where the borders are; large ones are where sums overflow.
    fn number() -> impl Strategy<Value = u32> {
        prop_oneof![8 => 0..6_u32, 1 => any::<u32>(), 1 => Just(u32::MAX), 1 => TOP_BIT..TOP_BIT + 5]
    }

    fn numbers(most: usize) -> impl Strategy<Value = Vec<u32>> {
        prop::collection::vec(number(), 0..most)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(4_000)))]

        /// Spans that are taken can be carried out, whatever the lists were; those that can are taken.
        #[test]
        fn spans_that_are_taken_can_be_carried_out(
            starts in numbers(4), stops in numbers(4), ends in numbers(4), texts in 0..6_usize, within in 0..8_usize,
        ) {
            let count = starts.len();
            let sound = stops.len() == count
                && ends.len() == count
                && (0..count).all(|at| starts[at] <= stops[at] && stops[at] as usize <= within)
                && (1..count).all(|at| stops[at - 1] <= starts[at] && ends[at - 1] <= ends[at])
                && ends.last().map_or(0, |end| *end as usize) == texts;
            let taken = spans(said(&starts, &stops, &vec![b'x'; texts], &ends), within);
            prop_assert_eq!(taken.is_ok(), sound);
            if let Ok(taken) = taken {
                let (mut out, mut at, mut text) = (0, 0_usize, 0_usize);
                for ((start, stop), end) in taken.starts.iter().zip(&taken.stops).zip(&taken.ends) {
                    out += vec![0; within].get(at..*start as usize).unwrap().len();
                    out += taken.texts.get(text..*end as usize).unwrap().len();
                    (at, text) = (*stop as usize, *end as usize);
                }
                prop_assert!(at <= within && out <= within + texts);
            }
        }

        /// Whatever an answer says: what is taken points into the bytes released, what was decoded, or the headers.
        #[test]
        fn answers_point_at_something_or_are_refused(
            (show, release, need) in (0..5_u8, number(), number()),
            columns in 0..3_usize,
            cells in numbers(10),
            decoded in 0..5_usize,
            given in prop_oneof![(0..8_usize).prop_map(Given::Bytes), (0..4_usize).prop_map(Given::Headers)],
            ids in numbers(3),
            status in 0..6_u8,
        ) {
            let text = String::new;
            let column = crate::contract::v0_1::inspect::weir::plugin::types::Column {
                name: text(), relation: text(), source: text(), type_name: text(), labels: vec![],
            };
            let operation = crate::contract::v0_1::inspect::weir::plugin::types::Operation {
                kind: text(), action: text(), text: text(), objects: vec![], parameters: vec![], attributes: vec![], claimed: vec![],
            };
            let found = ids.iter().map(|id| guest::Found { id: *id, continues: *id, operation: operation.clone() });
            let said = guest::AnswerOutcome {
                show,
                values: guest::Values { columns: vec![column; columns], cells: cells.clone(), decoded: vec![0; decoded] },
                changes: said(&[], &[], b"", &[]),
                release,
                need,
                results: vec![guest::ResultInfo { operation: 1, status, rows: 0, tag: text(), code: text(), message: text() }],
                operations: found.collect(),
                refusal: None,
                notes: vec![],
            };
            if answer_outcome(said, given).is_ok() {
                prop_assert!(show <= 2 && status <= 3 && !ids.contains(&0) && cells.len() % 3 == 0);
                let bytes = match given { Given::Bytes(bytes) => bytes, Given::Headers(_) => 0 };
                prop_assert!(release as usize <= bytes);
                for cell in cells.chunks(3) {
                    let (column, start, length) = (cell[0], cell[1], cell[2]);
                    prop_assert!((column as usize) < columns);
                    let end = u128::from(start & !TOP_BIT) + u128::from(length);
                    let lies_inside = match given {
                        _ if start & TOP_BIT != 0 => end <= decoded as u128,
                        Given::Headers(count) => (start as usize) < count,
                        Given::Bytes(_) => end <= u128::from(release),
                    };
                    prop_assert!(lies_inside);
                }
            }
        }

        /// Headers and statuses of a guest can stand in a head, or are refused.
        #[test]
        fn own_answers_can_be_written(status in any::<u16>(), name in "[a-zA-Z0-9:\r\n _.-]{0,4}", value in any::<String>(), count in 0..70_usize) {
            let header = guest::Header { name: name.clone(), value: value.clone() };
            let said = guest::OwnAnswer { status, headers: vec![header; count], body: vec![] };
            if let Ok(taken) = own_answer(said) {
                prop_assert!((200..600).contains(&taken.status) && count <= MAX_HEADERS);
                let is_token = |name: &str| !name.is_empty() && !name.contains([':', ' ', '\r', '\n']) && name.is_ascii();
                prop_assert!(count == 0 || is_token(&name) && !value.contains(['\r', '\n', '\0']));
            }
        }

        /// What a request's call says is within what it was given.
        #[test]
        fn requests_release_what_they_were_given(show in 0..5_u8, release in number(), given in 0..6_usize, may_switch in any::<bool>()) {
            let said = guest::RequestOutcome { show, operations: vec![], refusal: None, release, need: u32::MAX, headers: vec![] };
            let most = if may_switch { 3 } else { 2 };
            prop_assert_eq!(request_outcome(said, given, may_switch).is_ok(), show <= most && release as usize <= given);
        }
    }
}
