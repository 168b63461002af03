# evfold --test: the tests of a program.
load common
setup() {
	common_setup
	cat >p.lua <<-'END'
		function init(key) return { n = 0, sum = decimal(0) } end
		function on.Add(s, e)
		    s.n = s.n + 1
		    s.sum = s.sum + e.data.n
		    if s.n == 2 then emit{type="Two", subject=e.subject, data=e.data} emit{type="Sum", data={sum=s.sum}} end
		end
		function on.Fail(s, e) s.n = 99 error("it is " .. e.data.what) end
	END
}

@test "what a case can say: it is emitted, it is the state, it is the error" {
	# a case without its name, and what is wrong with it; nothing: it passes
	local n=0 case wrong
	while IFS='|' read -r case wrong; do
		n=$((n + 1))
		echo "{\"name\":\"case $n\",$case}" >one
		if [ "$wrong" ]; then
			run -1 --separate-stderr evfold --test one -p p.lua -k subject
			assert_equal "$output" "not ok 1 - case $n
# line 1: $wrong
1..1"
			assert_equal "$stderr" "evfold: 1 of 1 case failed"
		else
			run -0 evfold --test one -p p.lua -k subject
			assert_output "ok 1 - case $n
1..1"
		fi
		cat one >>all
	done <<-'END'
		"when":{"type":"Add","subject":"a","data":{"n":1}},"state":{"n":1,"sum":1}
		"when":{"type":"Add","subject":"a","data":{"n":0.10}},"state":{"sum":0.1,"n":1.0},"then":[]
		"when":{"type":"Add","subject":"a","data":{"n":1}},"state":{"n":1,"sum":2}|the state should be {"n":1,"sum":2}, but is {"n":1,"sum":1}
		"given":[{"type":"Add","subject":"a","data":{"n":1}}],"when":{"type":"Add","subject":"a","data":{"n":2,"x":[1,{"b":1,"a":2}]}},"then":[{"type":"Two","subject":"a","data":{"x":[1,{"a":2,"b":1}],"n":2}},{"type":"Sum","data":{"sum":3}}]
		"given":[{"type":"Add","subject":"b","data":{"n":1}}],"when":{"type":"Add","subject":"a","data":{"n":2}},"then":[]
		"given":[{"type":"Add","subject":"a","data":{"n":1}}],"when":{"type":"Add","subject":"a","data":{"n":2}},"then":[]|what it emits should be [], but is [{"data":{"n":2},"subject":"a","type":"Two"},{"data":{"sum":3},"type":"Sum"}]
		"when":{"type":"Other","subject":"a"},"then":[]
		"when":{},"then":[]
		"when":{"type":"Add","data":{"n":1}},"then":[]
		"when":{"type":"Fail","subject":"a","data":{"what":"broken"}},"error":"it is broken"
		"when":{"type":"Fail","subject":"a","data":{"what":"broken"}},"error":"mended"|its error should be "mended", but is event 1: p.lua:7: it is broken
		"when":{"type":"Fail","subject":"a","data":{"what":"broken"}},"then":[]|it fails: event 1: p.lua:7: it is broken
		"when":{"type":"Add","subject":"a","data":{"n":1}},"error":""|its error should be "", but is nothing
		"given":[{"type":"Fail","subject":"a","data":{"what":"x"}}],"when":{"type":"Add","subject":"a","data":{"n":1}},"then":[]|given event 1: event 1: p.lua:7: it is x
	END
	run -1 evfold --test all -p p.lua -k subject
	assert_equal "$(grep -c '^ok' <<<"$output") $(grep -c '^not ok' <<<"$output") $(grep -c '^1\.\.14$' <<<"$output")" "8 6 1"
	evfold -q --test - -p p.lua -k subject <<<'{"when":{"type":"Other"},"then":[]}' | sed -n 1p | cmp - <(echo "ok 1 - line 1")
}

@test "what nobody wrote down is tried, too: once more, from a snapshot, with members in another order" {
	local program wrong
	while IFS='|' read -r program wrong; do
		echo "$program" >q.lua
		echo '{"given":[{"type":"A","data":{"x":1,"y":2}},{"type":"A","data":{"x":1,"y":2}}],"when":{"type":"A","data":{"x":1,"y":2}},"then":[]}' >c
		if [ "$wrong" ]; then
			run -1 evfold -q --test c -p q.lua
			assert_line "# line 1: $wrong"
		else
			run -0 evfold --test c -p q.lua
		fi
	done <<-'END'
		function on.A(s, e) s.n = (s.n or 0) + 1 s.last = e.data end|
		local n = 0 function on.A(s, e) n = n + 1 s.n = n end|given event 1: event 1: 'n', defined outside of the functions, has changed; keep what changes in the state
		function on.A(s, e) s.a = s.a or {1} s.b = s.b or s.a s.a[1] = s.a[1] + 1 end|it gives something else when it goes on from a snapshot
		function on.A(s, e) for k, v in pairs(e.data) do s[k] = (s.first or 0) + v s.first = v end end|
	END
}

@test "seq, logtime and the key are as in a log" {
	cat >k.lua <<-'END'
		function key(e) return e.data.customer end
		on["*"] = function(s, e) s.seq, s.at, s.n = e.seq, e.logtime, (s.n or 0) + 1 end
	END
	cat >c <<-'END'
		{"given":[{"type":"A","data":{"customer":1}},{"type":"A","data":{"customer":2}}],"when":{"type":"A","data":{"customer":1}},"state":{"seq":"0000000000000003","at":"1970-01-01T00:00:03.000000Z","n":2}}
		{"when":{"seq":"0000000000000017","logtime":"2026-11-01T00:00:00.000000Z","type":"A","data":{"customer":1}},"state":{"seq":"0000000000000017","at":"2026-11-01T00:00:00.000000Z","n":1}}
	END
	run -0 evfold --test c -p k.lua
}

@test "a file that has no cases is refused, and says where" {
	local case why
	mkdir temporary
	export TMPDIR=$PWD/temporary
	while IFS='|' read -r case why; do
		echo "$case" >c
		run -65 evfold --test c -p p.lua
		assert_output --partial "evfold: c:1:1: $why"
	done <<-'END'
		[]|a case must be an object
		{"then":[]}|when is missing
		{"when":{}}|then, state or error is missing
		{"when":{},"then":[],"error":"x"}|error excludes then and state
		{"when":[],"then":[]}|given and then must be arrays
		{"when":{},"then":{}}|given and then must be arrays
		{"when":{},"then":[],"given":[1]}|given must have events only
		{"when":{},"then":[],"gven":[]}|a case has name, given, when, then, state and error
		{"when":{},"then":[],"then":[]}|a member is there twice
	END
	: >c
	run -65 evfold --test c -p p.lua
	assert_output "evfold: c: there is no case in it"
	echo '{"when":' >c
	run -65 evfold --test c -p p.lua
	assert_output --regexp '^evfold: c:1:[0-9]+: '
	run -66 evfold --test none -p p.lua
	run -66 evfold --test c -p none.lua
	echo "no Lua" >bad.lua
	run -65 evfold --test c -p bad.lua
	for args in "" "-p p.lua log" "-p p.lua -f" "-p p.lua -o events" "-p p.lua --snapshot s" "n=count()"; do
		# shellcheck disable=SC2086
		run -64 evfold --test c $args
	done
	[ "$(ls temporary)" = "" ]
}

@test "the programs of the samples have tests" {
	cd "$samples/orders"
	for p in mediator order credit stock; do
		run -0 evfold --test $p.cases.ndjson -p $p.lua
		assert_line --index 0 --regexp '^ok 1 - '
	done
}
