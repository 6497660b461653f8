# shellcheck shell=bash
# Node prefix with node-postgres, and with SDK and servers of MCP.

install_node() {
    local pins="$here/node" prefix="$cache/node" key
    command -v npm > /dev/null || die "npm is missing; install Node 20 or newer with npm, then run again"
    key="$(node --version) $(cat "$pins/package.json" "$pins/package-lock.json" | sha256sum)"
    if done_already node "$key" && [ -f "$prefix/node_modules/pg/package.json" ]; then
        say "Node prefix: there"
        return
    fi
    say "Node prefix: building tests/.cache/node"
    forget node
    rm -rf "$prefix"
    mkdir -p "$prefix"
    cp "$pins/package.json" "$pins/package-lock.json" "$prefix/"
    npm ci --prefix "$prefix" --ignore-scripts --no-audit --no-fund --loglevel=error
    (cd "$prefix" && node -e 'require("pg").Client')
    remember node "$key"
}
