# All code that runs on several threads, while another process is active.  With
# SAN=thread, ThreadSanitizer checks it.
load common
setup() { common_setup; }

events() { # FROM TO [PAUSE after every 1000]
	seq "$1" "$2" | awk -v pause="${3:-}" '{
		srand($1)
		pad = ""
		for (i = 0; i < 60; i++) pad = pad sprintf("%05x", 1048576 * rand())
		printf "{\"type\":\"T%d\",\"id\":\"%d\",\"subject\":\"s%d\",\"data\":{\"n\":%d,\"pad\":\"%s\"}}\n", $1 % 3, $1, $1 % 50, $1, pad
		if (pause && $1 % 1000 == 0) { fflush(); system("sleep " pause) }
	}'
}

@test "a stream is appended and sealed by threads, and followed meanwhile" {
	events 1 1 | evappend -q --segment-size 64k a.evlog
	timeout 120 evcat -f -j 4 -c 20000 a.evlog >followed 3>&- &
	events 2 20000 0.1 | evappend -q -j 4 --segment-size 64k a.evlog
	wait $!
	evcat -o data a.evlog | jq .n | cmp - <(seq 20000)
	evcat a.evlog | cmp - followed
	[ "$(find a.evlog -name '*.zst' | wc -l)" -ge 3 ]
	evappend -j 4 --reindex a.evlog
	events 19990 20010 | evappend -q -j 4 --dedup a.evlog
	evcat -j 4 -r -s s7 a.evlog >back
	evcat -s s7 a.evlog | tac | cmp - back
}

@test "a fold by threads is that by one, by reducers and in Lua" {
	events 1 20000 | evappend -q a.evlog
	echo 'function on.T1(s, e) s.n = (s.n or 0) + e.data.n return s end
		on["*"] = function(s, e) s.others = (s.others or 0) + 1 return s end' >p.lua
	for fold in '-k subject count() sum(data.n)' '-k subject -p p.lua' '-k data.n last(type)'; do
		# shellcheck disable=SC2086 # words
		evfold -q -j 1 $fold a.evlog >one
		# shellcheck disable=SC2086
		evfold -q -j 4 $fold a.evlog | cmp - one
	done
	evcat -n 19000 a.evlog >b
	run -1 evdiff -q -j 4 a.evlog b
}

@test "consumers run commands side by side, emit, and are told to stop" {
	events 1 3000 | evappend -q a.evlog
	evrun -q -j 3 --batch 100 --checkpoint c --emit b.evlog a.evlog -- jq -c '{type: "Seen", subject, data: .data.n}'
	evcat -o data b.evlog | sort -n | cmp - <(seq 3000)
	evrun -q -f -j 3 --batch 10 --checkpoint d a.evlog -- sh -c 'cat >/dev/null; sleep 0.05' 3>&- &
	sleep 0.5
	kill -TERM $!
	wait $!
	[ "$(jq .seq d)" -gt 0 ]
}
