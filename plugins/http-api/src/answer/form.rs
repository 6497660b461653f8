//! Values of a form: `name=value&…`, percent-encoded.

use super::values::{Collector, Style};
use crate::fault;
use crate::percent;
use weir_sdk::http::Fault;

/// # Errors
/// When it is not read by everybody in the same way.
pub(super) fn add(data: &[u8], collector: &mut Collector<'_>) -> Result<(), Fault> {
    let wrong = |why: &str| Fault::new(fault::ANSWER_TEXT, format!("a form cannot be masked: {why}"));
    let text = std::str::from_utf8(data).map_err(|_| wrong("it is not UTF-8"))?;
    let mut start = 0;
    for part in text.split('&') {
        let stop = start + part.len();
        let (name, value) = part.split_once('=').unwrap_or(("", part));
        let name = percent::decode(name, true).map_err(wrong)?;
        let decoded = percent::decode(value, true).map_err(wrong)?;
        // What stands in front may be a value as well; then nobody should see it either.
        let name = if name.contains('@') { "{id}" } else { &*name };
        let column = collector.column(name, name, "string", None)?;
        if name == "{id}" {
            let key = percent::decode(part, true).map_err(wrong)?;
            collector.decoded(column, &key, start, stop, Style::Escaped)?;
        } else {
            collector.decoded(column, &decoded, stop - value.len(), stop, Style::Escaped)?;
        }
        start = stop + 1;
    }
    Ok(())
}
