//! What the settings of a session do, by name.
//!
//! A list says which are harmless; every other one may change what later text means or what protects it, and
//! so may one we have never heard of: applications keep the tenant a row policy looks at in settings of
//! their own. PostgreSQL ignores the case of a setting's name even in quotes, so we do.

use super::class::Class;

/// Settings that change neither what a statement means nor what it may do: limits of time and memory, the
/// planner's choices, how values are written. Not `lc_messages`: maskers know the server's texts in English only.
#[rustfmt::skip]
static HARMLESS: &[&str] = &[
    "application_name", "backend_flush_after", "bytea_output", "check_function_bodies",
    "client_connection_check_interval", "client_min_messages", "constraint_exclusion", "cpu_index_tuple_cost",
    "cpu_operator_cost", "cpu_tuple_cost", "cursor_tuple_fraction", "datestyle", "debug_pretty_print",
    "debug_print_parse", "debug_print_plan", "debug_print_rewritten", "default_statistics_target",
    "default_table_access_method", "default_tablespace", "default_text_search_config",
    "default_toast_compression", "default_transaction_deferrable", "default_transaction_isolation",
    "effective_cache_size", "effective_io_concurrency", "enable_async_append", "enable_bitmapscan",
    "enable_distinct_reordering", "enable_gathermerge", "enable_group_by_reordering", "enable_hashagg",
    "enable_hashjoin", "enable_incremental_sort", "enable_indexonlyscan", "enable_indexscan",
    "enable_material", "enable_memoize", "enable_mergejoin", "enable_nestloop", "enable_parallel_append",
    "enable_parallel_hash", "enable_partition_pruning", "enable_partitionwise_aggregate",
    "enable_partitionwise_join", "enable_presorted_aggregate", "enable_self_join_elimination",
    "enable_seqscan", "enable_sort", "enable_tidscan", "exit_on_error", "extra_float_digits",
    "force_parallel_mode", "from_collapse_limit", "geqo", "geqo_effort", "geqo_generations",
    "geqo_pool_size", "geqo_seed", "geqo_selection_bias", "geqo_threshold", "gin_fuzzy_search_limit",
    "gin_pending_list_limit", "hash_mem_multiplier", "idle_in_transaction_session_timeout",
    "idle_session_timeout", "intervalstyle", "jit", "jit_above_cost", "jit_inline_above_cost",
    "jit_optimize_above_cost", "join_collapse_limit", "lc_monetary", "lc_numeric", "lc_time",
    "lock_timeout", "logical_decoding_work_mem", "maintenance_io_concurrency", "maintenance_work_mem",
    "max_parallel_maintenance_workers", "max_parallel_workers", "max_parallel_workers_per_gather",
    "min_parallel_index_scan_size", "min_parallel_table_scan_size", "parallel_leader_participation",
    "parallel_setup_cost", "parallel_tuple_cost", "plan_cache_mode", "quote_all_identifiers",
    "random_page_cost", "recursive_worktable_factor", "restrict_nonsystem_relation_kind", "seed",
    "seq_page_cost", "statement_timeout", "stats_fetch_consistency", "synchronize_seqscans",
    "synchronous_commit", "tcp_keepalives_count", "tcp_keepalives_idle", "tcp_keepalives_interval",
    "tcp_user_timeout", "temp_buffers", "temp_tablespaces", "timezone", "timezone_abbreviations",
    "trace_sort", "transaction_deferrable", "transaction_isolation", "transaction_timeout",
    "vacuum_buffer_usage_limit", "vacuum_cost_delay", "vacuum_cost_limit", "vacuum_cost_page_dirty",
    "vacuum_cost_page_hit", "vacuum_cost_page_miss", "vacuum_freeze_min_age", "vacuum_freeze_table_age",
    "wal_skip_threshold", "work_mem", "xmlbinary", "xmloption",
];

/// Settings that are another way to say SET ROLE, or lift a protection.
const PRIVILEGES: [&str; 3] = ["lo_compat_privileges", "role", "session_authorization"];

/// Settings that load code into the server.
const CODE: [&str; 6] = [
    "dynamic_library_path",
    "extension_control_path",
    "jit_provider",
    "local_preload_libraries",
    "session_preload_libraries",
    "shared_preload_libraries",
];

/// What changing the setting of this name does.
pub(super) fn class_of(name: &str) -> Class {
    let name = name.to_ascii_lowercase();
    let name = name.as_str();
    if HARMLESS.binary_search(&name).is_ok() {
        Class::SessionSetting
    } else if PRIVILEGES.contains(&name) {
        Class::PrivilegeChange
    } else if CODE.contains(&name) {
        Class::CodeExecution
    } else {
        Class::ParsingSetting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted() {
        assert!(HARMLESS.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn what_is_not_listed_is_not_harmless() {
        for name in [
            "search_path",
            "Standard_Conforming_Strings",
            "client_encoding",
            "lc_messages",
            "row_security",
            "app.tenant",
            "session_replication_role",
            "default_transaction_read_only",
            "transform_null_equals",
            "",
            "x",
        ] {
            assert_eq!(class_of(name), Class::ParsingSetting, "{name}");
        }
        assert_eq!(class_of("ROLE"), Class::PrivilegeChange);
        assert_eq!(class_of("local_preload_libraries"), Class::CodeExecution);
        assert_eq!(class_of("TimeZone"), Class::SessionSetting);
    }
}
