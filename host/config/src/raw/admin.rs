//! `[admin]` as written.

use std::net::SocketAddr;

use super::names;
use crate::document::{At, Fields};

#[derive(Debug, Default)]
pub(crate) struct Admin {
    pub(crate) listen: Option<At<SocketAddr>>,
}

impl Admin {
    pub(crate) fn read(mut fields: Fields<'_, '_>) -> Self {
        let admin = Self { listen: names::address(&mut fields, "listen") };
        fields.finish();
        admin
    }
}
