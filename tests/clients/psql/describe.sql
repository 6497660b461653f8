\d
\d customers
\d+ orders
\d customer_totals
\d+ customers_email_key
\dt public.*
\di public.*
\dv
\dm
\ds
\df public.*
\dT public.*
\dD public.*
\dy
\dn public
\dp customers
\dc public.nothing
\dx
\dg postgres_nobody
\sf customer_email
\sv customer_totals
\dd
\dO pg_catalog.default
\d nothing_like_this
\encoding
