# Logs as each version of the format has written them, and what each tool says about them.
load common

setup() {
	common_setup
}

@test "a log that any version has written is still read, and appended to" {
	local log said different=""
	for log in "$BATS_TEST_DIRNAME"/golden/*/*.{evlog,ndjson.zst}; do
		said=${log%.evlog}; said=${said%.ndjson.zst}.said
		"$BATS_TEST_DIRNAME/golden/say" "$log" >now
		diff -u "$said" now || different+=" ${log#"$BATS_TEST_DIRNAME"/}"
	done
	assert_equal "$different" ""
}

@test "--reindex brings what evlog 0.1 wrote to this version, with tiles and indexes" {
	python3 - "$BATS_TEST_DIRNAME" <<'EOF'
import os, random, sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/fault"]
from forge import Block, Log, event, stamp
from format import leaf, must, read, segment_parse, segments, tiles_of
rng, blocks, n = random.Random(7), [], 0
for size in (300, 1, 250, 40, 700, 9):
    lines = [stamp(n + i) + event(rng, n + i) for i in range(1, size + 1)]
    blocks.append(Block(lines))
    n += size
old = Log([blocks[:2], blocks[2:4], blocks[4:]], [True, False, False], {"version": 1, "old": False, "boot": False, "lost": False, "flags": 0})
os.mkdir("old.evlog")
for name, data in old.files.items():
    with open("old.evlog/" + name, "wb") as f:
        f.write(data)
before = must(0, "evcat", "old.evlog")
assert before.count(b"\n") == n
must(0, "evappend", "-q", "old.evlog", data=b'{"type":"New"}')
must(0, "evappend", "--reindex", "old.evlog")
after = must(0, "evcat", "old.evlog")
assert after.startswith(before) and after.count(b"\n") == n + 1
leaves, sealed = [], []
for name in segments("old.evlog"):
    h, made = segment_parse(read("old.evlog", name))
    hashes = leaves + [leaf(line) for b in made for line in b["events"]]
    assert h["version"] == 2 and (not h["sealed"] or h["tiles"] == b"".join(tiles_of(len(leaves), hashes)))
    leaves = hashes
    sealed.append(h["sealed"])
assert sealed == [True] * 3 + [False], sealed
assert len(leaves) == n + 1
EOF
}

@test "a place of evlog 0.1 is found in a replica of the log that it is about, and in no other" {
	cp -r "$BATS_TEST_DIRNAME"/golden/0.1/{cursors,read}.evlog .
	evcat read.evlog | evappend -q --replica other.evlog # it has another id
	evappend -q other.evlog <<<'{"type":"T9","data":25}'
	cp -r cursors.evlog again.evlog
	evrun -q --checkpoint one.pos --emit cursors.evlog --line-by-line other.evlog -- cat
	assert_equal "$(evcat -n 1 -o data cursors.evlog)" 25
	assert_equal "$(evcat cursors.evlog | wc -l)" 33
	# a log with other events: the place in it is not known
	evcat read.evlog | cut -c 67- | sed 's/^/{/; s/"n":12/"n":0/' | evappend -q third.evlog
	rm one.pos
	run -0 evrun -q --checkpoint one.pos --emit again.evlog --line-by-line third.evlog -- cat
	assert_equal "$(evcat again.evlog | wc -l)" 56
}
