//! Patterns against a plain reading of what they mean.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;
use weir_glob::Glob;

/// What a pattern means, by trying everything. For short ones only: its time is not bounded.
fn meaning(pattern: &[u8], name: &[u8], begins: bool, first: bool) -> bool {
    let Some((&byte, behind)) = pattern.split_first() else { return name.is_empty() };
    if byte == b'/' && !first && behind.len() > 1 && behind.iter().all(|byte| *byte == b'*') {
        return name.is_empty() || name[0] == b'/';
    }
    if byte != b'*' {
        return name.first() == Some(&byte) && meaning(behind, &name[1..], byte == b'/', false);
    }
    let stars = pattern.iter().take_while(|byte| **byte == b'*').count();
    let rest = &pattern[stars..];
    let ends = |at: &usize| stars > 1 || !name[..*at].contains(&b'/');
    if stars > 1 && begins && rest.first() == Some(&b'/') {
        let rest = &rest[1..];
        return meaning(rest, name, true, false)
            || (0..name.len()).any(|at| name[at] == b'/' && meaning(rest, &name[at + 1..], true, false));
    }
    (0..=name.len()).filter(ends).any(|at| meaning(rest, &name[at..], false, false))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn a_pattern_means_what_is_written(pattern in "[ab/*]{0,10}", name in "[ab/]{0,10}") {
        let expected = meaning(pattern.as_bytes(), name.as_bytes(), true, true);
        prop_assert_eq!(Glob::new(&pattern, b'/').matches(&name), expected);
    }

    #[test]
    fn a_pattern_without_stars_is_itself_only(pattern in "[a-z/. {}]{0,20}", name in "[a-z/. {}]{0,20}") {
        let glob = Glob::new(&pattern, b'/');
        prop_assert!(glob.matches(&pattern));
        prop_assert_eq!(glob.matches(&name), pattern == name);
    }

    #[test]
    fn any_text_is_harmless(pattern in ".{0,60}", name in ".{0,200}") {
        let _ = Glob::new(&pattern, b'/').matches(&name);
        prop_assert!(Glob::new("**", b'/').matches(&name));
    }

    #[test]
    fn more_stars_match_no_less(pattern in "[ab/*]{0,10}", name in "[ab/]{0,10}") {
        if Glob::new(&pattern, b'/').matches(&name) {
            prop_assert!(Glob::new(&pattern.replace('*', "**"), b'/').matches(&name));
        }
    }
}
