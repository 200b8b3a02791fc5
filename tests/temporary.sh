#!/bin/sh
# sh tests/temporary.sh PID: makes a folder for what the tests of a process write, and prints its path. Who asks removes it.
# It decides where, and removes what processes that are gone left in memory; nothing else.
#
# Tests write thousands of small files, and what they test has each of them reach the disk. Memory takes an eighth off the
# processor time of the tests of the binary, where there is plenty of it. TMPDIR, when it is set, is what somebody wants.
set -eu

owner=$1
memory=${MEMORY_FOLDER:-/dev/shm}
# Twice 2 GiB, which is what `make test` was seen to write, and as much again for the programs themselves.
room=${MEMORY_KIB:-$((8 * 1024 * 1024))}

make_in() { mktemp -d "$1/amlnet-test-$owner.XXXXXX"; }

has_room() {
	free=$(df -Pk "$memory" | awk 'NR == 2 { print $4 }')
	available=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
	[ "${free:-0}" -ge "$room" ] && [ "${available:-0}" -ge "$room" ]
}

# Some systems let no program run from there.
runs_programs() {
	printf '#!/bin/sh\n' >"$1/program" && chmod +x "$1/program" || return 1
	"$1/program" || return 1
	rm "$1/program"
}

for folder in "$memory"/amlnet-test-*; do
	pid=${folder##*/amlnet-test-}
	pid=${pid%%.*}
	[ -d "$folder" ] && [ -d /proc/self ] && [ ! -d "/proc/$pid" ] && rm -rf "$folder" || :
done

if [ -z "${TMPDIR:-}" ] && has_room 2>/dev/null && folder=$(make_in "$memory" 2>/dev/null); then
	if runs_programs "$folder" 2>/dev/null; then
		echo "$folder"
		exit
	fi
	rm -rf "$folder" || :
fi
make_in "${TMPDIR:-/tmp}"
