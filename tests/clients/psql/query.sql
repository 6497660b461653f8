select * from customers where id in (1, 2, 3, 9001) order by id;
\x on
select * from customers where id = 9001;
\x off
\pset null '(null)'
select id, phone, notes from customers where id between 15 and 20 order by id;
select full_name, state, amount, placed_at, reference, items from orders join customers on customers.id = customer_id order by orders.id limit 12;
select * from customer_totals order by spent desc, id limit 10;
table orders_by_state order by state;
select 1 as a, null::int as b, 1.50::numeric as c, 'x'::"char" as d, '{1,NULL,3}'::int[] as e, '{"a": [1, 2]}'::json as f, 1e300::float8 as g,
       'NaN'::float4 as h, '\xdeadbeef'::bytea as i, 'infinity'::timestamp as j, '-infinity'::date as k, interval '1 mon -2 days 03:04:05.678' as l,
       '::1/128'::inet as m, '08:00:2b:01:02:03'::macaddr as n, '(1,2)'::point as o, B'1010' as p, '[1,5)'::int4range as q, xmlforest(1 as r);
select repeat('ü', 100000) = repeat('ü', 100000) as long_text, length(repeat('x', 3000000)) as length;
select repeat('abcdefghij', 50) as wide from generate_series(1, 3);
select;
select from customers limit 2;
select id, full_name from customers where false;
select n from generate_series(1, 3000) n offset 2990;
select count(*), sum(amount) from orders \gset totals_
\echo :totals_count :totals_sum
select 'select ' || n || ' as generated' from generate_series(1, 3) n \gexec
select state, extract(year from placed_at) as year, count(*) from orders group by 1, 2 order by 1, 2 \crosstabview state year
select id, full_name from customers limit 0 \gdesc
prepare by_id(int) as select id, full_name from customers where id = $1;
execute by_id(5);
execute by_id(9001);
deallocate by_id;
insert into customers (full_name, email, signup_date) values ('Temporary', 'temporary@example.com', '2024-01-01') returning full_name, email, balance, tags;
update customers set notes = 'changed' where email = 'temporary@example.com' returning notes;
delete from customers where email = 'temporary@example.com' returning full_name;
explain (costs off) select * from customers where id = 5;
-- a comment and nothing else
;
select 'quoted '' and $$ and \n' as a, E'tab\tnew\nline' as b, $tag$dollar $$ quoted$tag$ as c, U&'\0441\043b\043e\043d' as d; select 'two on a line';
