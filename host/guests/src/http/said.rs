//! What an HTTP inspector said, checked and made the host's own.

use crate::contract::v0_1::inspect::exports::weir::plugin::http_inspect as guest;
use crate::convert::{take_operation, take_result};
use crate::limits::{MAX_SENTENCE_CHARS, MAX_WORD_CHARS};
use crate::text::clean;
use std::sync::Arc;
use weir_model::{Column, Fault, FaultSource};
use weir_session::http::traffic::{
    AnswerOutcome, Header, OwnAnswer, OwnRequest, RequestOutcome, Show, Spans, Values,
};
use weir_session::traffic::{Request, ResultInfo, TOP_BIT};

/// Operations of one call: a batch of JSON-RPC, the refs of a push.
pub(super) const MAX_OPERATIONS: usize = 4096;
/// Headers of an answer of its own, and those it changes of a request.
const MAX_HEADERS: usize = 64;
/// Notes of one call, and the bytes of one.
const MAX_NOTES: usize = 1024;
const MAX_NOTE_BYTES: usize = 2048;

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
    Ok(said
        .into_iter()
        .map(|header| Header { name: header.name.into(), value: header.value.into() })
        .collect())
}

pub(super) fn own_answer(said: guest::OwnAnswer) -> Result<OwnAnswer, &'static str> {
    if !(200..600).contains(&said.status) {
        return Err("an answer of impossible status");
    }
    Ok(OwnAnswer { status: said.status, headers: take_headers(said.headers)?, body: said.body })
}

pub(super) fn own_request(said: guest::OwnRequest) -> Result<OwnRequest, &'static str> {
    if said.method.is_empty() || !said.method.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err("a request whose method is none");
    }
    let operation = operations(vec![said.operation])?.pop().ok_or("a request without an operation")?;
    let headers = take_headers(said.headers)?;
    Ok(OwnRequest { method: said.method.into(), headers, body: said.body, operation })
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
        operation: Arc::new(take_operation(found.operation)),
    });
    Ok(requests.collect())
}

/// A refusal the inspector itself pronounces; the client may read it.
fn refusal(source: FaultSource, said: guest::Fault) -> Fault {
    Fault::new(source, clean(said.code, MAX_WORD_CHARS), clean(said.message, MAX_SENTENCE_CHARS))
}

/// `may_switch`: messages may follow.
pub(super) fn request_outcome(
    said: guest::RequestOutcome,
    given: Given,
    may_switch: bool,
) -> Result<RequestOutcome, &'static str> {
    let (given, show) = match said.show {
        3 if may_switch => (given, Show::Messages),
        said => given.shown(said)?,
    };
    if said.release as usize > given.reach() {
        return Err("more bytes released than given");
    }
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
pub(super) enum Given {
    Headers(usize),
    Bytes(usize),
    /// headers, and a body of so many bytes: what is said tells which it is about
    Both(usize, usize),
}

impl Given {
    /// A head of so many headers, with its body if that is here.
    pub(super) fn head(body: Option<&[u8]>, headers: usize) -> Self {
        body.map_or(Self::Headers(headers), |body| Self::Both(headers, body.len()))
    }

    /// What an answer is about, and what follows it.
    fn shown(self, said: u8) -> Result<(Self, Show), &'static str> {
        match (self, said) {
            (Self::Both(_, bytes), 4) => Ok((Self::Bytes(bytes), Show::Seen)),
            (Self::Both(headers, _), said) => Ok((Self::Headers(headers), show(said)?)),
            (given, said) => Ok((given, show(said)?)),
        }
    }

    fn reach(self) -> usize {
        if let Self::Bytes(bytes) = self { bytes } else { 0 }
    }
}

/// Columns named lately. Answers of one route have the same, so they are read once.
#[derive(Debug, Default)]
pub(super) struct Known(Vec<(guest::Columns, Arc<[Column]>)>);

/// So many lists are known, those last used first, each of at most so many bytes.
const KNOWN: usize = 8;
const KNOWN_BYTES: usize = 16 * 1024;

impl Known {
    fn read(&mut self, said: guest::Columns) -> Result<Arc<[Column]>, &'static str> {
        let is_same = |known: &(guest::Columns, _)| known.0.ends == said.ends && known.0.texts == said.texts;
        if let Some(place) = self.0.iter().position(is_same)
            && let Some((_, columns)) = self.0.get_mut(..=place).and_then(|known| {
                known.rotate_right(1);
                known.first()
            })
        {
            return Ok(Arc::clone(columns));
        }
        let columns: Arc<[Column]> = columns(&said)?.into();
        if said.texts.len() <= KNOWN_BYTES {
            self.0.truncate(KNOWN - 1);
            self.0.insert(0, (said, Arc::clone(&columns)));
        }
        Ok(columns)
    }
}

/// Five texts for each.
fn columns(said: &guest::Columns) -> Result<Vec<Column>, &'static str> {
    let (all, rest) = said.ends.as_chunks::<5>();
    if !rest.is_empty() || said.ends.last().map_or(0, |end| *end as usize) != said.texts.len() {
        return Err("part of a column");
    }
    let mut from = 0;
    let mut next = |end: u32| {
        let text = said.texts.get(from..end as usize).ok_or("columns whose texts do not fit")?;
        from = end as usize;
        Ok::<_, &str>(text)
    };
    let column = |[name, relation, source, type_name, labels]: &[u32; 5]| {
        Ok(Column {
            name: next(*name)?.to_owned(),
            relation: next(*relation)?.to_owned(),
            source: next(*source)?.to_owned(),
            type_name: next(*type_name)?.to_owned(),
            labels: next(*labels)?.split_whitespace().map(str::to_owned).collect(),
        })
    };
    all.iter().map(column).collect()
}

pub(super) fn answer_outcome(
    said: guest::AnswerOutcome,
    given: Given,
    known: &mut Known,
) -> Result<AnswerOutcome, &'static str> {
    let release = said.release as usize;
    let (given, show) = given.shown(said.show)?;
    if release > given.reach() {
        return Err("more bytes released than given");
    }
    let results: Result<Vec<_>, _> = said.results.into_iter().map(result_info).collect();
    Ok(AnswerOutcome {
        show,
        values: values(said.values, given, release, known)?,
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
pub(super) fn spans(said: guest::Spans, within: usize) -> Result<Spans, &'static str> {
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

fn values(
    said: guest::Values,
    given: Given,
    release: usize,
    known: &mut Known,
) -> Result<Values, &'static str> {
    let (triples, rest) = said.cells.as_chunks::<3>();
    if !rest.is_empty() {
        return Err("part of a cell");
    }
    let named = known.read(said.columns)?;
    let columns = named.len();
    for [column, start, length] in triples {
        let space = match given {
            _ if start & TOP_BIT != 0 => said.decoded.len(),
            Given::Headers(count) if (*start as usize) < count => continue,
            Given::Headers(_) | Given::Both(..) => return Err("a cell in a header that is not there"),
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
    Ok(Values { columns: named, cells: said.cells, decoded: said.decoded })
}

fn result_info(said: guest::ResultInfo) -> Result<ResultInfo, &'static str> {
    take_result(said.operation, said.status, said.rows, (said.tag, said.code), said.message)
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
        let with = |cells: &[u32]| guest::Values {
            columns: guest::Columns { texts: "email".into(), ends: vec![5; 5] },
            cells: cells.into(),
            decoded: b"abc".into(),
        };
        let values = |said, given, release| values(said, given, release, &mut Known::default());
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
            given in prop_oneof![
                (0..8_usize).prop_map(Given::Bytes),
                (0..4_usize).prop_map(Given::Headers),
                (0..4_usize, 0..8_usize).prop_map(|(headers, bytes)| Given::Both(headers, bytes)),
            ],
            ids in numbers(3),
            status in 0..6_u8,
        ) {
            let text = String::new;
            let operation = crate::contract::v0_1::inspect::weir::plugin::types::Operation {
                kind: text(), action: text(), text: text(), objects: vec![], parameters: vec![], attributes: vec![], claimed: vec![],
            };
            let found = ids.iter().map(|id| guest::Found { id: *id, continues: *id, operation: operation.clone() });
            let said = guest::AnswerOutcome {
                show,
                values: guest::Values { columns: guest::Columns { texts: text(), ends: vec![0; 5 * columns] }, cells: cells.clone(), decoded: vec![0; decoded] },
                changes: said(&[], &[], b"", &[]),
                release,
                need,
                results: vec![guest::ResultInfo { operation: 1, status, rows: 0, tag: text(), code: text(), message: text() }],
                operations: found.collect(),
                refusal: None,
                notes: vec![],
            };
            if answer_outcome(said, given, &mut Known::default()).is_ok() {
                let (is_seen, given) = match given {
                    Given::Both(_, bytes) if show == 4 => (true, Given::Bytes(bytes)),
                    Given::Both(headers, _) => (false, Given::Headers(headers)),
                    given => (false, given),
                };
                prop_assert!((show <= 2 || is_seen) && status <= 3 && !ids.contains(&0) && cells.len() % 3 == 0);
                let bytes = given.reach();
                prop_assert!(release as usize <= bytes);
                for cell in cells.chunks(3) {
                    let (column, start, length) = (cell[0], cell[1], cell[2]);
                    prop_assert!((column as usize) < columns);
                    let end = u128::from(start & !TOP_BIT) + u128::from(length);
                    let lies_inside = match given {
                        _ if start & TOP_BIT != 0 => end <= decoded as u128,
                        Given::Headers(count) => (start as usize) < count,
                        Given::Bytes(_) | Given::Both(..) => end <= u128::from(release),
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
        fn requests_release_what_they_were_given(
            show in 0..6_u8, release in number(), given in 0..6_usize, (may_switch, is_early) in any::<(bool, bool)>(),
        ) {
            let said = guest::RequestOutcome { show, operations: vec![], refusal: None, release, need: u32::MAX, headers: vec![] };
            let is_known = show <= 2 || show == 3 && may_switch || show == 4 && is_early;
            let reach = if is_early && show != 4 { 0 } else { given };
            let given = if is_early { Given::Both(1, given) } else { Given::Bytes(given) };
            prop_assert_eq!(request_outcome(said, given, may_switch).is_ok(), is_known && release as usize <= reach);
        }
    }
}
