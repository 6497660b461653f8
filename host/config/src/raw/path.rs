//! Paths in front of others: `path_prefix`, and that of an `upstream`.

use crate::document::{Report, Span};
use crate::problem::code;

/// Whether a path can stand in front of others: empty, or absolute without a slash at its end. Nothing in it may be
/// read in two ways, by us and by an upstream. Reported when it is not; `span` is that of the path.
pub(crate) fn is_good(key: &str, path: &str, span: Span, report: &Report) -> bool {
    let Some(help) = fault(path) else { return true };
    report
        .error(
            code::BAD_PATH,
            span,
            format!("`{key}`: \"{}\" cannot be in front of paths", path.escape_debug()),
        )
        .help(help);
    false
}

/// What to do about a path that is not good.
fn fault(path: &str) -> Option<String> {
    if path.is_empty() {
        return None;
    }
    if !path.starts_with('/') {
        return Some(format!("begin it with a slash: \"/{path}\""));
    }
    if path.ends_with('/') {
        return Some("leave out the slash at its end".to_owned());
    }
    let mut segments = path.split('/').skip(1);
    if segments.clone().any(str::is_empty) {
        return Some("write one slash between segments".to_owned());
    }
    if segments.any(|segment| matches!(segment, "." | "..")) {
        return Some("write the path that `.` and `..` lead to".to_owned());
    }
    // RFC 3986, 3.3, without what is decoded and `;`, behind which servers see parameters.
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@/".contains(&byte);
    let fit = path.bytes().all(fits);
    (!fit).then(|| "write letters, digits and any of `-._~!$&'()*+,=:@`; no `%`, `?`, `#` or `;`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_with_one_meaning_are_good() {
        for good in ["", "/crm", "/crm/v1", "/a.b/..c/~d", "/@x:y"] {
            assert_eq!(fault(good), None, "{good}");
        }
        for bad in [
            "crm", "/", "/crm/", "//crm", "/a//b", "/.", "/..", "/a/../b", "/a/.", "/%2e", "/a;b", "/a?b",
            "/a#b", "/a b", "/a\\b", "/ä", "/a\0",
        ] {
            assert!(fault(bad).is_some(), "{bad}");
        }
    }
}
