# What only C can reach, and the examples of standards.
load common
setup() { common_setup; }

rounds() { [ "${SAN:-}" ] && echo 150 || echo 1500; }

unit() { "$EVLOG_BUILD/unit" "$@"; }

@test "the Merkle tree gives RFC 6962's roots" {
	expected=(
		e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
		6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d
		fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125
		aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77
		d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7
		4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4
		76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef
		ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c
		5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328
	)
	for n in {0..8}; do
		run -0 unit merkle "$n"
		assert_output "${expected[n]}"
	done
}

@test "pages of ids give back what was put into them, and random bytes do no harm" {
	run -0 unit ids 3000
	assert_output good
}

@test "decimal sums are exact: against Python's decimal" {
	python3 - "$EVLOG_BUILD/unit" "$(rounds)" <<'EOF'
import decimal, random, subprocess, sys
decimal.getcontext().prec = 40000
random.seed(7)
def number():
    digits = ''.join(random.choice('0123456789') for _ in range(random.choice([1, 3, 9, 18, 19, 37, 38, 60])))
    whole = digits.lstrip('0') or '0'
    text = random.choice(['', '-']) + whole
    if random.random() < .6:
        text += '.' + ''.join(random.choice('0123456789') for _ in range(random.choice([1, 2, 17, 30])))
    if random.random() < .2:
        text += random.choice(['e', 'E']) + random.choice(['', '+', '-']) + str(random.randrange(40))
    return text
def plain(d):
    text = format(d, 'f')
    if '.' in text: text = text.rstrip('0').rstrip('.')
    return '0' if text in ('-0', '') else text
for i in range(int(sys.argv[2])):
    numbers = [number() for _ in range(random.randrange(1, 6))]
    want = plain(sum(map(decimal.Decimal, numbers), decimal.Decimal(0)))
    got = subprocess.run([sys.argv[1], 'sum', *numbers], capture_output=True, text=True).stdout.strip()
    assert got == want, (numbers, got, want)
EOF
}

@test "averages are rounded half to even at 34 digits, as decimal128: against Python" {
	python3 - "$EVLOG_BUILD/unit" "$(rounds)" <<'EOF'
import decimal, random, subprocess, sys
context = decimal.Context(prec=34, rounding=decimal.ROUND_HALF_EVEN, Emax=99999, Emin=-99999)
random.seed(8)
def plain(d):
    text = format(d, 'f')
    if '.' in text: text = text.rstrip('0').rstrip('.')
    return '0' if text in ('-0', '') else text
cases = [('1', 3), ('2', 3), ('-1', 3), ('0', 7), ('39.11', 1), ('1', 8), ('100', 7),
    # the digits after the last one kept: more than a half; a half after an even digit, an
    # odd one
    ('6.0000000000000000000000000000000076', 3), ('-2.0000000000000000000000000000000005', 2),
    ('2.0000000000000000000000000000000015', 1), ('10000000000000000000000000000000001', 2),
    ('0.' + 39 * '0' + '12345', 7)]
for i in range(int(sys.argv[2])):
    a = str(random.randrange(10 ** random.choice([1, 5, 20, 34]))) + '.' + str(random.randrange(10 ** random.choice([1, 3, 12])))
    cases.append((random.choice(['', '-']) + a, random.randrange(1, 10 ** random.choice([1, 3, 9]))))
for a, n in cases:
    want = plain(context.divide(decimal.Decimal(a), decimal.Decimal(n)))
    got = subprocess.run([sys.argv[1], 'quotient', a, str(n)], capture_output=True, text=True).stdout.strip()
    assert got == want, (a, n, got, want)
EOF
}

@test "decimals multiply, divide and round exactly: against Python" {
	python3 - "$EVLOG_BUILD/unit" "$(rounds)" <<'EOF'
import decimal, random, subprocess, sys
exact = decimal.Context(prec=40000, Emax=99999, Emin=-99999)
d128 = decimal.Context(prec=34, rounding=decimal.ROUND_HALF_EVEN, Emax=99999, Emin=-99999)
random.seed(9)
def number():
    digits = ''.join(random.choice('0123456789') for _ in range(random.choice([1, 2, 9, 18, 20, 40])))
    at = random.randrange(len(digits) + 1)
    return random.choice(['', '-']) + (digits[:at].lstrip('0') or '0') + ('.' + digits[at:] if digits[at:] else '')
def plain(d):
    text = format(d, 'f')
    if '.' in text: text = text.rstrip('0').rstrip('.')
    return '0' if text in ('-0', '') else text
for i in range(int(sys.argv[2]) // 3):
    a, b, places = number(), number(), random.randrange(8)
    x, y = decimal.Decimal(a), decimal.Decimal(b)
    wants = {('product', b): exact.multiply(x, y),
             ('round', str(places)): exact.quantize(x, decimal.Decimal(1).scaleb(-places))}
    if y:
        whole = abs(exact.divide(x, y)) >= 10 ** 34
        wants['quotient', b] = exact.to_integral_value(exact.divide(x, y)) if whole else d128.divide(x, y)
    for (what, other), want in wants.items():
        got = subprocess.run([sys.argv[1], what, a, other], capture_output=True, text=True).stdout.strip()
        assert got == plain(want), (what, a, other, got, plain(want))
EOF
}

@test "decimals compare by value" {
	while read -r a sign b; do
		run -0 unit compare "$a" "$b"
		assert_output "$sign"
	done <<-'EOF'
		1 = 1.0
		1e2 = 100
		0 = -0
		0.1 < 0.10000000000000000000000000000000000000000000000001
		9007199254740993 > 9007199254740992
		-5 < 3
		1e400 > 1e399
		123456789012345678901234567890123456789012345 = 123456789012345678901234567890123456789012345.000
	EOF
}

@test "a number with an exponent beyond 10,000 is refused, not computed with" {
	run -1 unit sum 1e10001
	run -0 unit sum 1e10000 1
}

@test "RFC 7396: the standard's own examples of merging" {
	while IFS=$'\t' read -r target patch want; do
		run -0 unit merge "$target" "$patch"
		assert_output "$want"
	done <<-'EOF'
		{"a":"b"}	{"a":"c"}	{"a":"c"}
		{"a":"b"}	{"b":"c"}	{"a":"b","b":"c"}
		{"a":"b"}	{"a":null}	{}
		{"a":"b","b":"c"}	{"a":null}	{"b":"c"}
		{"a":["b"]}	{"a":"c"}	{"a":"c"}
		{"a":"c"}	{"a":["b"]}	{"a":["b"]}
		{"a":{"b":"c"}}	{"a":{"b":"d","c":null}}	{"a":{"b":"d"}}
		{"a":[{"b":"c"}]}	{"a":[1]}	{"a":[1]}
		["a","b"]	["c","d"]	["c","d"]
		{"a":"b"}	["c"]	["c"]
		{"a":"foo"}	null	null
		{"a":"foo"}	"bar"	"bar"
		{"e":null}	{"a":1}	{"e":null,"a":1}
		[1,2]	{"a":"b","c":null}	{"a":"b"}
		{}	{"a":{"bb":{"ccc":null}}}	{"a":{"bb":{}}}
	EOF
}

@test "RFC 6902: the standard's own examples of patching (appendix A)" {
	while IFS=$'\t' read -r target patch want; do
		run -0 unit patch "$target" "$patch"
		if [[ $want == error ]]; then
			assert_output --regexp '^error: '
		else
			assert_output "$want"
		fi
	done < <(rfc6902)
}

@test "a JSON Patch that fails at its end leaves the value as it was, whatever came before" {
	many=$(seq -s, 20 | sed -E 's/[0-9]+/"&":[&]/g')
	{
		rfc6902
		printf '{"a":{%s},"b":[1,2]}\t%s\t\n' "$many" '[{"op":"remove","path":"/a/3"},{"op":"add","path":"/a/x","value":1},{"op":"add","path":"/a/3","value":2},{"op":"move","from":"/a/7","path":"/b/1"},{"op":"remove","path":"/a/20"},{"op":"replace","path":"/b","value":3}]'
		printf '{"a":{"b":{%s}}}\t%s\t\n' "$many" '[{"op":"move","from":"/a/b/1","path":""},{"op":"add","path":"/0","value":7}]'
		printf '{"a":1,"b":2,"c":3}\t%s\t\n' "[{\"op\":\"remove\",\"path\":\"/b\"}$(seq 30 | sed 's/.*/,{"op":"add","path":"\/&","value":&}/' | tr -d '\n')]"
	} >patches
	while IFS=$'\t' read -r target patch want; do
		[ "$want" != error ] || continue
		run -0 unit patch "$target" "${patch%]},{\"op\":\"remove\",\"path\":\"/none\"}]"
		[[ $output == error:* ]] || fail "$target $patch: $output"
	done <patches
}

@test "a JSON Patch that cannot be applied says why" {
	while IFS=$'\t' read -r target patch want; do
		run -0 unit patch "$target" "$patch"
		assert_output "error: $want" || fail "$target $patch: $output"
	done <<-'EOF'
		{}	{}	a patch must be an array of operations
		{}	[1]	an operation is not an object
		{}	[{"path":"/a"}]	an operation has no "op"
		{}	[{"op":1,"path":"/a"}]	an operation has no "op"
		{}	[{"op":"add\u0000","path":"/a","value":1}]	an operation has no "op"
		{}	[{"op":"add","value":1}]	an operation has no "path"
		{}	[{"op":"add","path":null,"value":1}]	an operation has no "path"
		{}	[{"op":"add","path":"/a"}]	an operation has no "value"
		{"a":1}	[{"op":"copy","path":"/b"}]	an operation has no "from"
		{"a":1}	[{"op":"move","from":1,"path":"/b"}]	an operation has no "from"
		{"a":1}	[{"op":"copy","from":"/none","path":"/b"}]	no value at a pointer in the patch
		{"a":1}	[{"op":"move","from":"/none","path":"/b"}]	no value at a pointer in the patch
		{"a":1}	[{"op":"remove","path":""}]	the whole value cannot be removed
		{"a":1}	[{"op":"remove","path":"a"}]	a JSON Pointer must be empty or begin with /
		{"a":1}	[{"op":"remove","path":"/a~2"}]	not a JSON Pointer
		{"a":1}	[{"op":"add","path":"/a/b","value":1}]	a pointer in the patch goes into a value that is neither an object nor an array
		{"a":[1]}	[{"op":"add","path":"/a/2","value":1}]	no such array index
		{"a":1}	[{"op":"set","path":"/a","value":1}]	unknown operation in "op"
	EOF
}

@test "a \"test\" in a JSON Patch compares by value, as deep as it goes" {
	while read -r want a b; do
		for order in "$a $b" "$b $a"; do
			run -0 unit patch "{\"a\":${order% *}}" "[{\"op\":\"test\",\"path\":\"/a\",\"value\":${order#* }}]"
			if [ "$want" = = ]; then
				assert_output "{\"a\":${order% *}}"
			else
				assert_output 'error: a "test" operation failed'
			fi
		done
	done <<-'EOF'
		= [1,[2,{}]] [1.0,[20e-1,{}]]
		! [1,2] [2,1]
		! [1,2] [1,2,3]
		! [] {}
		= {"a":1,"b":[{"c":null}]} {"b":[{"c":null}],"a":1e0}
		! {"a":1,"b":2} {"a":1,"c":2}
		! {"a":{"b":{"c":1}}} {"a":{"b":{"c":2}}}
		! {"a":1} {"a":1,"b":2}
		= {"a":"\u0062"} {"a":"b"}
		! "1" 1
		= 1e99999 10e99998
		! 1e99999 1e99998
		! 1e99999 1
	EOF
}

@test "canonical texts are equal for equal values" {
	run -0 unit canonical '{"b":1.50,"a":["\u0041\/",1e2],"c":-0.0}'
	assert_output '{"a":["A/",100],"b":1.5,"c":0}'
}

@test "canonical numbers are never much longer than their text, and equal for equal values" {
	zeros=$(printf '%0400d' 0)
	while IFS=$'\t' read -r want number; do
		run -0 unit canonical "$number"
		assert_output "$want"
	done <<-EOF
		1e9990	1e9990
		1e9990	10e9989
		1e401	1${zeros}0
		1e401	0.1e402
		-5e-403	-0.50e-402
		15e-403	0.${zeros}0150
		1$zeros	1e400
		1$zeros	10E+399
		0	0e9990
		0.${zeros}15	15e-402
	EOF
}

@test "a path is a.b or the JSON Pointer /a/b, and the last of two members counts" {
	while IFS=$'\t' read -r path value want; do
		run unit path "$path" "$value"
		assert_output "$want"
	done <<-'EOF'
		a.b	{"a":{"b":1}}	1
		/a/b	{"a":{"b":[2]}}	[2]
		/a~1b/m~0n	{"a/b":{"m~n":3}}	3
		a.1	{"a":[5,6,7]}	6
		/a/01	{"a":[5,6]}	(none)
		/	{"":4}	4
		a	{"a":1,"a":2}	2
		\u0061	{"a":1}	(none)
		a	{"\u0061":8}	8
		@timestamp	{"@timestamp":"x"}	"x"
		a..b	{}	a..b: not a path; write a.b or the JSON Pointer /a/b
		/a~2	{}	/a~2: not a path; write a.b or the JSON Pointer /a/b
	EOF
}

@test "times are read as systemd.time(7) says, and as RFC 3339" {
	now=1795410000000000 # 2026-11-23T05:00:00Z
	while IFS=$'\t' read -r text want; do
		run -0 unit time "$text" $now
		assert_output "$want"
	done <<-'EOF'
		now	2026-11-23T05:00:00.000000Z
		today	2026-11-23T00:00:00.000000Z
		yesterday	2026-11-22T00:00:00.000000Z
		tomorrow	2026-11-24T00:00:00.000000Z
		-2h	2026-11-23T03:00:00.000000Z
		+15min	2026-11-23T05:15:00.000000Z
		2h30min ago	2026-11-23T02:30:00.000000Z
		1h 30m ago	2026-11-23T03:30:00.000000Z
		90 seconds ago	2026-11-23T04:58:30.000000Z
		-1w	2026-11-16T05:00:00.000000Z
		@1700000000	2023-11-14T22:13:20.000000Z
		@1700000000.5	2023-11-14T22:13:20.500000Z
		2026-11-23	2026-11-23T00:00:00.000000Z
		2026-11-23 05:00	2026-11-23T05:00:00.000000Z
		2ago	2026-11-23T04:59:58.000000Z
		1h 5 ago	2026-11-23T03:59:55.000000Z
		2026-11-23 05:00:01	2026-11-23T05:00:01.000000Z
		2026-11-23 05:00:01.25	2026-11-23T05:00:01.250000Z
		2026-11-23T05:00:00Z	2026-11-23T05:00:00.000000Z
		2026-11-23t05:00:00.123456789z	2026-11-23T05:00:00.123456Z 789
		2026-11-23t05:00:00.123456000z	2026-11-23T05:00:00.123456Z
		2026-11-23T05:00:00.1234560010+01:00	2026-11-23T04:00:00.123456Z 001
		2026-11-23 05:00:01.12345678	2026-11-23T05:00:01.123456Z 78
		@1700000000.0000001	2023-11-14T22:13:20.000000Z 1
		@-1.5	1969-12-31T23:59:58.500000Z
		2026-11-23T05:00:00+05:30	2026-11-22T23:30:00.000000Z
		2024-02-29	2024-02-29T00:00:00.000000Z
		2016-12-31T23:59:60Z	2017-01-01T00:00:00.000000Z
		2016-12-31T23:59:60.5Z	2017-01-01T00:00:00.500000Z
		2015-06-30T18:29:60-05:30	2015-07-01T00:00:00.000000Z
		2015-07-01T09:44:60+09:45	2015-07-01T00:00:00.000000Z
		2024-02-29T23:59:60Z	2024-03-01T00:00:00.000000Z
		2016-12-31 23:59:60	2017-01-01T00:00:00.000000Z
	EOF
}

@test "what is no time is refused" {
	for text in "" lunchtime 2026-13-01 2026-02-29 "2026-11-23 25:00" 2026-11-23T05:00Z \
		2026-11-23T05:00:00 5 "2h" 2016-12-31T12:00:60Z 2016-12-30T23:59:60Z \
		2016-12-31T23:59:60+01:00 2016-12-31T23:58:60Z 2023-02-27T23:59:60Z "2016-12-31 23:58:60" \
		2016-12-31T23:59:61Z 2016-12-31T23:60:00Z @-1.0000001 "-2 parsecs" "-2 internationalunits" @ @x "2026-11-23 05:00:01.5x" \
		"2026-11-23 05:00:01." 2026-11-23T05:00:01.Z -99999999999999999999s "2026-11-23T05:00:00+24:00" "ago"; do
		[ "$text" != 2026-11-23T05:00:00 ] || continue # local time is valid
		run unit time "$text" 0
		assert_output --partial "not a time" || fail "$text: $output"
	done
}

@test "local times follow TZ, across a change to summer time" {
	TZ=Europe/Berlin run -0 unit time "2026-07-01 12:00" 0
	assert_output "2026-07-01T10:00:00.000000Z"
	TZ=Europe/Berlin run -0 unit time "2026-12-01 12:00" 0
	assert_output "2026-12-01T11:00:00.000000Z"
}

@test "a local time that is shown twice is the earlier for --since, the later for --until" {
	# a time that is jumped over is the moment of the jump
	while IFS=$'\t' read -r zone text since until; do
		[[ $zone = *,* || -e /usr/share/zoneinfo/$zone ]] || fail "$zone: there is no tzdata"
		# a time long before or after must not matter, nor one that was asked before
		for now in 0 1700000000000000 1720000000000000; do
			TZ=$zone run -0 unit time "$text" $now
			assert_output "$since" || fail "$zone $text, since"
			TZ=$zone run -0 unit until "$text" $now
			assert_output "${until:-$since}" || fail "$zone $text, until"
		done
	done <<-'EOF'
		America/Havana	2023-11-05	2023-11-05T04:00:00.000000Z	2023-11-05T05:00:00.000000Z
		America/Havana	2023-11-05 00:30:00.25	2023-11-05T04:30:00.250000Z	2023-11-05T05:30:00.250000Z
		America/Havana	2023-11-05 01:00	2023-11-05T06:00:00.000000Z
		America/Havana	2023-11-06	2023-11-06T05:00:00.000000Z
		America/Havana	2024-03-10	2024-03-10T05:00:00.000000Z
		America/New_York	2023-11-05	2023-11-05T04:00:00.000000Z
		America/New_York	2023-11-05 01:30	2023-11-05T05:30:00.000000Z	2023-11-05T06:30:00.000000Z
		America/New_York	2023-11-05 02:00	2023-11-05T07:00:00.000000Z
		America/New_York	2024-03-10 02:30	2024-03-10T07:00:00.000000Z
		Asia/Beirut	2024-03-31	2024-03-30T22:00:00.000000Z
		Asia/Beirut	2024-03-31 00:59:59	2024-03-30T22:00:00.000000Z
		Asia/Beirut	2024-03-31 01:00	2024-03-30T22:00:00.000000Z
		Africa/Cairo	2024-04-26	2024-04-25T22:00:00.000000Z
		Africa/Cairo	2024-10-31 23:30	2024-10-31T20:30:00.000000Z	2024-10-31T21:30:00.000000Z
		America/Sao_Paulo	2018-11-04	2018-11-04T03:00:00.000000Z
		America/Sao_Paulo	2018-02-17 23:15	2018-02-18T01:15:00.000000Z	2018-02-18T02:15:00.000000Z
		Australia/Lord_Howe	2024-04-07 01:45	2024-04-06T14:45:00.000000Z	2024-04-06T15:15:00.000000Z
		Australia/Lord_Howe	2024-10-06 02:15	2024-10-05T15:30:00.000000Z
		Pacific/Apia	2011-12-30	2011-12-30T10:00:00.000000Z
		Pacific/Apia	2011-12-30 17:00	2011-12-30T10:00:00.000000Z
		Pacific/Apia	2011-12-31	2011-12-30T10:00:00.000000Z
		Europe/Dublin	2024-10-27 01:30	2024-10-27T00:30:00.000000Z	2024-10-27T01:30:00.000000Z
		Africa/Casablanca	2024-03-10 02:30	2024-03-10T01:30:00.000000Z	2024-03-10T02:30:00.000000Z
		UTC	2024-03-31	2024-03-31T00:00:00.000000Z
		EST5EDT,M3.2.0,M11.1.0	2023-11-05 01:30	2023-11-05T05:30:00.000000Z	2023-11-05T06:30:00.000000Z
	EOF
}

@test "today, yesterday and tomorrow are midnights by the same rule" {
	now=1699200000000000 # 2023-11-05T16:00:00Z
	TZ=America/Havana run -0 unit time today $now
	assert_output 2023-11-05T04:00:00.000000Z
	TZ=America/Havana run -0 unit until today $now
	assert_output 2023-11-05T05:00:00.000000Z
	TZ=America/Havana run -0 unit until yesterday $((now + 86400000000))
	assert_output 2023-11-05T05:00:00.000000Z
	TZ=America/Havana run -0 unit time tomorrow $((now - 86400000000))
	assert_output 2023-11-05T04:00:00.000000Z
	TZ=Asia/Beirut run -0 unit until today 1711900000000000 # 2024-03-31T15:46:40Z
	assert_output 2024-03-30T22:00:00.000000Z
	TZ=Pacific/Apia run -0 unit until tomorrow 1325150000000000 # 2011-12-28T23:13:20-10:00
	assert_output 2011-12-29T10:00:00.000000Z
}

@test "local times, around each change of several zones: against Python's zoneinfo" {
	python3 - "$EVLOG_BUILD/unit" <<-'EOF'
	import subprocess, sys, os
	from datetime import datetime, timedelta, timezone
	from zoneinfo import ZoneInfo
	def shown(z, t): return datetime.fromtimestamp(t, timezone.utc).astimezone(z).replace(tzinfo=None, fold=0)
	for name in ("America/Havana", "America/New_York", "Asia/Beirut", "Australia/Lord_Howe", "Pacific/Apia",
	             "Africa/Casablanca", "Europe/Lisbon", "Antarctica/Troll", "Asia/Gaza", "America/Caracas"):
	    z, texts, wants = ZoneInfo(name), [], []
	    t, offset = 1293840000, lambda t: z.utcoffset(datetime.fromtimestamp(t, timezone.utc).astimezone(z)).total_seconds()
	    while t < 1735689600:  # 2011 to 2024
	        a, b, t = offset(t), offset(t + 86400), t + 86400
	        if a == b: continue
	        low, high = t - 86400, t
	        while high - low > 1:
	            m = (low + high) // 2
	            low, high = (m, high) if offset(m) == a else (low, m)
	        for minutes in range(-200, 1700, 25):
	            local = datetime.fromtimestamp(low, timezone.utc).replace(tzinfo=None) + timedelta(seconds=a, minutes=minutes)
	            naive = local.replace(tzinfo=timezone.utc).timestamp()
	            hits = sorted({naive - o for o in (a, b, offset(naive - a), offset(naive - b)) if shown(z, naive - o) == local})
	            if not hits and not (high + a <= naive < high + b): continue  # another change nearby
	            texts.append(str(local))
	            wants.append((hits[0], hits[-1]) if hits else (high, high))
	    assert len(texts) > 50 or name in ("America/Caracas",), (name, len(texts))
	    for edge, i in (("since", 0), ("until", 1)):
	        got = subprocess.run([sys.argv[1], "times", edge], input="\n".join(texts) + "\n", text=True,
	                             capture_output=True, env=dict(os.environ, TZ=name)).stdout.split("\n")
	        for text, want, have in zip(texts, wants, got):
	            want = datetime.fromtimestamp(want[i], timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
	            assert have == want, (name, text, edge, have, want)
	EOF
}

@test "patterns match characters of UTF-8, in every locale, as fnmatch does in a UTF-8 one" {
	for locale in C C.UTF-8 POSIX; do
		while IFS=$'\t' read -r pattern text want; do
			LC_ALL=$locale run -"$want" unit glob "$pattern" "$text" || fail "$locale: $pattern $text"
		done <<-'EOF'
			?	é	0
			??	é	1
			????	日本é😀	0
			M?nchen	München	0
			M??nchen	München	1
			M[ü]nchen	München	0
			M[üö]nchen	Mönchen	0
			M[!ü]nchen	München	1
			[а-я]*	привет	0
			[а-я]*	Привет	1
			[!a-z]	é	0
			*é*	Café au lait	0
			\é	é	0
			[[:alpha:]]	a	0
			[[:alpha:]]	é	1
			[[:digit:][:space:]x]	x	0
			[[:nosuch:]]	:]	0
			[z-a]	m	1
			[]x]	]	0
			[!]x]	]	1
			[a-]	-	0
			[\]]	]	0
			[a	[a	0
			a\	a	1
			a\	a\	1
			*a*b*c	xaybzcab	1
			*a*b*c	xaybzcabc	0
		EOF
	done
	# a byte that is no character matches itself, and ?
	run -0 unit glob '?' $'\xe9'
	run -1 unit glob '??' $'\xe9'
	run -0 unit glob $'\xe9*' $'\xe9t\xe9'
	run -1 unit glob $'\xe9' $'\xe8'
	run -1 unit glob $'\xe9' é
	run -0 unit globs 300000
	assert_output ""
	# no pattern takes long
	text=$(printf 'a%.0s' {1..20000})
	run -1 timeout 10 unit glob "$(printf '*a%.0s' {1..100})b" "$text"
	run -1 timeout 10 unit glob "$(printf '*[a%.0s' {1..100})" "$text"
}

@test "lengths of time" {
	while IFS=$'\t' read -r text want; do
		run -0 unit span "$text"
		assert_output "$want"
	done <<-'EOF'
		2	2000000
		1.5s	1500000
		300ms	300000
		2h30min	9000000000
		1us	1
	EOF
	run -1 unit span 2x
	run -1 unit span -1
}

# ---- The library ----

@test "a caller that does what it should not: an error, or nothing, never undefined" {
	numbered 20000 | evappend a.evlog
	for what in fold begin shard; do
		rm -f pos
		run -0 timeout 20 unit misuse $what a.evlog
	done
}
