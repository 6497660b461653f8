do $$ begin
    raise debug 'not seen'; raise log 'not seen either'; raise info 'some info'; raise notice 'a notice' using hint = 'with a hint';
    raise warning 'a warning' using errcode = '01W42', detail = E'two\nlines';
end $$;
drop table if exists client_psql.nothing;
create table if not exists client_psql.twice (x int);
create table if not exists client_psql.twice (x int);
set client_min_messages = debug1;
do $$ begin raise debug 'seen now'; end $$;
set client_min_messages = error;
do $$ begin raise warning 'not seen'; end $$;
reset client_min_messages;
commit;
create function client_psql.chatty() returns setof int language plpgsql as $$
begin
    for n in 1 .. 3 loop raise notice 'row %', n; return next n; end loop;
end $$;
select * from client_psql.chatty();
