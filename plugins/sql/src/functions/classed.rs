//! Functions whose effect is known, of PostgreSQL and of the extensions that come with it.
//!
//! What runs SQL given as text is `CodeExecution`, whatever the text says: we do not follow it. What waits or
//! makes others wait is `Lock`. A function that is neither here nor in `harmless`, such as
//! `pg_terminate_backend`, is a `FunctionCall`, which may do anything.
//!
//! `set_config` is here with the worst it can be; the analyser looks at the name it is given.
//!
//! Sorted by name, for binary search; a test holds it to that.

use crate::analyse::Class::{
    self, CodeExecution, FileOrNetwork, Listen, Lock, Maintenance, ParsingSetting, SessionSetting,
    Transaction, Write,
};

#[rustfmt::skip]
pub(super) static CLASSED: &[(&str, Class)] = &[
    ("binary_upgrade_set_record_init_privs", CodeExecution), ("brin_desummarize_range", Maintenance),
    ("brin_summarize_new_values", Maintenance), ("brin_summarize_range", Maintenance),
    ("connectby", CodeExecution), ("crosstab", CodeExecution), ("crosstab2", CodeExecution),
    ("crosstab3", CodeExecution), ("crosstab4", CodeExecution), ("crosstabn", CodeExecution),
    ("cursor_to_xml", CodeExecution), ("cursor_to_xmlschema", CodeExecution),
    ("database_to_xml", CodeExecution), ("database_to_xml_and_xmlschema", CodeExecution),
    ("database_to_xmlschema", CodeExecution), ("dblink", CodeExecution),
    ("dblink_build_sql_delete", CodeExecution), ("dblink_build_sql_insert", CodeExecution),
    ("dblink_build_sql_update", CodeExecution), ("dblink_cancel_query", CodeExecution),
    ("dblink_close", CodeExecution), ("dblink_connect", CodeExecution), ("dblink_connect_u", CodeExecution),
    ("dblink_current_query", CodeExecution), ("dblink_disconnect", CodeExecution),
    ("dblink_error_message", CodeExecution), ("dblink_exec", CodeExecution),
    ("dblink_fetch", CodeExecution), ("dblink_get_connections", CodeExecution),
    ("dblink_get_notify", CodeExecution), ("dblink_get_pkey", CodeExecution),
    ("dblink_get_result", CodeExecution), ("dblink_is_busy", CodeExecution), ("dblink_open", CodeExecution),
    ("dblink_send_query", CodeExecution), ("file_fdw_handler", FileOrNetwork),
    ("get_raw_page", FileOrNetwork), ("gin_clean_pending_list", Maintenance), ("http", CodeExecution),
    ("http_get", CodeExecution), ("http_post", CodeExecution), ("lo_creat", Write), ("lo_create", Write),
    ("lo_export", FileOrNetwork), ("lo_from_bytea", Write), ("lo_import", FileOrNetwork),
    ("lo_manage", CodeExecution), ("lo_put", Write), ("lo_truncate", Write), ("lo_truncate64", Write),
    ("lo_unlink", Write), ("lowrite", Write), ("nextval", Write), ("pg_advisory_lock", Lock),
    ("pg_advisory_lock_shared", Lock), ("pg_advisory_unlock", Lock), ("pg_advisory_unlock_all", Lock),
    ("pg_advisory_unlock_shared", Lock), ("pg_advisory_xact_lock", Lock),
    ("pg_advisory_xact_lock_shared", Lock), ("pg_config", FileOrNetwork),
    ("pg_current_logfile", FileOrNetwork), ("pg_execute_server_program", CodeExecution),
    ("pg_export_snapshot", Transaction), ("pg_file_length", FileOrNetwork), ("pg_file_read", FileOrNetwork),
    ("pg_file_rename", FileOrNetwork), ("pg_file_sync", FileOrNetwork), ("pg_file_unlink", FileOrNetwork),
    ("pg_file_write", FileOrNetwork), ("pg_get_wal_block_info", FileOrNetwork),
    ("pg_get_wal_record_info", FileOrNetwork), ("pg_get_wal_records_info", FileOrNetwork),
    ("pg_get_wal_stats", FileOrNetwork), ("pg_hba_file_rules", FileOrNetwork),
    ("pg_ident_file_mappings", FileOrNetwork), ("pg_import_system_collations", FileOrNetwork),
    ("pg_logdir_ls", FileOrNetwork), ("pg_logfile_rotate", FileOrNetwork),
    ("pg_ls_archive_statusdir", FileOrNetwork), ("pg_ls_dir", FileOrNetwork),
    ("pg_ls_logdir", FileOrNetwork), ("pg_ls_logicalmapdir", FileOrNetwork),
    ("pg_ls_logicalsnapdir", FileOrNetwork), ("pg_ls_replslotdir", FileOrNetwork),
    ("pg_ls_summariesdir", FileOrNetwork), ("pg_ls_tmpdir", FileOrNetwork), ("pg_ls_waldir", FileOrNetwork),
    ("pg_notify", Listen), ("pg_prewarm", Maintenance), ("pg_read_binary_file", FileOrNetwork),
    ("pg_read_file", FileOrNetwork), ("pg_read_file_old", FileOrNetwork),
    ("pg_show_all_file_settings", FileOrNetwork), ("pg_sleep", Lock), ("pg_sleep_for", Lock),
    ("pg_sleep_until", Lock), ("pg_stat_file", FileOrNetwork), ("pg_try_advisory_lock", Lock),
    ("pg_try_advisory_lock_shared", Lock), ("pg_try_advisory_xact_lock", Lock),
    ("pg_try_advisory_xact_lock_shared", Lock), ("plpgsql_call_handler", CodeExecution),
    ("plpgsql_inline_handler", CodeExecution), ("postgres_fdw_disconnect", FileOrNetwork),
    ("postgres_fdw_disconnect_all", FileOrNetwork), ("postgres_fdw_get_connections", FileOrNetwork),
    ("postgres_fdw_handler", FileOrNetwork), ("query_to_xml", CodeExecution),
    ("query_to_xml_and_xmlschema", CodeExecution), ("query_to_xmlschema", CodeExecution),
    ("schema_to_xml", CodeExecution), ("schema_to_xml_and_xmlschema", CodeExecution),
    ("schema_to_xmlschema", CodeExecution), ("set_config", ParsingSetting), ("setseed", SessionSetting),
    ("setval", Write), ("table_to_xml", CodeExecution), ("table_to_xml_and_xmlschema", CodeExecution),
    ("table_to_xmlschema", CodeExecution), ("ts_rewrite", CodeExecution), ("ts_stat", CodeExecution),
    ("xpath_table", CodeExecution),
];
