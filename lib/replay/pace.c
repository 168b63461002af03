/* pace.c - when an event is due: as it happened, faster, or at a fixed rate. */
#include "base/options.h"

#define LONGEST 1e15 /* 31 years in microseconds; far from overflow */

static int64_t microseconds(double us)
{
	return us < LONGEST ? (int64_t)us : (int64_t)LONGEST;
}

static int64_t later(int64_t t, int64_t by)
{
	int64_t sum;

	if (!__builtin_add_overflow(t, by, &sum))
		return sum;
	return by > 0 ? INT64_MAX : INT64_MIN;
}

static int64_t instant_of(const struct evlog_pace_options *o, const struct evlog_event *e)
{
	return o->event_time ? evlog_event_time(e) : e->logtime;
}

/* The pause since the previous event, divided by the speed and limited.  There is no
 * pause if a time is missing or earlier than the last. */
static int64_t pause_of(
    const struct evlog_pace_options *o, struct evlog_pace *p, const struct evlog_event *e)
{
	int64_t t = instant_of(o, e), gap = 0;

	if (!(o->speed > 0) || t == EVLOG_TIME_MIN)
		return 0;
	if (p->timed && t > p->previous)
		gap = microseconds(((double)t - (double)p->previous) / o->speed);
	if (!p->timed || t > p->previous)
		p->previous = t;
	p->timed = true;
	if (o->max_gap < 0)
		return 0;
	return o->max_gap && gap > o->max_gap ? o->max_gap : gap;
}

int64_t evlog_pace_due(const struct evlog_pace_options *given, struct evlog_pace *p,
    const struct evlog_event *e, int64_t now)
{
	struct evlog_pace_options options, *o = &options;

	if (!p || !e ||
	    options_take(o, sizeof *o, END_OF(struct evlog_pace_options, event_time),
		given, NULL) < 0)
		return now;
	int64_t pause = pause_of(o, p, e);

	if (p->delivered++ == 0) {
		p->started = p->due = now;
		return now;
	}
	if (o->rate > 0) {
		int64_t least = microseconds(1e6 / o->rate);
		pause = pause > least ? pause : least;
		if (p->due < later(now, -least))
			p->due =
			    later(now, -least); /* time lost is not made up in a burst */
	}
	return p->due = later(p->due, pause);
}
