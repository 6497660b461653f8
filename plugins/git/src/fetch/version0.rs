//! Versions 0 and 1 (gitprotocol-pack, "Packfile negotiation"): what is wanted, a flush, what is there already.

use super::{Asked, Command, object_id, split};
use crate::names::Capabilities;
use crate::pkt::{self, Packet, malformed};
use weir_sdk::Fault;

pub(super) fn read(packets: &[Packet<'_>]) -> Result<Asked, Fault> {
    let mut asked = Asked { command: Command::Fetch, ..Asked::default() };
    let mut packets = packets.iter();
    for packet in packets.by_ref() {
        match packet {
            Packet::Line(line) => want(&mut asked, pkt::text(line)?)?,
            Packet::Flush => return haves(asked, packets),
            Packet::Delimiter | Packet::End => return Err(malformed("this version has no such packet line")),
        }
    }
    Err(malformed("the request ends within its wants"))
}

fn want(asked: &mut Asked, line: &str) -> Result<(), Fault> {
    match split(line) {
        ("want", Some(rest)) => {
            let (id, capabilities) = rest.split_once(' ').unwrap_or((rest, ""));
            if !capabilities.is_empty() {
                if !asked.wants.is_empty() {
                    return Err(malformed("capabilities belong to the first want"));
                }
                let capabilities = Capabilities::read(capabilities)?;
                asked.agent = capabilities.value("agent").map(str::to_owned);
                asked.session_id = capabilities.value("session-id").map(str::to_owned);
            }
            asked.wants.push(object_id(id)?);
            Ok(())
        }
        ("have", _) => Err(malformed("what is there comes behind what is wanted")),
        (word, rest) => match asked.common(word, rest)? {
            true => Ok(()),
            false => Err(malformed("a line among the wants that is not known")),
        },
    }
}

/// Behind the wants: what the client has, in batches, and perhaps `done`.
fn haves<'a>(mut asked: Asked, packets: impl Iterator<Item = &'a Packet<'a>>) -> Result<Asked, Fault> {
    let mut done = false;
    for packet in packets {
        match packet {
            Packet::Flush => {}
            Packet::Line(line) if !done => match split(pkt::text(line)?) {
                ("have", Some(id)) => asked.haves.push(object_id(id)?),
                ("done", None) => done = true,
                _ => return Err(malformed("a line behind the wants that is not known")),
            },
            _ => return Err(malformed("the request does not end where it should")),
        }
    }
    Ok(asked)
}
