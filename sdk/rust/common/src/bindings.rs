#![allow(clippy::all, missing_docs, unreachable_pub, reason = "generated code")]

wit_bindgen::generate!({ path: "../../../wit", world: "common", generate_all });
