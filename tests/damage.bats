# Compressed files and archives that are damaged, cut, or followed by other bytes: the
# tools print the right lines, or end with status 65.

load common

setup() { common_setup; }

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	printf '%s\n' '{"type":"Paid","id":"1","data":{"amount":120.50,"customer":"ada lovelace"}}' \
		'{"type":"Paid","id":"2","data":{"amount":75.25,"customer":"bob"}}' >lines
}

# made KIND: makes a file of the two lines in $file, or skips the test.
made() {
	file=$BATS_FILE_TMPDIR/$1 lines=$BATS_FILE_TMPDIR/lines
	[ -e "$file" ] && return
	case $1 in
	gzip) gzip -nc "$lines" ;;
	xz) xz -c "$lines" ;;
	zstd) zstd -qc "$lines" ;;
	zstd-unchecked) zstd -qc --no-check "$lines" ;;
	gzip-twice) gzip -nc <(head -n 1 "$lines") && gzip -nc <(tail -n 1 "$lines") ;;
	gzip-of-gzip) gzip -nc "$lines" | gzip -n ;;
	bzip2) python3 -c 'import bz2,sys; sys.stdout.buffer.write(bz2.compress(sys.stdin.buffer.read()))' <"$lines" ;;
	zip-descriptor) python3 -c 'import sys,zipfile
class Pipe:
    def write(self, p): return sys.stdout.buffer.write(p)
    def flush(self): sys.stdout.buffer.flush()
with zipfile.ZipFile(Pipe(), "w", zipfile.ZIP_DEFLATED) as z: z.writestr(zipfile.ZipInfo("a", (2000, 1, 1, 0, 0, 0)), sys.stdin.read())' <"$lines" ;;
	zip64) python3 -c 'import sys,zipfile
with zipfile.ZipFile(sys.stdout.buffer, "w") as z:
    with z.open("a", "w", force_zip64=True) as f: f.write(sys.stdin.buffer.read())' <"$lines" ;;
	zip64-end) python3 -c 'import sys,zipfile
zipfile.ZIP_FILECOUNT_LIMIT = 0
with zipfile.ZipFile(sys.stdout.buffer, "w") as z:
    z.writestr(zipfile.ZipInfo("folder/", (2000, 1, 1, 0, 0, 0)), "")
    z.writestr(zipfile.ZipInfo("a", (2000, 1, 1, 0, 0, 0)), sys.stdin.read())' <"$lines" ;;
	tar-*) "$EVLOG_BUILD/flips" make ustar "${1#*-}" "$file" <"$lines" >&2 ;;
	*) "$EVLOG_BUILD/flips" make "${1%%:*}" "${1#*:}" "$file" <"$lines" >&2 ;;
	esac >"$file.new" || { rm -f "$file.new"; return 1; }
	[ -e "$file" ] && rm "$file.new" || mv "$file.new" "$file"
}

# damaged HOW KIND...
damaged() {
	local how=$1 kind
	shift
	[ -z "${SAN:-}${COVERAGE:-}" ] || export EVLOG_STEP=${EVLOG_STEP:-7} # odd, so that each bit of a byte comes
	for kind; do
		made "$kind" || { echo "# $kind: libarchive cannot make it here" >&3; continue; }
		run "$EVLOG_BUILD/flips" "$how" "$file" <"$lines"
		[ "$status" = 0 ] || fail "$kind: $output"
	done
}

# Formats with a checksum of their data, and formats without.
checked=(gzip gzip-twice gzip-of-gzip zstd xz bzip2 raw:lz4 raw:lzip tar-gzip tar-xz tar-bzip2
	zip: zip-stored: zip-descriptor zip64 zip64-end 7zip:)
unchecked=(zstd-unchecked raw:lzma raw:compress ustar: gnutar: pax:)

@test "each bit flipped: the right lines, or status 65" {
	damaged bits "${checked[@]}"
}

@test "without a checksum of the data: lines that may be wrong, as evappend(1) says, or status 65" {
	damaged unchecked "${unchecked[@]}"
	for word in tar lzma compress; do
		grep -q "$word" "$BATS_TEST_DIRNAME/../man/evappend.1"
	done
}

@test "cut at each byte: the right lines so far, and status 65" {
	# of several members any number is whole; compress has no end mark
	damaged cuts "${checked[@]/gzip-twice/gzip}" zstd-unchecked raw:lzma ustar: gnutar: pax:
}

@test "followed by other bytes: read or refused, but for zeros" {
	damaged tails "${checked[@]}" "${unchecked[@]}"
}

@test "archives of other kinds are refused" {
	for kind in cpio: newc: ar: xar: iso9660:; do
		made "$kind" || continue
		run -65 evappend "${kind%:}.evlog" "$file"
		[ ! -e "${kind%:}.evlog" ] || [ -z "$(evcat "${kind%:}.evlog")" ]
		run -65 evcat "$file"
	done
}

# decompress FILE: as far as possible.
decompress() {
	case $1 in
	*.gz) gzip -dc "$1" ;;
	*.xz) xz -dc "$1" ;;
	*.zst) zstd -dcq "$1" ;;
	*.bz2) python3 -c 'import bz2,sys
d = bz2.BZ2Decompressor()
for c in iter(lambda: sys.stdin.buffer.read(1), b""): sys.stdout.buffer.write(d.decompress(c))' <"$1" ;;
	esac 2>/dev/null || true
}

# right FILE: how many of its lines are the first lines of n.
right() { awk 'NR == FNR { line[FNR] = $0; next } $0 != line[FNR] { exit } { good = FNR } END { print good + 0 }' n "$1"; }

@test "a damaged or cut file: at least the whole lines that gzip, xz, bzip2 and zstd give" {
	numbered 30000 >n
	gzip -nk n && xz -k n && zstd -qk n
	python3 -c 'import bz2,sys; sys.stdout.buffer.write(bz2.compress(sys.stdin.buffer.read()))' <n >n.bz2
	for f in n.gz n.xz n.zst n.bz2; do
		size=$(stat -c %s "$f")
		for at in $((size / 3)) $((size - 3)); do
			head -c "$at" "$f" >"cut.$f"
			cp "$f" "bad.$f"
			damage "bad.$f" "$at"
			for g in "cut.$f" "bad.$f"; do
				decompress "$g" >all
				head -n "$(wc -l <all)" all >whole
				for salvage in "" --salvage; do
					# shellcheck disable=SC2086
					run -65 evcat $salvage "$g"
					[[ $g = bad.* ]] || assert_output --partial "data is truncated"
					# shellcheck disable=SC2086
					evcat $salvage "$g" 2>/dev/null >got || true
					[ "$(right got)" -ge "$(right whole)" ] || fail "$g $salvage: $(right got), $(right whole)"
				done
			done
		done
	done
}

@test "a damaged file among others: --salvage reads the others" {
	numbered 5 >a && gzip -n <a | head -c -4 >cut.gz && numbered 3 >b
	run -65 --separate-stderr evcat cut.gz b
	assert_equal "${#lines[@]}" 5
	run -65 --separate-stderr evcat --salvage cut.gz b
	assert_equal "${#lines[@]}" 8
}

@test "what follows a gzip member is said, after the lines before it" {
	echo '{"type":"A","id":"1"}' | gzip -n >a.gz
	echo '{"type":"A","id":"2"}' >b
	for tail in "cat b" "echo" "head -c 100 /dev/urandom"; do
		{ cat a.gz; $tail; gzip -n <b; } >f.gz
		run -65 --separate-stderr evcat f.gz
		assert_output '{"type":"A","id":"1"}'
		assert_equal "$stderr" "evcat: f.gz: the gzip data is followed by unexpected data"
	done
	{ cat a.gz; gzip -n <b; head -c 600 /dev/zero; } >f.gz
	run -0 evcat f.gz
	assert_equal "${#lines[@]}" 2
	run -0 bash -c 'cat f.gz | evcat -'
	assert_equal "${#lines[@]}" 2
}

@test "evappend: what is damaged is said, with how much was appended before it" {
	printf '%s\n' '{"type":"A","id":"1","data":120.50}' >a
	python3 - <<-'END'
		import zipfile
		for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
		    z = zipfile.ZipFile(f"a{method}.zip", "w", method)
		    z.write("a"); z.close()
		    p = bytearray(open(f"a{method}.zip", "rb").read())
		    i = p.index(b"PK\1\2") + 16  # the directory's CRC
		    p[i] ^= 1
		    open(f"a{method}.zip", "wb").write(p)
	END
	gzip -nk a && printf '\0' | dd of=a.gz bs=1 seek=$(($(stat -c %s a.gz) - 8)) conv=notrunc status=none
	for f in a0.zip a8.zip a.gz; do
		run -65 evappend --atomic x.evlog "$f"
		assert_output --partial "damaged"
		assert_output --partial "$f"
	done
	run -0 evcat x.evlog
	assert_output ""
}

@test "an archive's end: another archive after it, a cut between two members" {
	numbered 2 >a && numbered 3 >b
	tar cf a.tar a && tar cf b.tar b && cat a.tar b.tar >both.tar
	run -65 --separate-stderr evcat both.tar
	assert_equal "$stderr" "evcat: both.tar: unexpected data after the end of the archive"
	assert_equal "${#lines[@]}" 2
	tar cf ab.tar a b
	head -c 1024 ab.tar >cut.tar
	run -65 --separate-stderr evcat cut.tar
	assert_equal "$stderr" "evcat: cut.tar: truncated: the tar file has no end mark"
	assert_equal "${#lines[@]}" 2
	gzip -nc a.tar >both.tar.gz && gzip -nc b.tar >>both.tar.gz
	run -65 evcat both.tar.gz
	python3 -c 'import zipfile
for f in "a", "b": z = zipfile.ZipFile(f + ".zip", "w"); z.write(f); z.close()'
	cat a.zip b.zip >both.zip
	run -65 evcat both.zip
	assert_output --partial "the zip directory is incomplete, or followed by other data"
}

@test "gzip in archives is checked too" {
	numbered 2 | gzip -n >a.gz && numbered 3 | gzip -n >b.gz
	printf '\0' | dd of=b.gz bs=1 seek=$(($(stat -c %s b.gz) - 8)) conv=notrunc status=none
	tar cf ab.tar a.gz b.gz
	run -65 --separate-stderr evcat ab.tar
	assert_equal "${#lines[@]}" 2
	assert_equal "$stderr" "evcat: ab.tar(b.gz): the gzip data is damaged: incorrect data check"
	run -65 --separate-stderr evcat --salvage ab.tar
	assert_equal "${#lines[@]}" 5
}

@test "a checksum that does not fit: none of its lines is appended; --salvage prints them" {
	echo '{"type":"Paid","id":"1","data":{"amount":120.50}}' >a
	python3 - <<-'END'
		import bz2, gzip, lzma, zipfile
		a, bad = open("a", "rb").read(), open("a", "rb").read().replace(b"120", b"920")
		def save(name, p): open(name, "wb").write(p)
		save("bad.gz", gzip.compress(bad)[:-8] + gzip.compress(a)[-8:])
		for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
		    for name, text in ("good", a), ("bad", bad):
		        z = zipfile.ZipFile(name + ".z", "w", method); z.writestr("m", text); z.close()
		    good, p = open("good.z", "rb").read(), bytearray(open("bad.z", "rb").read())
		    for tag, at in (b"PK\3\4", 14), (b"PK\1\2", 16):
		        i, k = good.index(tag) + at, p.index(tag) + at
		        p[k : k + 4] = good[i : i + 4]
		    save(f"bad{method}.zip", p)
		p, q = lzma.compress(a, check=lzma.CHECK_CRC64), lzma.compress(bad, check=lzma.CHECK_CRC64)
		if len(p) == len(q): save("bad.xz", q[: len(q) - 28 - 8] + p[len(p) - 28 - 8 :])
		p, q = bz2.compress(a), bz2.compress(bad)
		save("bad.bz2", q[:10] + p[10:14] + q[14:])
	END
	zstd -q --check a -o a.zst && sed s/120/920/ a | zstd -q --check >b.zst
	{ head -c -4 b.zst; tail -c 4 a.zst; } >bad.zst
	[ "$(ls bad.* bad?.zip | wc -l)" -ge 6 ]
	for f in bad.gz bad.bz2 bad.zst bad0.zip bad8.zip $(ls bad.xz 2>/dev/null); do
		rm -rf l.evlog
		run -65 evappend l.evlog "$f"
		assert_output --partial "damaged"
		[ "$(evcat l.evlog | wc -l)" -eq 0 ] || fail "$f: $(evcat l.evlog)"
		run -65 --separate-stderr evcat "$f"
		assert_output ""
		run -65 --separate-stderr evcat --salvage "$f"
		# later versions of libarchive check a small member before they deliver it
		[[ $output == "$(sed s/120/920/ a)" || ($f == *.zip && -z $output) ]] || fail "$f: $output"
	done
}

@test "the same of lines with control characters, which do not look like text" {
	printf '{"type":"Paid","data":{"amount":1000}}\n{"type":"Odd","data":"\001"}\n' >a
	sed s/1000/9000/ a >b
	for pack in "gzip -n" "bzip2" "xz" "lz4 -q" "zstd -q"; do
		command -v "${pack%% *}" >/dev/null || continue
		rm -rf l.evlog a.x b.x bad
		$pack -c <a >a.x
		$pack -c <b >b.x
		[ "$(stat -c %s a.x)" = "$(stat -c %s b.x)" ] || continue
		case $pack in # the checksum of other data
		gzip*) { head -c -8 b.x; tail -c 8 a.x; } >bad ;;
		bzip2) { head -c 10 b.x; tail -c +11 a.x | head -c 4; tail -c +15 b.x; } >bad ;;
		*) { head -c -4 b.x; tail -c 4 a.x; } >bad ;;
		esac
		cmp -s bad b.x && continue
		run -65 evappend l.evlog bad
		assert_output --partial "bad: the ${pack%% *} data is damaged"
		[ ! -e l.evlog ] || [ -z "$(evcat l.evlog)" ]
		tried+=" ${pack%% *}"
	done
	[[ $tried == *gzip*bzip2* ]]
}

@test "the names of an archive's members are said as they are" {
	python3 - <<-'END'
		import zipfile
		with zipfile.ZipFile("a.zip", "w") as z: z.writestr("ünï.ndjson", "{")
	END
	run -65 evappend --type T l.evlog a.zip
	assert_output --partial "a.zip(ünï.ndjson):1:"
}

@test "a name in another character set is no damage" {
	numbered 2 >"$(printf 'na\xefve')"
	tar cf n.tar na*ve
	LC_ALL=C run -0 evcat n.tar
	assert_equal "${#lines[@]}" 2
	LC_ALL=C.UTF-8 run -0 evcat n.tar
}

@test "archives and compressed files with bytes changed at random: lines, or status 65" {
	harness fault/archives.py 20
}
