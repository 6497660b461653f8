use super::{Class, analyse};

mod bypass;
mod changes;
mod classes;
mod properties;
mod scale;

/// The least class any statement of the text has once it has run.
#[track_caller]
fn check(at_least: Class, texts: &[&str]) {
    for text in texts {
        let analysis = analyse(text, true);
        let worst = analysis.statements.iter().map(|statement| statement.effect()).max();
        assert!(worst >= Some(at_least), "{text}\n  is called {worst:?}, wanted at least {at_least:?}");
    }
}
