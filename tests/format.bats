# format.bats - the bytes of evlog-format(5), and that damage never goes unnoticed.
#
# The loops over every byte are in format.py; `check NAME` runs one in an empty directory.
# EVLOG_STEP=1 tries every case of the long ones, as make torture does.

load common

setup() {
	common_setup
}

check() { harness format.py "$1"; }

# ---- The bytes ----

@test "head, segment headers and block headers have every field where evlog-format(5) says" {
	check layout
}

@test "--ack, block headers and head carry the root that RFC 6962 says" {
	check root
}

@test "summaries of small blocks: their bytes, what is found with them, and those that lie" {
	check summary
}

@test "catalogues have every byte that evlog-format(5) says" {
	check catalogue
}

@test "a catalogue that lies: nothing that was not asked for, no hang, and --no-index knows" {
	check catalogue_lies
}

@test "--no-sync says so in head and in its blocks, and attests nothing" {
	check unsynced
}

@test "zstdcat of the segments prints exactly what evcat prints, and zstd -t passes" {
	numbered 500 | evappend --segment-size 20000 a.evlog
	for i in {501..560}; do
		numbered 1 "$i" | evappend --segment-size 4000 a.evlog
	done
	numbered 39440 561 | evappend a.evlog
	segments=(a.evlog/*.ndjson.zst)
	[ "${#segments[@]}" -gt 3 ]
	evcat a.evlog >by-evcat
	zstdcat a.evlog/*.ndjson.zst >by-zstdcat
	cmp by-evcat by-zstdcat
	[ "$(wc -l <by-evcat)" -eq 40000 ]
	run -0 zstd -tq a.evlog/*.ndjson.zst
}

@test "an empty log reads as nothing with status 0, whichever way" {
	evappend a.evlog </dev/null
	for option in --reverse --salvage --last=5 --count=5 --from=3 --since=yesterday --merge; do
		run -0 --separate-stderr evcat "$option" a.evlog
		assert_output ""
		[ -z "$stderr" ]
	done
	run -0 --separate-stderr evcat a.evlog
	assert_output ""
	[ -z "$stderr" ]
	run -0 zstd -tq a.evlog/*.ndjson.zst
	run -0 zstdcat a.evlog/*.ndjson.zst
	assert_output ""
}

@test "a copy of a log's files opens as a log" {
	numbered 50 | evappend --segment-size 1000 a.evlog
	numbered 10 51 | evappend --segment-size 1000 a.evlog
	cp -r a.evlog b.evlog
	cmp <(evcat a.evlog) <(evcat b.evlog)
	numbered 1 61 | evappend b.evlog
	[ "$(evcat b.evlog | wc -l)" -eq 61 ]
}

@test "unknown versions and flags, and sizes that lie, are refused with 65" {
	check refused
}

@test "an extension of unknown type in a block header is skipped" {
	check extension
}

@test "features of later versions: appended to, only read, or refused, but never damage" {
	check features
}

@test "a copy of another log takes only what is replicated" {
	check copy
}

@test "lines that are only their leaves are read by all, and keep every root" {
	check leaves
}

@test "a log whose first events were removed goes on, and says where it begins" {
	check trimmed
}

@test "more cursors than a header has room for: none is left out silently" {
	check many_cursors
}

@test "the root after any event is found from tiles, which are not believed" {
	check tiles
}

@test "a stream from any event on is the log from there, with all that it has" {
	check stream
}

@test "a forked log has several ids, and one chain of roots" {
	check ids
}

@test "who may only read a log cannot keep its writers waiting" {
	check lock
}

# ---- Bits ----

@test "a flipped bit in any byte of a segment: evcat prints all before it, says where, exits 65, changes nothing" {
	check flips
}

@test "a flipped bit in any byte of a segment: --salvage prints all undamaged blocks and exits 65" {
	check flips_salvaged
}

@test "a flipped bit in a middle segment's header: evcat prints all segments before it" {
	check flips_segments
}

@test "a flipped bit in head: evcat prints everything and exits 65" {
	check flips_head
}

@test "a flipped bit in head: evcat --last prints the last events and exits 65" {
	check last_half
}

@test "a flipped bit in head: the next append loses nothing and mends it" {
	check flips_head_mended
}

# ---- Torn or damaged ----

@test "cut anywhere in what head attests: evcat says where, evappend refuses, both with 65" {
	check truncated
}

@test "an unacknowledged append cut anywhere: evcat reads whole commits, evappend recovers" {
	check torn
}

@test "zeros, noise, holes and half commits behind the end are cut, and kept aside" {
	check torn_zeros
}

@test "a segment whose creation broke off at any byte does no harm" {
	check torn_creation
}

@test "a log that was cut stays sound however often its head is lost" {
	local i
	event() { echo "{\"type\":\"a\",\"data\":$1}" | evappend l.evlog; }
	event 1
	printf torn >>l.evlog/0000000000000001.ndjson.zst
	event 2
	for i in 3 4 5; do
		rm l.evlog/head
		run -0 --separate-stderr event $i
	done
	run -0 --separate-stderr evcat l.evlog
	assert_equal "$(jq -sc 'map(.data)' <<<"$output")" "[1,2,3,4,5]"
}

@test "a damaged segment after a sealed one is damaged, and stays where it is" {
	for n in 1 2; do
		seq 40 | evappend --text --type a --segment-size 1 l.evlog
		[ $n = 2 ] || cp l.evlog/head old
	done
	run -0 evappend --reindex l.evlog
	cp old l.evlog/head
	local last
	last=$(printf '%s\n' l.evlog/*.zst | tail -1)
	damage "$last" 60 # its header, and that of its only block
	damage "$last" 200
	cp -r l.evlog before.evlog
	run -65 evappend --text --type a l.evlog <<<81
	assert_output --partial "${last##*/}: damaged at byte 0"
	run -65 evcat l.evlog
	diff -r l.evlog before.evlog
}

@test "a sealed segment without the one after it: reader and writer miss the same events" {
	seq 40 | evappend --text --type a --segment-size 1 l.evlog
	cp l.evlog/head old
	seq 40 | evappend --text --type a --segment-size 1 l.evlog
	run -0 evappend --reindex l.evlog
	cp old l.evlog/head
	local last
	last=$(printf '%s\n' l.evlog/*.zst | tail -1)
	rm "$last"
	run -65 --separate-stderr evcat l.evlog
	assert_regex "$stderr" "${last##*/} is missing"
	run -65 evappend --text --type a l.evlog <<<41
	assert_output --partial "${last##*/} is missing"
}

@test "what a later block header attests is never cut, though head does not know it" {
	check attested
}

@test "what a later segment attests is never cut, though head does not know it" {
	check head_stale_damaged
}

@test "after a power cut: whole commits count, a torn one is cut with a word about it" {
	check rebooted
}

@test "after a power cut: evappend does not append behind damage" {
	check rebooted_damaged
}

@test "after a power cut: evcat does not end quietly at damage" {
	check rebooted_damaged_read
}

@test "after a power cut: evcat does not end quietly at a damaged or missing segment" {
	check rebooted_segments_read
}

@test "after a power cut: evappend does not append before a damaged or missing segment" {
	check rebooted_segments_append
}

@test "after a power cut: an unfinished segment is no damage, and a follower goes on" {
	check rebooted_unfinished
}

@test "after a power cut: what --no-sync lost is said" {
	check rebooted_unsynced
}

@test "after a restart: head gets the boot id, synced, before the first block is written" {
	command -v strace >/dev/null || skip "no strace"
	echo '{"type":"T"}' | evappend a.evlog
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$BATS_TEST_DIRNAME python3 -c '
from format import *
write("a.evlog", "head", head_with(read("a.evlog", "head"), boot_id=b"another boot id!"))'
	for expected in 'head sync block sync head' 'block sync head'; do
		echo '{"type":"T"}' | traced -y -e trace=pwrite64,fdatasync -o trace evappend a.evlog
		assert_equal "$(sed -nE 's/^fdatasync.*/sync/p; s/^pwrite64\([0-9]+<[^>]*\/head>.*/head/p; s/^pwrite64\([0-9]+<[^>]*zst>.*/block/p' trace | uniq | xargs)" "$expected"
	done
	assert_equal "$(evcat a.evlog | wc -l)" 3
	# also where the segment is poisoned, and the block goes into the next one
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$BATS_TEST_DIRNAME python3 -c '
from format import *
write("a.evlog", "head", head_with(read("a.evlog", "head"), boot_id=b"another boot id!", flags=1))'
	echo '{"type":"T"}' | traced -y -e trace=pwrite64,fdatasync -o trace evappend a.evlog
	run -0 sed -nE 's/^fdatasync.*/sync/p; s/^pwrite64\([0-9]+<[^>]*\/head>.*/head/p; s/^pwrite64\([0-9]+<[^>]*zst>.*/block/p' trace
	assert_output --regexp $'^head\nsync\nblock'
	assert_equal "$(evcat a.evlog | wc -l)" 4
}

@test "without head or the first segment: what stands before or behind is read" {
	check headless
}

@test "a log exchanged under its follower: 76" {
	check follower
}

@test "an empty log exchanged or emptied under its follower: 76, 65" {
	check follower_empty
}

@test "a commit taken back under a follower's eyes is not told to it" {
	check follower_undone
}

@test "a segment without a block is not sealed" {
	check no_blocks
}

@test "a block's lines that are not those of its header: 65" {
	check lines
}

# ---- Sealed segments ----

@test "a flipped bit in any byte of a sealed segment: found, or in the index no damage, and mended" {
	check flips_sealed
}

@test "an index of blocks with filters of all sizes passes over nothing that is wanted" {
	check index
}

@test "a sealed segment cut anywhere: damage in its blocks, none behind them" {
	check cuts_sealed
}

@test "segments sealed by another program read right, whatever is selected" {
	check sealed_here
}

@test "sealed headers and indexes that lie: no event twice or of another place, no hang" {
	check sealed_lies
}

@test "what a sealing that was cut off left under its name loses nothing" {
	check sealed_leftover
}

@test "blocks of several epochs, and of --no-sync, are merged into one that is synced" {
	check sealed_epochs
}

@test "the latest cursor of each name stands in a sealed segment's last block" {
	check sealed_cursors
}

@test "a log exchanged under its follower for one that is sealed: 76 or 65" {
	check follower_sealed
}

# ---- Head and segments that do not match ----

@test "head missing: evcat prints all and exits 65, the next append makes it anew" {
	check head_missing
}

@test "head missing and the last append torn: all whole commits stay" {
	check head_missing_torn
}

@test "head missing and the last segment sealed: its end is the log's, and damage in it is damage" {
	check head_missing_sealed
}

@test "head missing and the only block damaged: evappend refuses" {
	check head_missing_unattested
}

@test "a later segment that names another predecessor than the one that head knows: damage" {
	check head_stale_other
}

@test "any older head put back: all is read, or a prefix while somebody writes, and the next append finds it" {
	check head_stale
}

@test "the head of another log of the same sizes: 65" {
	check head_foreign
}

@test "a segment missing: evcat prints all before it and exits 65" {
	check segment_missing
}

@test "a segment missing: --salvage prints all the others and exits 65" {
	check segment_missing_salvaged
}

@test "a segment missing: --reverse prints all behind it and exits 65" {
	check segment_missing_backwards
}

@test "a segment missing: evappend touches none but the last, and refuses without that" {
	check segment_missing_append
}

@test "the segment before a missing one is read to its own end" {
	check segment_missing_uneven
}

@test "a link back that leaves a block out: 65 backwards" {
	check back_lies
}

@test "a whole block behind head's end that does not continue the log: 65" {
	check tail_lies
}

@test "a next segment that is junk, and too long for a broken creation: 65" {
	check successor_junk
}

@test "the next segment of a copy that went another way: 65" {
	check fork
}

@test "head knows of more events than there are: 65" {
	check head_lies
}

@test "a segment under a wrong name: 65" {
	check segment_renamed
}

@test "segments exchanged, with each other or with another log's of the same size: 65" {
	check segments_exchanged
}

# ---- Poison ----

@test "a poisoned segment is never appended to, and a new one says where it ended" {
	check poisoned
}

@test "a poisoned segment: zstdcat prints what evcat prints" {
	check poisoned_plain
}

@test "a poisoned segment without events is replaced" {
	check poisoned_empty
}

@test "segments after a poisoned one are kept, though head is older than they are" {
	check poisoned_chain
}

@test "what replaced a poisoned segment without events is kept, though head is older" {
	check poisoned_empty_older
}

# ---- System calls ----

@test "--ack and head come after the sync, commit by commit" {
	strace -qq -o /dev/null -e trace=none true 2>/dev/null || skip "strace is missing, or cannot trace here"
	[ -z "${COVERAGE:-}" ] || skip "gcov writes files, too"
	check order
}

@test "a commit that does not fit: 74, nothing of it stays, and the log goes on" {
	check full
}

# ---- Many processes at once ----

@test "eight evappends at once: nothing lost, nothing twice, no gaps, acks cover all" {
	check crowd
}
