# The library as other programs use it.
load common
setup() { common_setup; }

# Installs below root/, and sets what a compiler needs to build against that.  Another
# prefix builds some of it again: in a copy, since other tests use the build.
installed() {
	[ -z "${COVERAGE:-}" ] || skip "what gcov needs is not installed"
	[ -e build ] || cp -a "$EVLOG_BUILD" build
	make -s -C "$BATS_TEST_DIRNAME/.." "$1" BUILD="$PWD/build" DESTDIR="$PWD/root" PREFIX=/usr \
		LIBDIR=/usr/lib/here SAN="${SAN:-}"
	export PKG_CONFIG_PATH="$PWD/root/usr/lib/here/pkgconfig" LD_LIBRARY_PATH="$PWD/root/usr/lib/here"
	flags=(-Wall -Wextra -Werror -I root/usr/include -L root/usr/lib/here ${SAN:+-fsanitize=address,undefined})
}

@test "no name leaves either library without its prefix, and every function of the header is there" {
	nm -D --defined-only "$EVLOG_BUILD/libevlog.so.0" | awk '{ print $3 }' | grep -v '^EVLOG_0' >shared
	nm -g --defined-only "$EVLOG_BUILD/libevlog.a" | awk 'NF == 3 { print $3 }' >static
	for kind in shared static; do
		[ -s $kind ]
		run -1 grep -v '^evlog_' $kind
		assert_output ""
	done
	sed 's/@.*//' shared | sort | diff - <(sort static)
	grep -q -- '-levlog' "$EVLOG_BUILD/evlog.pc"
	grep -v 'static inline' "$BATS_TEST_DIRNAME/../lib/evlog.h" | grep -oE '\bevlog_[a-z_]+\(' | tr -d '(' | grep -v _fn | sort -u >declared
	nm -D --defined-only "$EVLOG_BUILD/libevlog.so.0" | awk '{print $3}' | sed 's/@.*//' | grep '^evlog_' | sort >defined
	diff declared defined
}

@test "what is installed can be built against, shared and static, and uninstall leaves nothing" {
	installed install
	[ -e root/usr/lib/here/libevlog.a ] && [ -e root/usr/share/man/man1/evcat.1 ]
	cat >version.c <<-'END'
		#include <evlog.h>
		#include <stdio.h>
		int main(void) { return puts(evlog_version()) < 0; }
	END
	# shellcheck disable=SC2046 # words
	cc "${flags[@]}" -o shared version.c $(pkg-config --libs-only-l evlog)
	run -0 ./shared
	version=$output
	# shellcheck disable=SC2046
	cc "${flags[@]}" -o static version.c -Wl,-Bstatic -levlog -Wl,-Bdynamic \
		$(pkg-config --static --libs-only-l evlog | sed 's/-levlog//')
	run -0 ./static
	assert_output "$version"
	assert_equal "$("$EVLOG_BUILD/evcat" -V)" "evcat (evlog) $version"
	installed uninstall
	run -0 find root ! -type d
	assert_output ""
}

@test "make STATIC=1: the tools contain the libraries" {
	[ -z "${SAN:-}${COVERAGE:-}" ] || skip "links with what the compiler needs"
	cp -a "$EVLOG_BUILD" build
	rm build/evcat build/evfold
	make -s -C "$BATS_TEST_DIRNAME/.." STATIC=1 BUILD="$PWD/build" "$PWD/build/evcat" "$PWD/build/evfold"
	for tool in evcat evfold; do
		run -0 ldd build/$tool
		refute_output --regexp 'zstd|nettle|xxhash|lua|sqlite|tommath'
	done
	seq 3 | evappend --type t a.evlog
	assert_equal "$(build/evcat a.evlog)" "$(evcat a.evlog)"
	run -0 build/evfold 'n=sum(data)' a.evlog
	assert_output '{"n":6}'
}

@test "the examples do what they say" {
	installed install
	for example in append follow fold consumer; do
		cc -std=c11 -D_POSIX_C_SOURCE=200809L "${flags[@]}" -o $example "$BATS_TEST_DIRNAME/../examples/$example.c" -levlog
	done
	run -0 ./append a.evlog s1 'say "hello"' world
	assert_line --partial "appended events 1 to 2, root $(evappend --ack a.evlog </dev/null | jq -r .root)"
	assert_equal "$(evcat -o data a.evlog)" $'say "hello"\nworld'
	run -0 ./consumer a.evlog place
	assert_output $'1 "Noted"\n2 "Noted"'
	echo '{"type":"Other"}' | evappend a.evlog
	run -0 ./consumer a.evlog place
	assert_output '3 "Other"'
	run -0 ./consumer a.evlog place
	assert_output ""
	run -0 ./fold a.evlog a.evlog
	assert_output $'Noted\t4\nOther\t2'
	./follow a.evlog Other >followed 3>&- &
	until_ grep -q '^3 ' followed
	echo '{"type":"Other"}' | evappend a.evlog
	until_ grep -q '^4 ' followed
	kill $!
	wait $!
	rm -r a.evlog
	echo '{"type":"Other"}' | evappend a.evlog
	run -76 ./consumer a.evlog place
	assert_output --partial "an older copy of the log: it ends before event"
	for full in "./append a.evlog s x" "./consumer a.evlog other" "./fold a.evlog" "timeout 5 ./follow a.evlog"; do
		run -74 bash -c "$full >/dev/full"
		assert_output --regexp "(standard )?output: No space left on device"
	done
	run -1 ./fold missing
	assert_output "fold: missing: No such file or directory"
}

@test "the program in libevlog(3) appends an event and prints it" {
	installed install
	awk '/^#include <evlog.h>/ { on = 1 } /^\.Ed/ { on = 0 } on' "$BATS_TEST_DIRNAME/../man/libevlog.3" |
		sed 's/\\e/\\/g' >started.c
	cc -std=c11 "${flags[@]}" -o started started.c -levlog
	run -0 ./started
	assert_output "$(evcat orders.evlog)"
	assert_output --partial '"type":"OrderPlaced","subject":"order-17"'
}

@test "a caller that breaks the rules gets EVLOG_EUSAGE, or nothing, and never a crash" {
	run -0 timeout 300 "$EVLOG_BUILD/misuse"
	assert_output --regexp '^[0-9]+ cases, all refused$'
}
