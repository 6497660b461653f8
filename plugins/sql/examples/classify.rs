//! Reads NUL-separated SQL texts from standard input and prints one line of JSON for each: how many
//! statements, their classes, and the functions on no list. For the differential test.

use std::io::{Read, Write};

fn main() -> std::io::Result<()> {
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for text in input.split(|byte| *byte == 0) {
        let text = String::from_utf8_lossy(text);
        let analysis = weir_sql::analyse(&text, true);
        let classes: Vec<String> =
            analysis.statements.iter().map(|statement| format!("\"{}\"", statement.class)).collect();
        let inner: Vec<String> = analysis
            .statements
            .iter()
            .map(|statement| statement.inner.map_or("null".to_owned(), |class| format!("\"{class}\"")))
            .collect();
        let unlisted: Vec<String> = analysis
            .statements
            .iter()
            .flat_map(|statement| &statement.functions)
            .filter(|function| function.is_unlisted())
            .map(|function| format!("{:?}", function.name))
            .collect();
        writeln!(
            out,
            "{{\"error\":{},\"classes\":[{}],\"inner\":[{}],\"unlisted\":[{}]}}",
            analysis.error.map_or("null".to_owned(), |error| format!("\"{error}\"")),
            classes.join(","),
            inner.join(","),
            unlisted.join(",").replace("\\'", "'"),
        )?;
    }
    Ok(())
}
