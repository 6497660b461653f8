# shellcheck shell=bash
# What the build scripts of all languages share. Sourced with `sdk` (the folder sdk/), `language` and "$@" set.
#
#   sdk/LANGUAGE/build FOLDER OUT.wasm
#
# Tools are installed once, at the versions that the script names, into a folder of their own:
# $WEIR_SDK_CACHE, or weir-sdk in $XDG_CACHE_HOME or ~/.cache.

say() { printf 'sdk/%s/build: %s\n' "$language" "$*" >&2; }
fail() { say "$@"; exit 1; }

cache=${WEIR_SDK_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/weir-sdk}/$language

# arguments "$@": sets folder and out, both absolute.
arguments() {
    if [ $# -ne 2 ]; then
        sed -n '2,/^$/s/^# \{0,1\}//p' "$0" >&2
        exit 2
    fi
    [ -d "$1" ] || fail "$1: not a folder"
    folder=$(cd "$1" && pwd)
    mkdir -p "$(dirname "$2")"
    out=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
    [ -f "$folder/world.wit" ] ||
        fail "$folder has no world.wit, which says what the plugin is; copy one from sdk/$language/template"
    if grep -q 'weir:plugin/decide@' "$folder/world.wit"; then
        kind=policy
    elif grep -q 'weir:plugin/mask@' "$folder/world.wit"; then
        kind=masker
    else
        fail "$folder/world.wit exports neither decide nor mask: it is no policy and no masker"
    fi
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    # The world of the plugin beside the contract.
    mkdir -p "$work/wit/deps/weir"
    cp "$folder/world.wit" "$work/wit/"
    cp "$sdk"/../wit/*.wit "$work/wit/deps/weir/"
}

# once NAME KEY COMMAND…: runs the command unless NAME was done with just this KEY. Builds at the same time take turns.
once() {
    local stamp="$cache/$1.done" key=$2
    shift 2
    mkdir -p "$cache"
    exec 9> "$cache/lock"
    flock 9
    if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$key" ]; then
        rm -f "$stamp"
        "$@"
        printf '%s\n' "$key" > "$stamp"
    fi
    exec 9>&-
}

# deliver FILE: into its place at once, so that a gateway that watches the folder never sees half of it.
deliver() {
    if ! cmp -s "$1" "$out"; then
        cp "$1" "$out.new"
        mv "$out.new" "$out"
    fi
    printf '%s %s\n' "$(stat -c %s "$out")" "$out"
}
