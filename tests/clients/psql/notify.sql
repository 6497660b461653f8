\set ECHO none
listen news;
notify news, 'first';
notify news;
select pg_notify('news', 'payload with ''quotes'', ü and 東京');
begin;
notify news, 'held until commit';
select 'before commit' as state;
commit;
begin;
notify news, 'rolled back';
rollback;
select pg_notify('news', repeat('x', 7999)) is not null as sent;
unlisten news;
notify news, 'nobody listens';
select pg_notify('news', repeat('x', 8000));
select * from pg_listening_channels();
