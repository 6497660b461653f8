# shellcheck shell=bash
# PostgreSQL and weir: on free ports of 127.0.0.1, with logs in files, and stopped without a trace.

# As the account that may run PostgreSQL: it refuses to run as root.
as_postgres() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@" 9>&-; else "$@" 9>&-; fi; }

secret() { od -An -N12 -tx1 /dev/urandom | tr -d ' \n'; }

# Below the ports that the kernel hands out itself.
free_port() {
    local port
    while port=$((RANDOM % 12000 + 20000)); (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; do :; done
    echo $port
}

start_postgres() {
    # PostgreSQL's own account must be able to reach its folder: not so below /root.
    local home=$work/postgres
    mkdir -p "$home"
    if [ "$(id -u)" = 0 ]; then
        chown postgres: "$home"
        chmod 711 "$work"
        if ! as_postgres test -w "$home" 2> /dev/null; then
            rmdir "$home"
            home=$(mktemp -d /var/tmp/weir-quickstart.XXXXXX)
            chown postgres: "$home"
            ln -s "$home" "$work/postgres"
        fi
    fi
    say "making a throwaway PostgreSQL 15 in $home"
    postgres_password=$(secret) shop_password=$(secret)
    echo "$postgres_password" | as_postgres tee "$home/password" > /dev/null
    : > "$work/postgres.log"
    (cd / && as_postgres $postgres_bin/initdb --pgdata "$home/data" --username postgres --auth scram-sha-256 --no-sync \
        --encoding UTF8 --locale C.UTF-8 --pwfile "$home/password") >> "$work/postgres.log" 2>&1 ||
        surprise "initdb to succeed"
    local try
    for try in 1 2 3; do
        postgres_port=$(free_port)
        (cd / && as_postgres $postgres_bin/pg_ctl start --wait --silent --pgdata "$home/data" --log "$home/server.log" --options \
            "-p $postgres_port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off") \
            >> "$work/postgres.log" 2>&1 && break
        [ "$try" -lt 3 ] || { cat "$home/server.log" >> "$work/postgres.log"; surprise "PostgreSQL to start"; }
    done
    say "filling it with the sample data of a small shop"
    direct postgres "$postgres_password" postgres -c "create role shop login password '$shop_password'" \
        -c "create database customers owner shop"
    direct shop "$shop_password" customers -f "$repository/tests/lib/sample.sql"
}

# direct USER PASSWORD DATABASE ARGUMENT…: psql past the gateway.
direct() {
    PGPASSWORD=$2 PGOPTIONS='-c client_min_messages=error' psql -X -qAt -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$postgres_port" -U "$1" -d "$3" "${@:4}" \
        2>> "$work/postgres.log" 9>&- || surprise "psql to succeed at the database itself"
}

start_weir() {
    # What was compiled before is compiled already; everything else starts anew.
    rm -rf "$work/compiled" "$work/plugins"
    if [ -d "$work/state/compiled" ]; then mv "$work/state/compiled" "$work/compiled"; fi
    rm -rf "$work/state" "$work/users.toml" "$work/pgpass"
    mkdir -p "$work/plugins" "$work/state"
    if [ -d "$work/compiled" ]; then mv "$work/compiled" "$work/state/compiled"; fi
    local name
    for name in postgres sql-guard pii-mask; do cp "$plugins/$name.wasm" "$work/plugins/"; done
    cp "$work/policies/first-rules.wasm" "$work/plugins/house-rules.wasm"

    local try
    for try in 1 2 3; do
        port=$(free_port) admin_port=$(free_port)
        sed -e "s/@PORT@/$port/" -e "s/@ADMIN_PORT@/$admin_port/" -e "s/@POSTGRES_PORT@/$postgres_port/" \
            "$here/weir.toml" > "$work/weir.toml"
        [ "$try" -gt 1 ] || add_users
        setsid "$weir_binary" --config "$work/weir.toml" run < /dev/null > "$work/weir.log" 2>&1 9>&- &
        weir_pid=$!
        echo $weir_pid > "$work/weir.pid"
        wait_for "weir to be ready" 120 ready_or_gone
        if healthy; then
            say "weir is ready: customers on 127.0.0.1:$port, in front of PostgreSQL on 127.0.0.1:$postgres_port"
            write_environment
            return
        fi
        grep -qi "in use" "$work/weir.log" || surprise "weir to start"
    done
    surprise "a free port"
}

add_users() {
    say "adding users: ann, an engineer; her agent; lea, a lead"
    export SHOP_PASSWORD=$shop_password
    ANN=$(secret) AGENT=$(secret) LEA=$(secret)
    add() { "$weir_binary" --config "$work/weir.toml" user add "$1" "${@:3}" --password-stdin <<< "$2" > /dev/null 9>&-; }
    add ann "$ANN" --group engineers
    add ann-agent "$AGENT" --group engineers --kind agent --on-behalf-of ann
    add lea "$LEA" --group leads
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

# For this walk, and for whoever wants to try more afterwards.
write_environment() {
    printf '127.0.0.1:%s:*:%s:%s\n' "$port" ann "$ANN" "$port" ann-agent "$AGENT" "$port" lea "$LEA" > "$work/pgpass"
    # Whatever its file is called and wherever it is.
    mkdir -p "$work/bin"
    ln -sfn "$(realpath "$weir_binary")" "$work/bin/weir"
    cat > "$work/env" << ENV
export PATH='$work/bin':"\$PATH" WEIR_CONFIG='$work/weir.toml' SHOP_PASSWORD='$shop_password'
export PGHOST=127.0.0.1 PGPORT=$port PGDATABASE=customers PGUSER=ann PGPASSFILE='$work/pgpass'
ANN='$ANN' LEA='$LEA'
ENV
    # shellcheck source=/dev/null
    source "$work/env"
    unset PGPASSWORD PGSERVICE PGOPTIONS WEIR_USER WEIR_PASSWORD
    export PGAPPNAME=psql PAGER='' PSQL_PAGER='' PSQLRC=/dev/null
}

stop_servers() {
    local pid
    if pid=$(cat "$work/weir.pid" 2> /dev/null) && is_weir "$pid"; then
        say "stopping weir ($pid)"
        kill -TERM "$pid"
        local end=$((SECONDS + 15))
        while is_weir "$pid"; do
            [ $SECONDS -lt $end ] || kill -KILL "$pid"
            sleep 0.05
        done
    fi
    if [ -e "$work/postgres/data/postmaster.pid" ]; then
        say "stopping PostgreSQL"
        (cd / && as_postgres $postgres_bin/pg_ctl stop --silent --wait --mode fast --pgdata "$work/postgres/data") \
            >> "$work/postgres.log" 2>&1 || true
    fi
    # The folder itself, or a link to it.
    if [ -e "$work/postgres" ]; then rm -rf "$(readlink -f "$work/postgres")"; fi
    rm -rf "$work/postgres" "$work/weir.pid"
}

# Is this process our gateway, and not something that got its number later?
is_weir() { [ -n "$1" ] && { tr '\0' ' ' < "/proc/$1/cmdline"; } 2> /dev/null | grep -qF -- "--config $work/weir.toml run"; }
