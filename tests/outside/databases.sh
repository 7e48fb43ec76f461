#!/usr/bin/env bash
# `pinlake send --from` against a real PostgreSQL and a real MariaDB: every row of the three tables goes from both through
# both APIs into a running pipeline, and what is then in the lake is compared with the databases row by row.
#
#   tests/outside/databases.sh PINLAKE PYTHON API STATE
#
# PINLAKE is the command, PYTHON one that has requirements.txt, API the base URL of a `pinlake up` that has seen no rows
# yet, STATE its folder. The servers' binaries must be installed (`.ci/run databases` does that). They run on loopback on
# free ports, in a folder of their own that is removed at the end; no service of the machine is touched.
set -euo pipefail
shopt -s inherit_errexit

pinlake=$1 python=$2 api=$3 state=$4
here=$(dirname "${BASH_SOURCE[0]}")
lake=$state/s3/pinlake

work=$(mktemp -d "${TMPDIR:-/tmp}/pinlake-databases.XXXXXX")
# The servers may run as somebody else, who has to get through here.
chmod 711 "$work"
servers=()

# Ends the servers, whatever happened before.
clean_up() {
  local status=$? pid
  if ((status != 0)); then
    tail -n 20 "$work"/{postgres,mariadb}.log || true
  fi
  for pid in "${servers[@]}"; do
    kill -TERM "$pid" 2>/dev/null || true
  done
  for pid in "${servers[@]}"; do
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$work"
  exit "$status"
}
trap clean_up EXIT

# ── the servers ─────────────────────────────────────────────────────────────────────────────────────────────────────

# PostgreSQL refuses to run as root, and MariaDB should not: root becomes nobody, anyone else stays who they are. A list, not
# a function: what is started in the background must be the server itself, or ending it would end a shell around it.
unprivileged=()
if ((EUID == 0)); then
  unprivileged=(setpriv --reuid=nobody --regid=nogroup --clear-groups env HOME="$work")
fi

# A folder that the servers may write to.
own_folder() { # NAME
  mkdir "$work/$1"
  if ((EUID == 0)); then
    chown nobody:nogroup "$work/$1"
  fi
}

# A program of PostgreSQL's; Debian keeps them by version and out of the PATH.
postgres_program() { # NAME
  local found=("$(command -v "$1" || true)" /usr/lib/postgresql/*/bin/"$1") program
  for program in "${found[@]}"; do
    if [[ -x $program ]]; then
      echo "$program"
      return
    fi
  done
  echo "\`$1\` is not installed" >&2
  return 1
}

free_port() {
  "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start_postgres() {
  local folder=$work/postgres
  own_folder postgres
  printf '%s\n' "$PINLAKE_OWNER_PASSWORD" >"$folder/password"
  "${unprivileged[@]}" "$(postgres_program initdb)" --pgdata="$folder/data" --username=owner --auth=scram-sha-256 \
    --pwfile="$folder/password" --encoding=UTF8 --locale=C --no-sync >"$work/initdb.log"
  POSTGRES_PORT=$(free_port)
  "${unprivileged[@]}" "$(postgres_program postgres)" -D "$folder/data" -p "$POSTGRES_PORT" -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories= -c fsync=off >"$work/postgres.log" 2>&1 &
  servers+=("$!")
}

start_mariadb() {
  local folder=$work/mariadb
  own_folder mariadb
  "${unprivileged[@]}" mariadb-install-db --no-defaults --datadir="$folder/data" --auth-root-authentication-method=normal \
    --skip-test-db >"$work/mariadb-install-db.log" 2>&1
  MARIADB_PORT=$(free_port)
  # The owner's password is set by the server itself, before it listens. A server whose own texts are latin1 shows whether
  # the client asks for UTF-8.
  printf "CREATE USER owner@127.0.0.1 IDENTIFIED BY '%s';\nGRANT ALL ON *.* TO owner@127.0.0.1 WITH GRANT OPTION;\n" \
    "$PINLAKE_OWNER_PASSWORD" >"$work/mariadb/init.sql"
  "${unprivileged[@]}" "$(command -v mariadbd || echo /usr/sbin/mariadbd)" --no-defaults --datadir="$folder/data" \
    --bind-address=127.0.0.1 --port="$MARIADB_PORT" --socket="$folder/socket" --pid-file="$folder/pid" \
    --skip-name-resolve --character-set-server=latin1 --init-file="$folder/init.sql" >"$work/mariadb.log" 2>&1 &
  servers+=("$!")
}

# ── the steps ───────────────────────────────────────────────────────────────────────────────────────────────────────

databases() { # STEP [ARGUMENT…]
  "$python" "$here/databases.py" "$@"
}

# All rows of a database through one API. What must arrive is appended to the folders named, a file per dataset.
send() { # DATABASE API FOLDER…
  local database=$1 via=$2
  shift 2
  echo
  echo "all rows of $database by /$via:"
  "$pinlake" send --to "$api" --from "$(databases url "$database")" --credentials "$work/$database.toml" --via "$via"
  databases rows "$database" "$@"
}

compare_tables() {
  "$python" "$here/read_tables.py" "$lake" "$work/sent" --wait 120 >"$work/read_tables.log" || {
    grep -v '^ok' "$work/read_tables.log"
    return 1
  }
  tail -n 1 "$work/read_tables.log"
}

# What was posted by /topics lies in raw objects first, and is in the tables when the day's analytics has run.
clean_the_day() {
  databases raw "$lake" "$work/topics" --wait 120
  # Around midnight the rows lie in two days.
  "$pinlake" run analytics --at "$api" --from "$(date --utc --date=yesterday +%F)" --to "$(date --utc +%F)"
}

# Printable, and awkward wherever a password is quoted or put into a URL.
export PINLAKE_OWNER_PASSWORD="owner-$RANDOM$RANDOM"
export PINLAKE_READER_PASSWORD="p@ss/w:rd#?&\"$RANDOM$RANDOM"
start_postgres
start_mariadb
export POSTGRES_PORT MARIADB_PORT
mkdir "$work/sent" "$work/topics"
databases fill --rows 1500
databases credentials postgres "$work/postgres.toml"
databases credentials mariadb "$work/mariadb.toml"

send postgres streams "$work/sent"
send mariadb streams "$work/sent"
compare_tables
send postgres topics "$work/sent" "$work/topics"
send mariadb topics "$work/sent" "$work/topics"
clean_the_day
compare_tables

echo
databases random "$pinlake" "$work"
databases refusals "$pinlake" "$work" "$api"
