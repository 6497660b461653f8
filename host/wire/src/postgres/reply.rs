//! The messages the host writes to a client once the login is through.
//!
//! **Job.** AuthenticationOk, ParameterStatus*, BackendKeyData, ReadyForQuery: in this order, and only when the upstream leg stands
//! too, so that a client is never told "ok" for a session that cannot begin.
//!
//! **What it does not do.** It keeps no order and no state. Source: PostgreSQL documentation, "Message Formats".

use super::cancel::BackendKey;
use super::frame::{put_text, typed};

/// AuthenticationOk (`R`, code 0): the proof was good.
pub fn authentication_ok() -> Vec<u8> {
    authentication(0, &[])
}

/// ParameterStatus (`S`): a setting of the session the client ought to know. NULs are dropped.
pub fn parameter_status(name: &str, value: &str) -> Vec<u8> {
    let mut body = Vec::new();
    put_text(&mut body, name);
    put_text(&mut body, value);
    typed(b'S', &body)
}

/// BackendKeyData (`K`). Give a session of protocol 3.0 a key of 4 bytes
/// ([`CancelKey::from_random`](super::CancelKey::from_random) does).
pub fn backend_key_data(key: &BackendKey) -> Vec<u8> {
    let mut body = key.process_id.to_be_bytes().to_vec();
    body.extend_from_slice(key.key.expose());
    typed(b'K', &body)
}

/// The transaction status that ReadyForQuery tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionStatus {
    /// `I`: not in a transaction block.
    Idle,
    /// `T`: in a transaction block.
    InTransaction,
    /// `E`: in a failed transaction block.
    Failed,
}

/// ReadyForQuery (`Z`).
pub fn ready_for_query(status: TransactionStatus) -> Vec<u8> {
    let status = match status {
        TransactionStatus::Idle => b'I',
        TransactionStatus::InTransaction => b'T',
        TransactionStatus::Failed => b'E',
    };
    typed(b'Z', &[status])
}

/// Any message of the authentication family (`R`): its code and what follows.
pub(crate) fn authentication(code: u32, data: &[u8]) -> Vec<u8> {
    typed(b'R', &[&code.to_be_bytes(), data].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::CancelKey;

    #[test]
    fn bytes_are_those_of_the_documentation() {
        assert_eq!(authentication_ok(), b"R\0\0\0\x08\0\0\0\0");
        assert_eq!(parameter_status("a", "b\0c"), b"S\0\0\0\x09a\0bc\0");
        assert_eq!(ready_for_query(TransactionStatus::Idle), b"Z\0\0\0\x05I");
        assert_eq!(ready_for_query(TransactionStatus::InTransaction), b"Z\0\0\0\x05T");
        assert_eq!(ready_for_query(TransactionStatus::Failed), b"Z\0\0\0\x05E");
        let short = BackendKey { process_id: 1, key: CancelKey::new([9; 4]).unwrap() };
        assert_eq!(backend_key_data(&short), b"K\0\0\0\x0c\0\0\0\x01\x09\x09\x09\x09");
        let long = BackendKey { process_id: 1, key: CancelKey::new([9; 32]).unwrap() };
        assert_eq!(backend_key_data(&long).len(), 1 + 4 + 4 + 32);
    }
}
