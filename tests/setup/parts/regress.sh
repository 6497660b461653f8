# shellcheck shell=bash
# PostgreSQL's own regression suite, from the Debian source of the server that is installed.
#
# The suite's expected outputs belong to one minor version, of psql as much as of the server (psql 15.20
# skips the data of a refused COPY, 15.18 runs it as commands). Where the archives no longer deliver the
# source of what is installed, the newest version they do deliver is taken, and its server and psql are
# unpacked, not installed, into tests/.cache/pg-src/server for the suites to use.
#
# The source index is kept in tests/.cache/apt: the machine's own apt lists are only read.

install_regress() {
    local version tree="$cache/pg-src" log="$cache/pg-src.log"
    version=$(dpkg-query -W -f '${source:Version}' "postgresql-$pg_major") || die "postgresql-$pg_major is not installed; run tests/setup/install debian"
    if done_already regress "$version" && [ -f "$tree/.debian-version" ]; then
        say "PostgreSQL $(cat "$tree/.debian-version") regression suite: there"
        return
    fi
    forget regress
    rm -rf "$tree" "$log"
    say "PostgreSQL source: fetching"
    regress_fetch "$version" "$tree"
    say "PostgreSQL regression suite: building (a minute or two; log: tests/.cache/pg-src.log)"
    (regress_build "$tree") > "$log" 2>&1 || { tail -n 25 "$log" >&2; die "the build failed; whole log: $log"; }
    remember regress "$version"
}

# The same archives as the machine's own, as sources instead of binaries.
regress_sources() {
    local parts=$1 file
    mkdir -p "$parts"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -f "$file" ] && sed -n 's/^deb[[:space:]]/deb-src /p' "$file" > "$parts/$(basename "$file" .list).list"
    done
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -f "$file" ] && sed 's/^Types:.*/Types: deb-src/' "$file" > "$parts/$(basename "$file")"
    done
    find "$parts" -size 0 -delete
    [ -n "$(ls "$parts")" ] || die "no apt source found in /etc/apt to derive a deb-src line from"
}

# Tries the installed version first, then the other ones offered, newest first.
regress_fetch() {
    local installed=$1 tree=$2 apt_dir="$cache/apt" options version
    rm -rf "$apt_dir"
    mkdir -p "$apt_dir/lists/partial" "$apt_dir/download"
    regress_sources "$apt_dir/sources"
    options=(-qq -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$apt_dir/sources"
        -o "Dir::State::Lists=$apt_dir/lists" -o "Dir::Cache::srcpkgcache=" -o "Dir::Cache::pkgcache="
        -o APT::Sandbox::User=root -o Acquire::Retries=3)
    apt-get "${options[@]}" update
    while read -r version; do
        rm -rf "$tree" "$apt_dir"/download/*
        if (regress_fetch_version); then
            printf '%s\n' "$version" > "$tree/.debian-version"
            rm -rf "$apt_dir"
            return
        fi
        say "the archives do not deliver postgresql-$pg_major $version (errors above); trying the next version"
    done < <(
        printf '%s\n' "$installed"
        apt-cache "${options[@]}" showsrc "postgresql-$pg_major" | sed -n 's/^Version: //p' | sort -ruV | grep -vxF "$installed"
    )
    die "no source of postgresql-$pg_major could be fetched" "see the apt errors above; the machine's apt sources need a working archive"
}

# Chained with && for the same reason as regress_build.
regress_fetch_version() {
    local package
    cd "$apt_dir/download" &&
        apt-get "${options[@]}" --download-only source "postgresql-$pg_major=$version" < /dev/null &&
        dpkg-source --no-check --no-copy -x ./*.dsc "$tree" > /dev/null || return
    [ "$version" != "$installed" ] || return 0
    say "the suite will be of $version (installed is $installed); unpacking a server of that version for it"
    apt update < /dev/null || return # the machine's own list of packages may be old or empty
    for package in "postgresql-$pg_major" "postgresql-client-$pg_major"; do
        apt-get -qq -o APT::Sandbox::User=root -o Acquire::Retries=3 download "$package=$version" < /dev/null || return
    done
    for package in ./*.deb; do
        dpkg-deb -x "$package" "$tree/server" || return
    done
}

# Chained with &&: the caller looks at the exit code, and there `set -e` has no effect.
regress_build() {
    local tree=$1 jobs
    jobs=$(nproc)
    cd "$tree" &&
        ./configure --quiet --without-readline --without-zlib --without-icu &&
        make -s -j"$jobs" -C src/test/regress &&
        make -s -j"$jobs" -C contrib/spi &&
        make -s -j"$jobs" -C src/test/modules/libpq_pipeline
}
