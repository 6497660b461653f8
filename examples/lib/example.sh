# shellcheck shell=bash disable=SC2154
# What examples have in common: their options, one run at a time, and that nothing is left running after a failure.
#
# A `run` sets `here`, then sources this, defines what it needs, and calls `main "$@"`:
#   stop_servers   ends what an earlier run left
#   needs          installs what is missing
#   servers        starts everything
#   tour           the walk; each step checks what it showed
#   tell_what_next

# Rust as rustup installs it, also in a shell that has not read its settings, and before Debian's own (cargo-web).
PATH=${CARGO_HOME:-${HOME:-/root}/.cargo}/bin:$PATH

repository=$(cd "$here/../.." && pwd)
example=$(basename "$here")
work=$here/.run
mode=stay

source "$repository/examples/lib/say.sh"
source "$repository/examples/lib/gateway.sh"

# start_upstream FILE: runs a server of the example, which writes its port into .run/upstream.port when it listens.
start_upstream() {
    rm -f "$work/upstream.port"
    setsid python3 "$here/$1" "$work" < /dev/null > "$work/upstream.log" 2>&1 9>&- &
    upstream_pid=$!
    echo $upstream_pid > "$work/upstream.pid"
    wait_for "the upstream to listen" 20 upstream_ready_or_gone
    [ -s "$work/upstream.port" ] || surprise "$1 to start"
    upstream_port=$(cat "$work/upstream.port")
}

upstream_ready_or_gone() { [ -s "$work/upstream.port" ] || ! kill -0 $upstream_pid 2> /dev/null; }

stop_servers() {
    stop_weir
    stop_process "$work/upstream.pid" "the upstream" "$here/"
}

# Ann, an engineer, and her agent ask; lea, a lead, reviews.
add_users() {
    say "adding users: ann, an engineer; her agent; lea, a lead"
    ANN=$(secret) LEA=$(secret)
    add_user ann "$ANN" --group engineers
    add_user ann-agent "$(secret)" --group engineers --kind agent --on-behalf-of ann
    add_user lea "$LEA" --group leads
}

# write_environment LINE…: for this walk, and for whoever wants to try more afterwards.
write_environment() {
    printf '%s\n' "export PATH='$work/bin':\"\$PATH\" WEIR_CONFIG='$work/weir.toml' ANN='$ANN' LEA='$LEA'" "$@" > "$work/env"
    # shellcheck source=/dev/null
    source "$work/env"
    unset WEIR_USER WEIR_PASSWORD
}

# whole_and_without VALUE…: the trail is whole, and holds none of these.
whole_and_without() {
    show 'weir audit verify'
    succeeds
    shows "the trail is whole"
    say "And no personal value got into it."
    seen=$(weir audit export 9>&-)
    shows_not "$@"
}

main() {
    case "${1:-}" in
        "") ;;
        --once) mode=once ;;
        --stop) mode=stop ;;
        *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"; [[ $1 == -h || $1 == --help ]]; exit ;;
    esac
    umask 077
    mkdir -p "$work"
    exec 9> "$work/lock"
    flock -n 9 || die "another examples/$example/run is at work in this folder"
    stop_servers
    [ $mode != stop ] || { say "stopped"; exit; }
    trap finish EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM

    title "1. What is needed"
    needs
    build
    title "2. A server, and weir in front of it"
    servers
    tour
    title "Done"
    if [ $mode = once ]; then
        say "every step showed what it should"
    else
        tell_what_next
    fi
}

finish() {
    local code=$?
    trap - EXIT INT TERM
    [ $code -eq 0 ] && [ $mode = stay ] && exit 0
    stop_servers
    [ $code -eq 0 ] || printf '\n%s: stopped with exit code %s; logs: %s\n' "$example" "$code" "$work/*.log" >&2
    exit "$code"
}
