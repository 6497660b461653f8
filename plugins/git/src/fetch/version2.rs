//! Version 2 (gitprotocol-v2, "Command request"): a command with capabilities, a delimiter, arguments, a flush.

use super::{Asked, Command, object_id, split};
use crate::names::is_ref;
use crate::pkt::{self, Packet, malformed};
use weir_sdk::Fault;

pub(super) fn read(packets: &[Packet<'_>]) -> Result<Asked, Fault> {
    let mut asked = Asked { version: 2, ..Asked::default() };
    let mut command = None;
    let mut packets = packets.iter();
    let end = loop {
        match packets.next() {
            Some(Packet::Line(line)) => capability(&mut asked, &mut command, pkt::text(line)?)?,
            Some(end @ (Packet::Delimiter | Packet::Flush)) => break *end,
            Some(Packet::End) | None => return Err(malformed("the request ends within its capabilities")),
        }
    };
    asked.command = command.ok_or_else(|| malformed("a request of version 2 without a command"))?;
    let mut ended = end == Packet::Flush;
    for packet in packets {
        match packet {
            Packet::Line(line) if !ended => argument(&mut asked, pkt::text(line)?)?,
            Packet::Flush if !ended => ended = true,
            _ => return Err(malformed("the request does not end where it should")),
        }
    }
    if ended { Ok(asked) } else { Err(malformed("the request ends within its arguments")) }
}

/// `command=fetch`, `agent=git/2.47.3`, `server-option=…`
fn capability(asked: &mut Asked, command: &mut Option<Command>, line: &str) -> Result<(), Fault> {
    let (name, value) = line.split_once('=').unwrap_or((line, ""));
    match name {
        "command" => {
            let known = match value {
                "ls-refs" => Command::ListRefs,
                "fetch" => Command::Fetch,
                "object-info" => Command::ObjectInfo,
                "bundle-uri" => Command::BundleUri,
                _ => return Err(Fault::new("git-command", "this command of version 2 is not known")),
            };
            match command.replace(known) {
                None => Ok(()),
                Some(_) => Err(malformed("more than one command in one request")),
            }
        }
        "agent" => {
            asked.agent = Some(value.to_owned());
            Ok(())
        }
        "session-id" => {
            asked.session_id = Some(value.to_owned());
            Ok(())
        }
        "object-format" => asked.name("object-format", value),
        "server-option" => asked.name("server-option", value),
        "promisor-remote" => asked.name("promisor-remote", value),
        _ => Err(Fault::new("git-capability", "this capability of version 2 is not known")),
    }
}

fn argument(asked: &mut Asked, line: &str) -> Result<(), Fault> {
    let (word, rest) = split(line);
    match (asked.command, word, rest) {
        (Command::ListRefs, "ref-prefix", Some(prefix)) => return asked.name("ref-prefix", prefix),
        (Command::ListRefs, "peel" | "symrefs" | "unborn", None) => return Ok(()),
        (Command::ObjectInfo, "oid", Some(id)) => asked.wants.push(object_id(id)?),
        (Command::ObjectInfo, "size", None) => {}
        (Command::Fetch, "want", Some(id)) => asked.wants.push(object_id(id)?),
        (Command::Fetch, "want-ref", Some(name)) => {
            if name != "HEAD" && !is_ref(name) {
                return Err(Fault::new("git-ref-name", "this name of a ref is not allowed"));
            }
            asked.want_refs.push(name.to_owned());
            return asked.name("want-ref", name);
        }
        (Command::Fetch, "packfile-uris", Some(protocols)) => return asked.name("packfile-uris", protocols),
        (
            Command::Fetch,
            "done" | "thin-pack" | "no-progress" | "include-tag" | "ofs-delta" | "deepen-relative"
            | "sideband-all" | "wait-for-done",
            None,
        ) => {}
        (Command::Fetch, ..) if asked.common(word, rest)? => {}
        _ => return Err(Fault::new("git-argument", "this argument of the command is not known")),
    }
    Ok(())
}
