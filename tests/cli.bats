# What all tools share: help, version, completions, manual pages that agree with them.
load common
setup() { common_setup; }

TOOLS="evappend evcat evreplay evrun evdue evfold evdiff evtrace evfork evbackup evrestore"
man=$BATS_TEST_DIRNAME/../man

options_of() { "$1" --help | grep -oE '^  +(-[A-Za-z], )?--[a-z-]+' | grep -oE -- '--[a-z-]+' | sort; }

@test "--help goes to stdout with status 0, --version too" {
	for tool in $TOOLS; do
		run -0 --separate-stderr "$tool" --help
		assert_line --index 0 --partial "Usage: $tool [OPTION...]"
		[ -z "$stderr" ]
		run -0 --separate-stderr "$tool" --version
		assert_output "$tool (evlog) 0.2.0"
		run -0 "$tool" -h
		run -0 "$tool" -V
	done
}

@test "no line of --help is wider than 100 columns" {
	for tool in $TOOLS; do
		run -0 bash -c "$tool --help | awk 'length > 100'"
		assert_output ""
	done
}

@test "a wrong option is 64 for every tool, and says where help is" {
	for tool in $TOOLS; do
		run -64 "$tool" --nonsense
		assert_output "$tool: --nonsense: unknown option
Try '$tool --help'."
		run -64 "$tool" -Q
	done
}

@test "an option with a value, given twice: both count, as its help says, or it is refused" {
	good() { # NAME METAVARIABLE: prints a valid value for the option
		case $1:$2 in
		--color:*) echo never ;;
		--output:*) echo json ;;
		--reset-to:*) echo 1 ;;
		--shard:*) echo 1/2 ;;
		--reshard:*) echo 3 ;;
		--expect-subject:*) echo a=1 ;;
		--expect-none:*) echo 1:a=1 ;;
		*:N | *:"N|id" | *:X | *:MS | *:SECONDS) echo 5000 ;;
		*:SPAN) echo 5s ;;
		*:BYTES) echo 64K ;;
		*:TIME) echo yesterday ;;
		*:PATH) echo data.a ;;
		*) echo word ;;
		esac
	}
	seen=0
	for tool in $TOOLS; do
		while read -r name metavariable help; do
			value=$(good "$name" "${metavariable%...}")
			case $tool$name in
			evfold--output) value=state ;; evcat--output) value=ndjson ;; evbackup--output) value=tar ;; evappend--level | evcat--level) value=3 ;;
			*--threads) value=2 ;;
			esac
			printf 'upcast.T = function(e) return e end' >word
			run "$tool" "$name=$value" "$name=${value/a=/b=}" --nonsense
			[ "$status" -eq 64 ] || fail "$tool $name: $status"
			case $help in
			*"repeat for more"*)
				[[ $metavariable == *... ]]
				assert_output --partial "--nonsense: unknown option"
				;;
			*)
				[[ $metavariable != *... ]]
				assert_output --partial "$tool: $name: given twice"
				;;
			esac
			seen=$((seen + 1))
		done < <("$tool" --help | awk '/^  +(-[A-Za-z], )?--/ { sub(/^ +(-[A-Za-z], )?/, ""); if ($0 ~ /^--[a-z-]+(\[=| [A-Z[])/) { sub(/\[=/, " "); sub(/\]/, " "); if (NF < 3) { line = $0; getline; $0 = line $0 }; print } }')
	done
	[ "$seen" -gt 60 ]
}

@test "every manual page documents exactly the options that --help lists" {
	for tool in $TOOLS; do
		options_of "$tool" >help
		grep '^\.It Fl' "$man/$tool.1" | grep -oE 'Fl -[a-z-]+' | sed 's/Fl -/--/' | sort -u >page
		diff help page || fail "$tool"
	done
}

@test "completions of every shell offer exactly the options that --help lists" {
	for tool in $TOOLS; do
		options_of "$tool" >help
		grep -oE "compgen -W '--[^']*'" "$EVLOG_BUILD/completions/bash/$tool" | grep -oE -- '--[a-z-]+' | sort -u >got
		diff help got
		grep -oE "'\*--[a-z-]+" "$EVLOG_BUILD/completions/zsh/$tool" | sed "s/'\*//" | sort -u >got
		diff help got
		grep -oE -- '-l [a-z-]+' "$EVLOG_BUILD/completions/fish/$tool" | sed 's/-l /--/' | sort -u >got
		diff help got
	done
}

@test "the bash completion completes" {
	# shellcheck disable=SC1090
	source "$EVLOG_BUILD/completions/bash/evcat"
	COMP_WORDS=(evcat --sal) COMP_CWORD=1
	_evcat
	assert_equal "${COMPREPLY[*]}" --salvage
	COMP_WORDS=(evcat -o pr) COMP_CWORD=2
	_evcat
	assert_equal "${COMPREPLY[*]}" pretty
	bash -n "$EVLOG_BUILD/completions/bash/evappend"
}

@test "zsh and fish accept their completions" {
	for tool in $TOOLS; do
		if command -v zsh >/dev/null; then zsh -n "$EVLOG_BUILD/completions/zsh/$tool"; fi
		if command -v fish >/dev/null; then fish -n "$EVLOG_BUILD/completions/fish/$tool"; fi
	done
	command -v zsh fish >/dev/null || skip "zsh or fish is not here"
}

@test "progress is for a terminal alone" {
	numbered 100 | evappend a.evlog
	run -0 --separate-stderr evcat --progress a.evlog
	[ -z "$stderr" ]
}

@test "a message is one write" {
	command -v strace >/dev/null || skip "no strace"
	run -66 traced -e trace=write -o trace evcat missing.evlog
	assert_output "evcat: missing.evlog: No such file or directory"
	[ "$(grep -c '^write(2' trace)" -eq 1 ]
}

@test "a wrong option is named as it was given" {
	run -64 evcat --merge=1 x
	assert_output --partial "--merge=1: this option takes no value"
	run -64 evcat -qX x
	assert_output --partial "-X: unknown option"
	run -64 evcat --s x
	assert_output --partial "--s: ambiguous option"
}

# Prints the libraries that a command opens, which strace records in calls.
loaded() { traced "$@" >/dev/null && grep -o 'lib[a-z0-9.]*\.so' calls | sort -u; }

@test "a command loads the libraries that it needs, and no more" {
	echo '{"type":"T","data":1}' >f
	run -0 loaded -e trace=openat -o calls evappend a.evlog f
	refute_output --regexp 'lib(archive|crypto|lua|sqlite3|xml2)'
	run -0 loaded -e trace=openat -o calls evcat a.evlog
	refute_output --regexp 'lib(archive|crypto|sqlite3|xml2)'
	gzip -k f
	run -0 loaded -f -e trace=openat -o calls evappend a.evlog f.gz
	refute_output --regexp 'lib(archive|crypto|lua|sqlite3|xml2|lzma)'
	tar cf f.tar f
	run -0 loaded -f -e trace=openat -o calls evappend a.evlog f.tar
	assert_output --partial libarchive
	run -0 loaded -e trace=openat -o calls evappend a.evlog f.tar
	refute_output --regexp 'lib(archive|crypto|lua|sqlite3|xml2|lzma)'
}

@test "without evlog-unpack what needs it is refused with 69, and nothing else is" {
	mkdir bin
	cp "$(command -v evappend)" "$(command -v evcat)" bin
	echo '{"type":"T"}' >f && tar cf f.tar f && xz -k f && gzip -k f
	run -0 bin/evappend a.evlog f f.gz
	run -69 bin/evappend a.evlog f.tar
	assert_output --regexp '^evappend: f.tar: evlog-unpack, which unpacks such files, is not installed \(.*\)$'
	run -69 bin/evappend a.evlog f.xz
	assert_output --partial 'evappend: f.xz: evlog-unpack'
	run -0 --separate-stderr bin/evcat a.evlog
	assert_equal "$(wc -l <<<"$output")" 2
	# where an installation has it
	mkdir libexec
	cp "$(dirname "$(command -v evappend)")/evlog-unpack" libexec
	run -0 bin/evappend a.evlog f.tar f.xz
}

@test "what evlog-unpack delivers counts only if it says that this is all" {
	mkdir bin
	cp "$(command -v evcat)" bin
	echo '{"type":"T"}' >f && tar cf f.tar f
	helper() { printf '#!/bin/sh\n%s\n' "$1" >bin/evlog-unpack && chmod +x bin/evlog-unpack; }
	local member='printf "M\1\0\0\0f"; printf "D\3\0\0\0{}\nD\0\0\0\0"'
	helper "$member; printf '.\\0\\0\\0\\0'"
	run -0 bin/evcat f.tar
	assert_output "{}"
	helper "$member"
	run -65 bin/evcat f.tar
	assert_output --partial "exited early without reporting an error"
	helper "$member"'; kill -9 $$'
	run -65 bin/evcat f.tar
	assert_output --partial "was killed by signal 9"
	for frame in 'D\377\377\377\377' 'Q\0\0\0\0' '\0\0\0\0\0' 'W\0\0\0\0'; do
		helper "printf '$frame'"
		run -65 bin/evcat f.tar
		assert_output --partial "sent an invalid reply"
	done
	helper "printf 'E\\5\\0\\0\\0'; printf ': bad'"
	run -65 bin/evcat f.tar
	assert_output "evcat: f.tar: bad"
	helper ":"
	run -65 bin/evcat f.tar
}

@test "evlog-unpack can open no file, reach no network and take no memory without end" {
	[ -z "${SAN:-}${COVERAGE:-}" ] || skip "sanitizers and gcov open files themselves"
	[ "$(uname -s)" = Linux ] || skip "it is Linux that confines it"
	run -0 "$EVLOG_BUILD/unit" confine </dev/null
	assert_output "confined"
}
