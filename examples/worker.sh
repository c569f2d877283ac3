#!/usr/bin/env bash
# A worker in bash: it counts the words of a text, and reports its progress to Runwire.
# Needs bash 3.2 or newer, curl and awk; no jq.

set -euo pipefail

LEASE=60        # seconds; if the worker is silent for longer, the server sets the run to FAILED
MAX_APPENDS=50     # because each event holds all outputs of its node so far
MAX_LINES=50000 # their counts must fit into one event
MAX_WORDS=10         # words in the report
MAX_PAUSE=30    # seconds before a request is sent again; shorter than the lease

usage() {
  cat <<'END'
Usage: worker.sh [--url URL] [--user NAME] [--graph ID] [--key KEY] FILE

Counts the words of FILE, a text in UTF-8, as a run of a user's graph.

  --url URL     the server                      RUNWIRE_URL, else http://127.0.0.1:8000
  --user NAME   whose run it is                 RUNWIRE_USER
  --graph ID    a graph that this user may see  RUNWIRE_GRAPH
  --key KEY     of the run: with the same key, the same run is not made twice within a day;
                without it, each call makes one RUNWIRE_KEY
  --help        this text

The token is taken from RUNWIRE_TOKEN only: others on this machine can read arguments.

  export RUNWIRE_TOKEN=$(python manage.py tokens create bash --all)
  export RUNWIRE_GRAPH=$(python manage.py graphs create ada examples/word_counts.json)
  examples/worker.sh --user ada README.md

It exits with 0 when the run has COMPLETED, with 1 when it could not, and with 2 for arguments that make no sense.
END
}

misused() {
  printf 'worker.sh: %s\nSee worker.sh --help.\n' "$1" >&2
  exit 2
}

url=${RUNWIRE_URL:-http://127.0.0.1:8000}
token=${RUNWIRE_TOKEN:-}
user=${RUNWIRE_USER:-}
graph=${RUNWIRE_GRAPH:-}
key=${RUNWIRE_KEY:-}
file=

while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --url | --user | --graph | --key)
      [ $# -ge 2 ] || misused "$1 needs a value."
      case $1 in --url) url=$2 ;; --user) user=$2 ;; --graph) graph=$2 ;; --key) key=$2 ;; esac
      shift 2
      ;;
    -*) misused "There is no option $1." ;;
    *)
      [ -z "$file" ] || misused "One FILE, please: there are $file and $1."
      file=$1
      shift
      ;;
  esac
done

[ -n "$token" ] || misused "RUNWIRE_TOKEN is not set. Make a token with \`manage.py tokens create NAME\`."
case $token in *[!A-Za-z0-9._-]*) misused "RUNWIRE_TOKEN is no token: it holds characters that none has." ;; esac
[ -n "$user" ] || misused "Whose run is it? Use --user or RUNWIRE_USER."
[ -n "$graph" ] || misused "A run of which graph? Use --graph or RUNWIRE_GRAPH; \`manage.py graphs list\` has their ids."
url=${url%/}
case $url in http://?* | https://?*) ;; *) misused "$url is no address of a server: http://…" ;; esac
[ -n "$file" ] || misused "Which FILE?"
[ -f "$file" ] && [ -r "$file" ] || misused "$file is no file that can be read."
command -v curl >/dev/null || misused "curl is not installed."
key=${key:-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')}

# The run

run=     # the id of the unfinished run
reason=  # why the worker gives up
answer=  # the body of the last answer
retry_after= # its seconds to wait, MAX_PAUSE at most; empty if it names none
number=0 # of the report; part of its Idempotency-Key
scratch=$(mktemp)

log() { printf '%s\n' "$1" >&2; }

# json TEXT: prints the text as a JSON string.
json() {
  local text=$1
  text=${text//\\/\\\\}
  text=${text//\"/\\\"}
  text=${text//$'\n'/\\n}
  text=${text//$'\r'/\\r}
  text=${text//$'\t'/\\t}
  printf '"%s"' "$(printf %s "$text" | LC_ALL=C tr -d '\000-\037')"
}

# found NAME: prints the first string with this name in the last answer.
found() {
  local pattern="\"$1\": ?\"(([^\"\\]|\\\\.)*)\""
  if [[ $answer =~ $pattern ]]; then printf %s "${BASH_REMATCH[1]//\\\"/\"}"; fi
}

# give_up REASON: ends the worker and its run. Must not be called in a subshell.
give_up() {
  reason=$1
  exit 1
}

# request PATH JSON KEY: sets `status`, `answer` and `retry_after`. The token is passed through a file descriptor, not as an argument.
request() {
  : >"$scratch.head"
  status=$(
    curl --silent --show-error --max-time 30 --output "$scratch" --dump-header "$scratch.head" --write-out '%{http_code}' \
      --config <(printf 'header = "Authorization: Bearer %s"\n' "$token") \
      --header 'Content-Type: application/json' --header "Idempotency-Key: $3" \
      --data-binary @- "$url/api/worker/$1" <<<"$2" 2>"$scratch.error"
  ) || status=000
  answer=$(tr -d '\000' <"$scratch" 2>/dev/null || true)
  retry_after=$(
    tr -d '\r' <"$scratch.head" | awk -v most="$MAX_PAUSE" '
      tolower($1) == "retry-after:" && $2 ~ /^[0-9]+$/ { seconds = $2 + 0 < most + 0 ? $2 + 0 : most }
      END { print seconds }
    '
  )
}

# post PATH JSON: sends a request, and repeats it while the server is unavailable. Its key makes repeats safe.
post() {
  local pause
  number=$((number + 1))
  for pause in 1 2 4 8 0; do
    request "$1" "$2" "$key-$number"
    case $status in 000 | 429 | 502 | 503 | 504) ;; *) break ;; esac
    # Before the run exists, a wrong address is more likely than a restart of the server: no retry.
    if [ -z "$run" ] || [ "$pause" = 0 ]; then break; fi
    log "The server does not answer ($status); again in ${retry_after:-$pause} s."
    sleep "${retry_after:-$pause}"
  done
  case $status in
    2??) ;;
    000) give_up "There is no answer from $url. Is the server running? --url names it. $(cat "$scratch.error")" ;;
    401) give_up "The server refuses the token. Make a new one with \`manage.py tokens create NAME\`." ;;
    409)
      run= # another user or process has ended it: nothing to report
      give_up "Nothing more can be reported (409): $(found message)"
      ;;
    *)
      [ -n "$(found code)" ] || give_up "$url does not answer as Runwire does ($status). Is the address right?"
      give_up "The server refuses it ($status): $(found message) $(found hint)"
      ;;
  esac
}

node() { post "executions/$run/nodes" "{\"node_id\": \"$1\", \"block_id\": \"words.$1\", \"status\": \"$2\"${3:+, $3}}"; }
append() { post "executions/$run/nodes/outputs" "{\"node_id\": \"$1\", \"outputs\": $2}"; }

# Any end of the worker sets an unfinished run to FAILED. (After SIGKILL the lease does.)
close() {
  local code=$?
  if [ "$code" != 0 ]; then
    reason=${reason:-"The worker broke; its own output says more."}
    log "worker.sh: $reason"
    if [ -n "$run" ]; then
      request "executions/$run/report" "{\"status\": \"FAILED\", \"error\": $(json "$reason")}" "$key-failed"
    fi
  fi
  rm -f "$scratch" "$scratch.error" "$scratch.head"
}
trap close EXIT
trap 'give_up "The worker was stopped."' INT TERM HUP

begin() {
  post executions "{\"username\": $(json "$user"), \"graph_id\": $(json "$graph"), \"lease_seconds\": $LEASE,
    \"inputs\": {\"file\": $(json "$file")}}"
  run=$(found id)
  [ -n "$run" ] || give_up "$url does not answer as Runwire does. Is the address right?"
  post "executions/$run/report" '{"status": "RUNNING"}'
  log "Run $run: $url/executions/$run/"
}

work() {
  # read: count lines and bytes
  node read RUNNING "\"input_data\": {\"file\": $(json "$file")}"
  lines=$(awk 'END { print NR }' "$file")
  bytes=$(($(wc -c <"$file")))
  [ "$lines" -le "$MAX_LINES" ] || give_up "$file has $lines lines; $MAX_LINES are the most."
  node read COMPLETED "\"output_data\": {\"lines\": [$lines], \"bytes\": [$bytes]}"

  # count: the words of each line, appended in batches
  node count RUNNING "\"input_data\": {\"lines\": $lines}"
  words=0
  batch=$((lines / MAX_APPENDS + 1))
  while IFS=' ' read -r sum counts; do
    words=$((words + sum))
    append count "{\"words_of_line\": [$counts]}"
  done < <(
    awk -v size="$batch" '
      { counts = counts (counts == "" ? "" : ", ") NF; sum += NF }
      NR % size == 0 { print sum, counts; counts = ""; sum = 0 }
      END { if (counts != "") print sum, counts }
    ' "$file"
  )
  node count COMPLETED

  # rank: the most frequent words. Bytes outside ASCII count as letters, so no character is split.
  node rank RUNNING "\"input_data\": {\"words\": $words}"
  ranked=$(
    LC_ALL=C tr 'A-Z' 'a-z' <"$file" | LC_ALL=C tr -cs 'a-z0-9\200-\377' '\n' | LC_ALL=C sed '/^$/d' | LC_ALL=C sort |
      uniq -c | LC_ALL=C sort -k1,1nr -k2 | awk -v limit="$MAX_WORDS" 'NR <= limit { print $1, $2 }'
  )
  pairs=$(awk 'NF { printf "%s[\"%s\", %d]", (NR > 1 ? ", " : ""), $2, $1 }' <<<"$ranked")
  node rank COMPLETED "\"output_data\": {\"words\": [$pairs]}"

  report="# $words words on $lines lines"$'\n\n'"| word | times |"$'\n'"|---|--:|"$'\n'
  report+=$(awk 'NF { print "| " $2 " | " $1 " |" }' <<<"$ranked")
  post "executions/$run/report" "{\"status\": \"COMPLETED\", \"stats\": {\"node_exec_count\": 3},
    \"outputs\": {\"lines\": [$lines], \"words\": [$words], \"report\": [$(json "$report")]}}"
  run=
  log "Completed: $words words on $lines lines."
}

# In functions, so that bash has parsed everything before a signal arrives.
begin
work
