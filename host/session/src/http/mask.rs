//! Values of an answer through the maskers: in its head, its body and its trailers.

use super::ahead::SHORT_BYTES;
use super::request::Exchange;
use super::session::{Desk, HttpPorts};
use super::traffic::{AnswerHead, Header, HttpInspector, Spans, Values};
use crate::exchange::nonsense;
use crate::masking::check_lists;
use crate::ports::{MaskPlan, Maskers};
use crate::traffic::{Batch, TOP_BIT};
use bytes::Bytes;
use std::sync::Arc;
use weir_model::{Applied, Column, Fault, Operation};

/// The maskers' slot for values; 0 is for texts that go into the trail.
const VALUES_SLOT: u32 = 1;

/// What clients and caches work with, sorted. Any other header may hold a value, whatever the inspector says of it.
const PLAIN: [&str; 48] = [
    "accept-ch",
    "accept-patch",
    "accept-post",
    "accept-ranges",
    "age",
    "allow",
    "alt-svc",
    "cache-control",
    "connection",
    "content-encoding",
    "content-language",
    "content-length",
    "content-range",
    "content-security-policy",
    "content-security-policy-report-only",
    "content-type",
    "cross-origin-embedder-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "date",
    "etag",
    "expires",
    "keep-alive",
    "last-modified",
    "mcp-protocol-version",
    "mcp-session-id",
    "nel",
    "permissions-policy",
    "pragma",
    "proxy-authenticate",
    "referrer-policy",
    "report-to",
    "retry-after",
    "server",
    "server-timing",
    "set-cookie",
    "strict-transport-security",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "via",
    "www-authenticate",
    "x-content-type-options",
    "x-dns-prefetch-control",
    "x-frame-options",
    "x-powered-by",
    "x-xss-protection",
];

impl<P: HttpPorts> Exchange<P> {
    /// Headers of which the inspector says nothing, but for those that clients and caches work with.
    pub(super) async fn mask_unnamed(&self, desk: &mut Desk<P>, head: &mut AnswerHead) -> Result<(), Fault> {
        let is_plain = |name: &str| PLAIN.binary_search(&name).is_ok() || name.starts_with("access-control-");
        if head.headers.iter().all(|header| is_plain(&header.name)) {
            return Ok(());
        }
        let (plain, mut others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut head.headers).into_iter().partition(|header| is_plain(&header.name));
        Box::pin(self.mask_headers(desk, &mut others)).await?;
        head.headers = plain;
        head.headers.extend(others);
        Ok(())
    }

    pub(super) async fn mask_head(
        &self,
        desk: &mut Desk<P>,
        values: &Values,
        head: &mut AnswerHead,
    ) -> Result<(), Fault> {
        if values.cells.is_empty() || !self.session.masking {
            return Ok(());
        }
        let texts: Vec<Vec<u8>> =
            head.headers.iter().map(|header| header.text().into_owned().into_bytes()).collect();
        let cell = |start: u32, _: u32| texts.get(start as usize).map(Vec::as_slice);
        let spans = self.mask_cells(desk, values, cell).await?;
        for (index, _, text) in spans.changes() {
            let header = head.headers.get_mut(index);
            let header = header.ok_or_else(|| nonsense("a change of a header that is not there"))?;
            header.value = value_or_nothing(text);
        }
        Ok(())
    }

    pub(super) async fn mask(
        &self,
        desk: &mut Desk<P>,
        values: &Values,
        given: &[u8],
    ) -> Result<Spans, Fault> {
        if values.cells.is_empty() || !self.session.masking {
            return Ok(Spans::default());
        }
        self.mask_cells(desk, values, |start, len| {
            given.get(start as usize..(start as usize).checked_add(len as usize)?)
        })
        .await
    }

    /// Runs values through the maskers and asks the inspector what that means for the bytes.
    async fn mask_cells<'a>(
        &self,
        desk: &mut Desk<P>,
        values: &'a Values,
        cell: impl Fn(u32, u32) -> Option<&'a [u8]>,
    ) -> Result<Spans, Fault> {
        let nothing = crate::masking::no_operation();
        let current = self.current();
        let Desk { inspector, maskers, .. } = desk;
        let running = self.operation(current);
        let operation = running.as_deref().unwrap_or(&nothing);
        let plan = maskers.plan(VALUES_SLOT, &values.columns, operation).await?;
        self.note(current, &plan.beside);
        if plan.wanted.is_empty() {
            return Ok(Spans::default());
        }
        let (cells, _) = values.cells.as_chunks::<3>();
        let most = cells.len();
        let bytes: usize = cells.iter().map(|[.., length]| *length as usize).sum();
        let mut places = Vec::with_capacity(most);
        let mut batch = Batch {
            // Cells may overlap, whoever says so.
            cells: Vec::with_capacity(bytes.min(SHORT_BYTES)),
            ends: Vec::with_capacity(most),
            columns: Vec::with_capacity(most),
        };
        for (index, &[column, start, len]) in cells.iter().enumerate() {
            let column = u16::try_from(column).map_err(|_| nonsense("too many columns"))?;
            if plan.wanted.binary_search(&column).is_err() {
                continue;
            }
            let bytes = match start & TOP_BIT {
                0 => cell(start, len),
                _ => {
                    let start = (start & !TOP_BIT) as usize;
                    start.checked_add(len as usize).and_then(|end| values.decoded.get(start..end))
                }
            };
            let bytes = bytes.ok_or_else(|| nonsense("a cell lies outside of its answer"))?;
            batch.push(bytes, column).map_err(|_| nonsense("a batch beyond counting"))?;
            places.push(u32::try_from(index).map_err(|_| nonsense("a batch beyond counting"))?);
        }
        if batch.is_empty() {
            return Ok(Spans::default());
        }
        let mut masked = maskers.mask(VALUES_SLOT, &batch).await?;
        check_lists(&masked)?;
        if masked.cells.is_empty() {
            self.note(current, &masked.applied);
            return Ok(Spans::default());
        }
        for cell in &mut masked.cells {
            let place = places.get((*cell & !TOP_BIT) as usize);
            let place = place.ok_or_else(|| nonsense("a masker edits a cell that is not there"))?;
            *cell = *place | (*cell & TOP_BIT);
        }
        let spans = inspector.encode(self.number, &masked.cells, &masked.texts, &masked.ends).await?;
        if spans.is_empty() {
            return Err(nonsense("masked values change nothing"));
        }
        self.masked(current, &masked.applied, &plan);
        Ok(spans)
    }

    /// Headers or trailers that no inspector has said anything of: each is a value of its own, whole.
    pub(super) async fn mask_headers(&self, desk: &mut Desk<P>, headers: &mut [Header]) -> Result<(), Fault> {
        let nothing = crate::masking::no_operation();
        let current = self.current();
        let maskers = &mut desk.maskers;
        let running = self.operation(current);
        let operation = running.as_deref().unwrap_or(&nothing);
        let column = |header: &Header| Column {
            name: header.name.to_string(),
            relation: operation.text.clone(),
            source: header.name.to_string(),
            type_name: String::new(),
            labels: vec!["header".to_owned()],
        };
        let columns: Vec<_> = headers.iter().map(column).collect();
        let plan = maskers.plan(VALUES_SLOT, &columns, operation).await?;
        self.note(current, &plan.beside);
        if plan.wanted.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::default();
        for index in plan.wanted.iter() {
            let header = headers.get(usize::from(*index));
            let header = header.ok_or_else(|| nonsense("a masker wants a header that is not there"))?;
            batch.push(header.text().as_bytes(), *index).map_err(|_| nonsense("headers beyond counting"))?;
        }
        let masked = maskers.mask(VALUES_SLOT, &batch).await?;
        check_lists(&masked)?;
        let mut from = 0;
        for (cell, end) in masked.cells.iter().zip(&masked.ends) {
            let text = masked.texts.get(from..*end as usize).unwrap_or_default();
            from = *end as usize;
            let index = plan.wanted.get((*cell & !TOP_BIT) as usize);
            let header = index.and_then(|index| headers.get_mut(usize::from(*index)));
            let header = header.ok_or_else(|| nonsense("a masker edits a header that is not there"))?;
            header.value = value_or_nothing(text);
        }
        self.masked(current, &masked.applied, &plan);
        Ok(())
    }

    /// What the answer belongs to.
    fn operation(&self, number: Option<u32>) -> Option<Arc<Operation>> {
        Some(Arc::clone(&self.session.running().get(&number?)?.operation))
    }

    /// What was found beside the masking.
    fn note(&self, number: Option<u32>, found: &[Applied]) {
        if found.is_empty() {
            return;
        }
        let mut running = self.session.running();
        if let Some(running) = number.and_then(|number| running.get_mut(&number)) {
            running.note(found);
        }
    }

    fn masked(&self, number: Option<u32>, applied: &[Applied], by: &MaskPlan) {
        let mut running = self.session.running();
        if let Some(running) = number.and_then(|number| running.get_mut(&number)) {
            running.count(applied, by);
        }
    }
}

/// What cannot stand in a head is left out: the value itself must not pass.
fn value_or_nothing(text: &[u8]) -> Bytes {
    let is_value = text.iter().all(|byte| *byte == b'\t' || (*byte >= 0x20 && *byte != 0x7f));
    if is_value { Bytes::copy_from_slice(text) } else { Bytes::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_searched_is_sorted() {
        assert!(PLAIN.is_sorted());
    }
}
