//! Names of statements and portals that the server would see differently.
//!
//! It keeps the first 63 bytes of a protocol name, in its own encoding: two names of the client may be one to it.
//! Such names are refused, so that what is left is the same to both.

use super::{Scan, Step, advance};
use crate::inspector::Inspector;
use crate::messages::describe::{self, Target};
use crate::messages::{bind, execute, parse};
use crate::operations;
use crate::queue::Answer;
use crate::wire::Header;
use weir_sdk::inspector::Fault;

/// The server's `NAMEDATALEN`, without the NUL.
const MAX_NAME_BYTES: usize = 63;

/// A message with a name that is refused.
#[derive(Debug)]
pub struct Unfit {
    answer: Answer,
    kind: &'static str,
    text: String,
}

fn fits(name: &[u8]) -> bool {
    name.len() <= MAX_NAME_BYTES && name.is_ascii()
}

/// A malformed message is somebody else's to refuse.
pub fn unfit(kind: u8, body: &[u8]) -> Option<Unfit> {
    let (fit, answer, operation, text) = match kind {
        b'P' => {
            let parse = parse::decode(body)?;
            (fits(parse.name), Answer::Parse, operations::PREPARE, parse.text)
        }
        b'B' => {
            let bind = bind::decode(body)?;
            (fits(bind.portal) && fits(bind.statement), Answer::Bind, operations::PREPARE, &b""[..])
        }
        b'D' | b'C' => {
            let (Target::Statement(name) | Target::Portal(name)) = describe::decode(body)?;
            let answer = if kind == b'C' { Answer::Close } else { Answer::DescribeStatement };
            (fits(name), answer, operations::PREPARE, &b""[..])
        }
        b'E' => (fits(execute::decode(body)?.portal), Answer::Execute, operations::QUERY, &b""[..]),
        _ => return None,
    };
    (!fit).then(|| Unfit { answer, kind: operation, text: String::from_utf8_lossy(text).into_owned() })
}

impl Inspector {
    pub(super) fn refuse_unfit(&mut self, scan: &mut Scan<'_>, header: Header, unfit: &Unfit) -> Step {
        match self.close_unit(scan) {
            Step::Next => {}
            step => return step,
        }
        if self.client.doomed {
            scan.out.drop(header.total_bytes);
            return advance(scan, header);
        }
        let why = Fault {
            code: "42622".to_owned(),
            message: format!(
                "names of prepared statements and portals must be ASCII, and not longer than {MAX_NAME_BYTES} bytes"
            ),
        };
        let operation = operations::unread(unfit.kind, unfit.text.clone());
        let end = scan.at + header.total_bytes;
        self.refuse_here(scan, scan.at, end, operation, why, unfit.answer)
    }
}
