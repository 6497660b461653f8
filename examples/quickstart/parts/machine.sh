# shellcheck shell=bash
# What the machine needs, and the build.

postgres_bin=/usr/lib/postgresql/15/bin
weir_binary=${WEIR_BINARY:-$repository/target/release/weir}
plugins=${WEIR_PLUGINS:-$repository/target/plugins}

install_missing() {
    local missing=()
    [ -x $postgres_bin/postgres ] || missing+=(postgresql-15)
    command -v psql > /dev/null || missing+=(postgresql-client-15)
    command -v cc > /dev/null || missing+=(gcc libc6-dev)
    if [ ${#missing[@]} -eq 0 ]; then
        say "Debian packages: all there"
    else
        [ "$(id -u)" = 0 ] || die "missing: ${missing[*]}" "As root: apt-get install ${missing[*]}"
        say "Debian packages: installing ${missing[*]}"
        local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
        "${apt[@]}" update > "$work/apt.log" 2>&1 9>&- &&
            "${apt[@]}" install --yes --no-install-recommends "${missing[@]}" >> "$work/apt.log" 2>&1 9>&- ||
            surprise "apt-get to install ${missing[*]}"
    fi
    command -v cargo > /dev/null || [ -n "${WEIR_BINARY:-}" ] || die "Rust is missing: see https://rustup.rs"
}

build() {
    if [ -z "${WEIR_BINARY:-}" ]; then
        say "building the gateway (minutes the first time): cargo build --release -p weir"
        (cd "$repository" && cargo build --release -p weir 9>&-)
    fi
    if [ -z "${WEIR_PLUGINS:-}" ]; then
        say "building the plugins to WebAssembly: plugins/build"
        "$repository/plugins/build" 9>&-
    fi
    say "building two versions of a policy of the house: plugins/build FOLDER"
    "$repository/plugins/build" --out "$work/policies" "$here/first-rules" "$repository/examples/house-rules" 9>&-
}
