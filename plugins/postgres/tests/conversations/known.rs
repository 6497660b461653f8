//! Shapes that the host has kept: announced by their number, and their rows come in the same answer.

use crate::bytes::*;
use crate::host::Host;

fn hiding() -> Host {
    Host::masking().mask(|text| text.contains('@').then(|| Some("[EMAIL]".into())))
}

/// A query and its answer in one piece: what the client gets.
fn asks(host: &mut Host, answer: &[&[u8]]) -> Vec<u8> {
    host.client(query("select"));
    host.server(cat(&[&cat(answer), IDLE]))
}

fn calls(host: &mut Host, answer: &[&[u8]]) -> usize {
    let before = host.server_calls;
    asks(host, answer);
    host.server_calls - before
}

#[test]
fn the_second_result_with_the_same_description_is_one_call() {
    let described = text_columns(&["mail", "note"]);
    let answer = [&described[..], &row(&["a@b", "x"]), &row(&["c", "d@e"]), &tag("SELECT 2")];
    let masked = [&described[..], &row(&["[EMAIL]", "x"]), &row(&["c", "[EMAIL]"]), &tag("SELECT 2")];
    let mut host = hiding();
    assert_eq!(calls(&mut host, &answer), 2);
    for known in 1..4 {
        let before = host.server_calls;
        assert_eq!(asks(&mut host, &answer), cat(&[&cat(&masked), IDLE]));
        assert_eq!((host.server_calls - before, host.known), (1, known));
    }
    assert_eq!((host.seen.len(), host.results.iter().all(|result| result.rows == 2)), (16, true));
}

#[test]
fn a_shape_of_which_nothing_is_wanted_is_known_too() {
    let mut host = hiding().want(|_| vec![]);
    let answer = [&text_columns(&["mail"])[..], &row(&["a@b"]), &tag("SELECT 1")];
    assert_eq!([calls(&mut host, &answer), calls(&mut host, &answer)], [2, 1]);
    assert_eq!(asks(&mut host, &answer), cat(&[&cat(&answer), IDLE]));
    assert_eq!(host.results[2].rows, 1);
}

#[test]
fn a_description_that_differs_in_any_way_is_another() {
    let known = columns(&[("mail", 25, -1, 0)]);
    let mut host = hiding();
    asks(&mut host, &[&known, &tag("SELECT 0")]);
    // Every byte of it but those of its frame, of the number of columns, and the end of the name.
    let name_end = 7 + 4;
    for at in (7..known.len()).filter(|at| *at != name_end) {
        let mut other = known.clone();
        other[at] ^= 1;
        host.withdraw();
        asks(&mut host, &[&known, &tag("SELECT 0")]);
        assert_eq!(calls(&mut host, &[&other, &tag("SELECT 0")]), 2, "byte {at}");
    }
    assert_eq!(host.known, 0);
}

#[test]
fn what_is_taken_back_is_announced_again_in_the_same_answer() {
    let answer = [&text_columns(&["mail"])[..], &row(&["a@b"]), &tag("SELECT 1")];
    let mut host = hiding();
    assert_eq!([calls(&mut host, &answer), calls(&mut host, &answer)], [2, 1]);
    host.withdraw();
    assert_eq!([calls(&mut host, &answer), calls(&mut host, &answer)], [2, 1]);
}

#[test]
fn the_host_keeps_some_and_the_inspector_no_more_than_it_has_room_for() {
    for (keeps, most) in [(3, 3), (100, 64)] {
        let mut host = hiding().keeping(keeps);
        let answer = |name: usize| [text_columns(&[&format!("c{name}")]), tag("SELECT 0")].concat();
        for name in 0..100 {
            asks(&mut host, &[&answer(name)]);
        }
        for name in 100 - most..100 {
            assert_eq!(calls(&mut host, &[&answer(name)]), 1, "c{name} of {keeps}");
        }
        assert_eq!(calls(&mut host, &[&answer(99 - most)]), 2);
    }
}

#[test]
fn results_of_several_known_shapes_in_one_answer_are_edited_each_in_its_own() {
    // The second is in binary, and only its second column is wanted.
    let first = text_columns(&["mail"]);
    let second = columns(&[("id", 23, -1, 1), ("mail", 25, -1, 1)]);
    let of_second = |text: &str| {
        let value = cat(&[&(text.len() as u32).to_be_bytes(), text.as_bytes()]);
        message(b'D', &cat(&[b"\0\x02\0\0\0\x04\0\0\0\x2a", &value]))
    };
    let results = |text: &str| {
        let rows = [row(&[text]), of_second(text)];
        let results = [(&first, &rows[0]), (&second, &rows[1]), (&first, &rows[0]), (&second, &rows[1])];
        results.map(|(described, row)| cat(&[described, row, row, &tag("SELECT 2")])).concat()
    };
    let mut host = hiding().want(|columns| if columns.len() == 2 { vec![1] } else { vec![0] });
    asks(&mut host, &[&results("a@b")]);
    let before = host.server_calls;
    assert_eq!(asks(&mut host, &[&results("a@b")]), cat(&[&results("[EMAIL]"), IDLE]));
    assert_eq!(host.server_calls - before, 1);
}

/// Everything that announces a shape: a query, a hidden and a shown Describe, a portal that goes on behind a result of
/// which nothing is wanted, COPY as text and as CSV with a header, a row that nobody can read.
fn mixed() -> Vec<(Vec<u8>, Vec<Vec<u8>>)> {
    let mail = text_columns(&["mail"]);
    let plain = text_columns(&["plain"]);
    let strange = columns(&[("mail", 25, -1, 1), ("what", 16_999, -1, 1)]);
    let describing =
        |names: &[&str]| cat(&[PARSED, &message(b't', b"\0\0"), &text_columns(names), CLOSED, IDLE]);
    let start = copy_response(b'H', 0, 2);
    vec![
        (query("select"), vec![cat(&[&mail, &row(&["a@b"]), &tag("SELECT 1"), IDLE])]),
        (
            cat(&[&parse("", "select"), &bind("", "", &[]), &execute("", 0), SYNC]),
            vec![cat(&[PARSED, BOUND, &mail, &row(&["c@d"]), &tag("SELECT 1"), IDLE])],
        ),
        (
            cat(&[&parse("", "select"), &bind("", "", &[]), &describe(b'P', ""), &execute("", 0), SYNC]),
            vec![cat(&[PARSED, BOUND, &mail, &row(&["e@f"]), &notice("g@h"), &tag("SELECT 1"), IDLE])],
        ),
        (query("begin"), vec![cat(&[&tag("BEGIN"), IN_TRANSACTION])]),
        (
            cat(&[&parse("", "select"), &bind("p", "", &[]), &execute("p", 1), SYNC]),
            vec![cat(&[PARSED, BOUND, &mail, &row(&["i@j"]), SUSPENDED, IN_TRANSACTION])],
        ),
        (query("select plain"), vec![cat(&[&plain, &row(&["k@l"]), &tag("SELECT 1"), IN_TRANSACTION])]),
        (cat(&[&execute("p", 1), SYNC]), vec![cat(&[&row(&["m@n"]), SUSPENDED, IN_TRANSACTION])]),
        (query("commit"), vec![cat(&[&tag("COMMIT"), IDLE])]),
        (
            query("copy t to stdout"),
            vec![
                describing(&["id", "mail"]),
                cat(&[&start, &copy_data(b"1\to@p\n"), COPY_DONE, &tag("COPY 1"), IDLE]),
            ],
        ),
        (
            query("copy t to stdout (format csv, header)"),
            vec![
                describing(&["id", "mail"]),
                cat(&[
                    &start,
                    &copy_data(b"id,mail\n"),
                    &copy_data(b"1,q@r\n"),
                    &copy_data(b"\"2\",\"s@"),
                    &copy_data(b"t\"\n"),
                    COPY_DONE,
                    &tag("COPY 2"),
                    IDLE,
                ]),
            ],
        ),
        (
            query("select strange"),
            vec![cat(&[&strange, &row(&["u@v", "\x01\x02"]), &row(&["w", "y@z"]), &tag("SELECT 2"), IDLE])],
        ),
    ]
}

fn wanting() -> Host {
    hiding().want(|columns| {
        let columns = (0..).zip(columns);
        columns.filter(|(_, column)| column.name != "plain").map(|(index, _)| index).collect()
    })
}

/// All that was sent on to either side in `rounds` rounds, when the server's bytes come in pieces cut by `split`.
fn transcript(host: &mut Host, rounds: usize, split: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> Vec<u8> {
    let mut got = Vec::new();
    for (asked, answers) in (0..rounds).flat_map(|_| mixed()) {
        got.extend(host.client(&asked));
        for answer in answers {
            split(&answer).iter().for_each(|piece| got.extend(host.server(piece)));
        }
        got.extend(std::mem::take(&mut host.to_server));
        assert_eq!(host.dead.as_ref().map(|why| why.message.clone()), None);
    }
    got
}

#[test]
fn whatever_announces_a_shape_gives_the_same_bytes_and_the_same_story_when_it_is_known() {
    let mut anew = wanting().keeping(0);
    let expected = transcript(&mut anew, 2, |answer| vec![answer.to_vec()]);
    let hidden = "acegimoqsuy".chars();
    for letter in hidden {
        let mail = format!("{letter}@");
        assert!(!expected.windows(2).any(|bytes| bytes == mail.as_bytes()), "{mail}");
    }
    for keeps in [1, 2, 8] {
        let mut host = wanting().keeping(keeps);
        assert_eq!(transcript(&mut host, 2, |answer| vec![answer.to_vec()]), expected, "{keeps}");
        assert_eq!((&host.log, &host.seen), (&anew.log, &anew.seen), "{keeps}");
    }
    let mut host = wanting().keeping(8);
    transcript(&mut host, 1, |answer| vec![answer.to_vec()]);
    let before = host.server_calls;
    transcript(&mut host, 1, |answer| vec![answer.to_vec()]);
    // One for each piece, and one more after the row that is kept back.
    assert_eq!(
        host.server_calls - before,
        mixed().iter().map(|(_, answers)| answers.len()).sum::<usize>() + 1
    );
}

#[test]
fn known_shapes_split_anywhere_are_masked_the_same() {
    let expected = transcript(&mut wanting().keeping(0), 2, |answer| vec![answer.to_vec()]);
    let longest = mixed().iter().flat_map(|(_, answers)| answers).map(Vec::len).max().unwrap_or_default();
    for at in 1..longest {
        let mut host = wanting().keeping(8);
        let halves = |answer: &[u8]| {
            let (first, second) = answer.split_at(at.min(answer.len()));
            [first.to_vec(), second.to_vec()].into_iter().filter(|piece| !piece.is_empty()).collect()
        };
        assert_eq!(transcript(&mut host, 2, halves), expected, "split at {at}");
    }
    let bytes = |answer: &[u8]| answer.iter().map(|byte| vec![*byte]).collect();
    assert_eq!(transcript(&mut wanting().keeping(8), 2, bytes), expected);
}
