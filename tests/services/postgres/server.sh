# PostgreSQL of the tests, for scripts/services: a cluster of its own from the system's binaries,
# with the durability that production has (fsync on), and a password in a file.
# shellcheck shell=bash disable=SC2154 # `root`, `fail`… are those of scripts/services

postgres_bin() {
    local newest
    newest="$(find /usr/lib/postgresql -maxdepth 3 -name initdb 2>/dev/null | sort -V | tail -n1)"
    [ -n "$newest" ] || newest="$(command -v initdb || true)"
    [ -n "$newest" ] || fail "expected PostgreSQL 15 or newer, found none; run: scripts/setup test"
    dirname "$newest"
}

# PostgreSQL refuses to run as root: then its own user does it, or nobody.
as_postgres() {
    if [ "$(id -u)" -ne 0 ]; then
        "$@"
        return
    fi
    local user=postgres
    id -u "$user" >/dev/null 2>&1 || user=nobody
    (cd / && setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups "$@")
}

postgres_up() {
    local folder="$root/postgres" bin
    bin="$(postgres_bin)"
    runs "$folder/data/postmaster.pid" || postgres_start "$folder" "$bin"
    wait_for PostgreSQL "$folder/data/postmaster.pid" "$folder/server.log" \
        "$bin/pg_isready" -q -h 127.0.0.1 -p "$(port postgres)"
    echo "services: postgres answers on 127.0.0.1:$(port postgres)"
}

postgres_start() { # postgres_start <folder> <bin>
    local folder="$1" bin="$2"
    ! is_listened_on "$(port postgres)" ||
        fail "port $(port postgres) is taken by another program; stop it, or remove $root/ports"
    mkdir -p "$folder"
    if [ ! -s "$folder/password" ]; then
        (umask 077 && head -c 18 /dev/urandom | base64 | tr '+/' 'ab' >"$folder/password")
    fi
    touch "$folder/server.log"
    if [ "$(id -u)" -eq 0 ]; then
        chown -R "$(as_postgres id -u)" "$folder"
        as_postgres test -x "$folder" || fail "$folder: expected a folder that user" \
            "$(as_postgres id -un) can enter, found one below a closed folder; set ZHIBAO_SERVICES"
    fi
    if [ ! -s "$folder/data/PG_VERSION" ]; then
        as_postgres rm -rf "$folder/data"
        as_postgres "$bin/initdb" -D "$folder/data" -U zhibao --pwfile "$folder/password" \
            --auth scram-sha-256 --encoding UTF8 --locale C >"$folder/initdb.log" 2>&1 ||
            { tail -n 20 "$folder/initdb.log" >&2 && fail "initdb failed"; }
        postgres_settings | as_postgres tee -a "$folder/data/postgresql.conf" >/dev/null
    fi
    # The certificate that Kafka's listeners have too; a key is read by its owner alone.
    kafka_secrets
    install -m 600 "$root/kafka-secrets/server.key" "$folder/server.key"
    install -m 644 "$root/kafka-secrets/server.pem" "$folder/server.pem"
    [ "$(id -u)" -ne 0 ] || chown "$(as_postgres id -u)" "$folder/server.key" "$folder/server.pem"
    # Without a terminal, so that a signal to the caller's group does not end it.
    as_postgres setsid "$bin/postgres" -D "$folder/data" -p "$(port postgres)" \
        -c ssl=on -c "ssl_cert_file=$folder/server.pem" -c "ssl_key_file=$folder/server.key" \
        >>"$folder/server.log" 2>&1 </dev/null &
    sleep 0.3
}

postgres_settings() {
    cat <<EOF
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = on
synchronous_commit = on
full_page_writes = on
password_encryption = 'scram-sha-256'
max_connections = 200
shared_buffers = '256MB'
max_wal_size = '2GB'
EOF
}

postgres_down() {
    end_process "$root/postgres/data/postmaster.pid" INT
}

postgres_env() {
    [ -s "$root/postgres/password" ] || return 0
    # Tests that are not about TLS, and measurements, do without it.
    echo "ZHIBAO_POSTGRES=postgres://zhibao@127.0.0.1:$(port postgres)/postgres?sslmode=disable"
    echo "ZHIBAO_POSTGRES_PASSWORD_FILE=$root/postgres/password"
}
