# shellcheck shell=bash
# OpenAI's Codex CLI, as npm has it: 420 MB, its binary is in the package. Only the stage `agent` asks for it.

install_codex() {
    local pins="$here/codex" prefix="$cache/node-codex" key
    command -v npm > /dev/null || die "npm is missing; install Node 20 or newer with npm, then run again"
    key="$(node --version) $(cat "$pins/package.json" "$pins/package-lock.json" | sha256sum)"
    if done_already codex "$key" && [ -x "$prefix/node_modules/.bin/codex" ]; then
        say "Codex CLI: there"
        return
    fi
    say "Codex CLI: building tests/.cache/node-codex"
    forget codex
    rm -rf "$prefix"
    mkdir -p "$prefix"
    cp "$pins/package.json" "$pins/package-lock.json" "$prefix/"
    (cd -P "$prefix" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    "$prefix/node_modules/.bin/codex" --version > /dev/null
    remember codex "$key"
}
