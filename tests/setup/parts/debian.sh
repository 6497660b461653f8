# shellcheck shell=bash
# Debian packages: PostgreSQL and its clients, what the benchmark needs, a JDK and a WebAssembly toolchain where they are
# missing.

debian_wanted() {
    printf '%s\n' build-essential bison flex perl openssl \
        "postgresql-$pg_major" "postgresql-client-$pg_major" libpq-dev libpostgresql-jdbc-java \
        pgbouncer nginx nghttp2-client
    command -v javac > /dev/null || echo default-jdk-headless
    python3 -c 'import ensurepip, venv' 2> /dev/null || echo python3-venv
    if ! grep -qx wasm32-unknown-unknown <<< "$(rustup target list --installed 2> /dev/null)"; then
        printf '%s\n' rustc-web cargo-web rust-web-src lld-19
    fi
}

debian_missing() {
    local package
    while read -r package; do
        [ "$(dpkg-query -W -f '${Status}' "$package" 2> /dev/null)" = "install ok installed" ] || echo "$package"
    done < <(debian_wanted)
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -qq "$@"; }

install_debian() {
    local missing
    mapfile -t missing < <(debian_missing)
    if [ ${#missing[@]} -eq 0 ]; then
        say "Debian packages: all there"
        return
    fi
    say "Debian packages: installing ${missing[*]}"
    [ -z "$(dpkg --audit)" ] || as_root dpkg --configure -a # an earlier run was cut short
    apt update
    apt install --no-install-recommends --yes "${missing[@]}"
    mapfile -t missing < <(debian_missing)
    [ ${#missing[@]} -eq 0 ] || die "Debian packages: still missing after the install: ${missing[*]}"
}
