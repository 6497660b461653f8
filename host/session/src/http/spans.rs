//! Changes to bytes: merged, checked, applied. Every byte outside of a span stays.

use super::traffic::Spans;
use weir_model::Fault;

fn nonsense(detail: &str) -> Fault {
    crate::exchange::nonsense(detail)
}

impl Spans {
    pub(super) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Start, stop and text of each change.
    pub fn changes(&self) -> impl Iterator<Item = (usize, usize, &[u8])> {
        let mut from = 0;
        self.starts.iter().zip(&self.stops).zip(&self.ends).map(move |((start, stop), end)| {
            let text = self.texts.get(from..*end as usize).unwrap_or_default();
            from = *end as usize;
            (*start as usize, *stop as usize, text)
        })
    }
}

/// The first `release` bytes with both sets of changes applied.
///
/// # Errors
/// When they overlap or reach beyond.
pub fn apply(given: &[u8], release: usize, own: &Spans, masked: &Spans) -> Result<Vec<u8>, Fault> {
    let bytes = given.get(..release).ok_or_else(|| nonsense("more is released than there is"))?;
    let mut all: Vec<_> = own.changes().chain(masked.changes()).collect();
    all.sort_by_key(|(start, stop, _)| (*start, *stop));
    let grown: usize = all.iter().map(|(.., text)| text.len()).sum();
    let mut out = Vec::with_capacity(bytes.len() + grown);
    let mut done = 0;
    for (start, stop, text) in all {
        let kept = bytes.get(done..start).filter(|_| start <= stop && stop <= bytes.len());
        out.extend_from_slice(
            kept.ok_or_else(|| nonsense("changes overlap or lie outside of what is released"))?,
        );
        out.extend_from_slice(text);
        done = stop;
    }
    out.extend_from_slice(bytes.get(done..).unwrap_or_default());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(changes: &[(u32, u32, &str)]) -> Spans {
        let mut spans = Spans::default();
        for (start, stop, text) in changes {
            spans.starts.push(*start);
            spans.stops.push(*stop);
            spans.texts.extend_from_slice(text.as_bytes());
            spans.ends.push(spans.texts.len() as u32);
        }
        spans
    }

    #[test]
    fn both_sets_apply_in_order_and_the_rest_stays() {
        let own = spans(&[(0, 1, ""), (6, 6, "+")]);
        let masked = spans(&[(2, 4, "XX")]);
        assert_eq!(apply(b"0123456789", 8, &own, &masked).unwrap(), b"1XX45+67");
    }

    #[test]
    fn what_overlaps_or_reaches_beyond_is_refused() {
        for (own, masked) in [
            (spans(&[(0, 3, "")]), spans(&[(2, 4, "")])),
            (spans(&[(0, 9, "")]), Spans::default()),
            (spans(&[(5, 4, "")]), Spans::default()),
        ] {
            assert!(apply(b"0123456789", 8, &own, &masked).is_err());
        }
        assert!(apply(b"01", 3, &Spans::default(), &Spans::default()).is_err());
    }
}
