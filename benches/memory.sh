#!/usr/bin/env bash
# memory.sh: resident memory of Penstock, idle and after a load of a million records, beside Apache Kafka's.
. "$(dirname "$0")/lib.sh"
penstock_binary
(cd "$HERE/peers/fgbench" && go build -o "$WORK/fgbench" .)
PORT=$(port)
start_kafka "$PORT"
start_penstock "$WORK/penstock"
sleep 5
show() { echo "$1: Penstock $(memory "$PENSTOCK_PID" VmRSS) MB (peak $(memory "$PENSTOCK_PID" VmHWM)), Kafka $(memory "$KAFKA_PID" VmRSS) MB (peak $(memory "$KAFKA_PID" VmHWM))"; }
show idle
for brokers in "$KAFKA" "127.0.0.1:$PORT"; do
  "$WORK/fgbench" --brokers "$brokers" --mode produce --partitions 6 >/dev/null
  "$WORK/fgbench" --brokers "$brokers" --mode consume >/dev/null
done
show "after a million records written and read"
