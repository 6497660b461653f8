"""How to reach a PostgreSQL, or a gateway in front of one: the connection parameters every client understands."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

BIN = Path(os.environ.get("PG_BIN", "/usr/lib/postgresql/15/bin"))

@dataclass(frozen=True)
class Endpoint:
    host: str
    port: int
    user: str
    password: str
    database: str
    sslmode: str = "disable"
    sslrootcert: str | None = None

    def at(self, **changes) -> Endpoint:
        return replace(self, **changes)

    def variables(self) -> dict[str, str]:
        """The PG* variables that libpq, and every client under tests/clients, reads."""
        found = {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGDATABASE": self.database,
            "PGSSLMODE": self.sslmode,
        }
        if self.sslrootcert:
            found["PGSSLROOTCERT"] = self.sslrootcert
        return found

    def environment(self) -> dict[str, str]:
        """This process's environment with our PG* variables in place of whatever PG* it had."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        # A file ~/.pgpass, ~/.psqlrc or a TLS key of the person who runs the tests must not leak into them.
        clean |= {"PGPASSFILE": os.devnull, "PSQLRC": os.devnull, "PGSYSCONFDIR": "/nonexistent"}
        # Debian's /usr/bin/psql is a wrapper that picks a version; ours comes first.
        clean["PATH"] = f"{BIN}:{os.environ.get('PATH', '/usr/bin:/bin')}"
        return clean | self.variables()


def parse_address(text: str) -> tuple[str, int]:
    """`host:port`, also `[::1]:5432`."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not host:
        raise ValueError(f"'{text}' is not an address; write host:port, for example 127.0.0.1:5432")
    return host.strip("[]"), int(port)
