# Ports of the test servers, for scripts/services. Each checkout takes the first stretch of a
# hundred that nobody listens on and keeps it, so that several checkouts can run theirs.
# shellcheck shell=bash disable=SC2154 # `root` and `fail` are those of scripts/services

choose_ports() {
    [ -s "$root/ports" ] && return
    local base
    for base in $(seq 20100 100 32000); do
        if stretch_is_free "$base"; then
            echo "$base" >"$root/ports"
            return
        fi
    done
    fail "expected a hundred free ports between 20100 and 32000, found none"
}

stretch_is_free() { # stretch_is_free <base>
    local at
    for at in $(seq "$1" $(($1 + 39))); do
        ! is_listened_on "$at" || return 1
    done
}

is_listened_on() { # is_listened_on <port>
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

port() { # port postgres
    local base
    base="$(cat "$root/ports")"
    case "$1" in
    postgres) echo "$base" ;;
    esac
}

# Four listeners a node: plain, controller, scram, mtls.
kafka_port() { # kafka_port <nodes> <node> <listener>
    local base at
    base="$(cat "$root/ports")"
    case "$3" in
    plain) at=0 ;;
    controller) at=1 ;;
    scram) at=2 ;;
    mtls) at=3 ;;
    esac
    if [ "$1" = 1 ]; then
        echo $((base + 1 + at))
    else
        echo $((base + 1 + 4 * $2 + at))
    fi
}
