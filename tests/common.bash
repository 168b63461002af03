# common.bash - loaded by every test file.
bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert

export EVLOG_BUILD=${EVLOG_BUILD:-$BATS_TEST_DIRNAME/../build}
EVLOG_BUILD=$(cd "$EVLOG_BUILD" && pwd)
export PATH=$EVLOG_BUILD:$PATH LC_ALL=C.UTF-8 TZ=UTC
unset NO_COLOR

common_setup() {
	set -o pipefail
	cd "$BATS_TEST_TMPDIR" || return 1
}

# A few orders, every event with an id.
orders() {
	cat <<'EOF'
{"type":"OrderCreated","subject":"order-17","id":"e1","time":"2026-11-01T09:00:00Z","data":{"customer":"ada","amount":39.11}}
{"type":"OrderCreated","subject":"order-18","id":"e2","time":"2026-11-01T09:01:00Z","data":{"customer":"bob","amount":0.1}}
{"type":"PaymentCaptured","subject":"order-17","id":"e3","time":"2026-11-02T12:00:00Z","data":{"amount":39.11}}
{"type":"OrderCancelled","subject":"order-18","id":"e4","time":"2026-11-02T13:00:00Z","data":{"reason":"no credit"}}
{"type":"PaymentCaptured","subject":"order-17","id":"e5","time":"2026-11-03T08:00:00Z","data":{"amount":0.2}}
EOF
}

# numbered N [FROM]: N events with data {"n":FROM} and counting.
numbered() {
	seq "${2:-1}" $((${2:-1} + $1 - 1)) |
		awk '{ printf "{\"type\":\"T%d\",\"subject\":\"s%d\",\"id\":\"%d\",\"data\":{\"n\":%d}}\n", $1 % 3, $1 % 7, $1, $1 }'
}

# Examples of RFC 6902, from appendix A and a few more: a target, a patch, the result.
rfc6902() {
	cat <<'EOF'
{"foo":"bar"}	[{"op":"add","path":"/baz","value":"qux"}]	{"foo":"bar","baz":"qux"}
{"foo":["bar","baz"]}	[{"op":"add","path":"/foo/1","value":"qux"}]	{"foo":["bar","qux","baz"]}
{"baz":"qux","foo":"bar"}	[{"op":"remove","path":"/baz"}]	{"foo":"bar"}
{"foo":["bar","qux","baz"]}	[{"op":"remove","path":"/foo/1"}]	{"foo":["bar","baz"]}
{"baz":"qux","foo":"bar"}	[{"op":"replace","path":"/baz","value":"boo"}]	{"baz":"boo","foo":"bar"}
{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}	[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]	{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}
{"foo":["all","grass","cows","eat"]}	[{"op":"move","from":"/foo/1","path":"/foo/3"}]	{"foo":["all","cows","eat","grass"]}
{"baz":"qux","foo":["a",2,"c"]}	[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]	{"baz":"qux","foo":["a",2,"c"]}
{"baz":"qux"}	[{"op":"test","path":"/baz","value":"bar"}]	error
{"foo":"bar"}	[{"op":"add","path":"/child","value":{"grandchild":{}}}]	{"foo":"bar","child":{"grandchild":{}}}
{"foo":"bar"}	[{"op":"add","path":"/baz","value":"qux","xyz":123}]	{"foo":"bar","baz":"qux"}
{"foo":"bar"}	[{"op":"add","path":"/baz/bat","value":"qux"}]	error
{"foo":"bar"}	[{"op":"zap","path":"/foo"}]	error
{"/":9,"~1":10}	[{"op":"test","path":"/~01","value":10}]	{"/":9,"~1":10}
{"/":9,"~1":10}	[{"op":"test","path":"/~01","value":"10"}]	error
{"foo":["bar"]}	[{"op":"add","path":"/foo/-","value":["abc","def"]}]	{"foo":["bar",["abc","def"]]}
{"a":1}	[{"op":"replace","path":"/a","value":2},{"op":"test","path":"/a","value":3}]	error
{"a":1.0}	[{"op":"test","path":"/a","value":1}]	{"a":1.0}
{"a":[1,2]}	[{"op":"add","path":"/a/01","value":1}]	error
{"a":{"b":1}}	[{"op":"move","from":"/a","path":"/a/c"}]	error
{"a":1}	[{"op":"copy","from":"/a","path":"/b"}]	{"a":1,"b":1}
{"a":1}	[{"op":"add","path":"","value":[]}]	[]
EOF
}

# Runs a program under strace, where leaks cannot be detected.
traced() { ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 strace -qq "$@"; }

# harness FILE [ARG...]: runs a driver in Python; if it fails, prints its status.  The tools
# that it runs, thousands of times, are not searched for leaks, which takes half of their time.
harness() {
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 PYTHONDONTWRITEBYTECODE=1 python3 "$BATS_TEST_DIRNAME/$1" "${@:2}" 2>&1 || {
		local status=$?
		echo "$*: status $status"
		return 1
	}
}

# The shim is preloaded, which a sanitizer's runtime does not allow.
# some WORD...: every third of them with a sanitizer or gcov, which take their time; else all.
some() {
	local i
	for ((i = 1; i <= $#; i += $([ "${SAN:-}${COVERAGE:-}" ] && echo 3 || echo 1))); do
		printf '%s\n' "${!i}"
	done
}

need_shim() {
	[ -e "$EVLOG_BUILD/fault-shim.so" ] || skip "no shim with a sanitizer"
}

# holder_stop FILE: starts an evappend of FILE to a.evlog, $holder, that stops between its
# write and its sync, holding the lock.
holder_stop() {
	FAULT_DO=stop FAULT_NAME=fdatasync FAULT_AT=1 LD_PRELOAD=$EVLOG_BUILD/fault-shim.so evappend --ack a.evlog "$1" >ack 3>&- &
	holder=$!
	until grep -q '^State:.T' /proc/$holder/status; do
		kill -0 $holder
		sleep 0.05
	done
}

corpora() {
	[ "${EVLOG_CORPORA:-}" ] || skip "EVLOG_CORPORA is not set"
}

slow() {
	[ "${EVLOG_SLOW:-}" ] || skip "slow: set EVLOG_SLOW=1"
}

# damage FILE BYTE: overwrites bytes from there on with ones that cannot be there by
# chance.
damage() {
	printf 'damaged!' | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# segmented LOG N [EACH] [FROM]: appends N events, in segments of EACH, all sealed but the
# last.
segmented() {
	local i from=${4:-1}
	for ((i = from; i < from + $2; i += ${3:-10})); do
		numbered "${3:-10}" "$i" | evappend -q --segment-size 1 "$1"
	done
}

sums() { (cd "$1" && find . -type f -exec cksum {} + | sort -k 3); }

# flip FILE BYTE BIT
flip() {
	local byte=$((0x$(od -An -tx1 -j "$2" -N 1 "$1" | tr -d ' ') ^ (1 << $3)))
	# shellcheck disable=SC2059 # it is a byte
	printf "\\x$(printf %02x $byte)" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# Checksums of all files of a log.
fingerprint() {
	(cd "$1" && sha256sum -- *)
}

samples=$BATS_TEST_DIRNAME/../samples

# Creates temporary folders where a test can see whether they were removed.
samples_setup() {
	common_setup
	mkdir temporary
	export TMPDIR=$PWD/temporary
}

# tells SAMPLE: it succeeds, prints the same when run again, and leaves nothing behind.
tells() {
	run -0 timeout 60 "$samples/$1"
	local first=$output
	run -0 timeout 60 "$samples/$1"
	assert_equal "$output" "$first"
	assert_equal "$(ls temporary)" ""
}

# Whether a child of a process is stopped, or there is none.
stopped_or_gone() {
	local child
	child=$(pgrep -P "$1") || return 0
	[[ $(ps -o stat= -p "$child") == *T* ]]
}

# Whether a file has so many lines.
has_lines() { [ "$(wc -l <"$1")" -ge "$2" ]; }

# Waits until a command succeeds, for at most 20 seconds.
until_() {
	for _ in $(seq 400); do
		"$@" && return 0
		sleep 0.05
	done
	fail "never: $*"
}
