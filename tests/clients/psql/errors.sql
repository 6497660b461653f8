select 1 / 0;
select nonsense from customers;
select 'x'::int;
select * from no_such_table;
selekt 1;
insert into customers (id, full_name, email, signup_date) values (1, 'Twice', 'twice@example.com', '2024-01-01');
insert into customers (full_name, email, signup_date) values ('No mail', 'not a mail', '2024-01-01');
insert into customers (full_name, email, signup_date) values (null, 'null@example.com', '2024-01-01');
insert into orders (customer_id, amount, placed_at, reference, items) values (-1, 1, timestamp '2024-01-01', md5('x')::uuid, '[]');
insert into orders (customer_id, amount, placed_at, reference, items) values (1, -1, timestamp '2024-01-01', md5('x')::uuid, '[]');
update customers set balance = -5000 where id = 1;
do $$ begin raise exception 'made up' using errcode = 'P0042', detail = 'the detail', hint = 'the hint', column = 'c', constraint = 'k', datatype = 'd', table = 't', schema = 's'; end $$;
set statement_timeout = '20ms';
select pg_sleep(10);
reset statement_timeout;
select 'the session goes on' as state;
\errverbose
\set VERBOSITY sqlstate
select 1 / 0;
\set VERBOSITY terse
select nonsense;
\set ON_ERROR_STOP on
select 1 / 0;
select 'never' as reached;
