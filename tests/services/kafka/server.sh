# Apache Kafka of the tests, for scripts/services: nodes that are broker and controller at once, one
# alone (`kafka`) or three together (`kafka 3`). Listeners of each: plain (loopback, anonymous and
# allowed everything), scram (TLS and SCRAM-SHA-512), mtls (TLS with a client's certificate).
# shellcheck shell=bash disable=SC2154 # `root`, `fail`… are those of scripts/services

kafka_up() { # kafka_up <nodes>
    local node
    kafka_jars
    kafka_secrets
    for node in $(seq 1 "$1"); do
        kafka_start "$1" "$node"
    done
    for node in $(seq 1 "$1"); do
        kafka_wait "$1" "$node"
    done
}

kafka_jars() {
    local wanted
    wanted="$(cksum <tests/services/kafka/pom.xml)"
    [ "$(cat "$root/kafka-jars/pom" 2>/dev/null)" != "$wanted" ] || return 0
    command -v java >/dev/null ||
        fail "expected Java 17 or newer, found none; run: scripts/setup test"
    command -v mvn >/dev/null || fail "expected Maven, found none; run: scripts/setup test"
    echo "services: fetching Kafka's jars"
    rm -rf "$root/kafka-jars"
    mkdir -p "$root/kafka-jars"
    mvn -q -B -f tests/services/kafka/pom.xml dependency:copy-dependencies \
        "-DoutputDirectory=$root/kafka-jars" -DincludeScope=runtime </dev/null >&2 ||
        fail "Maven cannot fetch Kafka's jars; see above"
    echo "$wanted" >"$root/kafka-jars/pom"
}

# Certificates and passwords: of the servers, of the hub, of a platform, and an expired one.
kafka_secrets() {
    local folder="$root/kafka-secrets"
    [ ! -e "$folder/done" ] || return 0
    rm -rf "$folder"
    mkdir -p "$folder"
    chmod 700 "$folder"
    (
        cd "$folder"
        exec 2>openssl.log
        openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=zhibao test CA" \
            -keyout ca.key -out ca.pem
        kafka_certificate server 3650
        kafka_certificate hub 3650
        kafka_certificate meituan 3650
        kafka_certificate expired -1
        cat server.key server.pem >server-store.pem
        for name in hub meituan; do
            head -c 18 /dev/urandom | base64 | tr '+/' 'ab' | tr -d '\n' >"$name.password"
        done
        touch done
    ) || fail "certificates cannot be made: $(tail -n 3 "$folder/openssl.log")"
}

kafka_certificate() { # kafka_certificate <common name> <days>
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr"
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days "$2" \
        -out "$1.pem" -extfile <(echo "subjectAltName=IP:127.0.0.1,DNS:localhost")
}

# Runs a class of Kafka in place of this shell.
kafka_java() { # kafka_java <class> <arguments…>
    exec java -Xmx512m -Xms128m -XX:+UseG1GC -Djava.awt.headless=true \
        "-Dlog4j2.configurationFile=$here/tests/services/kafka/log4j2.properties" \
        -cp "$root/kafka-jars/*" "$@"
}

kafka_start() { # kafka_start <nodes> <node>
    local folder="$root/kafka-$1/$2" secrets="$root/kafka-secrets" at
    ! runs "$folder/pid" || return 0
    for at in plain controller scram mtls; do
        ! is_listened_on "$(kafka_port "$1" "$2" "$at")" ||
            fail "port $(kafka_port "$1" "$2" "$at") is taken by another program; stop it, or" \
                "remove $root/ports"
    done
    mkdir -p "$folder"
    kafka_settings "$1" "$2" >"$folder/server.properties"
    if [ ! -e "$folder/data/meta.properties" ]; then
        # The same id for all nodes of a cluster.
        printf 'zhibao-test-kafka-%04d' "$1" | base64 | head -c 22 | tr '+/' '-_' >"$folder/id"
        (kafka_java kafka.tools.StorageTool format --ignore-formatted \
            --cluster-id "$(cat "$folder/id")" --config "$folder/server.properties" \
            --add-scram "SCRAM-SHA-512=[name=hub,password=$(cat "$secrets/hub.password")]" \
            --add-scram "SCRAM-SHA-512=[name=meituan,password=$(cat "$secrets/meituan.password")]"
        ) >"$folder/format.log" 2>&1 ||
            { tail -n 20 "$folder/format.log" >&2 && fail "Kafka's storage cannot be formatted"; }
    fi
    # In a session of its own, so that a signal to the caller's group does not end it.
    [ ! -e "$folder/server.log" ] || mv "$folder/server.log" "$folder/server.log.before"
    export -f kafka_java
    # shellcheck disable=SC2016 # the inner shell expands it
    here="$here" root="$root" setsid bash -c \
        'echo $$ >"$1/pid"; kafka_java kafka.Kafka "$1/server.properties"' kafka "$folder" \
        >>"$folder/server.log" 2>&1 </dev/null &
    sleep 0.3
}

kafka_wait() { # kafka_wait <nodes> <node>
    local folder="$root/kafka-$1/$2" address
    address="127.0.0.1:$(kafka_port "$1" "$2" plain)"
    wait_for "Kafka node $2 of $1" "$folder/pid" "$folder/server.log" \
        kafka_answers "$1" "$2"
    echo "services: kafka $1/$2 answers on $address"
}

# The broker opens its ports only after it has caught up with the controller and was unfenced.
kafka_answers() { # kafka_answers <nodes> <node>
    local at
    for at in plain scram mtls; do
        is_listened_on "$(kafka_port "$1" "$2" "$at")" || return 1
    done
    grep -q "Kafka Server started" "$root/kafka-$1/$2/server.log"
}

kafka_settings() { # kafka_settings <nodes> <node>
    local folder="$root/kafka-$1/$2" secrets="$root/kafka-secrets" voters="" node
    for node in $(seq 1 "$1"); do
        voters="$voters${voters:+,}$node@127.0.0.1:$(kafka_port "$1" "$node" controller)"
    done
    local of="127.0.0.1:"
    local plain scram mtls controller
    plain="PLAIN://$of$(kafka_port "$1" "$2" plain)"
    scram="SCRAM://$of$(kafka_port "$1" "$2" scram)"
    mtls="MTLS://$of$(kafka_port "$1" "$2" mtls)"
    controller="CONTROLLER://$of$(kafka_port "$1" "$2" controller)"
    cat <<EOF
process.roles=broker,controller
node.id=$2
controller.quorum.voters=$voters
listeners=$plain,$scram,$mtls,$controller
advertised.listeners=$plain,$scram,$mtls
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
listener.security.protocol.map=PLAIN:PLAINTEXT,SCRAM:SASL_SSL,MTLS:SSL,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.scram.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.mtls.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.keystore.location=$secrets/server-store.pem
ssl.truststore.type=PEM
ssl.truststore.location=$secrets/ca.pem
ssl.principal.mapping.rules=RULE:^CN=([^,]+).*\$/\$1/,DEFAULT
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:hub
log.dirs=$folder/data
num.partitions=1
auto.create.topics.enable=false
default.replication.factor=$1
offsets.topic.replication.factor=$1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=$1
transaction.state.log.num.partitions=4
transaction.state.log.min.isr=$((($1 + 1) / 2))
group.initial.rebalance.delay.ms=0
log.retention.check.interval.ms=5000
log.segment.delete.delay.ms=1000
EOF
}

kafka_down() { # kafka_down <nodes>
    local node
    # All at once: the last of three would wait for a controller that is gone.
    for node in $(seq 1 "$1"); do
        ! runs "$root/kafka-$1/$node/pid" || kill "$(cat "$root/kafka-$1/$node/pid")"
    done
    for node in $(seq 1 "$1"); do
        end_process "$root/kafka-$1/$node/pid" TERM
    done
}

kafka_env() {
    local secrets="$root/kafka-secrets"
    [ -e "$secrets/done" ] || return 0
    echo "ZHIBAO_KAFKA=kafka://127.0.0.1:$(kafka_port 1 1 plain)"
    echo "ZHIBAO_KAFKA_SCRAM=kafka://127.0.0.1:$(kafka_port 1 1 scram)"
    echo "ZHIBAO_KAFKA_MTLS=kafka://127.0.0.1:$(kafka_port 1 1 mtls)"
    echo "ZHIBAO_KAFKA_SECRETS=$secrets"
    [ ! -d "$root/kafka-3" ] || echo "ZHIBAO_KAFKA_3=kafka://$(
        for node in 1 2 3; do echo "127.0.0.1:$(kafka_port 3 $node plain)"; done | paste -sd,
    )"
}
