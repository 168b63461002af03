# completions.awk - a shell's completion from a tool's --help, which itself comes from
# the tool's option table.   TOOL --help | awk -v tool=TOOL -v shell=bash -f completions.awk

function quote(s) {
	gsub(/'/, "'\\''", s)
	return "'" s "'"
}

/^Usage:/ { next }

/^  +(-[A-Za-z], )?--/ {
	line = $0
	short = match(line, /^  -[A-Za-z],/) ? substr(line, 4, 1) : ""
	match(line, /--[a-z-]+/)
	long = substr(line, RSTART + 2, RLENGTH - 2)
	rest = substr(line, RSTART + RLENGTH)
	arg = ""
	if (match(rest, /^(\[=[A-Z]+\]| [A-Z]+(=N)?(\.\.\.)?)/))
		arg = substr(rest, RSTART, RLENGTH)
	rest = substr(rest, length(arg) + 1)
	sub(/^ +/, "", rest)
	n++
	shorts[n] = short
	longs[n] = long
	args[n] = arg
	helps[n] = rest
	next
}

/^ {20,}[a-z0-9]/ {
	if (helps[n] == "") {
		sub(/^ +/, "")
		helps[n] = $0
	}
}

function words_of(long,    w) {
	w = ""
	if (long == "color") w = "auto always never"
	if (long == "output" && tool == "evcat") w = "ndjson pretty data zst"
	if (long == "output" && tool == "evdiff") w = "text json patch stat"
	if (long == "output" && tool == "evfold") w = "state"
	return w
}

function bash(    i, all, cases, w) {
	for (i = 1; i <= n; i++) {
		all = all (all ? " " : "") "--" longs[i] (shorts[i] ? " -" shorts[i] : "")
		w = words_of(longs[i])
		if (w)
			cases = cases "\t--" longs[i] (shorts[i] ? "|-" shorts[i] : "") \
			    ") mapfile -t COMPREPLY < <(compgen -W '" w "' -- \"$word\"); return ;;\n"
	}
	print "# bash completion for " tool
	print "_" tool "() {"
	print "\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}"
	print "\tcase $before in\n" cases "\tesac"
	print "\tif [[ $word == -* ]]; then"
	print "\t\tmapfile -t COMPREPLY < <(compgen -W '" all "' -- \"$word\")"
	print "\telse"
	print "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$word\")"
	print "\tfi\n}"
	print "complete -o filenames -F _" tool " " tool
}

function zsh(    i, spec, w, help) {
	print "#compdef " tool
	print "_arguments -s \\"
	for (i = 1; i <= n; i++) {
		help = helps[i]
		gsub(/[\[\]:]/, " ", help)
		w = words_of(longs[i])
		spec = "[" help "]"
		if (args[i] ~ /^\[/) spec = "=-" spec "::value:"
		else if (args[i]) spec = "=" spec ":value:" (w ? "(" w ")" : longs[i] == "reject" ? "_files" : "")
		print "\t" quote("*--" longs[i] spec) " \\"
		if (shorts[i]) {
			spec = "[" help "]"
			if (args[i]) spec = "+" spec ":value:" (w ? "(" w ")" : "")
			print "\t" quote("*-" shorts[i] spec) " \\"
		}
	}
	print "\t'*:log or file:_files'"
}

function fish(    i, w) {
	for (i = 1; i <= n; i++) {
		w = words_of(longs[i])
		print "complete -c " tool " -l " longs[i] (shorts[i] ? " -s " shorts[i] : "") \
		    (args[i] && args[i] !~ /^\[/ ? (w ? " -x -a " quote(w) : " -r") : "") \
		    " -d " quote(helps[i])
	}
}

END {
	if (shell == "bash") bash()
	else if (shell == "zsh") zsh()
	else fish()
}
