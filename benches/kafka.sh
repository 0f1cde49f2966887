#!/usr/bin/env bash
# kafka.sh [RECORDS=1000000] [ROUNDS=3]: produce and consume 100-byte records with one franz-go client, against Apache Kafka,
# alternating; then end-to-end latency at 1,000 records/s. Penstock syncs every acknowledgement, Kafka does not. Prints
# rates, CPU seconds of the server per million records, and the median ratios.
. "$(dirname "$0")/lib.sh"
RECORDS=${1:-1000000}
ROUNDS=${2:-3}
penstock_binary
(cd "$HERE/peers/fgbench" && go build -o "$WORK/fgbench" .)
PORT=$(port)
start_kafka "$PORT"
# The client makes its topics anew, which only administrators may.
start_penstock "$WORK/penstock" PENSTOCK_KAFKA_ANONYMOUS=admin

field() { sed -E "s/.*\"$1\": ?\"?([^,\"}]*).*/\1/"; }
one() { # server mode flags... -> rate and CPU seconds per million records
  local server=$1 mode=$2 brokers pid out
  shift 2
  if [ "$server" = kafka ]; then brokers=127.0.0.1:$PORT pid=$KAFKA_PID; else brokers=$KAFKA pid=$PENSTOCK_PID; fi
  out=$("$WORK/fgbench" --brokers "$brokers" --mode "$mode" --records "$RECORDS" --pid "$pid" "$@")
  echo "$(field rec_per_s <<<"$out") $(calc "$(field broker_cpu_s <<<"$out") / $RECORDS * 1000000") $(field rss_peak_MiB <<<"$out")"
}

compare() { # label mode flags...
  local label=$1 mode=$2 kafka ours
  shift 2
  for round in $(seq "$ROUNDS"); do
    kafka=$(one kafka "$mode" "$@")
    ours=$(one penstock "$mode" "$@")
    read -r kr kc km <<<"$kafka"
    read -r pr pc pm <<<"$ours"
    calc "$pr / $kr" >>"$WORK/$label"
    echo >>"$WORK/$label"
    echo "$label $round: Kafka $kr/s, $kc CPU s per million, $km MB; Penstock $pr/s, $pc CPU s per million, $pm MB"
  done
  echo "$label: median ratio of the rates $(median <"$WORK/$label")"
}

for codec in none lz4; do
  compare "produce-$codec" produce --topic "bench-$codec" --compression "$codec" --partitions 6
  compare "consume-$codec" consume --topic "bench-$codec"
done
for server in kafka penstock; do
  if [ "$server" = kafka ]; then brokers=127.0.0.1:$PORT; else brokers=$KAFKA; fi
  out=$("$WORK/fgbench" --brokers "$brokers" --mode e2e --topic e2e --rate 1000 --duration "${E2E_SECONDS:-20}s" --linger 0)
  echo "end to end at 1,000 records/s, $server: $(sed -E 's/.*"e2e_ms":(\{[^}]*\}).*/\1/' <<<"$out") ms"
done
