# shellcheck shell=bash
# What the machine needs besides weir: PostgreSQL, and two versions of a policy.

postgres_bin=/usr/lib/postgresql/15/bin

needs() { install_debian $postgres_bin/postgres postgresql-15 psql postgresql-client-15 cc gcc cc libc6-dev; }

build_policies() {
    say "building two versions of a policy of the house: plugins/build FOLDER"
    "$repository/plugins/build" --out "$work/policies" "$here/first-rules" "$repository/examples/house-rules" 9>&-
}
