#!/usr/bin/env bash
# A real Apache Kafka of one node (KRaft) on free loopback ports, for tests.
#
#   kafka.sh fetch          fetches the jars once (Maven, from Maven Central), into ~/.cache/virga/kafka
#   kafka.sh start FOLDER   makes a broker in FOLDER, or starts the one there again on its ports; prints host:port
#   kafka.sh secure FOLDER  the same with listeners that want TLS and a login besides: SASL_SSL (user virga, password
#                           secret; PLAIN, SCRAM-SHA-256, SCRAM-SHA-512) and SSL (a certificate of the client's);
#                           FOLDER/address.sasl, FOLDER/address.ssl say where, FOLDER/tls holds the certificates
#   kafka.sh stop FOLDER    ends it, as an operator would
#   kafka.sh kill FOLDER    ends it at once
#
# Java 17 and Maven are needed; without them the status is 3, and nothing is done.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${VIRGA_CACHE:-$HOME/.cache/virga}/kafka/4.1.0

need() { command -v java >/dev/null && command -v mvn >/dev/null || { echo "kafka.sh: java and mvn are needed" >&2; exit 3; }; }

fetch() {
  need
  [ -e "$cache/complete" ] && return 0
  mkdir -p "$cache"
  # one at a time: several tests may begin together
  exec 9>"$cache.lock"; flock 9
  [ -e "$cache/complete" ] && return 0
  mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$cache/libs" >&2
  touch "$cache/complete"
  exec 9>&-
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# an authority, a broker's certificate for 127.0.0.1, a client's; for a day, with keys that nobody else has
certificates() {
  mkdir -p "$1"
  openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj "/CN=Virga test authority" \
    -keyout "$1/ca.key" -out "$1/ca.pem" 2>/dev/null
  for who in broker client; do
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$who" -keyout "$1/$who.key" -out "$1/$who.csr" 2>/dev/null
    openssl x509 -req -days 1 -in "$1/$who.csr" -CA "$1/ca.pem" -CAkey "$1/ca.key" -CAcreateserial \
      -extfile <(echo "subjectAltName=IP:127.0.0.1") -out "$1/$who.pem" 2>/dev/null
  done
  cat "$1/broker.key" "$1/broker.pem" >"$1/keystore.pem"
}

secure_properties() {
  local sasl ssl plain scram
  sasl=$(free_port); ssl=$(free_port)
  echo "127.0.0.1:$sasl" >"$1/address.sasl"; echo "127.0.0.1:$ssl" >"$1/address.ssl"
  plain='org.apache.kafka.common.security.plain.PlainLoginModule required user_virga="secret";'
  scram='org.apache.kafka.common.security.scram.ScramLoginModule required;'
  sed -i -E "s|^((advertised\.)?listeners=.*)|\1,SASL_SSL://127.0.0.1:$sasl,SSL://127.0.0.1:$ssl|;
    s|^(listener.security.protocol.map=.*)|\1,SASL_SSL:SASL_SSL,SSL:SSL|" "$1/server.properties"
  cat >>"$1/server.properties" <<PROPERTIES
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config=$plain
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=$scram
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=$scram
listener.name.ssl.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.keystore.location=$1/tls/keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location=$1/tls/ca.pem
PROPERTIES
}

make() {
  local port controller scram=()
  port=$(free_port); controller=$(free_port)
  echo "127.0.0.1:$port" >"$1/address"
  cat >"$1/log4j2.properties" <<LOG
rootLogger.level = WARN
rootLogger.appenderRef.out.ref = OUT
appender.out.type = Console
appender.out.name = OUT
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %m (%c)%n
LOG
  cat >"$1/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$1/data
num.partitions=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
message.max.bytes=12582912
replica.fetch.max.bytes=12582912
auto.create.topics.enable=false
log.retention.check.interval.ms=1000
PROPERTIES
  if [ "$2" = secure ]; then
    certificates "$1/tls"; secure_properties "$1"
    for mechanism in SCRAM-SHA-256 SCRAM-SHA-512; do
      scram+=(--add-scram "$mechanism=[name=virga,password=secret]")
    done
  fi
  java -Xmx256m -Dlog4j2.configurationFile="$1/log4j2.properties" -cp "$cache/libs/*" kafka.tools.StorageTool \
    format --standalone -t AAAAAAAAAAAAAAAAAAAAAQ -c "$1/server.properties" "${scram[@]}" >"$1/format.log" 2>&1 || { cat "$1/format.log" >&2; exit 1; }
}

start() {
  mkdir -p "$1"
  [ -e "$1/server.properties" ] || make "$1" "$2"
  setsid java -Xmx512m -Xms128m -XX:+UseSerialGC -Dlog4j2.configurationFile="$1/log4j2.properties" -cp "$cache/libs/*" \
    kafka.Kafka "$1/server.properties" >>"$1/broker.log" 2>&1 </dev/null &
  echo $! >"$1/pid"
  local address port
  address=$(cat "$1/address"); port=${address##*:}
  for _ in $(seq 900); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then echo "$address"; return 0; fi
    kill -0 "$(cat "$1/pid")" 2>/dev/null || { echo "kafka.sh: the broker did not start" >&2; tail -20 "$1/broker.log" >&2; exit 1; }
    sleep 0.2
  done
  echo "kafka.sh: the broker did not answer" >&2; exit 1
}

end() {
  local pid; pid=$(cat "$2/pid")
  kill "-$1" "$pid" 2>/dev/null || return 0
  for _ in $(seq 300); do kill -0 "$pid" 2>/dev/null || return 0; sleep 0.1; done
  kill -KILL "$pid" 2>/dev/null || true
}

case "${1:-}" in
  fetch) fetch ;;
  start) fetch; start "$2" open ;;
  secure) fetch; command -v openssl >/dev/null || { echo "kafka.sh: openssl is needed" >&2; exit 3; }; start "$2" secure ;;
  stop) end TERM "$2" ;;
  kill) end KILL "$2" ;;
  *) sed -n '2,12p' "$0" >&2; exit 2 ;;
esac
