//! Random salts, 32 bytes each, straight from the system.
//!
//! One call to the system fetches a page of them for the thread: a call per record would cost more than
//! hashing it. A salt is handed out once and wiped from the page.

use std::cell::RefCell;

const SALTS: usize = 64;

/// The system has no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random bytes: {0}")]
pub(crate) struct NoRandom(getrandom::Error);

struct Page {
    salts: [[u8; 32]; SALTS],
    left: usize,
}

thread_local! {
    static PAGE: RefCell<Page> = const { RefCell::new(Page { salts: [[0; 32]; SALTS], left: 0 }) };
}

pub(crate) fn fresh() -> Result<[u8; 32], NoRandom> {
    PAGE.with_borrow_mut(|page| {
        if page.left == 0 {
            getrandom::fill(page.salts.as_flattened_mut()).map_err(NoRandom)?;
            page.left = SALTS;
        }
        page.left -= 1;
        let salt = page.salts.get_mut(page.left).map(std::mem::take);
        // `left` is below SALTS: there is always one.
        salt.ok_or(NoRandom(getrandom::Error::UNEXPECTED))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn salts_do_not_repeat() {
        let salts: HashSet<_> = (0..1000).map(|_| fresh().unwrap()).collect();
        assert_eq!(salts.len(), 1000);
        assert!(!salts.contains(&[0; 32]));
    }
}
