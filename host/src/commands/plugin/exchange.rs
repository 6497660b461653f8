//! Exchanges before an HTTP inspector, without a session: bodies come in pieces of any size, and what it answers is
//! carried out as the host would. What a case refuses is refused, what it masks is masked, everything else is allowed.

use super::cases::{AnswerCase, Attributes, ExchangeCase, RefuseCase, RequestCase};
use super::for_operator;
use super::stream::{Masks, Split, shown};
use serde_json::{Value, json};
use weir_guests::GuestHttpInspector;
use weir_model::{Fault, FaultSource};
use weir_session::http::apply;
use weir_session::http::traffic::{
    AnswerHead, AnswerOutcome, Header, HttpInspector as _, OwnAnswer, RequestHead, RequestOutcome, Show,
    Spans, Values,
};
use weir_session::traffic::{Request, TOP_BIT};

pub(super) struct Exchanges<'c> {
    inspector: GuestHttpInspector,
    refuse: Option<&'c RefuseCase>,
    masks: &'c Masks,
    pub(super) seen: Seen,
}

/// What was seen of all exchanges, in order.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) operations: Vec<Value>,
    pub(super) values: Vec<Value>,
    pub(super) answers: Vec<Value>,
}

impl<'c> Exchanges<'c> {
    pub(super) fn new(
        inspector: GuestHttpInspector,
        refuse: Option<&'c RefuseCase>,
        masks: &'c Masks,
    ) -> Self {
        Self { inspector, refuse, masks, seen: Seen::default() }
    }

    /// One request, and its answer if it is not refused.
    ///
    /// # Errors
    /// When the inspector stops or breaks the contract: what it did. When the case cannot be read.
    pub(super) async fn exchange(
        &mut self,
        number: u32,
        case: &ExchangeCase,
        split: &mut Split<'_>,
    ) -> Result<(), String> {
        let answer = match self.request(number, &case.request, split).await? {
            Some(own) => answer(own.status, &own.headers, &own.body),
            None => match &case.answer {
                Some(case) => self.answer(number, case, split).await?,
                None => Value::Null,
            },
        };
        self.seen.answers.push(answer);
        self.inspector.end(number).await;
        Ok(())
    }

    /// The inspector's own answer when the request is refused.
    async fn request(
        &mut self,
        number: u32,
        case: &RequestCase,
        split: &mut Split<'_>,
    ) -> Result<Option<OwnAnswer>, String> {
        let body =
            case.body.as_ref().map(|body| body.bytes()).transpose().map_err(|why| format!("{why:#}"))?;
        let (path, query) = match case.target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (case.target.as_str(), None),
        };
        let head = RequestHead {
            method: case.method.as_str().into(),
            authority: case.authority.clone().unwrap_or_else(|| "api.example".to_owned()),
            path: path.to_owned(),
            query,
            headers: headers(&case.headers),
            has_body: body.is_some(),
            length: body.as_ref().map(|body| body.len() as u64),
            runs_once: false,
        };
        let mut outcome =
            self.inspector.request(&[], number, &head, None).await.map_err(|no| for_operator(&no))?;
        outcome.release = 0;
        let mut has_operation = false;
        let (mut buffer, mut left, mut ended) =
            (Vec::new(), body.as_deref().unwrap_or_default(), body.is_none());
        loop {
            let (show, need, release) = (outcome.show, outcome.need as usize, outcome.release as usize);
            if show == Show::Messages {
                return Err("WebSocket is not part of cases: test it through a gateway".to_owned());
            }
            if release > 0 && !has_operation && outcome.operations.is_empty() {
                return Err("bytes are released before there is an operation".to_owned());
            }
            has_operation |= !outcome.operations.is_empty();
            if let Some(own) = self.judge(number, outcome).await? {
                return Ok(Some(own));
            }
            if release > buffer.len() {
                return Err("more is released than there is".to_owned());
            }
            buffer.drain(..release);
            if show == Show::Unseen || ended && buffer.is_empty() {
                break;
            }
            if ended && release == 0 {
                return Err(format!("{} bytes of a request that has ended are left", buffer.len()));
            }
            more(&mut buffer, &mut left, &mut ended, (show, need), split);
            outcome =
                self.inspector.request_body(number, &buffer, ended).await.map_err(|no| for_operator(&no))?;
        }
        if has_operation {
            return Ok(None);
        }
        let why = Fault::new(FaultSource::Client, "no-operation", "nothing in it could be judged");
        self.seen.operations.push(json!({ "refused": why.code }));
        self.own(number, &[], &why).await.map(Some)
    }

    /// The operations of one call: all of them go on, or none.
    async fn judge(&mut self, number: u32, outcome: RequestOutcome) -> Result<Option<OwnAnswer>, String> {
        let RequestOutcome { operations, refusal, .. } = outcome;
        if let Some(why) = refusal {
            let ids: Vec<_> = operations.iter().map(|request| request.id).collect();
            for Request { operation, continues, .. } in &operations {
                self.seen.operations.push(shown(operation, *continues, Some(&why.code)));
            }
            if operations.is_empty() {
                self.seen.operations.push(json!({ "refused": why.code }));
            }
            return self.own(number, &ids, &why).await.map(Some);
        }
        let (refused, why) = self.refused(&operations);
        match why {
            Some(why) => self.own(number, &refused, &why).await.map(Some),
            None => Ok(None),
        }
    }

    /// Notes what was found, and which of it the case refuses.
    fn refused(&mut self, operations: &[Request]) -> (Vec<u32>, Option<Fault>) {
        let mut ids = Vec::new();
        for Request { id, continues, operation } in operations {
            let refuse = self.refuse.filter(|refuse| refuse.is_of(operation));
            let code = refuse.map(|refuse| refuse.code.as_str());
            self.seen.operations.push(shown(operation, *continues, code));
            ids.extend(refuse.map(|_| *id));
        }
        let why = self.refuse.filter(|_| !ids.is_empty()).map(RefuseCase::fault);
        (ids, why)
    }

    async fn own(&mut self, number: u32, refused: &[u32], why: &Fault) -> Result<OwnAnswer, String> {
        self.inspector.refuse(number, refused, why).await.map_err(|no| for_operator(&no))
    }

    /// What the client gets.
    async fn answer(
        &mut self,
        number: u32,
        case: &AnswerCase,
        split: &mut Split<'_>,
    ) -> Result<Value, String> {
        let body =
            case.body.as_ref().map(|body| body.bytes()).transpose().map_err(|why| format!("{why:#}"))?;
        let mut head = AnswerHead {
            status: case.status,
            headers: headers(&case.headers),
            has_body: body.is_some(),
            length: body.as_ref().map(|body| body.len() as u64),
        };
        let outcome = self.inspector.answer(number, &head, None).await.map_err(|no| for_operator(&no))?;
        let texts: Vec<_> = head.headers.iter().map(|header| header.text().into_owned()).collect();
        let cell = |start: usize, _: usize| texts.get(start).map(|text| text.as_bytes().to_vec());
        let masked = self.mask(number, &outcome.values, cell).await?;
        for (index, _, text) in masked.changes() {
            let header = head.headers.get_mut(index).ok_or("a change of a header that is not there")?;
            header.value = text.to_vec().into();
        }
        let AnswerOutcome { mut show, mut need, refusal, .. } = outcome;
        if let Some(why) = refusal {
            return self.cut_off(number, &why).await;
        }
        let (mut buffer, mut left, mut ended) =
            (Vec::new(), body.as_deref().unwrap_or_default(), body.is_none());
        let mut out = Vec::new();
        while show != Show::Unseen && !(ended && buffer.is_empty()) {
            let was_ended = ended;
            more(&mut buffer, &mut left, &mut ended, (show, need as usize), split);
            let outcome =
                self.inspector.answer_body(number, &buffer, ended).await.map_err(|no| for_operator(&no))?;
            let release = outcome.release as usize;
            let cell =
                |start: usize, length: usize| Some(buffer.get(start..start.checked_add(length)?)?.to_vec());
            let masked = self.mask(number, &outcome.values, cell).await?;
            let bytes = apply(&buffer, release, &outcome.changes, &masked).map_err(|no| no.detail)?;
            if let Some(why) = outcome.refusal {
                return self.cut_off(number, &why).await;
            }
            let (refused, why) = self.refused(&outcome.operations);
            match why {
                Some(why) => {
                    let instead = self.inspector.refuse_asked(number, &refused, &why).await;
                    out.extend(instead.map_err(|no| for_operator(&no))?);
                }
                None => out.extend(bytes),
            }
            buffer.drain(..release.min(buffer.len()));
            if (was_ended || ended && show == Show::Whole) && release == 0 && !buffer.is_empty() {
                return Err("it keeps the end of an answer".to_owned());
            }
            (show, need) = (outcome.show, outcome.need);
        }
        out.extend_from_slice(&buffer);
        out.extend_from_slice(left);
        Ok(answer(head.status, &head.headers, &out))
    }

    /// The answer may not go on.
    async fn cut_off(&mut self, number: u32, why: &Fault) -> Result<Value, String> {
        let own = self.own(number, &[], why).await?;
        let mut told = answer(own.status, &own.headers, &own.body);
        if let Some(told) = told.as_object_mut() {
            told.insert("refused".to_owned(), json!(why.code));
        }
        Ok(told)
    }

    /// Notes the values of a call and masks those that the case masks: what the inspector changes for it.
    async fn mask(
        &mut self,
        number: u32,
        values: &Values,
        cell: impl Fn(usize, usize) -> Option<Vec<u8>>,
    ) -> Result<Spans, String> {
        let (mut cells, mut texts, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for (index, triple) in (0_u32..).zip(values.cells.chunks_exact(3)) {
            let &[column, start, length] = triple else { continue };
            let column = values.columns.get(column as usize).ok_or("a column that is not there")?;
            let text = match start & TOP_BIT {
                0 => cell(start as usize, length as usize),
                _ => {
                    let start = (start & !TOP_BIT) as usize;
                    values.decoded.get(start..start + length as usize).map(<[u8]>::to_vec)
                }
            };
            let text = text.ok_or("a value that is not there")?;
            self.seen.values.push(json!({
                "name": column.name, "relation": column.relation, "source": column.source, "type": column.type_name,
                "labels": column.labels, "text": String::from_utf8_lossy(&text),
            }));
            let Some(mask) = self.masks.get(&column.name) else { continue };
            cells.push(index | if mask.is_none() { TOP_BIT } else { 0 });
            texts.extend_from_slice(mask.as_deref().unwrap_or_default().as_bytes());
            ends.push(u32::try_from(texts.len()).unwrap_or(u32::MAX));
        }
        match cells.is_empty() {
            true => Ok(Spans::default()),
            false => {
                self.inspector.encode(number, &cells, &texts, &ends).await.map_err(|no| for_operator(&no))
            }
        }
    }
}

/// The next bytes that an inspector is shown: all of them when it wants it whole.
fn more(
    buffer: &mut Vec<u8>,
    left: &mut &[u8],
    ended: &mut bool,
    (show, need): (Show, usize),
    split: &mut Split<'_>,
) {
    let before = buffer.len();
    loop {
        let whole = show == Show::Whole;
        if left.is_empty() {
            *ended = true;
            return;
        }
        let count = if whole { left.len() } else { split.next(left.len()).min(left.len()) };
        let (piece, rest) = left.split_at(count);
        buffer.extend_from_slice(piece);
        *left = rest;
        if !whole && buffer.len() > before && buffer.len() >= need {
            return;
        }
    }
}

fn headers(written: &Attributes) -> Vec<Header> {
    let list = written.list();
    list.iter().map(|each| Header::new(&each.name.to_ascii_lowercase(), each.value.clone())).collect()
}

/// An answer as cases write it.
fn answer(status: u16, headers: &[Header], body: &[u8]) -> Value {
    let headers: serde_json::Map<_, _> =
        headers.iter().map(|header| (header.name.to_string(), json!(header.text()))).collect();
    json!({ "status": status, "headers": headers, "body": String::from_utf8_lossy(body) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_wanted_whole_comes_whole_and_a_growing_one_as_it_is_needed() {
        let shown = |show, need| {
            let (mut buffer, mut left, mut ended) = (b"ab".to_vec(), &b"cdefgh"[..], false);
            more(&mut buffer, &mut left, &mut ended, (show, need), &mut Split::Bytewise);
            (String::from_utf8(buffer).unwrap(), ended)
        };
        assert_eq!(shown(Show::Whole, 0), ("abcdefgh".into(), true));
        assert_eq!(shown(Show::Growing, 0), ("abc".into(), false));
        assert_eq!(shown(Show::Growing, 5), ("abcde".into(), false));
        assert_eq!(shown(Show::Growing, 99), ("abcdefgh".into(), true));
    }
}
