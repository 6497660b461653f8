# shellcheck shell=bash
# PostgreSQL's own regression suite, from the Debian source of the server that is installed.
#
# The suite's expected outputs belong to one minor version, so source and server should be the same;
# an archive that has dropped the source of the installed version falls back to another, and says so.
# The source index is kept in tests/.cache/apt: the machine's own apt lists are only read.

install_regress() {
    local version tree="$cache/pg-src" log="$cache/pg-src.log"
    version=$(dpkg-query -W -f '${source:Version}' "postgresql-$pg_major") || die "postgresql-$pg_major is not installed; run tests/setup/install debian"
    if done_already regress "$version" && [ -x "$tree/src/test/regress/pg_regress" ]; then
        say "PostgreSQL $version regression suite: there"
        return
    fi
    forget regress
    rm -rf "$tree" "$log"
    say "PostgreSQL $version source: fetching"
    regress_fetch "$version" "$tree"
    say "PostgreSQL $version regression suite: building (a minute or two; log: ${log#"$PWD"/})"
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
        if (cd "$apt_dir/download" && apt-get "${options[@]}" --download-only source "postgresql-$pg_major=$version" < /dev/null); then
            dpkg-source --no-check -x "$apt_dir"/download/*.dsc "$tree" > /dev/null
            rm -rf "$apt_dir"
            printf '%s\n' "$version" > "$tree/.debian-version"
            [ "$version" = "$installed" ] ||
                say "note: the suite is of $version, the server of $installed; a test of something mended in between may fail"
            return
        fi
        say "the archives do not deliver the source of postgresql-$pg_major $version (errors above)"
    done < <(
        printf '%s\n' "$installed"
        apt-cache "${options[@]}" showsrc "postgresql-$pg_major" | sed -n 's/^Version: //p' | sort -ruV | grep -vxF "$installed"
    )
    die "no source of postgresql-$pg_major could be fetched" "see the apt errors above; the machine's apt sources need a working archive"
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
