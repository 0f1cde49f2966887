#!/usr/bin/env bash
# cdc.sh [ROWS=1000000] [PAIRS=5]: a backlog of ROWS inserts (transactions of 10) into the durable log, against
# `pg_recvlogical -f /dev/null` on a copy of the same slot. Counted from the start of `serve` until a client sees the last
# offset; JSON without schemas. Prints each pair and the median ratio of the rates.
. "$(dirname "$0")/lib.sh"
ROWS=${1:-1000000}
PAIRS=${2:-5}
penstock_binary
PORT=$(port)
start_postgres "$PORT"
q() { psql -X -q -A -t -h 127.0.0.1 -p "$PORT" -U postgres -d postgres -v ON_ERROR_STOP=1 -c "$1"; }
END=$(word end "$("$HERE/peers/backlog.sh" "$PORT" "$ROWS" | tail -1)")

peer() { # slot -> seconds
  local begin
  begin=$(now)
  "$POSTGRES_BIN/pg_recvlogical" -h 127.0.0.1 -p "$PORT" -U postgres -d postgres --slot "$1" --start --endpos "$END" -f /dev/null \
    -o proto_version=1 -o publication_names=dbz_publication
  calc "$(now) - $begin"
}

ours() { # slot -> seconds and CPU seconds
  local folder=$WORK/$1 begin took last
  mkdir -p "$folder/cdc"
  cat >"$folder/cdc/bench.json" <<J
{"name": "bench", "config": {"connector.class": "io.debezium.connector.postgresql.PostgresConnector", "plugin.name": "pgoutput",
 "database.hostname": "127.0.0.1", "database.port": "$PORT", "database.user": "postgres", "database.password": "none", "database.dbname": "postgres",
 "topic.prefix": "bench", "slot.name": "$1", "publication.name": "dbz_publication", "publication.autocreate.mode": "disabled", "snapshot.mode": "no_data",
 "key.converter": "org.apache.kafka.connect.json.JsonConverter", "key.converter.schemas.enable": "false",
 "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false"}}
J
  begin=$(now)
  start_penstock "$folder"
  until last=$(kcat -q -b "$KAFKA" -Q -t bench.public.ev:0:-1 2>/dev/null) && [ "${last##* }" = "$ROWS" ]; do
    kill -0 "$PENSTOCK_PID" || { tail -30 "$folder/log" >&2; exit 1; }
    sleep 0.02
  done
  took=$(calc "$(now) - $begin")
  echo "$took $(cpu "$PENSTOCK_PID") $(memory "$PENSTOCK_PID" VmHWM)"
  stop "$PENSTOCK_PID"
  rm -rf "$folder"
}

echo "backlog of $ROWS rows up to $END, $(nproc) cores"
for pair in $(seq "$PAIRS"); do
  q "select pg_copy_logical_replication_slot('base', 'peer_$pair'), pg_copy_logical_replication_slot('base', 'ours_$pair')" >/dev/null
  peer_s=$(peer "peer_$pair")
  read -r ours_s cpu_s peak < <(ours "ours_$pair")
  ratio=$(calc "$peer_s / $ours_s")
  echo "$ratio" >>"$WORK/ratios"
  echo "pair $pair: pg_recvlogical $peer_s s ($(calc "$ROWS / $peer_s / 1000") k/s), penstock $ours_s s ($(calc "$ROWS / $ours_s / 1000") k/s), ratio $ratio, CPU $cpu_s s, VmHWM $peak MB"
  q "select pg_drop_replication_slot('peer_$pair'), pg_drop_replication_slot('ours_$pair')" >/dev/null
done
echo "median ratio of $PAIRS pairs: $(median <"$WORK/ratios")"
