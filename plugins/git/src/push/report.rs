//! What the server says became of a push: `unpack ok`, then `ok REF` or `ng REF REASON` (gitprotocol-pack, "Report
//! status"), plain or in channel 1 of the side band.
//!
//! The bytes go on to the client as they come; this only listens. What it cannot follow it says is unknown.

use crate::pkt::{self, Next, Packet};

/// A server's reason is kept to this many bytes.
const MAX_REASON: usize = 1000;

/// What became of one ref.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    Done { name: String },
    Refused { name: String, reason: String },
}

#[derive(Debug)]
pub struct Report {
    banded: bool,
    /// bytes of a packet that is not whole yet: outside, and inside of channel 1
    outer: Vec<u8>,
    inner: Vec<u8>,
    /// why the pack was not taken
    pub unpack: Option<String>,
    /// the server's last words
    pub fatal: Option<String>,
    /// it cannot be followed any more, or has ended
    over: bool,
}

impl Report {
    pub fn new(banded: bool) -> Self {
        Self { banded, outer: Vec::new(), inner: Vec::new(), unpack: None, fatal: None, over: false }
    }

    /// The next bytes of the answer.
    pub fn listen(&mut self, bytes: &[u8]) -> Vec<Fate> {
        let mut fates = Vec::new();
        if !self.banded {
            self.inner.extend_from_slice(bytes);
            self.lines(&mut fates);
            return fates;
        }
        self.outer.extend_from_slice(bytes);
        let mut outer = std::mem::take(&mut self.outer);
        let mut at = 0;
        while !self.over {
            match pkt::next(outer.get(at..).unwrap_or_default()) {
                Ok(Next::Packet(packet, taken)) => {
                    at += taken;
                    self.band(packet, &mut fates);
                }
                Ok(Next::Needs(_)) => break,
                Err(_) => self.over = true,
            }
        }
        if !self.over {
            outer.drain(..at.min(outer.len()));
            self.outer = outer;
        }
        fates
    }

    fn band(&mut self, packet: Packet<'_>, fates: &mut Vec<Fate>) {
        match packet {
            Packet::Line([1, rest @ ..]) => {
                self.inner.extend_from_slice(rest);
                self.lines(fates);
            }
            // Progress, for people.
            Packet::Line([2, ..]) => {}
            Packet::Line([3, rest @ ..]) => {
                self.fatal = Some(reason(&String::from_utf8_lossy(rest)));
                self.over = true;
            }
            _ => self.over = true,
        }
    }

    fn lines(&mut self, fates: &mut Vec<Fate>) {
        let mut inner = std::mem::take(&mut self.inner);
        let mut at = 0;
        while !self.over {
            match pkt::next(inner.get(at..).unwrap_or_default()) {
                Ok(Next::Packet(Packet::Line(line), taken)) => {
                    at += taken;
                    fates.extend(self.line(&String::from_utf8_lossy(line)));
                }
                Ok(Next::Needs(_)) => break,
                _ => self.over = true,
            }
        }
        if !self.over {
            inner.drain(..at.min(inner.len()));
            self.inner = inner;
        }
    }

    fn line(&mut self, line: &str) -> Option<Fate> {
        let line = line.strip_suffix('\n').unwrap_or(line);
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "unpack" if rest != "ok" => self.unpack = Some(reason(rest)),
            "ok" => return Some(Fate::Done { name: rest.to_owned() }),
            "ng" => {
                let (name, why) = rest.split_once(' ').unwrap_or((rest, "refused"));
                return Some(Fate::Refused { name: name.to_owned(), reason: reason(why) });
            }
            // `option …` lines say more about an `ok`; others may come with newer versions.
            _ => {}
        }
        None
    }
}

fn reason(text: &str) -> String {
    let mut end = text.len().min(MAX_REASON);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(lines: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        for line in lines {
            pkt::write(&mut out, line.as_bytes());
        }
        out.extend_from_slice(pkt::FLUSH);
        out
    }

    fn banded(inner: &[u8], pieces: usize) -> Vec<u8> {
        let mut out = Vec::new();
        pkt::write_band(&mut out, 2, b"thinking\n");
        for piece in inner.chunks(pieces) {
            pkt::write_band(&mut out, 1, piece);
        }
        out.extend_from_slice(pkt::FLUSH);
        out
    }

    fn done(name: &str) -> Fate {
        Fate::Done { name: name.to_owned() }
    }

    fn refused(name: &str, reason: &str) -> Fate {
        Fate::Refused { name: name.to_owned(), reason: reason.to_owned() }
    }

    #[test]
    fn each_ref_has_its_fate() {
        let mut report = Report::new(false);
        let fates = report.listen(&lines(&[
            "unpack ok\n",
            "ok refs/heads/main\n",
            "option refname refs/heads/other\n",
            "ng refs/heads/x hook declined\n",
            "ng refs/heads/y",
        ]));
        let wanted = [
            done("refs/heads/main"),
            refused("refs/heads/x", "hook declined"),
            refused("refs/heads/y", "refused"),
        ];
        assert_eq!((fates.as_slice(), &report.unpack), (&wanted[..], &None));
    }

    #[test]
    fn a_pack_not_taken_and_last_words_are_kept() {
        let mut report = Report::new(false);
        report.listen(&lines(&["unpack index-pack abnormal exit\n", "ng refs/heads/x unpacker error\n"]));
        assert_eq!(report.unpack.as_deref(), Some("index-pack abnormal exit"));
        let mut report = Report::new(true);
        let mut bytes = Vec::new();
        pkt::write_band(&mut bytes, 3, "außer Betrieb\n".as_bytes());
        report.listen(&bytes);
        assert_eq!(report.fatal.as_deref(), Some("außer Betrieb"));
    }

    #[test]
    fn a_long_reason_is_cut_between_letters() {
        assert_eq!(reason(&"ü".repeat(2000)).len(), 1000);
        assert_eq!(reason(&format!("a{}", "ü".repeat(2000))).len(), 999);
    }

    proptest! {
        #[test]
        fn splitting_changes_nothing(pieces in 1_usize..40, step in 1_usize..40, side in any::<bool>()) {
            let inner = lines(&["unpack ok\n", "ok refs/heads/a\n", "ng refs/heads/b no\n", "ok refs/tags/c\n"]);
            let bytes = if side { banded(&inner, pieces) } else { inner };
            let mut report = Report::new(side);
            let fates: Vec<_> = bytes.chunks(step).flat_map(|piece| report.listen(piece)).collect();
            prop_assert_eq!(fates, [done("refs/heads/a"), refused("refs/heads/b", "no"), done("refs/tags/c")]);
        }

        #[test]
        fn nothing_makes_it_fall(bytes in prop::collection::vec(any::<u8>(), 0..200), side in any::<bool>()) {
            let mut report = Report::new(side);
            for piece in bytes.chunks(7) {
                report.listen(piece);
            }
        }
    }
}
