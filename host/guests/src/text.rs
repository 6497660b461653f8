//! Text that came out of a guest, before anybody reads it.

use std::fmt::Write;

/// At most `max_chars` characters, none of which moves a cursor, ends a line or turns the reading direction.
pub(crate) fn clean(mut text: String, max_chars: usize) -> String {
    if text.len() <= max_chars && !text.chars().any(is_unseemly) {
        return text;
    }
    text = text.chars().filter(|letter| !is_unseemly(*letter)).take(max_chars).collect();
    text
}

/// The same for text of several lines that an operator reads: control characters are shown, not obeyed.
pub(crate) fn escape(text: &str, max_chars: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max_chars));
    for letter in text.chars().take(max_chars) {
        if letter == '\n' || !is_unseemly(letter) {
            out.push(letter);
        } else {
            let _ = write!(out, "{}", letter.escape_unicode());
        }
    }
    out
}

/// Control characters, line separators, and the marks that reorder what a person reads.
fn is_unseemly(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_and_disarmed() {
        assert_eq!(clean("fine".into(), 10), "fine");
        assert_eq!(clean("a\u{1b}[2Jb\r\nc\u{202e}d".into(), 10), "a[2Jbcd");
        assert_eq!(clean("éééé".into(), 2), "éé");
        assert_eq!(escape("a\n\u{7}b", 10), "a\n\\u{7}b");
    }
}
