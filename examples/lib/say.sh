# shellcheck shell=bash
# How the examples talk, and how they check what they show.

bold='' dim='' plain=''
if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; fi

title() { printf '\n%s== %s%s\n\n' "$bold" "$*" "$plain"; }
say() { printf '%s%s%s\n' "$dim" "$*" "$plain"; }
die() { printf "$example: %s\n" "$@" >&2; exit 1; }

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
        printf '\n%s: expected %s\nfrom:\n%s\n' "$example" "$1" "${seen:-}"
        local log
        for log in "$work"/*.log; do
            [ -s "$log" ] && printf '\n-- the end of %s\n' "$log" && tail -n 30 "$log"
        done
    } >&2
    exit 1
}

# keep NAME COMMAND: shows a command whose answer is kept in a variable, for this walk and for `.run/env`.
keep() {
    printf '%s$ %s=$(%s)%s\n' "$bold" "$1" "$2" "$plain"
    seen=$(eval "$2" 2> "$work/keep.log" 9>&-) || surprise "exit code 0"
    cat "$work/keep.log"
    echo
    export "$1=$seen"
    printf "export %s='%s'\n" "$1" "$seen" >> "$work/env"
}

# begin COMMAND: prints it, runs it in the background, and keeps what it says in .run/held.log; `its_end` waits for it.
begin() {
    printf '%s$ %s &%s\n' "$bold" "$1" "$plain"
    : > "$work/held.log"
    eval "$1" > "$work/held.log" 2>&1 9>&- &
    begun=$!
}
still_waits() { kill -0 "$begun" 2> /dev/null || { seen=$(cat "$work/held.log"); surprise "it to wait"; }; }
its_end() {
    code=0
    wait "$begun" || code=$?
    seen=$(cat "$work/held.log")
    printf '%s\n\n' "$seen"
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
