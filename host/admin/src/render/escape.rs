//! Text from outside, made safe and honest for a terminal.
//!
//! *Safe:* what comes out is printable letters, digits, ASCII punctuation and spaces; no control character survives, so
//! no escape sequence does. *Honest:* what a reader sees is what the upstream will see, in that order. A character that
//! is invisible, reorders its neighbours, draws over them, or looks like another one is written as `\u{…}`.
//!
//! It is a list of what is shown, not of what is hidden: a character nobody thought of is escaped. Shown are ASCII, and
//! letters and digits of scripts written from left to right. Letters that look like Latin ones are judged by their
//! word: in a word with ASCII letters, or made of nothing but look-alikes, they are escaped; `Привет` stays.
//!
//! Price, paid on purpose: Hebrew and Arabic are escaped (they reorder what stands between), and so are emoji, accents
//! that are characters of their own, and typographic quotes.
//!
//! Invariant: the text can be read back from what is shown. A backslash that only looks like the beginning of an escape
//! is escaped itself, and a tab is an arrow with three spaces, an arrow from outside is not.

/// How one character is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    AsIs(char),
    Escaped(char),
    Tab,
    Newline,
}

impl Shown {
    pub(super) fn push_to(self, out: &mut String) {
        match self {
            Self::AsIs(letter) => out.push(letter),
            Self::Escaped(letter) => out.extend(letter.escape_unicode()),
            Self::Tab => out.push_str("→   "),
            Self::Newline => out.extend('\n'.escape_unicode()),
        }
    }

    /// Columns on the terminal, at most.
    pub(super) fn width(self) -> usize {
        match self {
            // Scripts with wide letters begin here; those that are narrow only wrap early.
            Self::AsIs(letter) => 1 + usize::from(letter >= '\u{1100}'),
            Self::Escaped(letter) => letter.escape_unicode().len(),
            Self::Tab => 4,
            Self::Newline => 5,
        }
    }
}

/// The text on one line.
pub fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    shown(text).into_iter().for_each(|shown| shown.push_to(&mut out));
    out
}

pub(super) fn shown(text: &str) -> Vec<Shown> {
    let letters: Vec<char> = text.chars().collect();
    let mut all = Vec::with_capacity(letters.len());
    let mut rest = letters.as_slice();
    while let Some((first, after)) = rest.split_first() {
        if is_of_word(*first) {
            let (word, after) = rest.split_at(rest.iter().take_while(|letter| is_of_word(**letter)).count());
            push_word(word, &mut all);
            rest = after;
        } else {
            all.push(match first {
                '\n' => Shown::Newline,
                '\t' => Shown::Tab,
                '\\' if matches!(after, ['u', '{', ..]) => Shown::Escaped('\\'),
                ' '..='~' => Shown::AsIs(*first),
                _ => Shown::Escaped(*first),
            });
            rest = after;
        }
    }
    all
}

fn is_of_word(letter: char) -> bool {
    letter == '_' || letter.is_alphanumeric()
}

fn push_word(word: &[char], all: &mut Vec<Shown>) {
    let has_ascii = word.iter().any(char::is_ascii_alphabetic);
    let imitates = word.iter().all(|letter| looks_latin(*letter) || letter.is_ascii());
    all.extend(word.iter().map(|letter| match letter {
        _ if letter.is_ascii() => Shown::AsIs(*letter),
        _ if is_never_shown(*letter) => Shown::Escaped(*letter),
        _ if has_ascii && is_foreign(*letter) || imitates && looks_latin(*letter) => Shown::Escaped(*letter),
        _ => Shown::AsIs(*letter),
    }));
}

/// Letters and digits by Unicode, and yet misleading in any company.
fn is_never_shown(letter: char) -> bool {
    matches!(letter,
        // Superscripts and fractions; phonetic letters and modifiers, much like Latin ones and like quotes
        '\u{aa}' | '\u{b2}' | '\u{b3}' | '\u{b9}' | '\u{ba}' | '\u{bc}'..='\u{be}'
        | '\u{1c0}'..='\u{1c3}' | '\u{250}'..='\u{36f}' | '\u{1d00}'..='\u{1dff}'
        | '\u{131}' | '\u{237}' | '\u{37a}' | '\u{37e}'
        // Marks that combine, wherever Unicode calls them alphabetic
        | '\u{483}'..='\u{489}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe2f}'
        // Right to left: Hebrew to Arabic Extended-A, presentation forms, ancient and African scripts
        | '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}'
        // Letters that are blank: Hangul fillers, Khmer inherent vowels, Mongolian selectors
        | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{17b4}' | '\u{17b5}' | '\u{1800}'..='\u{18af}'
        // Dressed-up Latin: letter-like, Roman numerals, circled, fullwidth, ligatures, mathematical, squared
        | '\u{2070}'..='\u{209f}' | '\u{2100}'..='\u{218f}' | '\u{2460}'..='\u{24ff}' | '\u{a700}'..='\u{a721}'
        | '\u{a788}'..='\u{a78c}' | '\u{a7f0}'..='\u{a7ff}' | '\u{ab30}'..='\u{ab6f}' | '\u{fb00}'..='\u{fb06}'
        | '\u{ff00}'..='\u{ffef}' | '\u{10780}'..='\u{107bf}' | '\u{1d400}'..='\u{1d7ff}'
        | '\u{1df00}'..='\u{1dfff}' | '\u{1f100}'..='\u{1f2ff}' | '\u{1fbf0}'..='\u{1fbf9}'
        // Whole scripts of look-alikes that nobody here writes: Cherokee, Lisu, Coptic, Deseret, Old Italic
        | '\u{13a0}'..='\u{13ff}' | '\u{ab70}'..='\u{abbf}' | '\u{a4d0}'..='\u{a4ff}' | '\u{2c80}'..='\u{2cff}'
        | '\u{10280}'..='\u{1044f}')
}

/// Neither Latin, nor of East Asia, whose letters resemble no others and are written beside Latin ones.
fn is_foreign(letter: char) -> bool {
    !matches!(letter,
        '\0'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' | '\u{2c60}'..='\u{2c7f}' | '\u{a720}'..='\u{a7ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{20000}'..='\u{3ffff}')
}

/// Greek, Cyrillic and Armenian letters that look like Latin ones or like digits.
fn looks_latin(letter: char) -> bool {
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹϺαγινορυϲϳ\
     АВЕЗКМНОРСТУХЅІЈӀѴҮҺЬаегорсухѕіјӏһѵүԁԛԝԌ\
     ՍՏՕհոսցօ"
        .contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a reader who knows the rule reads.
    fn read_back(shown: &str) -> String {
        let mut text = String::new();
        let mut rest = shown;
        while let Some(first) = rest.chars().next() {
            if let Some((code, after)) = rest.strip_prefix("\\u{").and_then(|rest| rest.split_once('}')) {
                text.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
                rest = after;
            } else if let Some(after) = rest.strip_prefix("→   ") {
                text.push('\t');
                rest = after;
            } else {
                text.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        text
    }

    #[test]
    fn what_is_harmless_stays() {
        for text in [
            "",
            "select * from t where a = 'x' -- c:\\temp \\d+ \\x \\u \\U",
            "SELECT \"größe\" FROM café WHERE naïve = 'Łódź, señor, Ångström, Việt'",
            "'Привет, мир'",
            "Ελλάδα",
            "数据 SQL数据 テスト 한국어",
            "हिन 123",
        ] {
            assert_eq!(line(text), text);
        }
    }

    #[test]
    fn a_corpus_of_what_harms() {
        for (text, shown) in [
            ("\x1b[2J\x1b[1;1H", r"\u{1b}[2J\u{1b}[1;1H"),
            ("\x1b]8;;http://evil\x1b\\x\x1b]8;;\x07", r"\u{1b}]8;;http://evil\u{1b}\x\u{1b}]8;;\u{7}"),
            ("\x1bP+q\x1b\\ \x1b_x \x1b^y \x1bc", r"\u{1b}P+q\u{1b}\ \u{1b}_x \u{1b}^y \u{1b}c"),
            ("\u{9b}31m \u{9d}0;title\u{9c} \u{85}\u{90}", r"\u{9b}31m \u{9d}0;title\u{9c} \u{85}\u{90}"),
            ("a\rb\x08c\x07d\0e\x7f\x0b\x0c\x0e", r"a\u{d}b\u{8}c\u{7}d\u{0}e\u{7f}\u{b}\u{c}\u{e}"),
            ("a\nb\tc", r"a\u{a}b→   c"),
            ("→   \\u{202e}", r"\u{2192}   \u{5c}u{202e}"),
            ("\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}", r"\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}"),
            (
                "\u{2066}\u{2067}\u{2068}\u{2069}\u{200e}\u{200f}\u{61c}",
                r"\u{2066}\u{2067}\u{2068}\u{2069}\u{200e}\u{200f}\u{61c}",
            ),
            (
                "a\u{200b}b\u{200c}c\u{200d}d\u{2060}e\u{feff}\u{ad}\u{180e}",
                r"a\u{200b}b\u{200c}c\u{200d}d\u{2060}e\u{feff}\u{ad}\u{180e}",
            ),
            (
                "\u{a0}\u{2003}\u{3000}\u{2028}\u{2029}\u{2800}\u{3164}",
                r"\u{a0}\u{2003}\u{3000}\u{2028}\u{2029}\u{2800}\u{3164}",
            ),
            ("a\u{fe0f}\u{e0100}\u{e0041}\u{e007f}", r"a\u{fe0f}\u{e0100}\u{e0041}\u{e007f}"),
            ("e\u{301}\u{489}\u{20dd}", r"e\u{301}\u{489}\u{20dd}"),
            ("\u{e000}\u{f8ff}\u{10ffff}\u{fffd}\u{378}", r"\u{e000}\u{f8ff}\u{10ffff}\u{fffd}\u{378}"),
            // Look-alikes: in an ASCII word, alone, as a whole word, dressed up, as punctuation
            ("p\u{430}ypal", r"p\u{430}ypal"),
            ("drop t\u{430}ble \u{441}\u{43e}\u{440}_1", r"drop t\u{430}ble \u{441}\u{43e}\u{440}_1"),
            ("us\u{3b5}rs \u{3bf} \u{585}", r"us\u{3b5}rs \u{3bf} \u{585}"),
            (
                "\u{ff24}\u{ff32}\u{1d400}\u{2160}\u{212a}\u{131}\u{261}",
                r"\u{ff24}\u{ff32}\u{1d400}\u{2160}\u{212a}\u{131}\u{261}",
            ),
            (
                "a\u{37e}b\u{2019}c\u{2212}\u{2010}\u{2044}\u{2236}\u{2bc}\u{1c3}",
                r"a\u{37e}b\u{2019}c\u{2212}\u{2010}\u{2044}\u{2236}\u{2bc}\u{1c3}",
            ),
            // Letters that reorder what stands between
            ("'\u{5d0}' = '\u{628}'", r"'\u{5d0}' = '\u{628}'"),
        ] {
            assert_eq!(line(text), shown, "{text:?}");
            assert_eq!(read_back(shown), text);
        }
    }

    fn is_safe(letter: char) -> bool {
        matches!(letter, ' '..='~' | '→')
            || (letter > '\u{a0}' && letter.is_alphanumeric() && !is_never_shown(letter))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn nothing_harmful_comes_out_and_nothing_is_lost(text in any::<String>()) {
            let shown = line(&text);
            prop_assert!(shown.chars().all(is_safe), "{shown:?}");
            prop_assert_eq!(read_back(&shown), text);
        }

        #[test]
        fn nor_where_escapes_and_controls_are_thick(text in r"[\x00-\x20\\u{}a-f0-9\u{7f}-\u{a0}\u{2000}-\u{2070}→]*") {
            let shown = line(&text);
            prop_assert!(shown.chars().all(is_safe), "{shown:?}");
            prop_assert_eq!(read_back(&shown), text);
        }
    }

    #[test]
    fn every_single_character_is_safe() {
        for letter in '\0'..=char::MAX {
            let shown = line(&letter.to_string());
            assert!(shown.chars().all(is_safe), "{shown:?}");
        }
    }
}
