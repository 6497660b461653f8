//! Whatever comes: no panic, events cover without gaps and within what is allowed (the host here checks that),
//! and how the bytes arrive changes nothing.

use crate::bytes::*;
use crate::host::{Host, Verdict};
use proptest::prelude::*;

fn name() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just(""), Just("s1"), Just("s2")]
}

fn text() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("select 1"),
        Just("update t set a = 1"),
        Just("copy t from stdin"),
        Just("copy t to stdout"),
        Just("prepare s1 as select 2"),
        Just("deallocate all"),
        Just("declare s2 cursor for select 1"),
        Just("set client_encoding to sjis"),
        Just("drop table t"),
        Just("é\\'x"),
    ]
}

fn from_client() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        text().prop_map(query),
        (name(), text()).prop_map(|(name, text)| parse(name, text)),
        (name(), name()).prop_map(|(portal, statement)| bind(portal, statement, &["1"])),
        name().prop_map(|name| describe(b'S', name)),
        name().prop_map(|name| describe(b'P', name)),
        name().prop_map(|name| close(b'S', name)),
        (name(), 0u32..2).prop_map(|(portal, rows)| execute(portal, rows)),
        Just(SYNC.to_vec()),
        Just(SYNC.to_vec()),
        Just(FLUSH.to_vec()),
        Just(COPY_DONE.to_vec()),
        Just(copy_data(b"1\n")),
        Just(message(b'F', b"\0\0\0\x01\0\0\0\0\0\0")),
        (any::<u8>(), prop::collection::vec(any::<u8>(), 0..12))
            .prop_map(|(kind, body)| message(kind, &body)),
    ]
}

fn from_server() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(PARSED.to_vec()),
        Just(BOUND.to_vec()),
        Just(CLOSED.to_vec()),
        Just(NO_DATA.to_vec()),
        Just(SUSPENDED.to_vec()),
        Just(IDLE.to_vec()),
        Just(IN_TRANSACTION.to_vec()),
        Just(FAILED.to_vec()),
        Just(text_columns(&["a"])),
        Just(row(&["x"])),
        Just(tag("SELECT 1")),
        Just(error("22012", "x")),
        Just(notice("n")),
        Just(copy_response(b'G', 0, 1)),
        Just(copy_response(b'H', 0, 1)),
        Just(copy_data(b"1\n")),
        Just(COPY_DONE.to_vec()),
        Just(message(b't', b"\0\0")),
        Just(message(b'S', b"standard_conforming_strings\0off\0")),
        (any::<u8>(), prop::collection::vec(any::<u8>(), 0..12))
            .prop_map(|(kind, body)| message(kind, &body)),
    ]
}

fn host(masking: bool) -> Host {
    let host = if masking { Host::masking() } else { Host::new() };
    host.judge(
        |operation| {
            if operation.text.contains("drop") { Verdict::Deny("no-drop", "no") } else { Verdict::Allow }
        },
    )
    .mask(|text| (text == "x").then(|| Some("masked".into())))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(
        turns in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..80)), 0..8),
        masking: bool,
    ) {
        let mut host = host(masking);
        for (client, bytes) in turns {
            if client { host.client(bytes) } else { host.server(bytes) };
        }
    }

    #[test]
    fn arbitrary_messages_never_panic(
        turns in prop::collection::vec((any::<bool>(), from_client(), from_server()), 0..40),
        masking: bool,
    ) {
        let mut host = host(masking);
        for (client, asked, answered) in turns {
            if client { host.client(asked) } else { host.server(answered) };
        }
    }

    #[test]
    fn chunks_of_the_client_change_nothing(
        messages in prop::collection::vec(from_client(), 0..16),
        cuts in prop::collection::vec(1usize..40, 1..20),
        masking: bool,
    ) {
        // Everything allowed: what follows a refusal in its segment is dropped or ignored, depending on when
        // the refusal came.
        let allowing = || if masking { Host::masking() } else { Host::new() };
        let all = messages.concat();
        let mut whole = allowing();
        let expected = whole.client(&all);
        let mut cut = allowing();
        let (mut got, mut at) = (vec![], 0);
        for size in cuts.iter().cycle() {
            let end = (at + size).min(all.len());
            got.extend(cut.client(&all[at..end]));
            at = end;
            if at == all.len() {
                break;
            }
        }
        prop_assert_eq!(got, expected);
        prop_assert_eq!(cut.take_log(), whole.take_log());
    }

    /// Whether shapes are announced each time or known: the same bytes go to either side, and the same is told.
    #[test]
    fn shapes_that_are_known_change_nothing(
        turns in prop::collection::vec((any::<bool>(), from_client(), from_server()), 0..60),
        keeps in 1usize..4,
    ) {
        let (mut anew, mut knowing) = (host(true).keeping(0), host(true).keeping(keeps));
        for (client, asked, answered) in turns {
            let say = |host: &mut Host| if client { host.client(&asked) } else { host.server(&answered) };
            prop_assert_eq!(say(&mut knowing), say(&mut anew));
        }
        prop_assert_eq!(knowing.take_log(), anew.take_log());
    }
}
