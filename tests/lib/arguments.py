"""Command line arguments that every suite shares."""

from __future__ import annotations

import argparse
import os
import sys

import proxy
from endpoint import Endpoint, parse_address


def endpoint_parser(description: str, database: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", help="the endpoint to test (default: a throwaway server of its own)")
    parser.add_argument("--port", type=int, default=5432)
    parser.add_argument("--user", default="postgres", help="the login user (default: postgres)")
    parser.add_argument("--password", default=os.environ.get("PGPASSWORD", ""), help="(default: $PGPASSWORD)")
    parser.add_argument("--dbname", default=database, help=f"the database the client asks for (default: {database})")
    parser.add_argument("--sslmode", default="disable", help="as in libpq (default: disable)")
    parser.add_argument("--sslrootcert")
    parser.add_argument("--through", choices=["direct", *proxy.WAYS], default="direct",
                        help="put tests/clients/fragment.py in front (default: direct, nothing)")
    return parser


def endpoint(asked: argparse.Namespace) -> Endpoint:
    return Endpoint(asked.host, asked.port, asked.user, asked.password, asked.dbname, asked.sslmode, asked.sslrootcert)


def admin_endpoint(asked: argparse.Namespace, endpoint: Endpoint) -> Endpoint:
    """Where to prepare things as superuser: straight at the server if told where that is."""
    host, port = parse_address(asked.admin) if asked.admin else (endpoint.host, endpoint.port)
    return endpoint.at(host=host, port=port, user=asked.admin_user or endpoint.user,
                       password=asked.admin_password or endpoint.password, database="postgres",
                       sslmode="prefer" if asked.admin else endpoint.sslmode, sslrootcert=None if asked.admin else endpoint.sslrootcert)


def run(main, name: str) -> None:
    """Exit codes: 0 passed, 1 differs or fails, 2 could not be run."""
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except (RuntimeError, ValueError, OSError) as problem:
        print(f"{name}: {problem}", file=sys.stderr)
        sys.exit(2)
