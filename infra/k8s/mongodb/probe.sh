#!/bin/bash
# Tells the kubelet how mongod on this host is, by the command hello, which needs no login:
#
#   probe.sh answers    it answers
#   probe.sh live       it answers, and is in the replica set if it ever was
#   probe.sh ready      it is the primary or a secondary
#
# Speaks MongoDB's protocol itself: mongosh would take a second of CPU and 100 MB each time.
set -euo pipefail

# Where mongod accepts a connection but does not answer, this ends all the same.
if [[ -z ${PROBE_IS_TIMED:-} ]]; then
  PROBE_IS_TIMED=yes exec timeout 4 bash "$0" "$@"
fi

# Its presence tells that the member was in the set. It lies beside the data, so it goes with a lost disk.
readonly MARKER=/data/db/was-in-set

# An OP_MSG with the document {hello: 1, $db: "admin"}. Integers are 32 bits, the lowest byte first.
readonly HELLO=(
  '\x34\x00\x00\x00'                              # the message's length: 52 bytes
  '\x01\x00\x00\x00'                              # its id
  '\x00\x00\x00\x00'                              # the id of what it answers: nothing
  '\xdd\x07\x00\x00'                              # 2013: OP_MSG
  '\x00\x00\x00\x00'                              # no flags
  '\x00'                                          # what follows is one document
  '\x1f\x00\x00\x00'                              # its length: 31 bytes
  '\x10hello\x00' '\x01\x00\x00\x00'              # an integer: hello is 1
  '\x02\x24db\x00' '\x06\x00\x00\x00' 'admin\x00' # a string of 6 bytes with its end: $db is "admin"
  '\x00'                                          # the document's end
)

# Bytes in hexadecimal, a space before each: bash can't hold a NUL.
hex() { od -An -v -tx1 | tr -d '\n'; }

exec 3<> "/dev/tcp/127.0.0.1/${MONGODB_PORT:-27017}"
# In one write, which bash's own printf would not promise.
printf '%b' "${HELLO[@]}" | cat >&3
# The reply begins with its length, which counts these four bytes too.
read -r a b c d <<< "$(head -c 4 <&3 | hex)"
[[ -n $d ]] || { echo 'mongod closed the connection'; exit 1; }
reply=$(head -c $((16#$d$c$b$a - 4)) <&3 | hex)

# Whether the reply has a field of this name and BSON type, and of this value where one is given.
has() { [[ $reply == *" $1$(printf '%s' "$2" | hex) 00${3:-}"* ]]; }
is_true() { has 08 "$1" ' 01'; }

# The field ok is a double: 1.0, or 0.0 with an error.
has 01 ok ' 00 00 00 00 00 00 f0 3f' || { echo 'mongod does not answer hello'; exit 1; }
if has 02 setName; then
  is_member=yes
  [[ -e $MARKER ]] || touch "$MARKER"
else
  is_member=no
fi

case ${1:-} in
  answers) ;;
  # Such a member looks for itself in the set again when it is started again; see start.sh.
  live) [[ $is_member = yes || ! -e $MARKER ]] || { echo 'this member is in the replica set no more'; exit 1; } ;;
  ready) is_true isWritablePrimary || is_true secondary || { echo 'neither primary nor secondary'; exit 1; } ;;
  *) echo "probe.sh: answers, live or ready, not '${1:-}'"; exit 2 ;;
esac
