\set PROMPT1 '%x'
begin;
create table client_psql.accounts (name text primary key, amount int check (amount >= 0));
insert into client_psql.accounts values ('a', 10), ('b', 0);
savepoint before;
update client_psql.accounts set amount = amount - 20 where name = 'a';
select 'refused' as state;
rollback to before;
update client_psql.accounts set amount = amount - 5 where name = 'a';
release before;
commit;
table client_psql.accounts order by name;
begin isolation level serializable read only;
insert into client_psql.accounts values ('c', 1);
commit;
begin; select 1 / 0; commit;
select 1 as outside;
\set AUTOCOMMIT off
insert into client_psql.accounts values ('d', 4);
rollback;
table client_psql.accounts order by name;
commit;
\set AUTOCOMMIT on
\set ON_ERROR_ROLLBACK on
begin;
insert into client_psql.accounts values ('e', 5);
insert into client_psql.accounts values ('e', 6);
commit;
table client_psql.accounts order by name;
