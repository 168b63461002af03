# The JSON scanner: conformance, and its three implementations compared.
load common
setup() { common_setup; }

scanner() {
	if [ "$1" = scan-neon ]; then
		qemu-aarch64 "$EVLOG_BUILD/$1" "${@:2}"
	else
		"$EVLOG_BUILD/$1" "${@:2}"
	fi
}

neon() {
	[ -e "$EVLOG_BUILD/scan-neon" ] || skip "no aarch64 cross compiler and qemu"
}

suite() { echo "$EVLOG_CORPORA"/json-test-suite/test_parsing/"$1"*.json; }

conforms() {
	corpora
	# shellcheck disable=SC2046
	run -0 scanner "$1" check $(suite y_)
	assert_equal "$(grep -c '^yes ' <<<"$output")" 95
	assert_equal "${#lines[@]}" 95
	# shellcheck disable=SC2046
	run -0 scanner "$1" check $(suite n_)
	assert_equal "$(grep -c '^no ' <<<"$output")" 188
	assert_equal "${#lines[@]}" 188
	# shellcheck disable=SC2046
	run -0 scanner "$1" check $(suite i_)
	assert_equal "${#lines[@]}" 35
}

@test "the scanner built by default is vectorised on x86-64 and arm64" {
	case $(uname -m) in
	x86_64) want=sse2 ;;
	aarch64) want=neon ;;
	*) want=portable ;;
	esac
	run -0 scanner scan kind
	assert_output "$want"
	run -0 scanner scan-portable kind
	assert_output portable
}

@test "the NEON scanner is the NEON one" {
	neon
	run -0 scanner scan-neon kind
	assert_output neon
}

@test "the default scanner accepts all 95 y_, rejects all 188 n_, and survives the i_" {
	conforms scan
}

@test "the portable scanner does the same" { conforms scan-portable; }

@test "the NEON scanner does the same" {
	neon
	conforms scan-neon
}

@test "the default scanner's fast loop finds what a plain one finds" {
	run -0 scanner scan self
	assert_line "701696 cases"
	assert_line "walks of up to 3457 bytes"
}

@test "the portable scanner's fast loop finds what a plain one finds" {
	run -0 scanner scan-portable self
	assert_line "701696 cases"
	assert_line "walks of up to 3457 bytes"
}

@test "the NEON scanner's fast loop finds what a plain one finds" {
	neon
	run -0 scanner scan-neon self
	assert_line "701696 cases"
	assert_line "walks of up to 3457 bytes"
}

@test "every line of the Windows events is JSON to each kind of scanner" {
	corpora
	python3 -m zipfile -e "$EVLOG_CORPORA/windows-security-events.zip" .
	mv ./*.json win.ndjson
	for kind in scan scan-portable; do
		run -0 scanner $kind lines win.ndjson
		assert_output 40569
	done
}

@test "evappend wraps all 95 y_ files, each as one line" {
	corpora
	n=0
	# shellcheck disable=SC2046
	for file in $(suite y_); do
		# two of them hold newlines between tokens: white space, so blanks do
		tr '\n' ' ' <"$file" >line
		run -0 evappend --type x y.evlog line
		n=$((n + 1))
	done
	assert_equal $n 95
	run -0 bash -c 'evcat y.evlog | wc -l'
	assert_output 95
}

@test "evappend rejects all n_ files that can be a line, naming line and column" {
	corpora
	n=0 aside=""
	# shellcheck disable=SC2046
	for file in $(some $(suite n_)); do
		case $(basename "$file" .json) in
		# blank as a line, and skipped as such:
		n_single_space | n_structure_no_data | n_structure_UTF8_BOM_no_data)
			aside+=" $(basename "$file")"
			continue
			;;
		esac
		if [ "$(head -c -1 "$file" | tr -d -c '\n' | wc -c)" -gt 0 ]; then
			aside+=" $(basename "$file")" # more than one line: only tested with the scanner
			continue
		fi
		run -65 --separate-stderr evappend --type x n.evlog "$file"
		[[ $stderr == *"$file:1:"*": "* ]] || fail "$file: $stderr"
		n=$((n + 1))
	done
	run -0 evcat n.evlog
	assert_output ""
	echo "# not lines:$aside" >&3
	[ $n -eq 182 ] || [ "${SAN:-}${COVERAGE:-}" -a $n -gt 55 ]
}

@test "nesting is good 512 deep, the event included, and refused at 513" {
	good=$(printf '[%.0s' {1..511})$(printf ']%.0s' {1..511})
	run -0 evappend --type x d.evlog <<<"$good"
	run -65 evappend --type x d.evlog <<<"[$good]"
	assert_output --partial ":1:512: nested more than 512 levels deep"
}
