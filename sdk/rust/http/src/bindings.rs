#![allow(clippy::all, missing_docs, unreachable_pub, reason = "generated code")]

wit_bindgen::generate!({
    path: "../../../wit",
    world: "http-inspector",
    pub_export_macro: true,
    export_macro_name: "export_world_http",
    default_bindings_module: "weir_sdk_http::bindings",
    with: {
        "weir:plugin/types@0.1.0": weir_sdk_common::bindings::weir::plugin::types,
        "weir:plugin/host-log@0.1.0": weir_sdk_common::bindings::weir::plugin::host_log,
        "weir:plugin/host-clock@0.1.0": weir_sdk_common::bindings::weir::plugin::host_clock,
    },
    generate_all,
});
