#!/bin/sh
# Print the configuration of Patroni for one node of a PostgreSQL cluster.
#   node.sh --name db1 --address 10.0.0.11 --etcd 10.0.0.11:2379,10.0.0.12:2379,10.0.0.13:2379 \
#       --allow 10.0.0.0/24 --passwords passwords > /etc/patroni/config.yml
# passwords: a file of the same three lines on every node: superuser=..., replication=..., rewind=...
# of letters and digits. docs/how-to/central-backup.md leads through the setup.
set -eu
name= address= etcd= allow= passwords=
port=5432 rest_port=8008 version=15 data= socket=/var/run/postgresql programs=
archive='pgbackrest --stanza=outfeed archive-push %p'

fail() { echo "node.sh: $1" >&2; exit 2; }

while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || fail "$1: expected a value"
    case $1 in
        --name) name=$2 ;;
        --address) address=$2 ;;
        --etcd) etcd=$2 ;;
        --allow) allow=$2 ;;
        --passwords) passwords=$2 ;;
        --port) port=$2 ;;
        --rest-port) rest_port=$2 ;;
        --version) version=$2 ;;
        --data) data=$2 ;;
        --socket) socket=$2 ;;
        --programs) programs=$2 ;;
        --archive) archive=$2 ;;
        *) fail "unknown option $1" ;;
    esac
    shift 2
done
for option in name address etcd allow passwords; do
    eval "[ -n \"\$$option\" ]" || fail "--$option: is missing"
done
[ -r "$passwords" ] || fail "--passwords: $passwords cannot be read"

secret() {
    value=$(sed -n "s/^$1=\([A-Za-z0-9]\{16,\}\)\$/\1/p" "$passwords")
    [ -n "$value" ] || fail "--passwords: expected a line $1= with at least 16 letters or digits"
    printf '%s' "$value"
}
superuser=$(secret superuser) || exit 2
replication=$(secret replication) || exit 2
rewind=$(secret rewind) || exit 2

fill() { printf 's|@%s@|%s|g\n' "$1" "$(printf '%s' "$2" | sed 's/[\\&|]/\\&/g')"; }
{
    fill NAME "$name"; fill ADDRESS "$address"; fill ETCD "$etcd"; fill ALLOW "$allow"
    fill PORT "$port"; fill REST_PORT "$rest_port"; fill SOCKET "$socket"; fill ARCHIVE "$archive"
    fill DATA "${data:-/var/lib/postgresql/$version/outfeed}"
    fill PROGRAMS "${programs:-/usr/lib/postgresql/$version/bin}"
    fill SUPERUSER "$superuser"; fill REPLICATION "$replication"; fill REWIND "$rewind"
} | sed -f /dev/stdin "$(dirname "$0")/patroni.yml.in"
