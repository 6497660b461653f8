# shellcheck shell=bash disable=SC2016,SC2154
# The walk: each step prints a command, runs it, and checks what it showed.

tour() {
    masked
    refused
    held
    replaced
    recorded
}

masked() {
    title "3. What is personal is masked"
    say "ann reads customers with her usual client. Nothing about the client changes: host, port, user, password."
    local real
    real=$(direct shop "$shop_password" customers -F '|' -c "select full_name, email, phone, card_number, iban from customers where id <= 3")
    show 'psql -U ann -c "select id, full_name, email, phone, card_number, iban from customers order by id limit 3"'
    succeeds
    shows "[EMAIL]" "[PHONE]" "[IBAN]" "(3 rows)"
    real_values=()
    local value
    while read -r value; do
        [ -z "$value" ] || real_values+=("$value")
    done < <(tr '|' '\n' <<< "$real")
    [ ${#real_values[@]} -ge 14 ] || surprise "the database itself to tell at least 14 values"
    shows_not "${real_values[@]}"
    say "Under another name, computed, as COPY: it stays masked."
    show 'psql -U ann -c "copy (select upper(email) as harmless from customers where id = 1) to stdout"'
    shows_not "${real_values[@]}" "$(tr '[:lower:]' '[:upper:]' <<< "${real_values[1]}")"
}

refused() {
    title "4. What is not allowed is refused"
    say "The client gets an error of its own protocol, and its session goes on."
    show 'psql -U ann -c "grant all on customers to public" -c "select count(*) from orders"'
    shows "ERROR:" "privilege" "1200"
    show 'psql -U ann -c "select count(*) from orders; drop table orders; frobnicate"'
    fails
    shows "ERROR:"
    [ "$(direct shop "$shop_password" customers -c "select count(*) from orders")" = 1200 ] || surprise "the table orders to be there"
}

held() {
    title "5. What is risky waits for a person"
    say "ann's agent wants to change every customer. It sees a slow statement, and a notice."
    begin 'psql -U ann-agent -c "update customers set balance = balance + 1"'
    wait_for "the agent's client to show a notice" 20 grep -q NOTICE "$work/held.log"
    cat "$work/held.log"
    echo
    approve_by_lea "update customers set balance = balance + 1"
    say "and the agent's statement goes on:"
    its_end
    succeeds
    shows "UPDATE 401"
}

# ask STATEMENT: says it in the one session, and keeps the answer in $seen.
ask() {
    printf '%scustomers=> %s%s\n' "$bold" "$1" "$plain"
    printf '%s\n\\echo -- %s\n' "$1" answered >&"${psql[1]}"
    seen=''
    local line
    while IFS= read -r -t 60 line <&"${psql[0]}" || surprise "an answer in the session"; do
        [ "$line" != "-- answered" ] || break
        seen+=$line$'\n'
    done
    printf '%s\n' "$seen" | cat -s
}

digest_of_house_rules() { weir plugins 2> /dev/null 9>&- | awk '$1 == "house-rules" { print $5 }'; }
house_rules_changed() { [ "$(digest_of_house_rules)" != "$1" ]; }

replaced() {
    title "6. A policy is replaced, and no session notices but by its verdicts"
    coproc psql { stdbuf -oL psql -U ann 2>&1 9>&-; }
    local session=$psql_PID before
    ask 'select pg_backend_pid() as same_session;'
    local backend=$seen
    ask 'select avg(salary)::int from employees where id <= 60;'
    shows_not ERROR
    shows "(1 row)"
    before=$(digest_of_house_rules)
    say "Another policy takes its place: examples/house-rules, twenty lines of Rust. The session stays open."
    show "cp '$work/policies/house-rules.wasm' '$work/plugins/.new' && mv '$work/plugins/.new' '$work/plugins/house-rules.wasm'"
    succeeds
    wait_for "weir to use the new policy" 60 house_rules_changed "$before"
    ask 'select avg(salary)::int from employees where id <= 60;'
    shows ERROR "salaries are for the leads"
    ask 'select pg_backend_pid() as same_session;'
    [ "$seen" = "$backend" ] || surprise "the same session as before: $backend"
    printf '\\q\n' >&"${psql[1]}"
    wait "$session" 2> /dev/null || true
    show 'psql -U lea -c "select avg(salary)::int from employees where id <= 60"'
    succeeds
    show 'weir plugins'
    shows house-rules sql-guard pii-mask postgres
}

recorded() {
    title "7. Everything is in the trail"
    show 'weir audit search --user ann-agent'
    succeeds
    shows held reviewed intent outcome "update customers"
    local operation
    operation=$(awk '$3 == "held" { for (at = 4; at <= NF; at++) if ($at ~ /^[0-9a-f-]+\/[0-9]+$/) print $at }' <<< "$seen" | head -n 1)
    [ -n "$operation" ] || surprise "the held operation, as SESSION/NUMBER"
    say "One operation from its beginning to its end: what was asked, who approved it, what came of it."
    show "weir audit show $operation"
    shows lea "agreed in the meeting" digest
    show 'weir audit search --kind refused'
    shows "grant all on customers" "salary"
    whole_and_without "${real_values[@]}"
}

tell_what_next() {
    cat << NEXT
weir and PostgreSQL keep running. In this shell or another:

    source $work/env
    psql                                  # as ann, through weir
    psql -c 'delete from orders'          # waits: then, elsewhere,
    weir approvals list
    WEIR_PASSWORD=\$LEA weir approvals deny ID --user lea --reason 'why?'
    weir audit tail
    weir sessions list
    \$EDITOR $work/weir.toml               # applied when saved; \`weir check\` says what is wrong

Stop both:

    $here/run --stop
NEXT
}
