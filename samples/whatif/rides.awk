# A month of 600 rides by 40 customers.  The numbers look random, and are always the same.
function random(n) {
	state = (state * 1103515245 + 12345) % 2147483648
	return int(state / 65536) % n
}
BEGIN {
	state = 7
	for (i = 1; i <= 600; i++) {
		minute = (i - 1) * 72 # of the month
		who = random(8) < 5 ? random(12) : random(40) # some ride often
		printf "{\"type\":\"RideEnded\",\"subject\":\"c%02d\",\"id\":\"r%d\",", who, i
		printf "\"time\":\"2026-11-%02dT%02d:%02d:00Z\",", 1 + int(minute / 1440), int(minute / 60) % 24, minute % 60
		printf "\"data\":{\"ride\":%d,\"minutes\":%d}}\n", i, 3 + random(12) * random(9)
	}
}
