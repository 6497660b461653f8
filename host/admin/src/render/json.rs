//! JSON of ASCII alone: as good for programs, and harmless on a terminal.

use serde::Serialize;
use std::fmt::Write as _;

/// The view as JSON, every character beyond ASCII as `\uXXXX`; for `--json` and for the server's own answers.
///
/// # Errors
/// When the view has no JSON, which no view of this crate does.
pub fn json(view: &impl Serialize) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string(view)?;
    let mut ascii = String::with_capacity(text.len());
    let mut units = [0; 2];
    for letter in text.chars() {
        // Outside of strings JSON is ASCII, and inside of them controls below the space are escaped already.
        if matches!(letter, ' '..='~') {
            ascii.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut units) {
                // Writing to a string cannot fail.
                let _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    Ok(ascii)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn beyond_ascii_is_escaped() {
        assert_eq!(
            json(&"a\"\\\x1b\u{9b}\u{7f}é\u{202e}😀").unwrap(),
            r#""a\"\\\u001b\u009b\u007f\u00e9\u202e\ud83d\ude00""#
        );
    }

    proptest! {
        #[test]
        fn it_reads_back(text in any::<String>()) {
            let ascii = json(&text).unwrap();
            prop_assert!(ascii.chars().all(|letter| matches!(letter, ' '..='~')));
            prop_assert_eq!(serde_json::from_str::<String>(&ascii).unwrap(), text);
        }
    }
}
