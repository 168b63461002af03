# resume.bats - what evfold stores in order to continue: snapshots, and tables in SQLite.
load common
setup() { common_setup; }

all_reducers=('n=count()' 'c=count(data.x)' 's=sum(data.x)' 'lo=min(data.x)' 'hi=max(data.t)' 'a=avg(data.x)'
	'f=first(data.x)' 'l=last(data.t)' 'li=list(data.x)' 'se=set(data.y)' 'm=merge(data)' 'p=patch(data.p)')

program() {
	cat >p.lua <<-'LUA'
		function init(key) return { n = 0, sum = decimal(0), f = 0.5, empty = array{}, seen = {} } end
		on["*"] = function(s, e)
			s.n = s.n + 1
			if e.data.x and e.data.x ~= null then s.sum = s.sum + e.data.x; s.f = s.f * 1.5 end
			s.half = decimal(s.n) / 2
			s.seen["t" .. s.n % 3] = e.data
			s.none = null
		end
	LUA
}

# Events of all kinds, some of them awkward: mixed numbers, times, nulls, gaps.
awkward() {
	python3 - "$1" <<-'PY'
		import json, random, sys
		random.seed(5)
		for i in range(int(sys.argv[1])):
		    data = {"x": random.choice([0.1, 39.11, 7, -3.25, 1e-3, 12345678901234567890, None]), "y": random.choice([1, 1.0, "1", {"a": 1, "b": 2}, {"b": 2, "a": 1}, None]),
		            "t": random.choice(["2026-11-01T00:00:00Z", "2026-11-01T01:00:00+02:00", "2025-01-01T00:00:00Z"]), "p": [{"op": "add", "path": "", "value": i}], "k" + str(i % 4): i}
		    if random.random() < .2: del data["x"]
		    print(json.dumps({"type": "T", "subject": "s\u00e9\"%d" % random.randrange(5), "data": data}))
	PY
}

@test "going on from a snapshot gives what one fold of all gives, wherever it is cut" {
	program
	awkward 60 | evappend all.evlog
	for options in '' '-k subject'; do
		for what in reducers program; do
			fold=(evfold $options "${all_reducers[@]}")
			[ $what = reducers ] || fold=(evfold $options -p p.lua)
			rm -f whole
			"${fold[@]}" all.evlog >want
			"${fold[@]}" --snapshot whole all.evlog | cmp - want
			for cut in 0 1 7 30 59 60; do
				rm -rf part.evlog snap
				evcat all.evlog | awk -v n=$cut 'NR <= n' | evappend --replica part.evlog
				"${fold[@]}" --snapshot snap part.evlog >/dev/null
				evcat --from $((cut + 1)) all.evlog | evappend --replica part.evlog
				"${fold[@]}" --snapshot snap part.evlog >got
				cmp got want
				diff <(sed '1d;$d' snap) <(sed '1d;$d' whole)
			done
		done
	done
}

@test "a snapshot names its log, seq and root; nothing new leaves it as it is" {
	orders | evappend --ack a.evlog >ack
	evfold --snapshot s 'n=count()' a.evlog
	run -0 jq -r '.seq, .root' <(head -n 1 s)
	assert_output "5"$'\n'"$(jq -r .root ack)"
	cp s before
	run -0 evfold --snapshot s 'n=count()' a.evlog
	assert_output '{"n":5}'
	cmp s before
}

@test "a snapshot of another log, an older state, another program or key is refused with 76; --rebuild replaces it" {
	orders | evappend a.evlog
	cp -r a.evlog older.evlog
	orders | evappend b.evlog
	orders | evappend a.evlog
	evfold -k subject --snapshot s 'n=count()' a.evlog >/dev/null
	cp s kept
	run -76 evfold -k subject --snapshot s 'n=count()' b.evlog
	assert_output --partial "b.evlog: not the same log: its first event is another one"
	run -76 evfold -k subject --snapshot s 'n=count()' older.evlog
	assert_output --partial "an older copy of the log: it ends before event 10"
	run -76 evfold -k subject --snapshot s 'n=count(data)' a.evlog
	assert_output --partial "made with a different program, reducers or key; use --rebuild to create it again"
	run -76 evfold -k type --snapshot s 'n=count()' a.evlog
	run -76 evfold --snapshot s 'n=count()' a.evlog
	cp -r older.evlog fork.evlog
	numbered 9 | evappend fork.evlog
	run -76 evfold -k subject --snapshot s 'n=count()' fork.evlog
	assert_output --partial "the log has diverged: its events up to 10 are not those recorded earlier"
	cmp s kept
	run -0 evfold --rebuild --snapshot s 'n=count()' b.evlog
	assert_output '{"n":5}'
	run -0 evfold --snapshot s 'n=count()' b.evlog
}

@test "a changed program is another one" {
	program
	orders | evappend a.evlog
	evfold -p p.lua --snapshot s a.evlog >/dev/null
	echo '-- a bug mended' >>p.lua
	run -76 evfold -p p.lua --snapshot s a.evlog
	run -0 evfold -p p.lua --snapshot s --rebuild a.evlog
}

@test "a snapshot that is not whole is refused, and says in which line" {
	numbered 30 | evappend a.evlog
	evfold -k subject --snapshot whole 'n=count()' 'a=avg(data.n)' a.evlog >/dev/null
	size=$(stat -c %s whole)
	for ((at = 0; at < size; at += 37)); do
		head -c $at whole >s
		[ $((size - at)) -eq 1 ] && continue
		run -65 evfold -k subject --snapshot s 'n=count()' 'a=avg(data.n)' a.evlog
		assert_output --partial "use --rebuild to create it again"
	done
	python3 - <<-'PY'
		whole = open("whole", "rb").read()
		for at in range(0, len(whole) - 1, 11):
		    open(f"flipped.{at}", "wb").write(whole[:at] + bytes([whole[at] ^ 2]) + whole[at + 1 :])
	PY
	for s in flipped.*; do
		run evfold -k subject --snapshot "$s" 'n=count()' 'a=avg(data.n)' a.evlog
		[ "$status" = 65 ] || [ "$status" = 76 ] || fail "$s: a bit in that byte: status $status: $output"
	done
	{ cat whole; tail -n 1 whole; } >s
	run -65 evfold -k subject --snapshot s 'n=count()' 'a=avg(data.n)' a.evlog
	assert_output --partial "s: line $(($(wc -l <whole) + 1)): unexpected line after the end; use --rebuild"
}

@test "in a pipe a snapshot goes on with what lies behind it, and counts nothing twice" {
	numbered 20 | evappend a.evlog
	evcat --to 8 a.evlog | evfold --snapshot s 's=sum(data.n)' >/dev/null
	run -76 evfold --snapshot s 's=sum(data.n)' < <(evcat a.evlog)
	assert_output --partial "event 1 comes after event 8, which is already folded; read on with evcat --from 9"
	run -0 evfold --snapshot s 's=sum(data.n)' < <(evreplay --from 9 a.evlog)
	assert_output '{"s":210}'
	run -65 evfold --snapshot s 's=sum(data.n)' < <(numbered 3)
	assert_output --partial "an event has no seq"
	run -64 evfold --snapshot s 's=sum(data.n)' a.evlog a.evlog
}

@test "a fold that fails, or cannot write, leaves the snapshot as it was" {
	numbered 4 | evappend a.evlog
	evfold --snapshot s 's=sum(data.n)' a.evlog
	cp s kept
	echo '{"type":"T","data":{"n":"x"}}' | evappend a.evlog
	run -65 evfold --strict --snapshot s 's=sum(data.n)' a.evlog
	cmp s kept
	run -74 env LD_PRELOAD= bash -c 'ulimit -f 0; evfold --snapshot s "s=sum(data.n)" a.evlog'
	cmp s kept
	[ "$(ls s.* 2>/dev/null | wc -l)" = 0 ]
}

@test "a snapshot is replaced as a whole: killed at each call it is the old one or the new one" {
	need_shim
	numbered 10 | evappend a.evlog
	evfold --snapshot old 's=sum(data.n)' a.evlog
	numbered 5 11 | evappend a.evlog
	cp old new
	evfold --snapshot new 's=sum(data.n)' a.evlog
	killed=0
	for ((at = 1; ; at++)); do
		cp old s
		run env LD_PRELOAD="$EVLOG_BUILD/fault-shim.so" FAULT_AT=$at FAULT_DO=kill evfold --snapshot s 's=sum(data.n)' a.evlog
		[ "$status" = 137 ] || break
		killed=$((killed + 1))
		cmp s old || cmp s new
		run -0 evfold --snapshot s 's=sum(data.n)' a.evlog
		assert_output '{"s":120}'
		rm -f s.*
	done
	[ "$killed" -gt 15 ]
}

# ---- Tables ----

sql() { python3 -c "
import sqlite3, sys
for row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]): print('|'.join('' if c is None else str(c) for c in row))" "$@"; }

@test "a table has a row a key, with its seq and state, and a column a reducer that SQL can use" {
	orders | evappend a.evlog
	run -0 evfold -k subject -o sqlite:db:orders --columns 'n=count()' 'paid=sum(data.amount){type=PaymentCaptured}' 'last=last(type)' 'all=set(type)' 'hi=max(data.amount)' 'a=avg(data.amount)' a.evlog
	assert_output ""
	run -0 sql db "SELECT * FROM orders ORDER BY key"
	assert_output - <<-'END'
		order-17|5|{"n":3,"paid":39.31,"last":"PaymentCaptured","all":["OrderCreated","PaymentCaptured"],"hi":39.11,"a":26.14}|3|39.31|PaymentCaptured|["OrderCreated","PaymentCaptured"]|39.11|26.14
		order-18|4|{"n":2,"paid":0,"last":"OrderCancelled","all":["OrderCreated","OrderCancelled"],"hi":0.1,"a":0.1}|2|0|OrderCancelled|["OrderCreated","OrderCancelled"]|0.1|0.1
	END
	run -0 sql db "SELECT key FROM orders WHERE paid > 39 AND n = 3"
	assert_output order-17
	run -0 sql db "SELECT typeof(n), typeof(paid), typeof(last), typeof(seq) FROM orders WHERE n = 3"
	assert_output "integer|real|text|integer"
	run -0 sql db "PRAGMA journal_mode"
	assert_output wal
	evfold -o sqlite:db 'n=count()' a.evlog
	run -0 sql db "SELECT * FROM state"
	assert_output '|5|{"n":5}'
}

@test "a table is gone on with where it was, by reducers and by programs, wherever it is cut" {
	program
	awkward 40 | evappend all.evlog
	for what in reducers program; do
		fold=(evfold -k subject "${all_reducers[@]}")
		[ $what = reducers ] || fold=(evfold -k subject -p p.lua)
		rm -f want
		"${fold[@]}" -o sqlite:want all.evlog
		sql want "SELECT * FROM state ORDER BY key" >want.rows
		sql want "SELECT * FROM evlog_exact_state ORDER BY key" >>want.rows
		"${fold[@]}" all.evlog | jq -c .state | sort >states
		sql want "SELECT state FROM state" | jq -c . | sort | cmp - states
		for cut in 0 1 13 39; do
			rm -rf part.evlog db*
			evcat all.evlog | awk -v n=$cut 'NR <= n' | evappend --replica part.evlog
			"${fold[@]}" -o sqlite:db part.evlog
			evcat --from $((cut + 1)) all.evlog | evappend --replica part.evlog
			"${fold[@]}" -o sqlite:db part.evlog
			"${fold[@]}" -o sqlite:db part.evlog
			{
				sql db "SELECT * FROM state ORDER BY key"
				sql db "SELECT * FROM evlog_exact_state ORDER BY key"
			} | cmp - want.rows
		done
	done
}

@test "keys of all kinds are different rows; two that would be one are an error" {
	run -0 evfold -k data -o sqlite:db 'n=count()' < <(printf '{"seq":"%016d","data":%s}\n' 1 1 2 '"1"' 3 1.0 4 '"a\"b"' 5 true 6 -2.5 7 '""')
	run -0 sql db "SELECT typeof(key), key, n FROM (SELECT key, json_extract(state, '$.n') AS n FROM state) ORDER BY 1, 2"
	assert_output - <<-'END'
		integer|1|2
		real|-2.5|1
		text||1
		text|1|1
		text|a"b|1
		text|true|1
	END
}

@test "two keys that would be one row of a table are named, in one run or in two" {
	while read -r one other; do
		rm -f db ./*.evlog/* db-*
		printf '{"type":"T","data":%s}\n' "$one" "$other" | evappend a.evlog
		run -65 evfold -k data -o sqlite:db:t 'n=count()' a.evlog
		[[ $output = "evfold: db: the keys $one and $other would share a row of the table t; change one of them, for example with --upcast" ||
			$output = "evfold: db: the keys $other and $one would share a row of the table t; change one of them, for example with --upcast" ]]
		rm -rf a.evlog
		printf '{"type":"T","data":%s}\n' "$one" | evappend a.evlog
		evfold -k data -o sqlite:db:t 'n=count()' a.evlog
		printf '{"type":"T","data":%s}\n' "$other" | evappend a.evlog
		run -65 evfold -k data -o sqlite:db:t 'n=count()' a.evlog
		assert_output --partial "the keys $other and $one would share a row"
		rm -rf a.evlog
	done <<-'END'
		true "true"
		"false" false
		12345678901234567890 "12345678901234567890"
		"12345678901234567" 12345678901234567
	END
	# a constraint of the user's own is not about keys
	orders | evappend b.evlog
	evfold -k subject -o sqlite:own --columns 'n=count()' b.evlog
	sql own "CREATE UNIQUE INDEX i ON state (n)"
	run -65 evfold -k subject -o sqlite:own --rebuild --columns 'n=count()' <(printf '{"seq":"%016d","subject":"%s"}\n' 1 a 2 b)
	assert_output --partial "UNIQUE constraint failed: state.n"
}

@test "a table may have any name; a row that somebody removed, or whose state is gone, is named" {
	orders | evappend a.evlog
	evfold -q -k subject -o 'sqlite:db:my "own" table' 'n=count()' a.evlog
	assert_equal "$(sql db 'SELECT count(*) FROM "my ""own"" table"')" 2
	for change in "DELETE FROM state WHERE key = 'order-17'" \
		"UPDATE evlog_exact_state SET exact = NULL WHERE key = '\"order-17\"'" \
		"UPDATE evlog_exact_state SET exact = '[' WHERE key = '\"order-17\"'" \
		"UPDATE evlog_exact_state SET exact = '[1,2]' WHERE key = '\"order-17\"'" \
		"UPDATE evlog_exact_state SET exact = '{}' WHERE key = '\"order-17\"'" \
		"UPDATE evlog_exact_state SET exact = '[12345678901234567890123456]' WHERE key = '\"order-17\"'" \
		"UPDATE evlog_exact_state SET exact = '[\"1\"]' WHERE key = '\"order-17\"'"; do
		rm -f db
		evfold -q -k subject -o sqlite:db 'n=count()' a.evlog
		python3 -c 'import sqlite3, sys; sqlite3.connect("db", isolation_level=None).execute(sys.argv[1])' "$change"
		echo '{"type":"T","subject":"order-17"}' | evappend a.evlog
		run -65 evfold -q -k subject -o sqlite:db 'n=count()' a.evlog
		[[ $output == *order-17* ]] || fail "$change: $output"
		run -0 evfold -q -k subject -o sqlite:db --rebuild 'n=count()' a.evlog
	done
}

# Each line: JSON, its SQL type, its value.
sql_values() {
	cat <<-'END'
		12	integer	12
		1e3	integer	1000
		12e3	integer	12000
		1.20E1	integer	12
		120e-1	integer	12
		1000.0	integer	1000
		-0	integer	0
		-0.0e7	integer	0
		0e99999	integer	0
		1212092628029698048	integer	1212092628029698048
		1212092628029698049	integer	1212092628029698049
		9223372036854775807	integer	9223372036854775807
		-9223372036854775808	integer	-9223372036854775808
		9.223372036854775807e18	integer	9223372036854775807
		9223372036854775807000e-3	integer	9223372036854775807
		9223372036854775808	real	9.223372036854776e+18
		-9223372036854775809	text	-9223372036854775809
		9223372036854775807.5	real	9.223372036854776e+18
		18446744073709551615	text	18446744073709551615
		18446744073709551616	real	1.8446744073709552e+19
		12345678901234567890123	text	12345678901234567890123
		1e22	real	1e+22
		1e23	text	1e23
		25E-1	real	2.5
		1.00e-7	real	1e-07
		0.1	real	0.1
		3.0000000000000000000000001	real	3.0
		1e400	text	1e400
		-1E+400	text	-1E+400
		1.5e-400	text	1.5e-400
		1e20000	text	1e20000
		1e-20000	text	1e-20000
		1e99999999999999999999	text	1e99999999999999999999
		true	integer	1
		false	integer	0
		null	null	None
		"1e3"	text	1e3
		"true"	text	true
		[1e3]	text	[1e3]
	END
}

@test "a column has every number as itself: INTEGER, REAL or its text, whatever the notation and the reducer" {
	sql_values | awk -F '\t' '{ printf "{\"type\":\"T\",\"id\":\"%d\",\"data\":%s}\n", NR, $1 }' | evappend a.evlog
	evfold -q -k id -o sqlite:db --columns 'f=first(data)' 'l=last(data)' 'm=merge(data)' a.evlog
	for column in f l m; do
		sql db "SELECT typeof($column), coalesce($column, 'None') FROM state ORDER BY key + 0" | tr '|' '\t' |
			diff - <(sql_values | cut -f 2-)
	done
	run -0 sql db "SELECT count(*) FROM state WHERE l = 1212092628029698049"
	assert_output 1
	run -0 sql db "SELECT l FROM state WHERE l AND typeof(l) = 'integer' AND l BETWEEN 0 AND 2"
	assert_output 1
	# what adds up numbers writes them without an exponent
	evfold -q -o sqlite:db2 --columns 'p=max(data)' 's=sum(data)' 'a=avg(data)' 'big=sum(n)' < <(
		printf '{"seq":"%016d","data":%s,"n":123456789012345678901}\n' 1 1e3 2 1e3 3 2.5e3)
	run -0 sql db2 "SELECT typeof(p), p, typeof(s), s, typeof(a), a, typeof(big), big FROM state"
	assert_output "integer|2500|integer|4500|integer|1500|text|370370367037037036703"
}

@test "a number beyond every double is its text as a key too" {
	run -0 evfold -k data -o sqlite:db 'n=count()' < <(printf '{"seq":"%016d","data":%s}\n' 1 1 2 1e20000 3 1e3 4 1e-20000 5 1E400)
	run -0 sql db "SELECT typeof(key), count(*) FROM state GROUP BY 1 ORDER BY 1"
	assert_output - <<-'END'
		integer|2
		text|3
	END
}

@test "a table of another program or log, or not made by evfold, is refused; --rebuild replaces the first" {
	orders | evappend a.evlog
	orders | evappend b.evlog
	evfold -k subject -o sqlite:db 'n=count()' a.evlog
	sql db "CREATE INDEX mine ON state (seq)"
	run -76 evfold -k subject -o sqlite:db 'n=count()' 's=sum(data.amount)' a.evlog
	assert_output --partial "the table state was made with a different program, reducers, key or columns; use --rebuild to create it again"
	run -76 evfold -k subject -o sqlite:db 'n=count()' b.evlog
	assert_output --partial "the log has diverged: its events up to 5 are not those recorded earlier"
	run -0 evfold -k subject -o sqlite:db --rebuild 'n=count()' 's=sum(data.amount)' b.evlog
	run -0 sql db "SELECT key, state FROM state ORDER BY key"
	assert_output - <<-'END'
		order-17|{"n":3,"s":78.42}
		order-18|{"n":2,"s":0.1}
	END
	[ "$(sql db "SELECT count(*) FROM sqlite_master WHERE name = 'mine'")" = 1 ]
	python3 -c "import sqlite3; sqlite3.connect('own').execute('CREATE TABLE state (x)')"
	run -73 evfold -o sqlite:own --rebuild 'n=count()' a.evlog
	assert_output --partial "the table state already exists and was not made by evfold; choose another name"
	echo 'no database, but a text that is long enough to be looked at' >text
	run -65 evfold -o sqlite:text 'n=count()' a.evlog
	assert_output --partial "text: file is not a database"
	run -64 evfold -o sqlite:db --columns 'state=count()' a.evlog
	run -64 evfold --columns 'n=count()' a.evlog
}

@test "readers see the table before or after a rebuild, never half of it" {
	numbered 3000 | evappend a.evlog
	evfold -k data.n -o sqlite:db 'n=count()' a.evlog
	python3 - <<-'PY' &
		import sqlite3, sys, time
		db = sqlite3.connect("db", timeout=20)
		seen = set()
		end = time.time() + 30
		while time.time() < end and len(seen) < 2:
		    n, x = db.execute("SELECT count(*), min(state) FROM state").fetchone()
		    assert n == 3000, n
		    seen.add(x)
		    open("reading", "w").close()
		assert len(seen) == 2, seen
	PY
	until_ test -e reading
	evfold -k data.n -o sqlite:db --rebuild 'c=count()' a.evlog
	wait $!
}

@test "killed at each call, then run again: the table of an undisturbed run" {
	need_shim
	numbered 30 | evappend a.evlog
	evfold -k subject -o sqlite:old 's=sum(data.n)' 'a=avg(data.n)' a.evlog
	numbered 20 31 | evappend a.evlog
	evfold -k subject -o sqlite:want 's=sum(data.n)' 'a=avg(data.n)' a.evlog
	sql want "SELECT * FROM state ORDER BY key" >want.rows
	killed=0
	for start in old nothing; do
		for ((at = 1; ; at += 8)); do
			rm -f db*
			[ $start = nothing ] || cp old db
			run env LD_PRELOAD="$EVLOG_BUILD/fault-shim.so" FAULT_AT=$at FAULT_DO=kill evfold -k subject -o sqlite:db 's=sum(data.n)' 'a=avg(data.n)' a.evlog
			[ "$status" = 137 ] || break
			killed=$((killed + 1))
			run -0 evfold -k subject -o sqlite:db 's=sum(data.n)' 'a=avg(data.n)' a.evlog
			sql db "SELECT * FROM state ORDER BY key" | cmp - want.rows
		done
	done
	[ "$killed" -gt 10 ]
}

@test "-f keeps a table in step, and survives being killed while events come" {
	numbered 10 | evappend a.evlog
	for round in 1 2 3 4 5 6; do
		evfold -f -k subject -o sqlite:db 's=sum(data.n)' 'n=count()' a.evlog &
		pid=$!
		for i in 1 2 3; do
			numbered 40 $((round * 1000 + i * 50)) | evappend a.evlog
			sleep 0.0$((RANDOM % 9))
		done
		for _ in {1..200}; do
			[ $round != 3 ] || [ "$(sql db "SELECT seq FROM evlog_positions" 2>&1)" = 370 ] && break
			sleep 0.05
		done
		[ $round != 3 ] || [ "$(sql db "SELECT seq FROM evlog_positions")" = 370 ]
		kill -9 $pid
		wait $pid || true
	done
	evfold -k subject -o sqlite:db 's=sum(data.n)' 'n=count()' a.evlog
	evfold -k subject -o sqlite:want 's=sum(data.n)' 'n=count()' a.evlog
	cmp <(sql db "SELECT * FROM state ORDER BY key") <(sql want "SELECT * FROM state ORDER BY key")
}

@test "two folds into one table: the one that comes late says so, and spoils nothing" {
	numbered 10 | evappend a.evlog
	evfold -k subject -o sqlite:db 'n=count()' a.evlog
	numbered 10 11 | evappend a.evlog
	evfold -f -k subject -o sqlite:db 'n=count()' a.evlog 2>err &
	pid=$!
	for _ in {1..300}; do [ "$(sql db "SELECT seq FROM evlog_positions")" = 20 ] && break; sleep 0.05; done
	kill -STOP $pid
	numbered 5 21 | evappend a.evlog
	evfold -k subject -o sqlite:db 'n=count()' a.evlog
	kill -CONT $pid
	wait $pid || status=$?
	[ "$status" = 75 ]
	grep -q "another evfold changed the table at the same time" err
	evfold -k subject -o sqlite:want 'n=count()' a.evlog
	cmp <(sql db "SELECT * FROM state ORDER BY key") <(sql want "SELECT * FROM state ORDER BY key")
}

@test "stop() prints the event, and leaves what is kept as it was committed" {
	numbered 3 | evappend a.evlog
	echo 'on["*"] = function(s, e) s.n = e.data.n; if s.n == 2 then stop() end end' >p.lua
	for j in 1 3; do
		run -0 evfold -j $j -k type -p p.lua -o sqlite:db a.evlog
		assert_output "$(evcat --from 2 -c 1 a.evlog)"
		[ "$(sql db "SELECT count(*) FROM sqlite_master")" = 0 ]
		run -0 evfold -j $j -p p.lua --snapshot s a.evlog
		assert_output "$(evcat --from 2 -c 1 a.evlog)"
		[ ! -e s ]
	done
	run -64 evfold -p p.lua -p p.lua a.evlog
}

@test "what looks like ours in an event stays an event's; marked arrays and lists stay what they are" {
	cat >p.lua <<-'LUA'
		function on.Keep(s, e) s.v = e.data; s.d = decimal("1.50") end
		function on.Put(s, e) s.q = s.q or {}; table.insert(s.q, e.data); s.m = array{} end
		function on.Get(s, e) table.remove(s.q, 1); s.q.x = 1; s.m[1] = 2 end
	LUA
	printf '{"type":"%s","data":%s}\n' Keep '{"$decimal":"12","$array":[1],"$$x":{"$":2},"$decimal2":{"$decimal":1}}' \
		Keep '{"a":[{"$decimal":"x"},{"$array":null},[],[[]]]}' Put '{"$array":[]}' Get null | evappend all.evlog
	for cut in 1 2 3; do
		rm -rf part.evlog s db*
		evcat --to $cut all.evlog | evappend --replica part.evlog
		evfold -p p.lua --snapshot s part.evlog >/dev/null
		evfold -p p.lua -o sqlite:db part.evlog
		evcat --from $((cut + 1)) all.evlog | evappend --replica part.evlog
		evfold -p p.lua part.evlog >want
		evfold -p p.lua --snapshot s part.evlog | cmp - want
		evfold -p p.lua -o sqlite:db part.evlog
		[ "$(sql db "SELECT state FROM state")" = "$(cat want)" ]
	done
}

@test "numbers that arithmetic made long come back, too" {
	printf '{"type":"T","data":%s}\n' 1e6000 1e-6000 | evappend a.evlog
	for i in 1 2; do
		evfold --snapshot s 's=sum(data)' 'a=avg(data)' a.evlog >got$i
		evfold -o sqlite:db 's=sum(data)' a.evlog
	done
	cmp got1 got2
	echo '{"type":"T","data":1}' | evappend a.evlog
	evfold --snapshot s 's=sum(data)' 'a=avg(data)' a.evlog | cmp - <(evfold 's=sum(data)' 'a=avg(data)' a.evlog)
}

@test "after a snapshot -o changes shows changes alone" {
	echo '{"type":"T","data":1}' | evappend a.evlog
	evfold --snapshot s 'f=first(data)' a.evlog
	printf '{"type":"T","data":%d}\n' 2 3 | evappend a.evlog
	run -0 evfold -o changes --snapshot s 'f=first(data)' a.evlog
	assert_output ""
}

@test "a table of others is not touched, whatever the case of its name, nor one beside it" {
	echo '{"type":"T","data":1}' | evappend a.evlog
	python3 -c "
import sqlite3
db = sqlite3.connect('db')
db.execute('CREATE TABLE Orders (a)'); db.execute('INSERT INTO Orders VALUES (42)')
db.execute('CREATE TABLE evlog_exact_mine (a)'); db.commit()"
	run -73 evfold -o sqlite:db:orders 'n=count()' a.evlog
	run -73 evfold -o sqlite:db:mine 'n=count()' a.evlog
	assert_output --partial "the table evlog_exact_mine already exists"
	[ "$(sql db "SELECT a FROM Orders")" = 42 ]
	run -73 evfold -o sqlite:missing/db 'n=count()' a.evlog
}

@test "a fold into a table that was rebuilt meanwhile says so, at the same seq too" {
	numbered 4 | evappend a.evlog
	evfold -f -k subject -o sqlite:db 'n=count()' a.evlog 2>err &
	pid=$!
	for _ in {1..300}; do [ "$(sql db "SELECT seq FROM evlog_positions" 2>&1)" = 4 ] && break; sleep 0.05; done
	evfold -k subject -o sqlite:db --rebuild 's=sum(data.n)' a.evlog
	numbered 1 9 | evappend a.evlog
	wait $pid || status=$?
	[ "$status" = 75 ]
	evfold -k subject -o sqlite:db 's=sum(data.n)' a.evlog
}

@test "a state that does not load fails the fold, not the event" {
	cat >p.lua <<-'LUA'
		function on.A(s, e) s.big = string.rep("x", 3000000) end
		function on.B(s, e) s.n = (s.n or 0) + 1 end
	LUA
	printf '{"type":"%s"}\n' A B | evappend a.evlog
	evfold -p p.lua -o sqlite:db a.evlog
	printf '{"type":"%s"}\n' B B | evappend a.evlog
	run -65 evfold -p p.lua --lua-memory 1M --skip-errors bad -o sqlite:db a.evlog
	assert_output --partial "use --rebuild to create the table again"
	[ ! -s bad ]
	[ "$(sql db "SELECT seq FROM evlog_positions")" = 2 ]
}

@test "an event put aside is kept before the table passes over it" {
	echo 'function on.A(s, e) error("no") end' >p.lua
	printf '{"type":"A"}\n' | evappend a.evlog
	evfold -f -p p.lua --skip-errors bad -o sqlite:db a.evlog &
	pid=$!
	for _ in {1..300}; do [ "$(sql db "SELECT seq FROM evlog_positions" 2>&1)" = 1 ] && break; sleep 0.05; done
	kill -9 $pid
	wait $pid || true
	cmp bad <(evcat a.evlog)
}

@test "a snapshot that could not be written is told before the work" {
	numbered 2 | evappend a.evlog
	run -73 --separate-stderr evfold --snapshot missing/s 'n=count()' a.evlog
	assert_output ""
	[ "$stderr" = "evfold: missing/s: No such file or directory" ]
}

@test "what is recorded is what was folded: an event that an upcaster or program fails at is never passed" {
	numbered 12 | evappend a.evlog # one block
	for k in 1 2 5 11 12; do
		echo "for _, t in ipairs{'T0', 'T1', 'T2'} do upcast[t] = function(e)
			if e.data.n == $k then error('bad') end
			if e.data.n % 3 == 0 then return nil end
			return e end end" >u.lua
		echo "on['*'] = function(s, e) if e.data.n == $k then error('bad') end; s.n = (s.n or 0) + 1 end" >p.lua
		for what in '--upcast u.lua n=count()' '-p p.lua' '-k subject --upcast u.lua n=count()'; do
			for sink in '-o sqlite:db' '--snapshot snap' '-f -o sqlite:db' '-j1 -o sqlite:db'; do
				rm -f db snap
				for run in first second third; do
					# shellcheck disable=SC2086 # words
					run -65 evfold $what $sink a.evlog
					assert_output --partial bad
				done
				seq=0
				[ ! -e db ] || seq=$(sqlite3 db 'select max(seq) from evlog_positions' 2>message || echo 0)
				[ "$seq" -lt $k ] || fail "$what $sink, failing at event $k: it is recorded up to $seq"
				[ ! -e snap ] || fail "a snapshot of a fold that failed"
			done
		done
	done
}

@test "what --skip-errors puts aside is durable, with its name, before anything behind it is recorded" {
	command -v strace >/dev/null || skip "no strace"
	numbered 5 | evappend a.evlog
	echo 'on["*"] = function(s, e) if e.data.n == 3 then error("bad") end; s.n = (s.n or 0) + 1 end' >p.lua
	mkdir aside
	for sink in '-o sqlite:db' '--snapshot snap'; do
		rm -f aside/* db snap trace
		# shellcheck disable=SC2086 # words
		run -65 traced -f -y -e trace=fsync,fdatasync,rename,renameat,pwrite64 -o trace \
			evfold -p p.lua --skip-errors aside/bad $sink a.evlog
		order=$(awk '/sync.*\/aside\/bad>/ && !bad { bad = NR } /fsync.*\/aside>/ && !name { name = NR }
			/rename.*snap/ || /pwrite64.*\/db>/ { recorded = NR } END { print bad && bad < name && name < recorded }' trace)
		assert_equal "$order" 1
	done
}
