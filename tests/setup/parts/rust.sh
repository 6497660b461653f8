# shellcheck shell=bash
# Rust is expected to be there; what its minimal profile leaves out is added.

install_rust() {
    local missing=()
    command -v cargo > /dev/null || die "Rust is missing: see https://rustup.rs"
    cargo fmt --version > /dev/null 2>&1 || missing+=(rustfmt)
    cargo clippy --version > /dev/null 2>&1 || missing+=(clippy)
    if [ ${#missing[@]} -eq 0 ]; then
        say "Rust: $(cargo --version), with rustfmt and clippy"
        return
    fi
    command -v rustup > /dev/null || die "Rust has no ${missing[*]}, and there is no rustup to add them"
    say "Rust: adding ${missing[*]}"
    rustup component add "${missing[@]}"
}
