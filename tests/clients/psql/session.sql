show server_version;
set timezone = 'Asia/Kolkata';
select timestamptz '2024-03-01 12:00+00';
set datestyle = 'German';
select date '2024-03-01';
set local work_mem = '1MB';
set client_encoding = 'LATIN1';
show client_encoding;
set client_encoding = 'UTF8';
set standard_conforming_strings = off;
select 'a\\b' as one_backslash;
reset standard_conforming_strings;
create temp table session_only (x int);
insert into session_only select generate_series(1, 5);
select sum(x) from session_only;
select pg_advisory_lock(42);
select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid();
discard all;
select to_regclass('pg_temp.session_only') is null as gone, current_setting('timezone') as zone;
\c -
select current_schemas(false);
\password_is_no_command
