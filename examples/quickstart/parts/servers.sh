# shellcheck shell=bash
# PostgreSQL on a free port of 127.0.0.1, and weir in front of it (examples/lib/gateway.sh), both stopped without a trace.

# As the account that may run PostgreSQL: it refuses to run as root.
as_postgres() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@" 9>&-; else "$@" 9>&-; fi; }

servers() {
    build_policies
    start_postgres
    rm -f "$work/pgpass"
    prepare_weir postgres sql-guard pii-mask
    cp "$work/policies/first-rules.wasm" "$work/plugins/house-rules.wasm"
    start_weir "$postgres_port"
    say "weir is ready: customers on 127.0.0.1:$port, in front of PostgreSQL on 127.0.0.1:$postgres_port"
    write_psql_environment
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

add_users() {
    say "adding users: ann, an engineer; her agent; lea, a lead"
    export SHOP_PASSWORD=$shop_password
    ANN=$(secret) AGENT=$(secret) LEA=$(secret)
    add_user ann "$ANN" --group engineers
    add_user ann-agent "$AGENT" --group engineers --kind agent --on-behalf-of ann
    add_user lea "$LEA" --group leads
}

write_psql_environment() {
    printf '127.0.0.1:%s:*:%s:%s\n' "$port" ann "$ANN" "$port" ann-agent "$AGENT" "$port" lea "$LEA" > "$work/pgpass"
    write_environment "export SHOP_PASSWORD='$shop_password' PGHOST=127.0.0.1 PGPORT=$port PGDATABASE=customers PGUSER=ann PGPASSFILE='$work/pgpass'"
    unset PGPASSWORD PGSERVICE PGOPTIONS
    export PGAPPNAME=psql PAGER='' PSQL_PAGER='' PSQLRC=/dev/null
}

stop_servers() {
    stop_weir
    if [ -e "$work/postgres/data/postmaster.pid" ]; then
        say "stopping PostgreSQL"
        (cd / && as_postgres $postgres_bin/pg_ctl stop --silent --wait --mode fast --pgdata "$work/postgres/data") \
            >> "$work/postgres.log" 2>&1 || true
    fi
    # The folder itself, or a link to it.
    if [ -e "$work/postgres" ]; then rm -rf "$(readlink -f "$work/postgres")"; fi
    rm -rf "$work/postgres"
}
