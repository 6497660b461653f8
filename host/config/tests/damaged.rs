//! Whatever stands in a file, it is told and not crashed over, and every place that is told lies in the file.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are tests, too"
)]

mod common;

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use common::Pretend;
use proptest::prelude::*;
use weir_config::Problems;

/// All cases and the example: together they reach every check.
static FILES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cases = fs::read_dir(here.join("tests/invalid")).unwrap().map(|entry| entry.unwrap().path());
    let toml = cases.filter(|path| path.extension().is_some_and(|end| end == "toml"));
    toml.chain([here.join("../../examples/weir.toml")])
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
});

fn look_at(problems: &Problems, text: &str) {
    let rendered = problems.to_string();
    assert!(!rendered.is_empty());
    for problem in problems {
        let Some(mark) = &problem.location.mark else { continue };
        let line = text.split('\n').nth(mark.line - 1).unwrap();
        assert!(mark.column <= line.chars().count() + 1, "{problem}");
        assert!(mark.indent + mark.width <= mark.text.chars().count() + 1, "{problem}");
    }
}

fn check(text: &str) {
    let world = Pretend::new().with_file("weir.toml", text, 0o600).with_file("users.toml", text, 0o600);
    match weir_config::load(Path::new("weir.toml"), &world) {
        Ok(config) => look_at(config.warnings(), text),
        Err(problems) => look_at(&problems, text),
    }
    if let Err(problems) = weir_config::users::load(Path::new("users.toml"), &world) {
        look_at(&problems, text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn pieces_cut_out_and_put_in(file: prop::sample::Index, cut: prop::sample::Index, length in 0..40usize,
                                 put in "[\\[\\]{}\"'=,.#\n\\\\a-zä0-9 -]{0,6}") {
        let chars: Vec<char> = file.get(&FILES).chars().collect();
        let at = cut.index(chars.len());
        let text: String = chars[..at].iter().copied().chain(put.chars())
            .chain(chars.iter().copied().skip(at + length)).collect();
        check(&text);
    }

    #[test]
    fn lines_of_different_files(picks in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..20)) {
        let lines: Vec<&str> = picks.iter().map(|(file, line)| {
            let lines: Vec<&str> = file.get(&FILES).lines().collect();
            *line.get(&lines)
        }).collect();
        check(&lines.join("\n"));
    }

    #[test]
    fn any_url(url in "postgres://[a-z:@/?%&=\\[\\]., 0-9]{0,30}") {
        check(&format!("[[resource]]\nupstream = \"{url}\"\n"));
    }

    #[test]
    fn any_url_of_http(url in "https?://[a-z:@/?%&=#\\[\\]., 0-9]{0,30}") {
        check(&format!("[[resource]]\nprotocol = \"http\"\nupstream = \"{url}\"\n"));
    }
}
