# A place in a log fits every log that has the same root there, and no other.
load common

# The logs: a.evlog has 10 events when the places are recorded, and 12 later.
setup() {
	common_setup
	numbered 10 | evappend a.evlog
	mkdir places
	# every kind of place, after event 10
	evrun --checkpoint places/checkpoint a.evlog -- true
	jq -c 'del(.frontier, .lineage)' places/checkpoint >places/old
	evrun -q --checkpoint places/emitting --emit places/out.evlog a.evlog -- sed 's/"id":"/&x/'
	cp -r places/out.evlog places/lost.evlog
	evfold -k subject --snapshot places/snapshot 'n=count()' a.evlog >/dev/null
	evfold -k subject -o sqlite:places/db 'n=count()' a.evlog
	numbered 2 11 | evappend a.evlog
	logs
}

# replica: replica, id of its own; copy: the same files; resealed: other bytes;
# fork: another way after event 10; exact: nothing after it; behind, diverged, other: not ours
logs() {
	evcat a.evlog | evappend --replica replica.evlog
	cp -r a.evlog copy.evlog
	for n in 3 8 10 12; do
		evcat --to $n a.evlog | evappend --replica --segment-size 1 resealed.evlog
	done
	evcat --to 10 a.evlog | evappend --replica --segment-size 1 fork.evlog
	numbered 5 100 | evappend fork.evlog
	evcat --to 10 a.evlog | evappend --replica exact.evlog
	evcat --to 9 a.evlog | evappend --replica behind.evlog
	evcat --to 8 a.evlog | evappend --replica diverged.evlog
	numbered 5 200 | evappend diverged.evlog
	numbered 12 | evappend other.evlog
}

verdict() {
	case $1 in
	behind | diverged | other) echo 76 ;;
	*) echo 0 ;;
	esac
}

# Uses a copy of a kind of place with a log; prints what that gives.
use() {
	rm -rf here
	cp -r places here
	case $1 in
	checkpoint | old) evrun --checkpoint "here/$1" "$2.evlog" -- jq -r .id ;;
	emitting)
		evrun -q --checkpoint here/emitting --emit here/out.evlog "$2.evlog" -- sed 's/"id":"/&x/' &&
			evcat here/out.evlog | jq -r .id
		;;
	lost) # the checkpoint; its name is the consumer's
		evrun -q --checkpoint here/new/emitting --emit here/lost.evlog "$2.evlog" -- sed 's/"id":"/&x/' &&
			evcat here/lost.evlog | jq -r .id
		;;
	snapshot) evfold -k subject --snapshot here/snapshot 'n=count()' "$2.evlog" ;;
	table) evfold -k subject -o sqlite:here/db 'n=count()' "$2.evlog" &&
		sqlite3 here/db 'SELECT key, seq, state FROM state ORDER BY key' ;;
	esac
}

# What it must give: computed from the log alone.
wanted() {
	case $1 in
	checkpoint | old) evcat --from 11 "$2.evlog" | jq -r .id ;;
	emitting | lost) evcat "$2.evlog" | jq -r '"x" + .id' ;;
	snapshot) evfold -k subject 'n=count()' "$2.evlog" ;;
	table) evfold -k subject 'n=count()' "$2.evlog" | jq -r '"\(.key)|\(.seq)|\(.state|tojson)"' ;;
	esac
}

@test "each kind of place fits each log with the same root, whatever its id: the results are as if undisturbed" {
	local log place bad=""
	mkdir places/new
	for place in checkpoint old emitting lost snapshot table; do
		for log in a replica copy resealed fork exact behind diverged other; do
			# without its checkpoint, it is a new consumer of another log
			[ $place/$log != lost/other ] || continue
			run use $place $log
			if [ "$status" != "$(verdict $log)" ]; then
				bad+=" $place/$log:$status ($output)"
			elif [ "$status" = 0 ] && [ "$output" != "$(wanted $place $log)" ]; then
				bad+=" $place/$log: $output"
			fi
		done
	done
	assert_equal "$bad" ""
}

@test "a place that does not fit is refused with the reason, and what is common if that is known" {
	for place in checkpoint snapshot; do
		run -76 use $place behind
		assert_output --partial "behind.evlog: an older copy of the log: it ends before event 10"
		run -76 use $place other
		assert_output --partial "other.evlog: not the same log: its first event is another one"
	done
	run -76 use checkpoint diverged
	assert_output --partial "diverged.evlog: the log has diverged: its events up to 10 are not those recorded earlier; the first 8 are the same"
}

@test "the place before all events fits every log" {
	evappend empty.evlog </dev/null
	evrun --checkpoint p empty.evlog -- true
	for log in a other empty; do
		cp p q 2>/dev/null || true
		run -0 evrun --checkpoint q $log.evlog -- jq -r .id
		assert_equal "$output" "$(evcat $log.evlog | jq -r .id)"
		rm -f q
	done
}

@test "a consumer of an empty log finds its cursor once there are events, and on a replica" {
	evappend new.evlog </dev/null
	evrun -q --checkpoint c --emit o.evlog new.evlog -- sed 's/"id":"/&x/'
	numbered 3 | evappend new.evlog
	evrun -q --checkpoint c --emit o.evlog new.evlog -- sed 's/"id":"/&x/'
	evcat new.evlog | evappend --replica r.evlog
	numbered 3 4 | evappend r.evlog
	rm c
	evrun -q --checkpoint c --emit o.evlog r.evlog -- sed 's/"id":"/&x/'
	assert_equal "$(evcat o.evlog | jq -r .id | xargs)" "x1 x2 x3 x4 x5 x6"
}

@test "two logs that one consumer reads have a cursor each, though the name is the same" {
	numbered 4 50 | evappend b.evlog
	for log in a b a b; do
		evrun -q --checkpoint $log/c --emit o.evlog $log.evlog -- sed 's/"id":"/&x/' || {
			mkdir -p $log
			evrun -q --checkpoint $log/c --emit o.evlog $log.evlog -- sed 's/"id":"/&x/'
		}
		rm $log/c
	done
	assert_equal "$(evcat o.evlog | wc -l)" 16
}
