"""The database everything is measured on."""

from __future__ import annotations

import subprocess

import template
from endpoint import Endpoint
from postgres import Postgres

DATABASE = "bench"
SCALE = 10
ROWS = 1_000_000
# A million rows of about 141 bytes on the wire, of three sorts.
TABLES = {
    # Types that cannot hold personal data in a form that is recognised.
    "rows_plain": """
        select g::int4 as id, gen_random_uuid() as account, gen_random_uuid() as device,
               timestamptz '2026-01-01' + g * interval '1.000001 second' as at, g / 7.0::float8 as amount""",
    # Texts: each has to be looked at, and nothing is found.
    "rows_text": """
        select g::int4 as id, 'order shipped to the warehouse' as note, 'standard, two working days' as delivery,
               'blue, size medium' as variant, 'paid by invoice, no open amounts' as state, true as done""",
    # Three columns to be masked.
    "rows_personal": """
        select g::int4 as id, 'customer.' || g || '@example.com' as email,
               '+49 30 ' || lpad((g % 9000000 + 1000000)::text, 7, '0') as phone,
               case when g % 2 = 0 then '4111 1111 1111 1111' else '5555 5555 5555 4444' end as card,
               gen_random_uuid() as account, true as active""",
}
# No byte of it may arrive through a target that masks.
UNMASKED = b"@example.com"
SETTINGS = {"max_connections": "500", "shared_buffers": "768MB", "max_wal_size": "4GB", "jit": "off", "autovacuum": "off"}


def create(server: Postgres) -> Endpoint:
    upstream = server.create_database(DATABASE)
    for name, select in TABLES.items():
        server.sql(f"create unlogged table {name} as {select} from generate_series(1, {ROWS}) g", DATABASE)
        server.sql(f"vacuum analyze {name}", DATABASE)
    command = [template.program("pgbench"), "--initialize", "--quiet", f"--scale={SCALE}", "--unlogged-tables"]
    done = subprocess.run(command, env=upstream.environment(), capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"pgbench --initialize failed:\n{done.stderr}")
    return upstream
