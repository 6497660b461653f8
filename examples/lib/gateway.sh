# shellcheck shell=bash disable=SC2154
# The gateway of an example: built, started on free ports of 127.0.0.1 with its log in a file, stopped without a trace.

weir_binary=${WEIR_BINARY:-$repository/target/release/weir}
plugins=${WEIR_PLUGINS:-$repository/target/plugins}

# install_debian COMMAND PACKAGE…: installs those packages whose command is not there.
install_debian() {
    local missing=()
    while [ $# -gt 0 ]; do
        [ -x "$(command -v "$1")" ] || missing+=("$2")
        shift 2
    done
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
}

secret() { od -An -N12 -tx1 /dev/urandom | tr -d ' \n'; }

# Below the ports that the kernel hands out itself.
free_port() {
    local port
    while port=$((RANDOM % 12000 + 20000)); (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; do :; done
    echo $port
}

# prepare_weir PLUGIN…: a folder for it. What was compiled before is compiled already; everything else starts anew.
prepare_weir() {
    rm -rf "$work/compiled" "$work/plugins"
    if [ -d "$work/state/compiled" ]; then mv "$work/state/compiled" "$work/compiled"; fi
    rm -rf "$work/state" "$work/users.toml"
    mkdir -p "$work/plugins" "$work/state" "$work/bin"
    if [ -d "$work/compiled" ]; then mv "$work/compiled" "$work/state/compiled"; fi
    local name
    for name in "$@"; do cp "$plugins/$name.wasm" "$work/plugins/"; done
    # Whatever its file is called and wherever it is.
    ln -sfn "$(realpath "$weir_binary")" "$work/bin/weir"
}

# add_user NAME PASSWORD ARGUMENT…
add_user() { "$weir_binary" --config "$work/weir.toml" user add "$1" "${@:3}" --password-stdin <<< "$2" > /dev/null 9>&-; }

# start_weir UPSTREAM_PORT: with the example's weir.toml and free ports; `add_users` is called before it starts.
start_weir() {
    local try
    for try in 1 2 3; do
        port=$(free_port) admin_port=$(free_port)
        sed -e "s/@PORT@/$port/" -e "s/@ADMIN_PORT@/$admin_port/" -e "s/@UPSTREAM_PORT@/$1/" \
            "$here/weir.toml" > "$work/weir.toml"
        [ "$try" -gt 1 ] || add_users
        setsid "$weir_binary" --config "$work/weir.toml" run < /dev/null > "$work/weir.log" 2>&1 9>&- &
        weir_pid=$!
        echo $weir_pid > "$work/weir.pid"
        wait_for "weir to be ready" 120 ready_or_gone
        if healthy; then return; fi
        grep -qi "in use" "$work/weir.log" || surprise "weir to start"
    done
    surprise "a free port"
}

ready_or_gone() { ! kill -0 $weir_pid 2> /dev/null || healthy; }

# GET /healthz answers 200.
healthy() {
    local status
    (
        exec 3<> "/dev/tcp/127.0.0.1/$admin_port" || exit 1
        printf 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nConnection: close\r\n\r\n' "$admin_port" >&3
        read -r -t 5 status <&3 && [[ $status == *" 200 "* ]]
    ) 2> /dev/null
}

# stop_process FILE WHAT TEXT: ends the process whose number is in the file, if its command has this text in it: the
# number may be somebody else's by now.
stop_process() {
    local pid end=$((SECONDS + 15))
    if pid=$(cat "$1" 2> /dev/null) && runs "$pid" "$3"; then
        say "stopping $2 ($pid)"
        kill -TERM "$pid"
        while runs "$pid" "$3"; do
            [ $SECONDS -lt $end ] || kill -KILL "$pid"
            sleep 0.05
        done
    fi
    rm -f "$1"
}

runs() { [ -n "$1" ] && { tr '\0' ' ' < "/proc/$1/cmdline"; } 2> /dev/null | grep -qF -- "$2"; }

stop_weir() { stop_process "$work/weir.pid" weir "--config $work/weir.toml run"; }

# approve_by_lea TEXT…: what waits is shown, with these texts; who asked for it may not approve it, and lea may.
approve_by_lea() {
    show 'weir approvals list'
    shows ann-agent
    local id
    id=$(awk '/^apr-/ { print $1; exit }' <<< "$seen")
    [ -n "$id" ] || surprise "the id of a request"
    show "weir approvals show $id"
    shows "on behalf of" digest "$@"
    say "Nobody approves their own, nor what their agents ask for:"
    show "WEIR_PASSWORD=\$ANN weir approvals approve $id --user ann"
    fails
    shows "own request"
    still_waits
    say "lea may:"
    show "WEIR_PASSWORD=\$LEA weir approvals approve $id --user lea --reason 'agreed in the meeting'"
    succeeds
    shows "approved by lea"
}
