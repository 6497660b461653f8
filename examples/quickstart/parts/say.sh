# shellcheck shell=bash
# How the quickstart talks, and how it checks what it shows.

bold='' dim='' plain=''
if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; fi

title() { printf '\n%s== %s%s\n\n' "$bold" "$*" "$plain"; }
say() { printf '%s%s%s\n' "$dim" "$*" "$plain"; }
die() { printf 'quickstart: %s\n' "$@" >&2; exit 1; }

# show COMMAND: prints it as it could be typed, runs it, prints what it says and keeps that in $seen and $code.
show() {
    printf '%s$ %s%s\n' "$bold" "$1" "$plain"
    code=0
    seen=$(eval "$1" 2>&1 9>&-) || code=$?
    printf '%s\n\n' "$seen"
}

succeeds() { [ "$code" -eq 0 ] || surprise "exit code 0, not $code"; }
fails() { [ "$code" -ne 0 ] || surprise "an exit code other than 0"; }
shows() {
    local text
    for text in "$@"; do [[ $seen == *"$text"* ]] || surprise "to see: $text"; done
}
shows_not() {
    local text
    for text in "$@"; do [[ $seen != *"$text"* ]] || surprise "not to see: $text"; done
}

# What was expected, what was seen, and what the servers have to say.
surprise() {
    {
        printf '\nquickstart: expected %s\nfrom:\n%s\n' "$1" "${seen:-}"
        local log
        for log in "$work"/*.log; do
            [ -s "$log" ] && printf '\n-- the end of %s\n' "$log" && tail -n 30 "$log"
        done
    } >&2
    exit 1
}

# wait_for WHAT SECONDS COMMAND…: asks until the command succeeds.
wait_for() {
    local what=$1 end=$((SECONDS + $2))
    shift 2
    until "$@"; do
        [ $SECONDS -lt $end ] || surprise "$what"
        sleep 0.05
    done
}
