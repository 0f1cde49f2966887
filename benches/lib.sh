# Sourced by the scripts here: the binary under test, servers that are ended on exit, medians.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
WORK=$(mktemp -d "${TMPDIR:-/tmp}/penstock-bench-XXXXXX")
STARTED=()
CLEAN=()

finish() {
  for pid in "${STARTED[@]}"; do kill -9 "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done
  rm -rf "$WORK" "${CLEAN[@]}"
}
trap finish EXIT

# The release binary, built if need be.
penstock_binary() {
  if [ -z "${PENSTOCK_BIN:-}" ]; then
    (cd "$HERE/.." && cargo build --release --quiet) >&2
    PENSTOCK_BIN=${CARGO_TARGET_DIR:-$HERE/../target}/release/penstock
  fi
  [ -x "$PENSTOCK_BIN" ] || { echo "no binary at $PENSTOCK_BIN" >&2; exit 1; }
}

# start_penstock FOLDER [NAME=VALUE...]: sets PENSTOCK_PID, KAFKA and HTTP. The data directory is FOLDER/data.
start_penstock() {
  local folder=$1
  shift
  mkdir -p "$folder/cdc"
  rm -f "$folder/ready.json"
  env -C "$folder" PENSTOCK_DATA_DIR=data PENSTOCK_CONNECTORS='cdc/*.json' PENSTOCK_HTTP_LISTEN=127.0.0.1:0 \
    PENSTOCK_KAFKA_LISTEN=127.0.0.1:0 PENSTOCK_METRICS_LISTEN=127.0.0.1:0 "$@" \
    "$PENSTOCK_BIN" serve --ready-file "$folder/ready.json" >"$folder/log" 2>&1 &
  PENSTOCK_PID=$!
  STARTED+=("$PENSTOCK_PID")
  until [ -s "$folder/ready.json" ]; do
    kill -0 "$PENSTOCK_PID" || { tail -30 "$folder/log" >&2; exit 1; }
    sleep 0.005
  done
  KAFKA=$(sed -E 's/.*"kafka": *"([^"]*)".*/\1/' "$folder/ready.json")
}

# stop PID: an orderly end, waited for.
stop() {
  kill "$1" 2>/dev/null || true
  while kill -0 "$1" 2>/dev/null; do sleep 0.02; done
}

# start_postgres PORT: sets POSTGRES_PID and POSTGRES_BIN.
start_postgres() {
  local line
  line=$("$HERE/peers/postgres.sh" "$1" 15)
  POSTGRES_PID=$(word pid "$line")
  POSTGRES_BIN=$(word bin "$line")
  STARTED+=("$POSTGRES_PID")
  CLEAN+=("$(dirname "$(word data "$line")")")
}

# start_kafka PORT: sets KAFKA_PID.
start_kafka() {
  local line
  line=$("$HERE/peers/kafka/start.sh" "$1")
  KAFKA_PID=$(word pid "$line")
  STARTED+=("$KAFKA_PID")
  CLEAN+=("$(word data "$line")")
}

# word NAME "a=1 b=2": the value of NAME.
word() { sed -E "s/(^|.* )$1=([^ ]*).*/\2/" <<<"$2"; }

# cpu PID: CPU seconds that it has used.
cpu() { awk '{ sub(/.*\) /, ""); split($0, f, " "); printf "%.2f", (f[12] + f[13]) / 100 }' "/proc/$1/stat"; }

# memory PID LINE: a line of /proc/PID/status in MB.
memory() { awk -v line="$2:" '$1 == line { printf "%d", $2 / 1024 }' "/proc/$1/status"; }

now() { date +%s.%N; }
calc() { awk "BEGIN { printf \"%.3f\", $1 }"; }
median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
port() { echo $((20000 + (RANDOM % 6000) * 2)); }
