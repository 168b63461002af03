# The examples in the manual run and print what it shows.
load common
setup() { common_setup; }

examples() {
	[ -e "$BATS_TEST_DIRNAME/../man/$1" ] || fail "there is no page $1"
	run -0 "$BATS_TEST_DIRNAME/../man/examples" "$BATS_TEST_DIRNAME/../man/$1"
}

@test "evappend(1)'s examples print what it says" { examples evappend.1; }
@test "evcat(1)'s examples print what it says" { examples evcat.1; }
@test "evreplay(1)'s examples print what it says" { examples evreplay.1; }
@test "evrun(1)'s examples print what it says" { examples evrun.1; }
@test "evdue(1)'s examples print what it says" { examples evdue.1; }
@test "evfold(1)'s examples print what it says" { examples evfold.1; }
@test "evdiff(1)'s examples print what it says" { examples evdiff.1; }
@test "evtrace(1)'s examples print what it says" { examples evtrace.1; }
@test "evfork(1)'s examples print what it says" { examples evfork.1; }
@test "evbackup(1)'s examples print what it says" { examples evbackup.1; }
@test "evrestore(1)'s examples print what it says" { examples evrestore.1; }
@test "evlog(7)'s tour runs" { examples evlog.7; }

@test "each page with examples is among these tests" {
	local page
	for page in $(cd "$BATS_TEST_DIRNAME/../man" && grep -l '^\$ ' ./*.[17]); do
		grep -q "{ examples ${page#./}; }" "$BATS_TEST_FILENAME" || fail "$page"
	done
}

@test "every page passes mandoc -T lint" {
	command -v mandoc >/dev/null || skip "no mandoc"
	run -0 mandoc -T lint -W warning "$BATS_TEST_DIRNAME"/../man/*.[1-8]
}

@test "README's pictures show what the tools print and what BENCH.md says" {
	command -v python3 >/dev/null || skip "no python3"
	cd "$BATS_TEST_DIRNAME/../man/pictures"
	mkdir "$BATS_TEST_TMPDIR/made"
	run -0 ./make "$BATS_TEST_TMPDIR/made"
	diff -r --exclude=make . "$BATS_TEST_TMPDIR/made" || fail "they have changed: run make pictures"
	for picture in *.svg; do
		grep -qE "^!\[.+\]\(man/pictures/$picture\)$" ../../README.md ||
			fail "README does not show $picture"
	done
}

@test "no consumer in the manual or the samples can hide that jq failed at an event" {
	cd "$BATS_TEST_DIRNAME/.."
	# jq behind --, on the same line or the next one, reads its inputs within one program
	cat man/*.[1-8] samples/*/* README.md | sed 's/\\e$/\\/' | awk '
		/--( \\)?$/ || /-- \\+$/ { next_too = 1; next }
		/-- jq / || (next_too && /(^|[> ])jq /) { print }
		{ next_too = 0 }' >"$BATS_TEST_TMPDIR/found"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/found")" -ge 7 ]
	run -1 grep -vE 'jq -n[a-z]* ' "$BATS_TEST_TMPDIR/found"
}
