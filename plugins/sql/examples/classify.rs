//! Reads NUL-separated SQL texts from standard input and prints one line of JSON for each, for the
//! differential test: the classes of its statements, what prepared bodies do, functions, relations, and where
//! its tokens are.

use std::io::{Read, Write};

fn main() -> std::io::Result<()> {
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for text in input.split(|byte| *byte == 0) {
        let text = String::from_utf8_lossy(text);
        let analysis = weir_sql::analyse(&text, true);
        let classes = list(analysis.statements.iter().map(|s| quoted(s.class.name())));
        let inner =
            list(analysis.statements.iter().map(|s| s.inner.map_or("null".to_owned(), |c| quoted(c.name()))));
        let functions =
            list(analysis.statements.iter().map(|s| list(s.functions.iter().map(|f| quoted(&f.name)))));
        let objects =
            list(analysis.statements.iter().map(|s| list(s.objects.iter().map(|o| quoted(&o.name)))));
        let tokens = weir_sql::lex(&text, true)
            .map_while(Result::ok)
            .filter(|token| !token.kind.is_trivia())
            .map(|token| format!("[{},{}]", token.span.start, token.span.end));
        let error = analysis.error.map_or("null".to_owned(), |error| quoted(&error.to_string()));
        writeln!(
            out,
            "{{\"error\":{error},\"classes\":{classes},\"inner\":{inner},\"functions\":{functions},\"objects\":{objects},\"tokens\":{}}}",
            list(tokens),
        )?;
    }
    Ok(())
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            control if control.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
