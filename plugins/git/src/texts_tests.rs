use super::*;
use proptest::prelude::*;

const PUSH: (bool, bool) = (true, true);
const FETCH: (bool, bool) = (true, false);
const UNBANDED: (bool, bool) = (false, true);

fn band(channel: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    pkt::write_band(&mut out, channel, bytes);
    out
}

fn lines(lines: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        pkt::write(&mut out, line.as_bytes());
    }
    out.extend_from_slice(pkt::FLUSH);
    out
}

fn seen(found: &Found) -> Vec<String> {
    let values = found.values();
    let text = |cell: &[u32]| {
        let start = (cell[1] & !TOP_BIT) as usize;
        let text = String::from_utf8(values.decoded[start..start + cell[2] as usize].to_vec()).unwrap();
        format!("{}:{text}", values.columns.iter().nth(cell[0] as usize).unwrap().labels[0])
    };
    values.cells.chunks(3).map(text).collect()
}

fn apply(data: &[u8], spans: &Spans) -> Vec<u8> {
    let (mut out, mut at, mut from) = (Vec::new(), 0, 0);
    for ((start, stop), end) in spans.starts.iter().zip(&spans.stops).zip(&spans.ends) {
        let (start, stop, end) = (*start as usize, *stop as usize, *end as usize);
        assert!(start >= at && stop >= start && stop <= data.len());
        out.extend_from_slice(&data[at..start]);
        out.extend_from_slice(&spans.texts[from..end]);
        (at, from) = (stop, end);
    }
    out.extend_from_slice(&data[at..]);
    out
}

/// As the host does it, in pieces; every `secret` becomes `[…]`.
fn masked(bytes: &[u8], step: usize, (banded, report): (bool, bool)) -> Vec<u8> {
    let (mut kept, mut out, mut at) = (Vec::new(), Vec::new(), 0);
    loop {
        let piece = &bytes[at..(at + step).min(bytes.len())];
        at += piece.len();
        kept.extend_from_slice(piece);
        let end = at == bytes.len();
        let found = find(&kept, end, banded, report).unwrap();
        assert!(end || found.over || found.release + found.need > kept.len());
        let values = found.values();
        let (mut cells, mut texts, mut ends) = (vec![], vec![], vec![]);
        for (index, cell) in values.cells.chunks(3).enumerate() {
            let start = (cell[1] & !TOP_BIT) as usize;
            let text = String::from_utf8(values.decoded[start..start + cell[2] as usize].to_vec()).unwrap();
            if text.contains("secret") {
                cells.push(index as u32);
                texts.extend_from_slice(text.replace("secret", "[…]").as_bytes());
                ends.push(texts.len() as u32);
            }
        }
        let spans = found.encode(&cells, &texts, &ends).unwrap();
        let released: Vec<u8> = kept.drain(..found.release).collect();
        assert!(found.changes.starts.is_empty() || cells.is_empty());
        out.extend(apply(&apply(&released, &found.changes), &spans));
        if end {
            assert!(kept.is_empty());
            return out;
        }
    }
}

/// The bytes of one channel, whatever packets they are in.
fn channel(bytes: &[u8], wanted: u8) -> Vec<u8> {
    let mut out = Vec::new();
    for packet in pkt::all(bytes).unwrap() {
        if let Packet::Line([channel, rest @ ..]) = packet
            && *channel == wanted
        {
            out.extend_from_slice(rest);
        }
    }
    out
}

#[test]
fn texts_are_found_wherever_they_stand() {
    let report =
        lines(&["unpack index-pack failed\n", "ok refs/heads/a\n", "ng refs/heads/b hook declined\n"]);
    let bytes =
        [band(2, b"first\nsecond\n"), band(1, &report), band(3, b"last words"), pkt::FLUSH.to_vec()].concat();
    let wanted =
        ["notice:first\nsecond", "error:index-pack failed", "error:hook declined", "error:last words"];
    assert_eq!(seen(&find(&bytes, true, true, true).unwrap()), wanted);
    assert_eq!(
        seen(&find(&report, true, false, true).unwrap()),
        ["error:index-pack failed", "error:hook declined"]
    );
    assert_eq!(seen(&find(b"0012ERR no access\n0000", true, true, false).unwrap()), ["error:no access"]);
    // Refs and packs are nothing to look at.
    let refs = lines(&["49744de5ddacb1293d38a9960f0811efe2ba64b3 refs/heads/secret\n", "packfile\n"]);
    assert_eq!(seen(&find(&[refs, band(1, b"PACK secret")].concat(), true, true, false).unwrap()), [""; 0]);
    assert_eq!(seen(&find(b"0000", true, true, true).unwrap()), [""; 0]);
}

#[test]
fn a_text_in_several_packets_is_one() {
    let bytes =
        [band(2, b"the sec"), band(1, b"data"), band(2, b"ret"), band(2, b" word\n"), band(2, b"x\r")]
            .concat();
    let found = find(&bytes, false, true, false).unwrap();
    assert_eq!(seen(&found), ["notice:the secret word", "notice:x\r"]);
    let out = masked(&bytes, bytes.len(), FETCH);
    assert_eq!(channel(&out, 2), "the […] word\nx\r".as_bytes());
    assert_eq!(channel(&out, 1), b"data");
    // Until its line ends it is kept.
    let open = find(&bytes[..20], false, true, false).unwrap();
    assert_eq!((seen(&open).len(), open.release), (0, 0));
}

#[test]
fn a_line_that_never_ends_does_not_fill_the_memory() {
    let bytes = [band(2, b"begun"), band(1, &vec![0; 500_000])].concat();
    let found = find(&bytes, false, true, false).unwrap();
    assert_eq!((seen(&found), found.release), (vec!["notice:begun".to_owned()], bytes.len()));
}

#[test]
fn what_is_no_text_is_not_shown() {
    let bytes = [band(2, b"sec\xffret\n"), band(2, b"fine\n")].concat();
    let found = find(&bytes, true, true, true).unwrap();
    assert_eq!(seen(&found), ["notice:fine"]);
    let out = apply(&bytes, &found.changes);
    assert_eq!(channel(&out, 2), b"[not shown: no plain text]\nfine\n");
    assert_eq!(plain(b"\xff").unwrap_err().code, "git-no-text");
}

#[test]
fn what_cannot_be_read_is_not_passed_on() {
    let fails = |bytes: &[u8], end, (banded, report): (bool, bool)| find(bytes, end, banded, report).is_err();
    // Cut off within a text.
    assert!(fails(b"0019ERR no access for", true, FETCH) && !fails(b"0019ERR no access for", false, FETCH));
    assert!(fails(b"0010\x02sec", true, PUSH) && fails(b"00", true, PUSH));
    // No packets, or of no channel.
    assert!(fails(b"secret", false, PUSH) && fails(b"secret", false, FETCH) && fails(b"PACK", false, PUSH));
    assert!(fails(b"000b\x04secret", false, PUSH) && fails(b"000asecret", false, PUSH));
}

#[test]
fn a_raw_pack_behind_the_lines_passes() {
    let bytes = b"0008NAK\nPACK\0\0\0\x02secret";
    let found = find(bytes, false, true, false).unwrap();
    assert!(found.over && found.release == bytes.len());
}

#[test]
fn a_report_stays_a_report() {
    let report = lines(&["unpack ok\n", "ng refs/heads/b secret\n", "ng refs/heads/c\n"]);
    let wanted = lines(&["unpack ok\n", "ng refs/heads/b […]\n", "ng refs/heads/c\n"]);
    assert_eq!(masked(&report, 3, UNBANDED), wanted);
    let out =
        masked(&[band(1, &report[..30]), band(1, &report[30..]), pkt::FLUSH.to_vec()].concat(), 7, PUSH);
    assert_eq!(channel(&out, 1), wanted);
    assert!(out.ends_with(b"00000000"));
    // A masker's text cannot end the line, or begin another.
    let found = find(&report, true, false, true).unwrap();
    let spans = found.encode(&[0], b"a\nok refs/heads/b\n", &[18]).unwrap();
    assert_eq!(
        apply(&report, &spans),
        lines(&["unpack ok\n", "ng refs/heads/b a ok refs/heads/b \n", "ng refs/heads/c\n"])
    );
}

#[test]
fn values_that_were_not_given_are_refused() {
    let bytes = band(2, b"text\n");
    let found = find(&bytes, true, true, true).unwrap();
    found.encode(&[1], b"x", &[1]).unwrap_err();
    found.encode(&[0], b"x", &[2]).unwrap_err();
    found.encode(&[0], b"x", &[]).unwrap_err();
    let spans = found.encode(&[TOP_BIT], b"", &[0]).unwrap();
    assert_eq!(channel(&apply(&bytes, &spans), 2), b"\n");
}

#[test]
fn another_answer_is_one_text() {
    let found = plain(b"no access for secret").unwrap();
    let spans = found.encode(&[0], b"no", &[2]).unwrap();
    assert_eq!(
        (seen(&found)[0].as_str(), apply(b"no access for secret", &spans)),
        ("error:no access for secret", b"no".to_vec())
    );
}

proptest! {
    /// However the server cuts its text into packets, and those arrive, every secret is found.
    #[test]
    fn no_cut_hides_a_secret(
        words in prop::collection::vec(prop::sample::select(vec!["secret", "plain", "\n", "\r", " "]), 0..30),
        cut in 1_usize..9,
        step in 1_usize..40,
    ) {
        let text = words.concat();
        let mut bytes = Vec::new();
        for (index, piece) in text.as_bytes().chunks(cut).enumerate() {
            bytes.extend(band(2, piece));
            if index % 3 == 0 {
                bytes.extend(band(1, b"pack"));
            }
        }
        bytes.extend_from_slice(pkt::FLUSH);
        let out = masked(&bytes, step, FETCH);
        prop_assert_eq!(String::from_utf8(channel(&out, 2)).unwrap(), text.replace("secret", "[…]"));
        prop_assert_eq!(channel(&out, 1), channel(&bytes, 1));
        if !text.contains("secret") {
            prop_assert_eq!(out, bytes);
        }
    }

    #[test]
    fn nothing_makes_it_fall(bytes in prop::collection::vec(any::<u8>(), 0..200), end in any::<bool>(), banded in any::<bool>(), report in any::<bool>()) {
        let Ok(found) = find(&bytes, end, banded, report) else { return Ok(()) };
        prop_assert!(found.release <= bytes.len());
        let cells = found.values().cells.len() / 3;
        for cell in 0..cells as u32 {
            let spans = found.encode(&[cell], b"new", &[3]).unwrap();
            apply(&bytes, &spans);
        }
    }

    /// Changes to nothing are no changes, whatever the packets hold.
    #[test]
    fn the_same_texts_put_back_are_the_same(texts in prop::collection::vec("[a-zäß ]{1,20}", 1..6)) {
        let mut bytes = Vec::new();
        for text in &texts {
            bytes.extend(band(2, format!("{text}\n").as_bytes()));
        }
        let found = find(&bytes, true, true, true).unwrap();
        let (mut all, mut ends) = (Vec::new(), Vec::new());
        for text in &texts {
            all.extend_from_slice(text.as_bytes());
            ends.push(all.len() as u32);
        }
        let cells: Vec<u32> = (0..texts.len() as u32).collect();
        prop_assert_eq!(apply(&bytes, &found.encode(&cells, &all, &ends).unwrap()), bytes);
    }
}
