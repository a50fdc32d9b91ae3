# Sourced by tests/run, tests/conformance/run and tests/pgbouncer/run, which set -euo pipefail, set $work to a folder of
# their own and define `say`. Finds or installs PostgreSQL and starts it as a temporary cluster in $work:
#
#     ensure_postgres     sets ROLLCALL_TEST_POSTGRES_URL, unless it names a PostgreSQL already
#     ensure_programs     sets $postgres, the folder of PostgreSQL's programs, and $owner, the user who runs them for root
#     start_postgres      starts one in any case, with the settings in $more_options (`-c name=value`)
#     stop_postgres       stops what ensure_postgres started; the caller's cleanup calls it, and then removes $work
#
# shellcheck shell=bash

cluster=""

# Runs a PostgreSQL program; initdb and postgres refuse to run as root.
as_postgres() {
    if [[ $EUID -ne 0 ]]; then
        (cd "$work" && "$@")
    elif command -v runuser >/dev/null; then
        (cd "$work" && runuser -u "$owner" -- "$@")
    elif command -v setpriv >/dev/null; then
        (cd "$work" && setpriv --reuid "$owner" --regid "$(id -g "$owner")" --clear-groups -- "$@")
    else
        (cd "$work" && su "$owner" -s /bin/sh -c "$(printf '%q ' "$@")")
    fi
}

stop_postgres() {
    if [[ -n $cluster ]]; then
        as_postgres "$postgres/pg_ctl" --pgdata "$cluster" --mode immediate --wait stop >/dev/null 2>&1 || true
        cluster=""
    fi
}

# Prints the folder that holds initdb, pg_ctl and postgres; the newest when there are several.
find_postgres() {
    local folder
    if command -v initdb >/dev/null && command -v pg_ctl >/dev/null; then
        dirname "$(command -v initdb)"
        return
    fi
    for folder in $(printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/local/pgsql/bin \
        /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin | sort -rV); do
        if [[ -x $folder/initdb && -x $folder/pg_ctl ]]; then
            printf '%s\n' "$folder"
            return
        fi
    done
    return 1
}

install_postgres() {
    say "no PostgreSQL found: installing it from the system's packages"
    if command -v apt-get >/dev/null && { [[ $EUID -eq 0 ]] || command -v sudo >/dev/null; }; then
        local root=()
        [[ $EUID -eq 0 ]] || root=(sudo)
        "${root[@]+"${root[@]}"}" apt-get update -q >&2
        "${root[@]+"${root[@]}"}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -q --no-install-recommends postgresql >&2
    elif command -v brew >/dev/null; then
        brew install postgresql@17 >&2
    else
        say "cannot install PostgreSQL here: install its server package (initdb, pg_ctl, postgres) and run this again,"
        say "or set ROLLCALL_TEST_POSTGRES_URL to a PostgreSQL whose role may create databases"
        exit 1
    fi
}

free_port() {
    local port
    for _ in {1..100}; do
        port=$((15000 + RANDOM % 5000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            printf '%s\n' "$port"
            return
        fi
    done
    say "found no free port between 15000 and 20000"
    return 1
}

ensure_programs() {
    postgres=$(find_postgres) || { install_postgres && postgres=$(find_postgres); } || {
        say "PostgreSQL was installed, but initdb, pg_ctl and postgres were not found"
        exit 1
    }
    owner=postgres
    id "$owner" >/dev/null 2>&1 || owner=nobody
}

start_postgres() {
    ensure_programs
    mkdir -m 700 "$work/postgres"
    if [[ $EUID -eq 0 ]]; then
        chmod 711 "$work" # the owner below must reach its folder
        chown "$owner" "$work/postgres"
    fi
    local data=$work/postgres/data port log=$work/postgres/log
    # A linguistic default collation where there is one: it shows a key that was not declared COLLATE "C".
    local setup=(--pgdata "$data" --username postgres --auth trust --encoding UTF8 --no-sync --no-instructions)
    as_postgres "$postgres/initdb" "${setup[@]}" --locale-provider=icu --icu-locale=en --no-locale >/dev/null 2>&1 ||
        as_postgres "$postgres/initdb" "${setup[@]}" --no-locale >/dev/null
    port=$(free_port)
    cluster=$data
    as_postgres "$postgres/pg_ctl" --pgdata "$data" --log "$log" --wait --timeout 60 --options \
        "-p $port -k $work/postgres -c listen_addresses=127.0.0.1 -c max_connections=200 -c fsync=off \
         -c synchronous_commit=off -c full_page_writes=off -c shared_preload_libraries= ${more_options:-}" start >/dev/null || {
        say "PostgreSQL did not start:"
        cat "$log" >&2 || true
        exit 1
    }
    export ROLLCALL_TEST_POSTGRES_URL="postgres://postgres@127.0.0.1:$port/postgres"
    say "$("$postgres/postgres" --version) on port $port"
}

ensure_postgres() {
    if [[ -z ${ROLLCALL_TEST_POSTGRES_URL:-} ]]; then
        start_postgres
    fi
}
