# The manual's examples run, and say what they print.
load common
setup() { common_setup; }

examples() {
	[ -e "$BATS_TEST_DIRNAME/../man/$1" ] || fail "there is no page $1"
	run -0 "$BATS_TEST_DIRNAME/../man/examples" "$BATS_TEST_DIRNAME/../man/$1"
}

@test "evappend(1)'s examples print what it says" { examples evappend.1; }
@test "evcat(1)'s examples print what it says" { examples evcat.1; }
@test "evreplay(1)'s examples print what it says" { examples evreplay.1; }
@test "evfold(1)'s examples print what it says" { examples evfold.1; }
@test "evdiff(1)'s examples print what it says" { examples evdiff.1; }
@test "evlog(7)'s tour runs" { examples evlog.7; }

@test "every page passes mandoc -T lint" {
	command -v mandoc >/dev/null || skip "no mandoc"
	run -0 mandoc -T lint -W warning "$BATS_TEST_DIRNAME"/../man/*.[1-8]
}
