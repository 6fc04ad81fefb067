#!/bin/sh
# Checks the proof of an event with openssl and nothing of ours: sh scripts/check-proof.sh PROOF SITE.pem [WITNESS.pem]
# Both keys are Ed25519 public keys. Ends with 0 and says so when the event is proven, as docs/PROOF.md explains.
set -eu
[ $# -ge 2 ] || { echo 'usage: sh scripts/check-proof.sh PROOF SITE.pem [WITNESS.pem]' >&2; exit 2; }
proof=$1 site_key=$2 witness_key=${3-}
for file in "$@"; do [ -f "$file" ] || { echo "$file: no such file" >&2; exit 2; }; done
for key in "$site_key" ${witness_key:+"$witness_key"}; do
  openssl pkey -pubin -in "$key" -noout 2> /dev/null || { echo "$key: not a public key in PEM" >&2; exit 2; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "NOT proven: $1" >&2; exit 1; }
sha256() { openssl dgst -sha256 -binary; }
number() { n=0; for byte in $(od -An -v -tu1); do n=$((n * 256 + byte)); done; echo "$n"; }
cut_bytes() { tail -c "+$(($2 + 1))" "$1" | head -c "$3"; }

[ "$(head -n 1 "$proof")" = 'c2sp.org/tlog-proof@v1' ] || fail 'not a proof of an event'
sed '1,/^$/d' "$proof" > "$work/checkpoint"
sed '/^$/,$d' "$work/checkpoint" > "$work/text"
sed '1,/^$/d' "$work/checkpoint" > "$work/signatures"
origin=$(sed -n 1p "$work/text") size=$(sed -n 2p "$work/text")
index=$(sed -n 's/^index //p' "$proof" | head -n 1)

# The event: two bytes of header length, header, data. Its leaf hash is SHA-256(0 ‖ header ‖ SHA-256(data)).
sed -n 's/^extra //p' "$proof" | head -n 1 | openssl base64 -d -A > "$work/event"
[ -n "$index" ] && [ -n "$size" ] && [ -s "$work/event" ] || fail 'not a whole proof: an event, its index or a checkpoint is missing'
length=$(cut_bytes "$work/event" 0 2 | number)
cut_bytes "$work/event" 2 "$length" > "$work/header"
tail -c "+$((length + 3))" "$work/event" > "$work/data"
{ printf '\000'; cat "$work/header"; sha256 < "$work/data"; } | sha256 > "$work/hash"

# The header names its place: epoch at byte 4, position at 8, site at 16.
site=$(cut_bytes "$work/header" 16 16 | od -An -v -tx1 | tr -d ' \n' |
  sed 's/^\(........\)\(....\)\(....\)\(....\)\(............\)$/\1-\2-\3-\4-\5/')
epoch=$(cut_bytes "$work/header" 4 4 | number) position=$(cut_bytes "$work/header" 8 8 | number)
[ "$origin" = "holdfast/site/$site/$epoch" ] || fail "the event is of $site, epoch $epoch"
[ "$position" = $((index + 1)) ] || fail "the event is at position $position"

# RFC 9162, section 2.1.3.2: up from the leaf to the root.
node() { { printf '\001'; cat "$1" "$2"; } | sha256 > "$work/next"; mv "$work/next" "$work/hash"; }
at=$index last=$((size - 1))
[ "$at" -le "$last" ] || fail 'the index is beyond the end'
sed '/^$/,$d' "$proof" | grep -v -e '^c2sp' -e '^extra ' -e '^index ' > "$work/hashes" || true
while read -r sibling; do
  [ "$last" -gt 0 ] || fail 'a hash too many'
  printf '%s' "$sibling" | openssl base64 -d -A > "$work/sibling"
  if [ $((at % 2)) = 1 ] || [ "$at" = "$last" ]; then
    node "$work/sibling" "$work/hash"
    while [ $((at % 2)) = 0 ] && [ "$at" != 0 ]; do at=$((at / 2)) last=$((last / 2)); done
  else
    node "$work/hash" "$work/sibling"
  fi
  at=$((at / 2)) last=$((last / 2))
done < "$work/hashes"
[ "$last" = 0 ] || fail 'a hash is missing'
[ "$(openssl base64 -A < "$work/hash")" = "$(sed -n 3p "$work/text")" ] || fail 'the hashes do not lead to the root'

# A signature line is found by the name and the id of its key: the beginning of SHA-256(name, newline, algorithm, key).
signature_by() { # name, algorithm, key file
  sed -n "s|^— $1 ||p" "$work/signatures" | head -n 1 | openssl base64 -d -A > "$work/signature"
  name=$(sed -n "s|^— \($1\) .*|\1|p" "$work/signatures" | head -n 1)
  { printf "%s\n\\$2" "$name"; openssl pkey -pubin -in "$3" -outform DER | tail -c 32; } | sha256 | head -c 4 > "$work/id"
  [ "$(head -c 4 "$work/signature" | number)" = "$(number < "$work/id")" ] || fail "no signature by $3"
}
verify() { # key file, what was signed
  tail -c 64 "$work/signature" > "$work/ed25519"
  openssl pkeyutl -verify -pubin -inkey "$1" -rawin -in "$2" -sigfile "$work/ed25519" > "$work/said" 2>&1 ||
    fail "a wrong signature by $1"
}

# The site signs the text, a witness its own line and the time in front of the text.
signature_by "$origin" 001 "$site_key"
verify "$site_key" "$work/text"
if [ -n "$witness_key" ]; then
  signature_by 'holdfast/witness/[^ ]*' 004 "$witness_key"
  time=$(cut_bytes "$work/signature" 4 8 | number)
  { printf 'cosignature/v1\ntime %s\n' "$time"; cat "$work/text"; } > "$work/witnessed"
  verify "$witness_key" "$work/witnessed"
fi
echo "proven: position $position in the log of $size events that was signed by $site_key"
[ -z "$witness_key" ] || echo "witnessed by $witness_key, $time seconds after 1970"
