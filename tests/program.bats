# program.bats - evfold's programs in Lua: deterministic, exact, limited.
load common
setup() { common_setup; }

# program TEXT: writes p.lua.  one BODY: writes a program that handles all events with
# BODY.
program() { cat >p.lua; }
one() { echo "on['*'] = function(s, e) $1 end" >p.lua; }

# state EVENT...: prints the state that p.lua computes.
state() { printf '%s\n' "$@" | evfold -p p.lua; }

@test "a function for each type, init for each key, * for the rest" {
	program <<-'LUA'
		function init(key) return { status = "new", paid = decimal(0), of = key } end
		function on.OrderCreated(s, e) s.status = "pending"; s.total = e.data.amount end
		function on.PaymentCaptured(s, e) s.paid = s.paid + e.data.amount end
		on["*"] = function(s, e) s.other = e.type end
	LUA
	orders | evappend a.evlog
	run -0 evfold -k subject -p p.lua a.evlog
	assert_output - <<-'END'
		{"key":"order-17","seq":5,"state":{"of":"order-17","paid":39.31,"status":"pending","total":39.11}}
		{"key":"order-18","seq":4,"state":{"of":"order-18","other":"OrderCancelled","paid":0,"status":"pending","total":0.1}}
	END
	run -0 evfold -p p.lua a.evlog
	assert_output '{"other":"OrderCancelled","paid":39.31,"status":"pending","total":0.1}'
}

@test "key(e) names the key; numbers that are equal are one; nil and null leave out" {
	program <<-'LUA'
		function key(e) return e.data.k end
		on["*"] = function(s, e) s.n = (s.n or 0) + 1 end
	LUA
	run -0 --separate-stderr state '{"data":{"k":1}}' '{"data":{"k":1.0}}' '{"data":{"k":"1"}}' '{"data":{"k":null}}' '{"data":{}}' '{"data":{"k":true}}'
	assert_output - <<-'END'
		{"key":"1","seq":null,"state":{"n":1}}
		{"key":1,"seq":null,"state":{"n":2}}
		{"key":true,"seq":null,"state":{"n":1}}
	END
	[ "$stderr" = "evfold: skipped: 2 events without a key" ]
	run -65 state '{"data":{"k":{}}}'
	assert_output --partial "event 0: key(e) returned a table; it must return a string, a number or a boolean"
}

@test "values come back as they went in: integers, decimals, null, empty arrays, any string" {
	one 'return e.data'
	while read -r value; do
		run -0 state "{\"data\":$value}"
		assert_output "$value"
	done <<-'END'
		9223372036854775807
		-9223372036854775808
		9007199254740993
		18446744073709551616
		-123456789012345678901234567890
		0.1
		39.11
		0.12345678901234567890123
		-0.5
		3.0
		true
		false
		"\u0000\"\\\n\u001f"
		"Gdańsk 😀"
		""
		[]
		{}
		[[],{},[{}],null,[null,null]]
		{"a":[1,2.5,"x"],"b":{"c":null}}
	END
	for value in 1e400:1'(0{400})' 1e-400:'0\.(0{399})1' 1e15:'1e[+]15' '-0:0' '1.50:1.5' 5e-324:'0[.](0{323})5'; do
		run -0 state "{\"data\":${value%%:*}}"
		[[ $output =~ ^${value#*:}$ ]] || fail "$value: $output"
	done
}

@test "a kept value prints the same whether or not it was looked into" {
	data='{"z":1,"a":{"y":[3,{"x":null}],"b":"\u00e9"},"m":[],"a2":{"q":1.50}}'
	for look in '' 'local _ = e.data.a.y[2].x' 'for k in pairs(e.data) do end' 'local _ = #e.data.m' 'e.data.n = 1; e.data.n = nil' 'local x = e.data.a; e.data.a = x' 'local _ = next(e.data.a)' 'local _ = e.data.a.y; local _ = rawget(e.data, "z")'; do
		one "$look; s.kept = e.data; s.again = e.data.a"
		run -0 state "{\"type\":\"T\",\"data\":$data}"
		assert_output '{"again":{"b":"é","y":[3,{"x":null}]},"kept":{"a":{"b":"é","y":[3,{"x":null}]},"a2":{"q":1.5},"m":[],"z":1}}'
	done
}

@test "what is kept of one event is not changed by the next" {
	one 's.first = s.first or e.data; s.last = e.data.v; s.all = s.all or array{}; table.insert(s.all, e)'
	run -0 state '{"type":"a","data":{"v":[1]}}' '{"type":"b","data":{"v":[2]}}' '{"type":"c","data":{"v":[3]}}'
	assert_output '{"all":[{"data":{"v":[1]},"type":"a"},{"data":{"v":[2]},"type":"b"},{"data":{"v":[3]},"type":"c"}],"first":{"v":[1]},"last":[3]}'
}

@test "a member removed, or changed, stays so" {
	one 'local d = e.data; local x = d.sub; d.sub = nil; d.b = 2; s.d = d; s.gone = d.sub == nil; s.n = 0; for _ in pairs(d) do s.n = s.n + 1 end'
	run -0 state '{"data":{"sub":{"x":1},"b":1,"c":3}}'
	assert_output '{"d":{"b":2,"c":3},"gone":true,"n":2}'
	one 'local i = e.data.items; table.remove(i, 1); table.insert(i, "new"); s.i = i; s.n = #i; s.same = e.data.items == i; s.joined = table.concat(e.data.words, "-")'
	run -0 state '{"data":{"items":[1,2,3],"words":["a","b"]}}'
	assert_output '{"i":[2,3,"new"],"joined":"a-b","n":3,"same":true}'
}

@test "decimals: exact arithmetic, comparison, rounding, with numbers too" {
	while IFS='|' read -r lua json; do
		one "return { r = $lua }"
		run -0 state '{"data":0.1}'
		assert_output "{\"r\":$json}"
	done <<-'END'
		decimal("0.1") + 0.2|0.3
		e.data + decimal("0.2")|0.3
		decimal("0.1") - "0.3"|-0.2
		decimal("39.11") * 3|117.33
		decimal(10) / 4|2.5
		decimal(1) / 3|0.3333333333333333333333333333333333
		-decimal("1.50")|-1.5
		decimal("2.345"):round(2)|2.34
		decimal("2.355"):round(2)|2.36
		decimal("-2.5"):round()|-2
		decimal("99999999999999999999999999999999999999") + 1|100000000000000000000000000000000000000
		decimal("1e3")|1000
		decimal(e.data) == decimal("0.10")|true
		decimal("0.3") > 0.2|true
		decimal("0.3") <= decimal("0.30")|true
		tostring(decimal("1.10"))|"1.1"
		"sum: " .. decimal(5)|"sum: 5"
		math.type(3)|"integer"
		string.format("%s %d", decimal("0.5"), 7)|"0.5 7"
		tostring(null)|"null"
	END
}

@test "what decimals cannot do is said" {
	while IFS='|' read -r lua why; do
		one "return $lua"
		run -65 state '{"data":1}'
		assert_output --partial "$why"
	done <<-'END'
		decimal("x")|decimal: x is not a number
		decimal({})|is not a number
		decimal(1) / 0|decimal: division by zero
		decimal("1e10001")|decimal: too many digits
		decimal("1"):round(-1)|decimal: the number of places must be 0 or more
	END
	one 'local d = decimal("1.1"); for _ = 1, 30 do d = d * d end'
	run -65 state '{}'
	assert_output --partial "decimal: too many digits"
}

@test "the same input gives the same bytes: tables are walked in order" {
	program <<-'LUA'
		on["*"] = function(s, e)
			local t, seen = { 3, 2, 1, x = 1, ["1"] = 2, [1.5] = 3, [true] = 4 }, array{}
			for i = 1, 40 do t["k" .. i * 7919 % 1000] = i end
			for k, v in pairs(t) do seen[#seen + 1] = tostring(k) .. "=" .. v end
			local k = next(t)
			while k ~= nil do seen[#seen + 1] = tostring(k); k = next(t, k) end
			for k in pairs(t) do t[k] = nil end
			s.seen, s.left = seen, next(t) == nil
			s.t = tostring({}) .. tostring(print) .. string.format("%s %s", {}, string.len)
		end
	LUA
	state '{}' >first
	for _ in {1..12}; do state '{}' | cmp - first; done
	run -0 jq -r '.seen[0:6] | join(" ")' first
	assert_output "true=4 1=3 1.5=3 2=2 3=1 1=2"
	run -0 jq -c '[.left, .t]' first
	assert_output '[true,"tableniltable function"]'
}

# Records with few distinct keys, some of them where Lua's own sort takes its pivots, so
# that its first partition is unbalanced.
@test "table.sort is stable, and the same at each run, whatever the input" {
	program <<-'LUA'
		local function check(t, less)
			for i = 2, #t do
				local a, b = t[i - 1], t[i]
				if less(b, a) or (not less(a, b) and a.id > b.id) then return i end
			end
			return "sorted"
		end
		on["*"] = function(s, e)
			local less = function(a, b) return a.k < b.k end
			s.of = array{}
			for _, n in ipairs{ 0, 1, 2, 3, 4, 5, 7, 8, 9, 100, 101, 1023, 1024, 1025, 4000 } do
				for keys = 1, 3 do
					local t = {}
					for i = 1, n do t[i] = { k = 5 + (i * 7919) % keys, id = i } end
					if n > 3 then
						t[1].k = 1; t[1 + (n - 1) // 4].k = 2; t[n].k = 3
					end
					table.sort(t, less)
					if #t ~= n or check(t, less) ~= "sorted" then s.bad = n end
					for _, x in ipairs(t) do s.h = ((s.h or 0) * 31 + x.id) % 1000000007 end
				end
			end
		end
	LUA
	for _ in {1..6}; do state '{"type":"T"}'; done >all
	[ "$(sort -u all | wc -l)" = 1 ]
	run -0 jq -c 'del(.h)' <(head -n 1 all)
	assert_output '{"of":[]}'
}

@test "table.sort takes what Lua's takes" {
	while IFS='|' read -r lua json; do
		one "$lua"
		run -0 state '{"type":"T","data":{"l":[3,1,2.5,10,-1],"w":["b","a","C","","é"]}}'
		assert_output "$json"
	done <<-'END'
		local l = e.data.l; s.none = table.sort(l) == nil; s.l = l|{"l":[-1,1,2.5,3,10],"none":true}
		table.sort(e.data.w); s.w = e.data.w|{"w":["","C","a","b","é"]}
		table.sort(e.data.l, function(a, b) return a > b end); s.l = e.data.l|{"l":[10,3,2.5,1,-1]}
		local t = { decimal("1.5"), 1, decimal("0.1"), 2 }; table.sort(t, nil); s.t = t|{"t":[0.1,1,1.5,2]}
		s.ok, s.m = pcall(table.sort, { 1, "x", 3 }); s.m = s.m:match("attempt to compare")|{"m":"attempt to compare","ok":false}
		s.ok, s.m = pcall(table.sort, { 2, 1 }, 5)|{"m":"bad argument #2 to 'table.sort' (function expected, got number)","ok":false}
		s.ok = pcall(table.sort); s.m = pcall(table.sort, "x")|{"m":false,"ok":false}
		local t = { 3, 2, 1 }; s.ok, s.m = pcall(table.sort, t, function() error("no", 0) end); s.t = t|{"m":"no","ok":false,"t":[3,2,1]}
		local t = { 1, 2, 3, 4, 5 }; table.sort(t, function() return true end); local n = 0; for _, v in ipairs(t) do n = n + v end; s.n = n|{"n":15}
		local t = { 3, 1, 2 }; table.sort(t, function(a, b) t[1] = 9; t[4] = 7; return a < b end); s.t = t|{"t":[1,2,3,7]}
		local t = {}; table.sort(t, function() error("called") end); table.sort({ 1 }, function() error("called") end); s.n = #t|{"n":0}
		local t = setmetatable({}, { __len = function() return 3 end, __index = function(_, i) return 10 - i end }); table.sort(t); s.t = { t[1], t[2], t[3] }|{"t":[7,8,9]}
	END
	echo 'upcast["A"] = function(e) table.sort(e.data, function(a, b) return a.k < b.k end); e.type = "B"; return e end' >u.lua
	run -0 jq -c .data < <(evcat --upcast u.lua - <<<'{"type":"A","data":[{"k":2,"i":1},{"k":1,"i":2},{"k":2,"i":3},{"k":1,"i":4}]}')
	assert_output '[{"i":2,"k":1},{"i":4,"k":1},{"i":1,"k":2},{"i":3,"k":2}]'
	# what it does is counted, and its memory too
	for lua in 'local t = {} for i = 1, 4000 do t[i] = -i end for i = 1, 100 do table.sort(t); t[1] = i end' \
		'table.sort(setmetatable({}, { __len = function() return 1 << 30 end }))' \
		'table.sort({ 2, 1 }, function() while true do end end)' \
		'local t = {} for i = 1, 4000 do t[i] = -i end pcall(table.sort, t, function(a, b) for i = 1, 100 do end return a < b end)'; do
		one "$lua"
		run -65 timeout 60 evfold -p p.lua --lua-steps 200000 < <(echo '{"type":"T"}')
		assert_output "evfold: event 0: p.lua:1: too many instructions (more than 200000)"
	done
	one 'table.sort(setmetatable({}, { __len = function() return 1 << 26 end }))'
	run -65 timeout 60 evfold -p p.lua --lua-steps 2000000000 --lua-memory 16M < <(echo '{"type":"T"}')
	assert_output "evfold: event 0: the program needs more than 16777216 bytes of memory"
}

@test "a table with holes and other keys is no array, whatever its length is" {
	for lua in 's.x = { 1, 2, nil, 4, x = 1 }' 's.x = { nil, 2, a = 1 }' 's.x = array{ 1, nil, 3, x = 1 }' 's.x = { [3] = 1, a = 1, b = 2 }'; do
		one "$lua"
		run -65 state '{}'
		assert_output --partial "an array has holes, or keys other than 1 to"
	done
}

@test "messages that a program catches are the same at each run" {
	program <<-'LUA'
		fmt, aaa, zzz = string.rep, string.rep, string.rep
		on["*"] = function(s, e)
			s.m = array{}
			local function no(...) s.m[#s.m + 1] = select(2, pcall(...)) end
			no(string.rep)
			no(fmt)
			for i = 1, 20 do
				no(pairs, { [{}] = 1, [tostring] = 2, ["k" .. i] = 3 })
				no(next, { [{}] = 1, [tostring] = 2, ["k" .. i] = 3 })
				no(emit, { type = "x", data = { 1, 2, [5] = 1, ["k" .. i] = 3 } })
			end
		end
	LUA
	for _ in {1..12}; do state '{}'; done | sort -u >all
	[ "$(wc -l <all)" = 1 ]
}

@test "no clock, no random numbers, no files, no loading, no addresses" {
	for name in os io debug package coroutine require load loadfile dofile loadstring collectgarbage print warn math.random math.randomseed string.dump; do
		one "s.there = $name ~= nil"
		run -0 state '{}'
		assert_output '{"there":false}'
	done
	for lua in 'setmetatable({}, {__gc = function() end})' 'setmetatable({}, {__mode = "k"})' 'string.format("%p", {})' 'string.format("%-5p", {})' 'getmetatable(e).x = 1' 'setmetatable(_G, {})' 'math = nil' 'counter = 1'; do
		one "$lua"
		run -65 state '{"type":"T"}'
	done
	assert_output --partial "p.lua:1: 'counter' is not a local variable; keep what changes in the state"
}

@test "bytecode is refused" {
	command -v luac5.4 >/dev/null || skip "no luac5.4"
	echo 'on["*"] = function() end' >s.lua
	luac5.4 -o p.lua s.lua
	run -65 state '{}'
	assert_output --partial "attempt to load a binary chunk"
}

@test "an error names file, line and the event's seq, and no state is printed" {
	program <<-'LUA'
		#!/usr/bin/env -S evfold -p
		on.A = function(s, e) s.n = (s.n or 0) + 1 end

		function on.B(s, e) s.n = s.n + e.data.amount end
	LUA
	printf '%s\n' '{"type":"A"}' '{"type":"B","data":{"amount":2}}' '{"type":"B","data":{}}' | evappend a.evlog
	run -65 --separate-stderr evfold -p p.lua a.evlog
	assert_output ""
	[ "$stderr" = "evfold: event 3: p.lua:4: attempt to perform arithmetic on a nil value (field 'amount')" ]
}

@test "--skip-errors goes on, keeps the events, and leaves their keys as they were" {
	program <<-'LUA'
		function on.Add(s, e)
			s.n = (s.n or 0) + 1
			s.sum = (s.sum or decimal(0)) + e.data.v
		end
	LUA
	printf '{"type":"Add","subject":"%s","data":{"v":%s}}\n' a 0.1 b '"x"' a '"?"' a 0.2 b 5 c null | evappend a.evlog
	run -65 --separate-stderr evfold -k subject -p p.lua --skip-errors bad a.evlog
	assert_output - <<-'END'
		{"key":"a","seq":4,"state":{"n":2,"sum":0.3}}
		{"key":"b","seq":5,"state":{"n":1,"sum":5}}
	END
	[ "$stderr" = "evfold: skipped: 3 events that the program failed on, written to bad" ]
	cmp bad <(evcat a.evlog | sed -n '2p;3p;6p')
	sed -i 's/ + e.data.v/ + (tonumber(e.data.v) or 0)/' p.lua
	run -0 evfold -k subject -p p.lua bad
	run -64 evfold --skip-errors bad a.evlog
}

@test "loops and memory are bounded, pcall or not; the limits can be set" {
	for lua in 'while true do end' 'while true do pcall(function() while true do end end) end' 'local function f() return f() end f()' 'pcall(error) for i = 1, 1e12 do end' 'setmetatable({}, {__index = function(t, k) return t[k + 1] end})[1] = e[1]; repeat until false'; do
		one "$lua"
		run -65 timeout 60 evfold -p p.lua --lua-steps 200000 < <(echo '{"type":"T"}')
		assert_output "evfold: event 0: p.lua:1: too many instructions (more than 200000)"
	done
	for lua in 'local t = {} for i = 1, 1e9 do t[i] = {} end' 's.x = string.rep("x", 1 << 30)' 's.x = "x"; for i = 1, 40 do s.x = s.x .. s.x end'; do
		one "$lua"
		run -65 timeout 60 evfold -p p.lua --lua-memory 16M < <(echo '{}')
		assert_output "evfold: event 0: the program needs more than 16777216 bytes of memory"
	done
	one 'for i = 1, 150000 do end'
	run -0 evfold -p p.lua --lua-steps 200000 < <(printf '{}\n%.0s' {1..5})
}

@test "what JSON does not have is no state: the error says what" {
	while IFS='|' read -r lua why; do
		one "$lua"
		run -65 state '{}'
		assert_output --partial "$why"
	done <<-'END'
		s.x = 1/0|infinity and NaN cannot be written as JSON
		s.x = 0/0|infinity and NaN cannot be written as JSON
		s.x = function() end|a function cannot be stored
		s.x = {1, 2, [4] = 4}|an array has holes
		s.x = {1, a = 1}|an array has holes, or keys other than
		s.x = {[true] = 1}|a table with the key true is neither an object nor an array
		s.s = s|nested more than 512 levels deep, or contains itself
		s.x = "\xff"|a string that is not UTF-8
		s.x = "\xed\xa0\x80"|a string that is not UTF-8
	END
}

@test "a program that is none is refused, and the error says why" {
	while IFS='|' read -r lua why; do
		printf '%s\n' "$lua" >p.lua
		run -65 state '{}'
		assert_output --partial "$why"
	done <<-'END'
		x = = 1|p.lua:1: unexpected symbol near '='
		error("no")|p.lua:1: no
		x = 1|p.lua: the program handles no events; define on.TYPE(state, event)
		on.A = 1|p.lua: on: the value at A is not a function with an event type as its key
		on = 1|p.lua: on is a number, not a table
		init = 1; on.A = print|p.lua: init is a number, not a function
		emit{type="A"}|p.lua:1: emit can only be called while an event is being handled
		while true do end|p.lua:1: too many instructions (more than 10000000)
	END
	run -66 evfold -p missing.lua </dev/null
	assert_output "evfold: missing.lua: No such file or directory"
	one 's.x = 1'
	run -64 evfold -p p.lua 'count()' </dev/null
	run -64 evfold -o events </dev/null
}

@test "-o changes: each new state as it happens, and only then" {
	one 's.n = (s.n or 0) + (e.data or 0)'
	run -0 evfold -p p.lua -k subject -o changes < <(printf '{"subject":"%s","data":%s}\n' a 1 b 1 a 0 a 2)
	assert_output - <<-'END'
		{"key":"a","seq":null,"state":{"n":1}}
		{"key":"b","seq":null,"state":{"n":1}}
		{"key":"a","seq":null,"state":{"n":3}}
	END
	orders | evappend a.evlog
	run -0 evfold -o changes 'paid=sum(data.amount){type=PaymentCaptured}' a.evlog
	assert_output - <<-'END'
		{"seq":1,"state":{"paid":0}}
		{"seq":3,"state":{"paid":39.11}}
		{"seq":5,"state":{"paid":39.31}}
	END
}

@test "-o events: what the program emits, which evappend takes; nothing of an event that fails" {
	program <<-'LUA'
		function on.OrderCreated(s, e)
			emit{ type = "CreditAsked", subject = e.subject, id = e.id .. "-ask", data = { amount = e.data.amount } }
			emit{ type = "Mailed", data = array{} }
			if e.data.amount == 0.1 then error("too little") end
		end
	LUA
	orders | evappend a.evlog
	run -65 --separate-stderr evfold -p p.lua -o events --skip-errors bad a.evlog
	assert_output - <<-'END'
		{"data":{"amount":39.11},"id":"e1-ask","subject":"order-17","type":"CreditAsked"}
		{"data":[],"type":"Mailed"}
	END
	echo "$output" | evappend b.evlog
	[ "$(evcat b.evlog | wc -l)" = 2 ]
	one 'emit{data = 1}'
	run -65 evfold -p p.lua -o events a.evlog
	assert_output --partial "emit: an event needs a type"
}

@test "stop() ends the fold with the event that did it" {
	program <<-'LUA'
		function init() return { balance = decimal(0) } end
		function on.Moved(s, e) s.balance = s.balance + e.data; if s.balance < 0 then stop() end end
	LUA
	printf '{"type":"Moved","id":"%s","data":%s}\n' a 5 b -4.5 c -0.6 d 9 | evappend a.evlog
	run -0 evfold -p p.lua a.evlog
	assert_output "$(evcat --from 3 -c 1 a.evlog)"
	run -0 evfold -p p.lua -o changes a.evlog
	assert_line --index 2 '{"seq":3,"state":{"balance":-0.1}}'
	[ "${#lines[@]}" = 3 ]
	run -1 evfold -p p.lua < <(evcat --to 2 a.evlog)
	assert_output '{"balance":0.5}'
}

@test "a program that uses stop(), and stops at no event, ends with 1; its state is printed and kept" {
	printf '{"type":"A","id":"%s"}\n' 1 2 | evappend a.evlog
	while IFS='|' read -r status lua; do
		printf '%b\n' "$lua" >p.lua
		for j in 1 3; do
			run -"$status" evfold -j $j -p p.lua a.evlog
			assert_output '{"n":2}' || fail "$lua"
		done
	done <<-'END'
		1|on["*"] = function(s, e) s.n = (s.n or 0) + 1; if s.n > 2 then stop() end end
		1|function on.A(s, e) s.n = (s.n or 0) + 1 end function on.Never(s, e) stop() end
		1|#!/usr/bin/evfold -p\nlocal halt = stop function on.A(s, e) s.n = (s.n or 0) + 1 if s.n == 9 then halt() end end
		1|on["*"] = function(s, e) s.n = (s.n or 0) + 1; pcall(s.n > 3 and stop or tostring, 1) end
		0|on["*"] = function(s, e) s.n = (s.n or 0) + 1 end
		0|-- calls stop() never\non["*"] = function(s, e) s.n = (s.n or 0) + 1 -- stop()\n local t = { stop = "stop()" } t.stop = e.stop; local x = [[ stop() ]] end
		0|local function stop() end on["*"] = function(s, e) s.n = (s.n or 0) + 1; stop() end
		0|function stop() end on["*"] = function(s, e) s.n = (s.n or 0) + 1; stop() end
		0|local a, b <const>, c = 1, 2, 3 on["*"] = function(s, ...) local stop = ...; for i = 1, 3 do if i == 2 then goto on end ::on:: end; s.n = (s.n or 0) + 1; local f = function() return a, b, c, stop end end
	END
	# what fails, fails; what is kept, is kept
	echo 'on["*"] = function(s, e) s.n = (s.n or 0) + 1; if s.n > 9 then stop() end if e.id == "2" then error("no") end end' >p.lua
	run -65 evfold -p p.lua --skip-errors bad a.evlog
	echo 'on["*"] = function(s, e) s.n = (s.n or 0) + 1; if s.n > 2 then stop() end end' >p.lua
	run -1 evfold -p p.lua --snapshot s -o changes a.evlog
	assert_output - <<-'END'
		{"seq":1,"state":{"n":1}}
		{"seq":2,"state":{"n":2}}
	END
	run -1 evfold -p p.lua -o events a.evlog
	assert_output ""
	run -1 evfold -p p.lua -o sqlite:db a.evlog
	echo '{"type":"A"}' | evappend a.evlog
	for kept in "--snapshot s" "-o sqlite:db"; do
		# shellcheck disable=SC2086 # words
		run -0 evfold -p p.lua $kept a.evlog
		assert_output "$(evcat -n 1 a.evlog)"
	done
}

@test "-f folds what is appended; SIGTERM ends it with the state so far" {
	orders | evappend a.evlog
	evfold -f -o changes 'n=count()' a.evlog >changes 2>err &
	pid=$!
	for _ in {1..300}; do [ "$(wc -l <changes)" = 5 ] && break; sleep 0.05; done
	[ "$(wc -l <changes)" = 5 ]
	echo '{"type":"More"}' | evappend a.evlog
	for _ in {1..300}; do [ "$(wc -l <changes)" = 6 ] && break; sleep 0.05; done
	kill "$pid"
	wait "$pid"
	[ "$(tail -n 1 changes)" = '{"seq":6,"state":{"n":6}}' ]
	evfold -f 'n=count()' a.evlog >state &
	pid=$!
	sleep 2 # by now it has read the existing events
	kill -INT "$pid"
	kill "$pid" || true # it may have ended already
	wait "$pid"
	[ "$(cat state)" = '{"n":6}' ]
	run -64 evfold -f 'n=count()' - </dev/null
}

@test "no address is seen in messages, texts or formats" {
	one 'local _, m = pcall(decimal, {}); s.a = m; s.b = decimal(1) .. {}; s.c = pcall(string.format, "\0%p", "x"); _, s.d = pcall(emit, { type = "x", data = { [{}] = 1 } })'
	run -0 state '{"type":"T"}'
	assert_output '{"a":"decimal: table is not a number","b":"1table","c":false,"d":"a table with the key table is neither an object nor an array"}'
}

@test "nothing outside of a state can be changed while events are handled" {
	for lua in 'string.n = 1' 'rawset(_G, "n", 1)' 'rawset(string, "n", 1)' 'getmetatable("").__index.k = 1' 'on.A = print' 'table.insert(math, 1)' 'e.x.y = 1'; do
		one "$lua"
		run -65 state '{"type":"T"}'
	done
	# a metatable is copied, so that nothing can be put into it later
	one 'local mt = { __index = function() return 7 end }; local t = setmetatable({}, mt); mt.__index = nil; mt.__mode = "k"; s.x = t.any; s.same = getmetatable(t) == mt; s.n = rawlen(setmetatable(t, nil)); s.y = t.any == nil'
	run -0 state '{"type":"T"}'
	assert_output '{"n":0,"same":true,"x":7,"y":true}'
	one 's.t = setmetatable({}, {})'
	run -65 state '{"type":"T"}'
	assert_output "evfold: the state after event 0: a table with a metatable cannot be stored"
}

@test "memory that is exhausted ends the event, whoever catches the error" {
	one 's.ok = pcall(string.rep, "x", 30000000)'
	run -65 evfold -p p.lua --lua-memory 16M < <(echo '{}')
	assert_output --partial "the program needs more than 16777216 bytes of memory"
	one 's.n = (s.n or 0); for i = 1, 2000 do local t = string.rep("x", 100000) s.n = s.n + #t end'
	run -0 evfold -p p.lua --lua-memory 4M --lua-steps 1000000000 < <(echo '{}')
	assert_output '{"n":200000000}'
}

@test "a failing emit leaves nothing, and a state that JSON cannot hold prints nothing" {
	one 'pcall(emit, { type = "A", data = function() end }); emit{ type = "B" }'
	run -0 evfold -p p.lua -o events < <(echo '{}')
	assert_output '{"type":"B"}'
	one 's.x = e.data == 2 and { 1, [3] = 3 } or 1'
	run -65 --separate-stderr evfold -k data -p p.lua < <(printf '{"data":%d}\n' 1 2 3)
	assert_output ""
	[[ $stderr == "evfold: the state of key 2 after event 0: an array has holes"* ]]
}

@test "members are looked up in linear time" {
	python3 -c "
import json
print(json.dumps({'type': 'T', 'data': {'items': [{'a': i} for i in range(30000)], 'rate': 2}}))" >big
	one 's.n = 0; for i = 1, #e.data.items do s.n = s.n + e.data.items[i].a * e.data.rate end'
	run -0 timeout 20 evfold -p p.lua big
	assert_output '{"n":899970000}'
}

@test "an event's table that was walked does not leave its members to another's" {
	one 's.k = s.k or {}; for k in pairs(e) do end; local t = {}; for i = 1, 50 do t[i] = { e.data } end; s.k[1] = e.data; s.first = s.k[1].name'
	for i in {1..40}; do echo "{\"type\":\"T\",\"id\":\"$i\",\"data\":{\"name\":\"n$i\",\"pad\":\"$(printf '%*s' $((i % 9)) x)\"}}"; done >in
	run -0 jq -r .first <(evfold -p p.lua in)
	assert_output n40
}

@test "with -f a stop, or an error, ends the fold at once" {
	echo '{"type":"A","subject":"a"}' | evappend a.evlog
	echo 'function on.B(s, e) stop() end' >p.lua
	evfold -f -k subject -p p.lua a.evlog >out &
	pid=$!
	sleep 0.3
	echo '{"type":"B","subject":"a"}' | evappend a.evlog
	for _ in {1..200}; do kill -0 $pid 2>/dev/null || break; sleep 0.1; done
	run ! kill -0 $pid
	wait $pid
	cmp out <(evcat --from 2 a.evlog)
}

# Ends within a limit on memory, and within a time that allows for a busy machine.
bounded() { run -65 --separate-stderr timeout -s KILL 60 /usr/bin/time -q -f "%M" -o kilobytes evfold -j1 -p p.lua "$@" < <(echo '{"type":"T","data":{"v":1}}'); }

@test "work inside of a library function is counted, and is over when the budget is" {
	while read -r lua; do
		one "$lua"
		bounded
		# the sanitizers are slow
		[ "$stderr" = "evfold: event 0: p.lua:1: too many instructions (more than 10000000)" ] ||
			[[ ${SAN:-} && $stderr == *"p.lua:1: too m"*" (more than "*")" ]] || fail "$lua: $stderr"
		[ -n "${SAN:-}" ] || [ "$(cat kilobytes)" -lt 262144 ] || fail "$lua: $(cat kilobytes) KB"
	done <<-'END'
		s.x = string.find(("a"):rep(3000), ".-.-.-.-.-b")
		s.x = pcall(string.match, ("a"):rep(3000), ".-.-.-.-.-b")
		for _ in ("a"):rep(3000):gmatch(".-.-.-.-b") do end
		s.x = ("a"):rep(40):match(("a?"):rep(40) .. ("a"):rep(40) .. "b")
		local x = ("a"):rep(1000000) for i = 1, 1e6 do x:gsub("a", "b") end
		local x = ("("):rep(100000) for i = 1, 1e6 do x:find("%b()") end
		local x = ("a"):rep(1000000) for i = 1, 1e6 do x:find("b", 1, true) end
		local x = ("a"):rep(1000000) for i = 1, 1e6 do x:upper() end
		local x = ("a"):rep(1000000) for i = 1, 1e6 do x:byte(1, 5) string.format("%s", x) end
		local x = ("a"):rep(1000000) for i = 1, 1e6 do utf8.len(x) end
		local x = "a" .. ("\x80"):rep(1000000) local f = utf8.codes("a") for i = 1, 1e6 do pcall(f, x, 1) end
		local x = ("0"):rep(1000000) .. 1 for i = 1, 1e6 do tonumber(x) end
		table.move({}, 1, math.maxinteger - 1, 2)
		pcall(table.move, {}, 1, math.maxinteger - 1, 2)
		table.insert(setmetatable({}, { __len = function() return 1 << 60 end }), 1, 1)
		table.remove(setmetatable({}, { __len = function() return 1 << 60 end }), 1)
		table.concat(setmetatable({}, { __len = function() return 1 << 40 end, __index = function() return "" end }))
		for i = 1, 1e6 do table.unpack({}, 1, 900000) end
		local t = {} for i = 1, 1e5 do t[i] = i end for i = 1, 1e6 do next(t) end
		local t = {} for i = 1, 1e5 do t[i] = i end for i = 1, 1e6 do pairs(t) end
		local t = {} for i = 1, 1e5 do t[i] = i end for i = 1, 1e6 do setmetatable({}, t) end
		local t = {} for i = 1, 1e6 do t[i] = decimal("1e9999") end
		local d = decimal("9"):round(0) for i = 1, 1e6 do d = decimal("1e9000") / 7 end
		for i = 1, 1e9 do emit{ type = "T" } end
		xpcall(function() while true do end end, function() while true do end end)
		while true do xpcall(function() while true do end end, function() while true do end end) end
		local c = 0 xpcall(function() while true do end end, function() for i = 1, 2e7 do c = c + 1 end end) s.c = c
		local x <close> = setmetatable({}, { __close = function() while true do end end }) while true do end
		error(setmetatable({}, { __tostring = function() while true do end end }))
		pcall(pcall, pcall, function() while true do end end) s.x = 1
	END
	# nothing of the program runs after that
	one 'local ok = pcall(function() while true do end end) emit{ type = "after" }'
	bounded -o events
	assert_output ""
	# what cannot be counted has a bound in time, or in new memory
	one 'local a, b = ("x"):rep(2000000) .. 1, ("x"):rep(2000000) .. 2 local a2 = ("x"):rep(2000000) .. 1 local n = 0 while a == a2 do n = n + 1 end'
	bounded
	[ "$stderr" = "evfold: event 0: p.lua:1: too much processor time (more than 1 s)" ]
	one 'local x = ("x"):rep(1000000) while true do local y = x .. 1 end'
	bounded
	[ "$stderr" = "evfold: event 0: p.lua:1: too much memory allocated (more than 640000000 bytes)" ] ||
		[[ ${SAN:-} && $stderr == *"p.lua:1: too much processor time (more than 1 s)" ]]
}

@test "what a program takes outside of Lua's memory is counted too" {
	while read -r lua; do
		one "$lua"
		bounded --lua-memory 64M --lua-steps 1000000000000
		[[ $stderr == *"the program needs more than 67108864 bytes of memory" ]] || fail "$lua: $stderr"
		[ -n "${SAN:-}" ] || [ "$(cat kilobytes)" -lt 150000 ] || fail "$lua: $(cat kilobytes) KB"
	done <<-'END'
		local b = ("x"):rep(10000000) for i = 1, 80 do emit{ type = "T", data = b } end
		local b = ("x"):rep(1000000) s.t = {} for i = 1, 600 do s.t[i] = b end
		local t = { "x" } for i = 1, 30 do t = { t, t } end emit{ type = "T", data = t }
		local t, d = {}, decimal("1e9999") for i = 1, 1e9 do t[i] = -d end
		local b = ("x"):rep(1000000) for i = 1, 100 do pcall(emit, { type = "T", data = { b, b, b } }) end
	END
	# one event takes an eighth at most, of what is 64 MiB or more
	one 's.x = ("x"):rep(200 << 20)'
	bounded
	[ "$stderr" = "evfold: event 0: one event needs more than 134217728 bytes of memory" ]
	# what is not kept is collected, decimals too; what failed is not counted
	one 'local d = decimal("1e9999") for i = 1, 40000 do local _ = -d end'
	run -0 timeout 60 evfold -p p.lua --lua-memory 64M --lua-steps 10000000000 < <(echo '{}')
	one 'local b = ("x"):rep(10000000) for i = 1, 80 do pcall(emit, { type = "T", data = { b, tostring } }) end s.x = 1'
	run -0 timeout 60 evfold -p p.lua --lua-memory 64M --lua-steps 10000000000 < <(echo '{}')
	echo 'upcast.T = function(e) local r = {} e.data = ("x"):rep(1000000) e.type = "U" for i = 1, 600 do r[i] = e end return r end' >u.lua
	run -65 timeout 60 evcat --upcast u.lua - < <(echo '{"type":"T"}')
	assert_output --partial "one event needs more than 134217728 bytes of memory"
}

@test "what a program keeps outside of the state is refused, with any number of threads" {
	for i in {1..40}; do echo "{\"type\":\"T\",\"subject\":\"s$((i % 7))\"}"; done >in
	while IFS='|' read -r why lua; do
		echo "$lua" >p.lua
		for threads in 1 4; do
			run -65 --separate-stderr evfold "-j$threads" -k subject -p p.lua in
			[[ $stderr == *"$why"* ]] || fail "$lua: $stderr"
		done
	done <<-'END'
		'n', defined outside of the functions, has changed|local n = 0 on["*"] = function(s, e) n = n + 1 s.n = n end
		'n', defined outside of the functions, has changed|local n = 0 on["*"] = function(s, e) pcall(function() n = n + 1 end) end
		'n', defined outside of the functions, has changed|local function counter() local n = 0 return function() n = n + 1 return n end end local c = counter() on["*"] = function(s, e) s.n = c() end
		'n', defined outside of the functions, has changed|local n = 1 on["*"] = function(s, e) n = 1.0 end
		'n', defined outside of the functions, has changed|local n function init(k) n = k end on["*"] = function(s, e) end
		'n', defined outside of the functions, has changed|local n local t = setmetatable({}, { __index = function(t, k) n = k end }) on["*"] = function(s, e) local _ = t.x end
		'_ENV', defined outside of the functions, has changed|on["*"] = function(s, e) _ENV = { s = s } end
		only a state can be changed; everything else is constant|local t = {} on["*"] = function(s, e) t[1] = 1 end
		only a state can be changed; everything else is constant|local t = { { a = 1 } } on["*"] = function(s, e) t[1].a = 2 end
		only a state can be changed; everything else is constant|config = { a = { b = 1 } } on["*"] = function(s, e) config.a.b = 2 end
		only a state can be changed; everything else is constant|local t = {} on["*"] = function(s, e) rawset(t, 1, 1) end
		only a state can be changed; everything else is constant|local t = {} on["*"] = function(s, e) table.insert(t, 1) end
		only a state can be changed; everything else is constant|local t = { 2, 1 } on["*"] = function(s, e) table.sort(t) end
		only a state can be changed; everything else is constant|local t = array{} on["*"] = function(s, e) rawset(t, 1, 1) end
		only a state can be changed; everything else is constant|local t = {} on["*"] = function(s, e) array(t) end
		only a state can be changed; everything else is constant|local t = { n = 0 } function init() return t end on["*"] = function(s, e) s.n = s.n + 1 end
		only a state can be changed; everything else is constant|local t = setmetatable({}, { __newindex = function(t, k, v) rawset(t, k, v) end }) on["*"] = function(s, e) t.a = 1 end
		only a state can be changed; everything else is constant|local t = setmetatable({}, { __index = function(t, k) t[k] = 1 return 1 end }) on["*"] = function(s, e) s.n = t.x end
		only a state can be changed; everything else is constant|on["*"] = function(s, e) on.A = 1 end
		the metatable of this table cannot be changed|local t = {} on["*"] = function(s, e) setmetatable(t, {}) end
		the metatable of this table cannot be changed|local t = setmetatable({}, {}) on["*"] = function(s, e) setmetatable(t, nil) end
		an iterator is stored outside of the functions|local it = ("a b c"):gmatch("%a") on["*"] = function(s, e) s.n = it() end
		an iterator is stored outside of the functions|local it, t = pairs{ 1, 2, 3 } on["*"] = function(s, e) s.n = it(t) end
	END
	echo 'local n function key(e) n = e.subject return n end on["*"] = function(s, e) end' >p.lua
	run -65 evfold -p p.lua in
	# with --skip-errors the next event finds what was
	echo 'local n = 0 on["*"] = function(s, e) if e.subject == "s1" then n = n + 1 end s.n = n end' >p.lua
	run -65 evfold -q -k subject -p p.lua --skip-errors bad in
	refute_output --partial '"n":1'
	echo 'local n = 0 upcast.T = function(e) n = n + 1 e.type = "U" return e end' >u.lua
	run -65 evcat --upcast u.lua in
	assert_output --partial "'n', defined outside of the functions, has changed"
}

@test "what is defined outside of the functions is read as ever" {
	program <<-'LUA'
		local list, deep, mark, nan = { 3, 1, 2 }, { a = { b = 7 }, c = 1 }, array{}, 0/0
		local Account = {}
		Account.__index = Account
		function Account.get(self) return self.v end
		local account = setmetatable({ v = 7 }, Account)
		local asked = setmetatable({ v = 1 }, { __index = function(t, k) return k .. rawlen(t) end, __len = function() return 9 end })
		local fib
		fib = function(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
		on["*"] = function(s, e)
			s.list, s.mark, s.deep = list, mark, { deep, array{ mark } }
			s.len, s.raw, s.first, s.b = #list, rawlen(list), rawget(list, 1), deep.a.b
			s.unpacked, s.joined = { table.unpack(list) }, table.concat(list, "-")
			s.i, s.p, s.n, s.next = array{}, array{}, array{}, next(deep)
			for i, v in ipairs(list) do s.i[i] = v end
			for k, v in pairs(deep) do s.p[#s.p + 1] = k end
			for k, v in next, deep do s.n[#s.n + 1] = k end
			s.get = account:get() + setmetatable({ v = 8 }, Account):get()
			s.asked = asked.x .. #asked .. asked.v
			s.nan, s.fib, s.key = nan ~= nan, fib(10), ({ [list] = 1 })[list]
		end
	LUA
	run -0 state '{"type":"T"}'
	assert_output '{"asked":"x091","b":7,"deep":[{"a":{"b":7},"c":1},[[]]],"fib":55,"first":3,"get":15,"i":[3,1,2],"joined":"3-1-2","key":1,"len":3,"list":[3,1,2],"mark":[],"n":["a","c"],"nan":true,"next":"a","p":["a","c"],"raw":3,"unpacked":[3,1,2]}'
}

@test "patterns, and what goes through tables, are Lua's" {
	while IFS='|' read -r lua json; do
		one "s.x = { $lua }"
		run -0 state '{}'
		assert_output "{\"x\":$json}"
	done <<-'END'
		("key = value"):match("^(%w+)%s*=%s*(%w+)$")|["key","value"]
		("hello"):find("l"), ("hello"):find("xyz", 1, true) == nil, ("a.b"):find(".", 1, true)|[3,true,2,2]
		("THE (quick) fox"):find("%((%a+)%)")|[5,11,"quick"]
		("f(a(b)c)d"):match("%b()"), ("THE (quick) fox"):gsub("%f[%a]%a+", "x")|["(a(b)c)","x (x) x",3]
		("abc"):gsub("", "-")|["-a-b-c-",4]
		("abc"):gsub("%w", "%0%0", 2)|["aabbc",2]
		("$name is"):gsub("%$(%w+)", { name = "Lua" })|["Lua is",1]
		("abc"):gsub("b", function() return false end)|["abc",1]
		("hello"):match("()ll()")|[3,5]
		("=[[x]]"):match("[]]+"), ("a-z"):match("[a%-]+"), ("x^"):match("[%^x]+")|["]]","a-","x^"]
		("aXb"):gsub("%u", "%%")|["a%b",1]
		("abab"):match("(a)(b)%1%2"), ("  x "):match("^%s*(.-)%s*$")|["a","x"]
		string.rep("ab", 3, ","), string.rep("", 1 << 62), string.rep("x", -1)|["ab,ab,ab","",""]
		string.rep("x", 1), string.rep("", 3, ","), ("x"):rep(0, ",")|["x",",,",""]
		pcall(string.find, "a", "[a") and 1 or 2, select(2, pcall(string.find, "a", "%"))|[2,"malformed pattern (ends with '%')"]
		select(2, pcall(string.gsub, "a", "a", "%2")), select(2, pcall(string.rep, "ab", 1 << 62))|["invalid capture index %2","resulting string too large"]
		table.remove({ 1, 2, 3 }, 1), table.remove({}) == nil, (pcall(table.insert, { 1 }, 3, 1))|[1,true,false]
		table.concat(table.move({ 1, 2, 3 }, 1, 3, 2), ","), table.concat({ 1, 2, 3 }, ";", 2, 3)|["1,1,2,3","2;3"]
		pcall(string.format, "%5") and 1 or 2, string.format("%5.1f,%-3d,%q", 1.25, 7, "a\0b")|[2,"  1.2,7  ,\"a\\0b\""]
		("a1\t. F\0"):gsub("[%a]", "A"), ("a1\t. F\0"):gsub("%c", "C"), ("a1\t. F\0"):gsub("%d", "D")|["A1\t. A\u0000","a1C. FC","aD\t. F\u0000",1]
		("a1\t. F\0"):gsub("%g", "G"), ("a1\t. F\0"):gsub("%l", "L"), ("a1\t. F\0"):gsub("%p", "P")|["GG\tG G\u0000","L1\t. F\u0000","a1\tP F\u0000",1]
		("aG1\t.F\0"):gsub("%x", "X"), ("aG1\t.F\0"):gsub("%z", "Z"), ("aG1\t.F\0"):gsub("%X", "x")|["XGX\t.X\u0000","aG1\t.FZ","ax1xxFx",4]
		("aG1\t.F\0"):gsub("%D", "d"), ("aG1\t.F\0"):gsub("%P", "p"), ("a1"):gsub("%L%L", "l")|["dd1dddd","pppp.pp","a1",0]
		("key9_z-"):gsub("[0-9_]", "."), ("key9_z-"):gsub("[^a-y]", "."), ("a-b"):gsub("[a-]", ".")|["key..z-","key....","..b",2]
		("colour color"):gsub("colou?r", "."), ("aaa"):match("^a?a?a?a$"), ("ab"):match("a?b?c?$")|[". .","aaa","ab"]
		("hello"):find("l", -2), ("hello"):find("h", -9), ("hello"):find("h", 0), ("hello"):match("^e", 2), ("hello"):match("^l") == nil|[4,1,1,"e",true]
		("hello"):find("", 9) == nil, ("hello"):find("x+") == nil, ("hello"):match("x(.)") == nil|[true,true,true]
		("((a)(b))"):match("^%((%((a)%))(.*)$"), ("ab"):match("((a)(b))")|["(a)","ab","a","b"]
		("aXbX"):gsub("^(.)X", "%1-"), ("xx"):gsub("^y", "-")|["a-bX","xx",0]
		select(2, pcall(string.rep("a", 40).match, "a", ("()"):rep(33))), select(2, pcall(string.match, ("a"):rep(300), ("a?"):rep(300)))|["too many captures","pattern too complex"]
		select(2, pcall(string.match, "a", "%b(")), select(2, pcall(string.match, "a", "%f"))|["malformed pattern (missing arguments to '%b')","missing '[' after '%f' in pattern"]
		select(2, pcall(string.match, "a", "a)")), select(2, pcall(string.match, "a", "(a"))|["invalid pattern capture","unfinished capture"]
		select(2, pcall(string.gsub, "a", "a", "%x")), select(2, pcall(string.gsub, "a", "a", function() return {} end))|["invalid use of '%' in replacement string","invalid replacement value (a table)"]
		select(2, pcall(string.gsub, "a", "a", true)):match("string/function/table expected")|["string/function/table expected"]
		(function() local t = { 1, 2, 3 } table.insert(t, 2, 9) table.insert(t, 1, 8) table.insert(t, 6, 7) return table.concat(t, ",") end)()|["8,1,9,2,3,7"]
		select(2, pcall(table.insert, {})), select(2, pcall(table.concat, { 1, {}, 3 }))|["wrong number of arguments to 'insert'","invalid value (table) at index 2 in table for 'concat'"]
		select(2, pcall(table.unpack, {}, 1, 1 << 40)), select(2, pcall(table.insert, 1, 2)):match("table expected, got number")|["too many results to unpack","table expected, got number"]
		(function() local t, n = { a = 1, b = 2, c = 3 }, "" for k in pairs(t) do t.b = nil n = n .. k end return n end)()|["ac"]
		(function() local n = "" for k, v in pairs(setmetatable({}, { __pairs = function() return next, { x = 7 } end })) do n = n .. k .. v end return n end)()|["x7"]
		array(), select("#", string.unpack(("b"):rep(40), ("a"):rep(40))), (pcall(array, 1))|[[],41,false]
		rawset(s, "x", nil) == s|[true]
		xpcall(function() error("x", 0) end, function(m) return m .. "!" end)|[false,"x!"]
		xpcall(function(...) return select("#", ...), ... end, print or tostring, 1, nil)|[true,2,1]
	END
}

@test "a loop with next is linear; keys that are taken out meanwhile are not met" {
	one 'local t, n = {}, 0 for i = 1, 100000 do t["k" .. i] = i end for k, v in next, t do n = n + 1 t[k] = nil end s.n = n; s.left = next(t) == nil; local u = { a = 1, b = 2, c = 3 } for k in next, u do u.b = nil; s[k] = next(u, k) or "end" end'
	run -0 timeout 60 evfold -p p.lua --lua-steps 100000000 <<<'{}'
	assert_output '{"a":"c","c":"end","left":true,"n":100000}'
}

@test "programs run on a small stack, in threads too" {
	python3 -c "
for n in range(1200):
    print('{\"type\":\"%s\",\"subject\":\"s%d\",\"data\":%s}' % ('T' if n % 200 else 'R', n % 7, '[{\"a\":' * 254 + '1' + '}]' * 254))" >deep
	program <<-'LUA'
		local function down(n)
			return (("a"):gsub("a", function()
				return n > 0 and down(n - 1) or tostring(setmetatable({}, { __tostring = function() return "x" end }))
			end))
		end
		function on.T(s, e) s.data = e.data end
		function on.R(s, e)
			emit(e)
			for i = 150, 250 do
				if not pcall(down, i) then s.n = i; break end
			end
		end
	LUA
	evfold -k subject -p p.lua deep | md5sum >want
	echo 'upcast.T = function(e) e.type = "U"; return e end' >u.lua
	evcat --upcast u.lua deep | md5sum >upcast
	for threads in 1 4; do
		(ulimit -s 64 && evfold "-j$threads" -k subject -p p.lua deep) | md5sum | cmp - want
	done
	(ulimit -s 64 && evcat --upcast u.lua deep) | md5sum | cmp - upcast
}

@test "random programs end as they should, and the same with any number of threads" {
	run -0 python3 "$BATS_TEST_DIRNAME/fault/programs.py" "$EVLOG_BUILD" 40 1 bad
}
