//! The text format of Prometheus, version 0.0.4, written and nothing else.
//!
//! The host counts with plain atomics where things happen, and writes them down here when somebody asks. The
//! `prometheus` crate wants to own the counters: values that live elsewhere need a `Collector` that builds protobuf
//! families by hand, for a format that is a dozen rules long.
//!
//! Rules kept: `HELP` and `TYPE` once before the samples of a family; names and label names only of allowed letters
//! (others become `_`); values and help escaped; a histogram's buckets cumulate, and the last one, `+Inf`, equals its
//! count. Left to the caller: each family once, each set of labels once in it.

use std::fmt::Write as _;

/// Names and values, in the order they are written.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// One page of metrics.
///
/// ```
/// use weir_admin::Exposition;
/// let page = Exposition::new().counter("weir_sessions_total", "Sessions.", &[(&[("resource", "crm")], 3)]).finish();
/// assert_eq!(
///     page,
///     "# HELP weir_sessions_total Sessions.\n# TYPE weir_sessions_total counter\n\
///      weir_sessions_total{resource=\"crm\"} 3\n"
/// );
/// ```
#[derive(Debug, Default)]
#[must_use]
pub struct Exposition {
    text: String,
}

/// Observations of one set of labels.
#[derive(Clone, Copy, Debug)]
pub struct Histogram<'a> {
    /// Upper bounds, ascending, in the unit that the metric's name says; without the infinite one.
    pub bounds: &'a [f64],
    /// How many fell into each bucket alone, not into those before it; one more than `bounds`.
    pub counts: &'a [u64],
    /// Of all observed values.
    pub sum: f64,
}

impl Exposition {
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts that only grow; `name` ends in `_total`.
    pub fn counter(mut self, name: &str, help: &str, samples: &[(Labels<'_>, u64)]) -> Self {
        let name = self.family(name, help, "counter");
        for (labels, value) in samples {
            self.sample(&name, "", labels, None, &value.to_string());
        }
        self
    }

    /// Values that go up and down.
    pub fn gauge(mut self, name: &str, help: &str, samples: &[(Labels<'_>, f64)]) -> Self {
        let name = self.family(name, help, "gauge");
        for (labels, value) in samples {
            self.sample(&name, "", labels, None, &number(*value));
        }
        self
    }

    pub fn histogram(mut self, name: &str, help: &str, samples: &[(Labels<'_>, Histogram<'_>)]) -> Self {
        let name = self.family(name, help, "histogram");
        for (labels, histogram) in samples {
            let mut below = 0_u64;
            let counts = histogram.counts.iter().copied().chain(std::iter::repeat(0));
            for (bound, count) in histogram.bounds.iter().zip(counts) {
                below = below.saturating_add(count);
                self.sample(&name, "_bucket", labels, Some(&number(*bound)), &below.to_string());
            }
            let all =
                histogram.counts.iter().fold(0_u64, |all, count| all.saturating_add(*count)).to_string();
            self.sample(&name, "_bucket", labels, Some("+Inf"), &all);
            self.sample(&name, "_sum", labels, None, &number(histogram.sum));
            self.sample(&name, "_count", labels, None, &all);
        }
        self
    }

    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }

    fn family(&mut self, name: &str, help: &str, kind: &str) -> String {
        let name = legal(name, true);
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        name
    }

    fn sample(&mut self, name: &str, suffix: &str, labels: Labels<'_>, le: Option<&str>, value: &str) {
        let labels = labels.iter().copied().chain(le.map(|bound| ("le", bound)));
        let labels: Vec<_> =
            labels.map(|(name, value)| format!("{}=\"{}\"", legal(name, false), quoted(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "{name}{suffix}{labels} {value}");
    }
}

fn quoted(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn legal(name: &str, colon: bool) -> String {
    let starts_with_digit = name.starts_with(|first: char| first.is_ascii_digit());
    let mut legal = if starts_with_digit || name.is_empty() { "_".to_owned() } else { String::new() };
    legal.extend(name.chars().map(|letter| match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => letter,
        ':' if colon => letter,
        _ => '_',
    }));
    legal
}

fn number(value: f64) -> String {
    match value {
        _ if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_kinds() {
        let seconds = Histogram { bounds: &[0.001, 0.5, 2.0], counts: &[3, 0, 4, 1], sum: 7.25 };
        let page = Exposition::new()
            .counter(
                "weir_operations_total",
                "Operations, by what became of them.",
                &[
                    (&[("resource", "crm"), ("decision", "allow")], u64::MAX),
                    (&[("resource", "crm"), ("decision", "deny")], 0),
                ],
            )
            .gauge("weir_sessions", "Live sessions.", &[(&[], 2.0), (&[("of", "ann")], -0.5)])
            .histogram("weir_hold_seconds", "Time on hold.", &[(&[("resource", "crm")], seconds)])
            .counter("weir_nothing_total", "None yet.", &[])
            .finish();
        assert_eq!(
            page,
            r#"# HELP weir_operations_total Operations, by what became of them.
# TYPE weir_operations_total counter
weir_operations_total{resource="crm",decision="allow"} 18446744073709551615
weir_operations_total{resource="crm",decision="deny"} 0
# HELP weir_sessions Live sessions.
# TYPE weir_sessions gauge
weir_sessions 2
weir_sessions{of="ann"} -0.5
# HELP weir_hold_seconds Time on hold.
# TYPE weir_hold_seconds histogram
weir_hold_seconds_bucket{resource="crm",le="0.001"} 3
weir_hold_seconds_bucket{resource="crm",le="0.5"} 3
weir_hold_seconds_bucket{resource="crm",le="2"} 7
weir_hold_seconds_bucket{resource="crm",le="+Inf"} 8
weir_hold_seconds_sum{resource="crm"} 7.25
weir_hold_seconds_count{resource="crm"} 8
# HELP weir_nothing_total None yet.
# TYPE weir_nothing_total counter
"#
        );
    }

    #[test]
    fn what_comes_from_outside_cannot_add_a_line_or_a_label() {
        let page = Exposition::new()
            .gauge("1 bad-name\n:x", "two\nlines \\ \"q\"", &[(&[("a\"b:", "\"} 1\nx 2 \\")], f64::NAN)])
            .gauge("", "", &[(&[], f64::INFINITY), (&[], f64::NEG_INFINITY)])
            .finish();
        assert_eq!(
            page,
            "# HELP _1_bad_name_:x two\\nlines \\\\ \"q\"\n# TYPE _1_bad_name_:x gauge\n\
             _1_bad_name_:x{a_b_=\"\\\"} 1\\nx 2 \\\\\"} NaN\n# HELP _ \n# TYPE _ gauge\n_ +Inf\n_ -Inf\n"
        );
    }

    #[test]
    fn a_histogram_with_counts_missing_still_adds_up() {
        let short = Histogram { bounds: &[1.0, 2.0], counts: &[5], sum: 1.0 };
        let page = Exposition::new().histogram("h", "h", &[(&[], short)]).finish();
        assert!(page.ends_with(
            "h_bucket{le=\"1\"} 5\nh_bucket{le=\"2\"} 5\nh_bucket{le=\"+Inf\"} 5\nh_sum 1\nh_count 5\n"
        ));
    }
}
