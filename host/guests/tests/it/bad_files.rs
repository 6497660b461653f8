//! Whatever lies in the folder: refused, and nothing falls over.

use crate::support::*;
use proptest::prelude::*;
use tokio::runtime::Runtime;
use weir_guests::PluginSpec;

fn refuses(bytes: &[u8], house: &House, runtime: &Runtime) -> Result<(), TestCaseError> {
    let path = house.folder.path().join("any.wasm");
    std::fs::write(&path, bytes).unwrap();
    let checked = runtime.block_on(house.guests.check(&PluginSpec::new(name("any"), path)));
    match checked {
        Ok(loaded) => Err(TestCaseError::fail(format!("taken: {loaded:?}"))),
        Err(problem) if problem.message.contains("decoder stop") => {
            Err(TestCaseError::fail(format!("stopped the host: {problem}")))
        }
        Err(_) => Ok(()),
    }
}

fn check(strategy: impl Strategy<Value = Vec<u8>>, cases: u32) {
    let runtime = Runtime::new().unwrap();
    let house = runtime.block_on(house(&[], false, |_| {}));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(cases));
    runner.run(&strategy, |bytes| refuses(&bytes, &house, &runtime)).unwrap();
}

#[test]
fn random_bytes_are_refused() {
    check(prop::collection::vec(any::<u8>(), 0..500), 300);
}

#[test]
fn random_bytes_behind_a_true_header_are_refused() {
    let header = prop_oneof![Just(&b"\0asm\x01\0\0\0"[..]), Just(&b"\0asm\x0d\0\x01\0"[..])];
    let body = prop::collection::vec(any::<u8>(), 0..500);
    check((header, body).prop_map(|(header, body)| [header, &body].concat()), 300);
}

#[test]
fn cut_plugins_are_refused() {
    let whole = guest("policy");
    // Behind the code come names and producers, which nothing needs: cut before the end of the code.
    let end = whole.len() / 3;
    check((8..end).prop_map(move |at| whole[..at].to_vec()), 100);
}

#[test]
fn damaged_plugins_never_make_the_host_stop() {
    let whole = guest("policy");
    let runtime = Runtime::new().unwrap();
    let house = runtime.block_on(house(&[], false, |_| {}));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(40));
    let places = prop::collection::vec((0..whole.len(), any::<u8>()), 1..20);
    runner
        .run(&places, |places| {
            let mut bytes = whole.clone();
            places.iter().for_each(|(at, byte)| bytes[*at] = *byte);
            // A changed constant is still a plugin; what counts is that we get an answer.
            match refuses(&bytes, &house, &runtime) {
                Err(TestCaseError::Fail(why)) if why.to_string().contains("stopped the host") => {
                    Err(TestCaseError::Fail(why))
                }
                _ => Ok(()),
            }
        })
        .unwrap();
}
