create table client_psql.things (id int, label text, amount numeric, at timestamp);
copy client_psql.things from stdin;
1	one	1.50	2024-01-01 00:00:00
2	\N	\N	\N
3	tab\there, newline\nthere, backslash \\	-7	2024-02-29 23:59:59.999999
\.
copy client_psql.things from stdin with (format csv, header);
id,label,amount,at
4,"quoted ""label"", with comma",4.00,
5,"two
lines",5,2024-05-05
\.
table client_psql.things order by id;
copy client_psql.things to stdout;
copy (select id, label from client_psql.things order by id) to stdout with (format csv, header, force_quote *);
copy (select id, full_name, email, notes from customers where id <= 6 or id = 9001 order by id) to stdout;
\copy client_psql.things to 'things.text'
\copy client_psql.things to 'things.binary' with (format binary)
truncate client_psql.things;
\copy client_psql.things from 'things.text'
\copy client_psql.things from 'things.binary' with (format binary)
select id, count(*), min(label) from client_psql.things group by id order by id;
\copy (select n, repeat('row ', 20) from generate_series(1, 20000) n) to 'many.text'
create table client_psql.many (n int, label text);
\copy client_psql.many from 'many.text'
select count(*), sum(n), sum(length(label)) from client_psql.many;
\copy customers to program 'md5sum'
-- errors in the middle of a copy, and the session afterwards
copy client_psql.things from stdin;
6	six	6	2024-06-06
not a number	seven	7	2024-07-07
\.
copy client_psql.nothing to stdout;
\copy client_psql.things from 'no such file'
copy (select 1 / (3 - n) from generate_series(1, 5) n) to stdout;
select count(*) from client_psql.things;
