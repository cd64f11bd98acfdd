#!/bin/bash
# Probes the mongod on this host with the command hello, which needs no authentication:
#
#   probe.sh answers    succeeds if it responds
#   probe.sh live       succeeds if it responds, and is in the replica set if it ever was
#   probe.sh ready      succeeds if it is the primary or a secondary
#
# Implements MongoDB's wire protocol itself, because mongosh would use a second of CPU and 100 MB each time.
set -euo pipefail

# The timeout also ends the probe if mongod accepts the connection but does not respond.
if [[ -z ${PROBE_IS_TIMED:-} ]]; then
  PROBE_IS_TIMED=yes exec timeout 4 bash "$0" "$@"
fi

# Exists if this member was ever in the set. It is stored with the data, so a lost disk removes it too.
readonly MARKER=/data/db/was-in-set

# An OP_MSG with the document {hello: 1, $db: "admin"}. Integers are 32 bits, the lowest byte first.
readonly HELLO=(
  '\x34\x00\x00\x00'                              # the message's length: 52 bytes
  '\x01\x00\x00\x00'                              # the request id
  '\x00\x00\x00\x00'                              # responseTo: not a response
  '\xdd\x07\x00\x00'                              # 2013: OP_MSG
  '\x00\x00\x00\x00'                              # no flags
  '\x00'                                          # section kind 0: one document
  '\x1f\x00\x00\x00'                              # the document's length: 31 bytes
  '\x10hello\x00' '\x01\x00\x00\x00'              # an integer: hello is 1
  '\x02\x24db\x00' '\x06\x00\x00\x00' 'admin\x00' # a string of 6 bytes including NUL: $db is "admin"
  '\x00'                                          # the document's end
)

# Converts bytes to hexadecimal, each after a space, because bash variables can't contain NUL.
hex() { od -An -v -tx1 | tr -d '\n'; }

port=${MONGODB_PORT:-27017}
if [[ -e /tls/tls.crt ]]; then
  coproc { exec openssl s_client -quiet -connect "127.0.0.1:$port" 2> /dev/null; }
  exec 3<&"${COPROC[0]}" 4>&"${COPROC[1]}"
  # With -quiet, openssl does not end when its input ends, so each probe would leave a process and a connection behind.
  client=$COPROC_PID
  trap 'kill "$client" 2> /dev/null || true' EXIT
else
  exec 3<> "/dev/tcp/127.0.0.1/$port" 4>&3
fi
# `cat` sends the message in one write; bash's printf might not.
printf '%b' "${HELLO[@]}" | cat >&4
# The reply starts with its length, which includes these four bytes.
read -r a b c d <<< "$(head -c 4 <&3 | hex)"
[[ -n $d ]] || { echo 'mongod closed the connection'; exit 1; }
reply=$(head -c $((16#$d$c$b$a - 4)) <&3 | hex)

# has TYPE NAME [VALUE]: whether the reply has a field of this BSON type and name, and this value if one is given.
has() { [[ $reply == *" $1$(printf '%s' "$2" | hex) 00${3:-}"* ]]; }
is_true() { has 08 "$1" ' 01'; }

# The field ok is a double: 1.0, or 0.0 with an error.
has 01 ok ' 00 00 00 00 00 00 f0 3f' || { echo 'mongod did not respond to hello'; exit 1; }
if has 02 setName; then
  is_member=yes
  [[ -e $MARKER ]] || touch "$MARKER"
else
  is_member=no
fi

case ${1:-} in
  answers) ;;
  # A restart makes such a member look for itself in the set again; see start.sh.
  live) [[ $is_member = yes || ! -e $MARKER ]] || { echo 'this member is no longer in the replica set'; exit 1; } ;;
  ready) is_true isWritablePrimary || is_true secondary || { echo 'neither primary nor secondary'; exit 1; } ;;
  *) echo "usage: probe.sh answers|live|ready"; exit 2 ;;
esac
