\set FETCH_COUNT 7
select id, full_name from customers where id <= 30 order by id;
select 10 / (12 - n) as quotient from generate_series(1, 20) n;
\unset FETCH_COUNT
begin;
declare walk scroll cursor for select id, full_name from customers order by id;
fetch 3 from walk;
move forward 10 in walk;
fetch backward 2 from walk;
fetch last from walk;
fetch next from walk;
fetch prior from walk;
close walk;
commit;
begin;
declare kept cursor with hold for select id from orders order by id limit 5;
commit;
fetch all from kept;
close kept;
fetch all from kept;
begin;
declare binary_walk binary cursor for select 1::int4 as one, 'text'::text as label;
rollback;
