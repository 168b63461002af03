# evappend --check and evcat --check: rules that say what events must look like.
load common
setup() {
	common_setup
	cat >rules.lua <<-'END'
		seen = 0
		check.Order = function(e)
		    assert(e.subject, "an order needs a subject")
		    if decimal(e.data.amount) <= decimal(0) then return false, "the amount must be positive" end
		    if e.data.amount == 7 then return false end
		    if e.data.amount == 8 then return nil, "nil is no" end
		    if e.data.amount == 10 then return 10 end
		    if e.data.amount == 9 then while true do end end
		    e.data.amount = 1
		    return true
		end
		check["*"] = function(e) return e.type ~= "Odd", {no = "text"} end
	END
	sed -i 1d rules.lua
}

@test "a rule refuses with an error, or with false and a reason" {
	# an event, and why it is refused; nothing: it is not
	while IFS='|' read -r event why; do
		rm -rf a.evlog
		status=0
		evappend --check rules.lua a.evlog <<<"$event" 2>err || status=$?
		if [ "$why" ]; then
			assert_equal "$status: $(head -1 err)" "65: evappend: (standard input):1:1: $why"
			[ "$(evcat a.evlog | wc -l)" = 0 ]
			evappend -q b.evlog <<<"$event" 2>err
			n=$(evcat b.evlog | wc -l)
			run -1 --separate-stderr evcat --check rules.lua --from "$n" b.evlog
			assert_equal "$output" "$(evcat --from "$n" b.evlog)"
			assert_equal "$stderr" "evcat: event $n: $why"
		else
			assert_equal "$status" 0
			run -0 evcat --check rules.lua a.evlog
			assert_output ""
			# what a rule changes is lost
			assert_equal "$(evcat a.evlog | jq -c .data)" "$(jq -c .data <<<"$event")"
		fi
	done <<-'END'
		{"type":"Order","subject":"o","data":{"amount":3}}|
		{"type":"Order","data":{"amount":3}}|rules.lua:2: an order needs a subject
		{"type":"Order","subject":"o","data":{"amount":0.0}}|the amount must be positive
		{"type":"Order","subject":"o","data":{"amount":7}}|refused
		{"type":"Order","subject":"o","data":{"amount":8}}|nil is no
		{"type":"Order","subject":"o","data":{"amount":10}}|
		{"type":"Order","subject":"o"}|rules.lua:3: attempt to index a nil value (field 'data')
		{"type":"Order","subject":"o","data":{"amount":"x"}}|rules.lua:3: decimal: x is not a number
		{"type":"Even"}|
		{"type":"Odd"}|table
	END
}

@test "a rule that does not end refuses its event" {
	run -65 evappend --check rules.lua a.evlog <<<'{"type":"Order","subject":"o","data":{"amount":9}}'
	assert_output --partial "rules.lua:7: "
	echo 'check["*"] = function(e) local t = {} while true do t[#t + 1] = ("x"):rep(1000) .. #t end end' >big.lua
	run -65 evappend --check big.lua a.evlog <<<'{"type":"A"}'
	run -0 evcat a.evlog
	assert_output ""
}

@test "evcat --check judges as evappend --check does" {
	echo 'check.A = function(e) for k in pairs(e) do assert(k ~= "seq" and k ~= "logtime", k) end end' >r.lua
	evappend --check r.lua a.evlog <<<'{"type":"A"}'
	run -0 evcat --check r.lua a.evlog
	echo 'check.A = function(e) return e.logtime, "no logtime" end' >r.lua
	run -65 evappend --check r.lua b.evlog <<<'{"type":"A"}'
	run -1 evcat --check r.lua a.evlog
	assert_line "evcat: event 1: no logtime"
}

@test "what is checked is the event as it would be stored" {
	cat >all.lua <<-'END'
		check["*"] = function(e)
		    assert(e.seq == nil and e.logtime == nil and e.specversion == "1.0" and e.id and e.source == "/a")
		    assert(e.type == "T" and e.subject == "s" and e.time)
		    return e.data.n < 3, "n is " .. e.data.n
		end
	END
	run -65 evappend --check all.lua --type T --subject s --time-from at a.evlog < <(printf '{"n":%d,"at":"2026-01-01T00:00:00Z"}\n' 1 2 3)
	assert_line "evappend: (standard input):3:1: n is 3"
	assert_equal "$(evcat a.evlog | wc -l)" 2
}

@test "with --atomic and --reject" {
	printf '{"type":"%s"}\n' Even Odd Even >in
	run -65 evappend --atomic --check rules.lua a.evlog in
	assert_equal "$(evcat a.evlog | wc -l)" 0
	run -65 evappend --reject bad --check rules.lua a.evlog in
	assert_equal "$(evcat a.evlog | wc -l) $(jq -r '"\(.line) \(.reason)"' bad)" "2 2 table"
	run -0 evappend --dedup --check rules.lua a.evlog < <(evcat a.evlog)
	# a history that passes, and one that does not; the forms of evcat
	run -0 evcat --check rules.lua a.evlog
	evappend -q b.evlog in
	run -1 evcat -q --check rules.lua -o pretty b.evlog
	assert_line '  "type": "Odd"'
	evcat b.evlog | { ! evcat --check rules.lua - >out 2>err; }
	cmp out <(evcat -t Odd b.evlog)
	evcat -t Even b.evlog | evcat --check rules.lua -
}

@test "rules that are none, and bad use" {
	numbered 1 | evappend a.evlog
	while read -r text; do
		echo "$text" >r.lua
		run -65 evappend --check r.lua new.evlog <<<'{"type":"A"}'
		assert_output --partial "r.lua"
		run -65 evcat --check r.lua a.evlog
		[ ! -e new.evlog ]
	done <<-'END'
		-- nothing
		check = 1
		check.A = 1
		this is not Lua
		check["Order*"] = function(e) end
		check["*"] = function(e) end check["**"] = function(e) end
		error("no")
		check.A = function(e) end os.exit(0)
	END
	run -66 evappend --check none.lua new.evlog </dev/null
	run -66 evcat --check none.lua a.evlog
	run -64 evappend --replica --check rules.lua new.evlog </dev/null
	run -64 evcat -o zst --check rules.lua a.evlog
	[ ! -e new.evlog ]
	# rules have no memory
	echo 'n = 0 check["*"] = function(e) n = n + 1 end' >r.lua
	run -65 evappend --reject rejected --check r.lua new.evlog <<<'{"type":"A"}'
	assert_equal "$(wc -l <rejected)" 1
}
