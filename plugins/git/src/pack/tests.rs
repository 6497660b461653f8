use super::*;
use miniz_oxide::deflate::compress_to_vec_zlib;
use proptest::prelude::*;

macro_rules! recorded {
    ($($name:literal),*) => { [$(($name, include_bytes!(concat!("recorded/", $name, ".pack")).as_slice())),*] };
}

/// Packs that git made (`recorded/make`).
fn recorded() -> Vec<(&'static str, &'static [u8])> {
    recorded!("chain", "merge", "fork", "unrelated", "tagged", "differences", "differences-by-id", "sha256")
        .to_vec()
}

/// Old and new commit, and the kind of their ids.
fn ids(name: &str) -> (Id, Id, Hash) {
    let lines = include_str!("recorded/ids").lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let found = lines.into_iter().find(|words| words[0] == name).unwrap();
    let hash = if found[1].len() == 40 { Hash::Sha1 } else { Hash::Sha256 };
    (Id::read(found[1].as_bytes()).unwrap(), Id::read(found[2].as_bytes()).unwrap(), hash)
}

fn learn(pack: &[u8], hash: Hash) -> (History, Ahead) {
    let (mut history, mut ahead) = (History::default(), Ahead::new(hash));
    assert_eq!(ahead.look(pack, true, MAX_LOOK, &mut history), Look::Over);
    (history, ahead)
}

fn forward(history: &History, old: Id, new: Id) -> Forward {
    history.forward(old, new, &mut { history::MAX_STEPS })
}

#[test]
fn packs_of_git_prove_what_they_can() {
    for (name, pack) in recorded() {
        let (old, new, hash) = ids(name);
        let (history, ahead) = learn(pack, hash);
        let wanted = match name {
            "fork" => Forward::Unknown,
            "unrelated" => Forward::No,
            _ => Forward::Yes,
        };
        assert_eq!(forward(&history, old, new), wanted, "{name}");
        // Back again: the new one is nowhere behind what the old one has.
        let back = forward(&history, new, old);
        assert!(
            matches!((name, back), ("fork" | "unrelated", Forward::Unknown) | (_, Forward::No)),
            "{name}"
        );
        assert!(ahead.at < pack.len() - 20, "{name}: trees and files are not looked at");
    }
}

/// What one push told helps the next: the branch of one and the branch of another were both made on the same commit.
#[test]
fn pushes_of_before_are_remembered() {
    let (mut history, _) = learn(recorded()[0].1, Hash::Sha1);
    let (side, four, _) = ids("fork");
    assert_eq!(forward(&history, side, four), Forward::Unknown);
    let merge = recorded()[1].1;
    Ahead::new(Hash::Sha1).look(merge, true, MAX_LOOK, &mut history);
    assert_eq!(forward(&history, side, four), Forward::No);
    let (_, merged, _) = ids("merge");
    assert_eq!(forward(&history, side, merged), Forward::Yes);
}

#[test]
fn splitting_changes_nothing() {
    for (name, pack) in recorded() {
        let (old, new, hash) = ids(name);
        let wanted = forward(&learn(pack, hash).0, old, new);
        for at in 0..=pack.len() {
            let (mut history, mut ahead) = (History::default(), Ahead::new(hash));
            match ahead.look(&pack[..at], false, MAX_LOOK, &mut history) {
                Look::More(need) => assert!(need > at, "{name} cut at {at}"),
                Look::Over => assert!(at > ahead.at, "{name} cut at {at}"),
            }
            assert_eq!(ahead.look(pack, true, MAX_LOOK, &mut history), Look::Over);
            assert_eq!(forward(&history, old, new), wanted, "{name} cut at {at}");
        }
        let (mut history, mut ahead) = (History::default(), Ahead::new(hash));
        for at in 0..pack.len() {
            ahead.look(&pack[..at], false, MAX_LOOK, &mut history);
        }
        assert_eq!(forward(&history, old, new), wanted, "{name} byte by byte");
    }
}

/// A pack that was cut off or changed proves nothing but what its commits still say.
#[test]
fn a_pack_that_is_broken_never_proves_the_opposite() {
    for (name, pack) in recorded() {
        let (old, new, hash) = ids(name);
        let wanted = forward(&learn(pack, hash).0, old, new);
        for at in 0..pack.len() {
            let mut broken = pack.to_vec();
            broken[at] ^= 0x15;
            for bytes in [&pack[..at], &broken] {
                let said = forward(&learn(bytes, hash).0, old, new);
                assert!(said == wanted || said == Forward::Unknown, "{name} at {at}: {said:?}");
            }
        }
    }
}

#[test]
fn ids_of_the_other_kind_prove_nothing() {
    for (name, pack) in recorded() {
        let (old, new, hash) = ids(name);
        let other = if hash == Hash::Sha1 { Hash::Sha256 } else { Hash::Sha1 };
        assert_eq!(forward(&learn(pack, other).0, old, new), Forward::Unknown, "{name}");
    }
}

/// A pack of entries of which each is a kind, what follows its size, and its bytes.
fn pack(entries: &[(u8, Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = b"PACK\0\0\0\x02".to_vec();
    bytes.extend_from_slice(&(entries.len() as u32).to_be_bytes());
    for (kind, behind, data) in entries {
        bytes.extend(entry(*kind, data.len(), behind, &compress_to_vec_zlib(data, 6)));
    }
    bytes.extend_from_slice(&[0; 20]);
    bytes
}

fn entry(kind: u8, size: usize, behind: &[u8], packed: &[u8]) -> Vec<u8> {
    let (mut bytes, mut left) = (vec![kind << 4 | (size & 15) as u8], size >> 4);
    while left > 0 {
        *bytes.last_mut().unwrap() |= 0x80;
        bytes.push((left & 0x7f) as u8);
        left >>= 7;
    }
    bytes.extend_from_slice(behind);
    bytes.extend_from_slice(packed);
    bytes
}

fn hex(id: Id) -> String {
    format!("{id:?}")
        .trim_matches(|letter: char| !letter.is_ascii_digit())
        .split(", ")
        .take(20)
        .map(|byte| format!("{:02x}", byte.parse::<u8>().unwrap()))
        .collect()
}

fn commit(message: &str, parents: &[Id]) -> Vec<u8> {
    let mut text = format!("tree {}\n", "1".repeat(40));
    for parent in parents {
        text.push_str(&format!("parent {}\n", hex(*parent)));
    }
    text.push_str(&format!("author A <a@a> 0 +0000\ncommitter A <a@a> 0 +0000\n\n{message}"));
    text.into_bytes()
}

fn id_of(commit: &[u8]) -> Id {
    Hash::Sha1.of(commit).unwrap()
}

#[test]
fn only_so_much_is_held_back_and_unpacked() {
    let old = id_of(b"old");
    let first = commit("first", &[old]);
    let (mut entries, mut last) = (vec![(1, vec![], first.clone())], id_of(&first));
    // Random text packs badly, one letter well.
    let mut number = 1_u64;
    for _ in 0..100 {
        let letters = (0..20_000).map(|_| {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b' ' + (number >> 60) as u8)
        });
        let next = commit(&letters.collect::<String>(), &[last]);
        last = id_of(&next);
        entries.push((1, vec![], next));
    }
    let bytes = pack(&entries);
    let (mut history, mut ahead, mut there, mut calls) = (History::default(), Ahead::new(Hash::Sha1), 1, 0);
    while let Look::More(need) = ahead.look(&bytes[..there], false, 100_000, &mut history) {
        assert!(need > there && need <= 100_000);
        (there, calls) = (need, calls + 1);
    }
    assert!(there == 100_000 && calls < 6, "{calls} calls");
    assert_eq!(forward(&history, old, id_of(&first)), Forward::Yes);
    assert_eq!(forward(&history, old, last), Forward::Unknown);

    let long = "a".repeat(MAX_COMMIT - 1000);
    let entries: Vec<_> =
        (0..100).map(|number| (1, vec![], commit(&format!("{number}{long}"), &[]))).collect();
    let bytes = pack(&entries);
    assert!(bytes.len() < MAX_LOOK);
    let (_, ahead) = learn(&bytes, Hash::Sha1);
    assert!(ahead.unpacked <= MAX_UNPACKED && ahead.bases.len() < 100);
}

#[test]
fn what_is_no_commit_teaches_nothing() {
    let old = id_of(b"old");
    let good = commit("good", &[old]);
    let new = id_of(&good);
    let proves = |bytes: &[u8]| forward(&learn(bytes, Hash::Sha1).0, old, new) == Forward::Yes;
    assert!(proves(&pack(&[(1, vec![], good.clone())])));
    assert!(proves(&pack(&[(4, vec![], b"a tag".to_vec()), (1, vec![], good.clone())])));
    for kind in [0, 2, 3, 4, 5] {
        assert!(!proves(&pack(&[(kind, vec![], good.clone())])), "kind {kind}");
    }
    // Behind a tree nobody looks.
    assert!(!proves(&pack(&[(2, vec![], vec![]), (1, vec![], good.clone())])));
    let packed = compress_to_vec_zlib(&good, 6);
    for size in [good.len() - 1, good.len() + 1, 0, MAX_COMMIT + 1] {
        let mut bytes = pack(&[(1, vec![], vec![])]);
        bytes.truncate(HEADER);
        bytes.extend(entry(1, size, &[], &packed));
        assert!(!proves(&bytes), "a size of {size}");
    }
    for (at, byte) in [(0, b'p'), (7, 4), (7, 1), (11, 0)] {
        let mut bytes = pack(&[(1, vec![], good.clone())]);
        bytes[at] = byte;
        assert!(!proves(&bytes), "byte {at} is {byte}");
    }
}

#[test]
fn differences_from_what_is_not_there_teach_nothing() {
    let old = id_of(b"old");
    let base = commit("base", &[old]);
    let good = commit("good", &[old]);
    let mut delta = vec![base.len() as u8 | 0x80, 1, good.len() as u8 | 0x80, 1];
    for piece in good.chunks(100) {
        delta.push(piece.len() as u8);
        delta.extend_from_slice(piece);
    }
    let sizes = [base.len(), good.len()];
    for (place, size) in [(0, sizes[0]), (2, sizes[1])] {
        (delta[place], delta[place + 1]) = ((size & 0x7f) as u8 | 0x80, (size >> 7) as u8);
    }
    let proves = |entries: &[(u8, Vec<u8>, Vec<u8>)]| {
        forward(&learn(&pack(entries), Hash::Sha1).0, old, id_of(&good)) == Forward::Yes
    };
    let first = (1, vec![], base.clone());
    let far = entry(1, base.len(), &[], &compress_to_vec_zlib(&base, 6)).len();
    let behind = |distance: usize| {
        let high = (distance >> 7).checked_sub(1).map(|high| high as u8 | 0x80);
        high.into_iter().chain([(distance & 0x7f) as u8]).collect::<Vec<_>>()
    };
    let name = |commit: &[u8]| {
        (0..20)
            .map(|at| u8::from_str_radix(&hex(id_of(commit))[at * 2..at * 2 + 2], 16).unwrap())
            .collect::<Vec<_>>()
    };
    assert!(proves(&[first.clone(), (6, behind(far), delta.clone())]));
    assert!(proves(&[first.clone(), (7, name(&base), delta.clone())]));
    for distance in [0, far - 1, far + 1, 10_000] {
        assert!(!proves(&[first.clone(), (6, behind(distance), delta.clone())]), "{distance} bytes back");
    }
    assert!(!proves(&[first.clone(), (7, name(&good), delta.clone())]));
    // What cannot be told is skipped, and the next is looked at.
    assert!(proves(&[(7, name(&good), delta.clone()), (1, vec![], good.clone())]));
}

proptest! {
    #[test]
    fn nothing_makes_it_fall(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        step in 1_usize..50,
        most in 0_usize..400,
        header: bool,
        hash: bool,
    ) {
        let mut pack = if header { b"PACK\0\0\0\x02\0\0\0\x09".to_vec() } else { vec![] };
        pack.extend(bytes);
        let mut ahead = Ahead::new(if hash { Hash::Sha1 } else { Hash::Sha256 });
        let mut history = History::default();
        for there in (0..pack.len()).step_by(step) {
            if let Look::More(need) = ahead.look(&pack[..there], false, most, &mut history) {
                prop_assert!(need > there && need <= most);
            }
        }
        prop_assert_eq!(ahead.look(&pack, true, most, &mut history), Look::Over);
    }

    /// Entries that are well formed, with anything in them.
    #[test]
    fn entries_of_any_kind_are_bounded(
        entries in prop::collection::vec((0_u8..8, prop::collection::vec(any::<u8>(), 0..22), prop::collection::vec(any::<u8>(), 0..200)), 0..6),
    ) {
        let (history, ahead) = learn(&pack(&entries), Hash::Sha1);
        prop_assert!(ahead.unpacked <= MAX_UNPACKED);
        prop_assert_eq!(forward(&history, id_of(b"a"), id_of(b"b")), Forward::Unknown);
    }
}
