/* stamp.c - seq and logtime, always first and of fixed width, so that they are read
 * without parsing, and sort, join, look and comm work on stored lines. */
#include "event/stamp.h"
#include "base/options.h"
#include "base/time.h"
#include "json/path.h"
#include "json/vector.h"

#define SEQ_AT	 8  /* after {"seq":" */
#define TIME_AT	 37 /* after ","logtime":" */
#define TIME_END (TIME_AT + 27)

const char stamp_blank[STAMP_SIZE + 1] =
    "{\"seq\":\"0000000000000000\",\"logtime\":\"0000-00-00T00:00:00.000000Z\",";

void stamp_write(char out[STAMP_SIZE], uint64_t seq, int64_t logtime)
{
	stamp_copy(out, stamp_blank, seq);
	time_stamp_write(out + TIME_AT, logtime);
}

void stamp_copy(char out[STAMP_SIZE], const char stamp[STAMP_SIZE], uint64_t seq)
{
	memcpy(out, stamp, STAMP_SIZE);
	for (int i = SEQ_AT + 15; i >= SEQ_AT; i--, seq /= 10)
		out[i] = (char)('0' + seq % 10);
}

void stamp_next(char stamp[STAMP_SIZE])
{
	char *p = stamp + STAMP_SEQ - 1;

	while (p > stamp + SEQ_AT && *p == '9')
		*p-- = '0';
	++*p;
}

static bool seq_read(const char *p, uint64_t *seq)
{
	uint64_t v = 0;

	for (int i = 0; i < 16; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(p[i] - '0');
	}
	*seq = v;
	return v > 0 && v <= SEQ_MAX;
}

/* Whether all is there that stamps have in common, except inside of the time. */
static bool stamp_frames(const char *line)
{
	return memcmp(line, stamp_blank, SEQ_AT) == 0 &&
	       memcmp(line + STAMP_SEQ, stamp_blank + STAMP_SEQ, TIME_AT - STAMP_SEQ) ==
		   0 &&
	       memcmp(line + TIME_END, stamp_blank + TIME_END, STAMP_SIZE - TIME_END) ==
		   0;
}

bool stamp_read(const char *line, size_t len, uint64_t *seq, int64_t *logtime)
{
	return len > STAMP_SIZE && stamp_frames(line) && seq_read(line + SEQ_AT, seq) &&
	       time_stamp_read(line + TIME_AT, logtime);
}

/* Gets the text of a JSON string that may be a time.  Escapes are resolved because some
 * producers write its + as \u002B. */
static bool time_text(struct json_text value, char plain[TIME_LONGEST], struct view *text)
{
	const char *p = value.p + 1, *end = value.p + value.len - 1;
	size_t n = 0;

	if (value.len < 2 || *value.p != '"')
		return false;
	*text = (struct view){p, value.len - 2};
	if (!memchr(p, '\\', text->len))
		return true;
	while (p < end && n < TIME_LONGEST) {
		int c = *p++;
		if (c == '\\') {
			c = *p == 'u' ? json_hex4(p + 1, end) : -1;
			p += 5;
		}
		if (c < 0 || c > 0x7f)
			return false;
		plain[n++] = (char)c;
	}
	*text = (struct view){plain, n};
	return p == end;
}

bool time_of(struct json_text value, int64_t *time)
{
	char plain[TIME_LONGEST];
	struct view text;

	return time_text(value, plain, &text) && time_rfc3339(text.p, text.len, time);
}

struct view time_rest(struct json_text value, char plain[TIME_LONGEST])
{
	struct view text;

	return time_text(value, plain, &text) ? time_digits(text.p, text.len)
					      : (struct view){"", 0};
}

static bool is_string(struct json_text v)
{
	return v.len >= 2 && *v.p == '"' && v.p[v.len - 1] == '"';
}

void event_from_line(struct evlog_event *event, const char *line, size_t len)
{
	struct json_text text = {line, len}, found;
	const struct view seq = {"seq", 3}, logtime = {"logtime", 7};

	*event =
	    (struct evlog_event){.line = line, .len = len, .logtime = EVLOG_TIME_MIN};
	if (stamp_read(line, len, &event->seq, &event->logtime))
		return;
	event->seq = 0;
	event->logtime = EVLOG_TIME_MIN;
	if (json_top_find(text, seq, &found) && found.len == 18 && is_string(found))
		if (!seq_read(found.p + 1, &event->seq))
			event->seq = 0;
	if (json_top_find(text, logtime, &found) && !time_of(found, &event->logtime))
		event->logtime = EVLOG_TIME_MIN;
}

size_t event_begin(struct evlog_event *event, const char *line, size_t len)
{
	*event =
	    (struct evlog_event){.line = line, .len = len, .logtime = EVLOG_TIME_MIN};
	if (len > STAMP_SIZE && stamp_frames(line) &&
	    seq_read(line + SEQ_AT, &event->seq) &&
	    find_special(line + TIME_AT, line + TIME_END) == line + TIME_END)
		return STAMP_SIZE;
	event_from_line(event, line, len);
	return 0;
}

size_t lines_count(struct view lines)
{
	size_t n = 0;

	for (const char *p = lines.p, *end = p + lines.len; p < end; n++)
		p = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1;
	return n;
}

/* ---- Public functions on events ---- */

bool evlog_lines_take(struct evlog_lines *lines, struct evlog_event *event)
{
	struct view line;

	if (!lines || !event || !line_take(lines, &line))
		return false;
	event_from_line(event, line.p, line.len);
	return true;
}

bool evlog_event_member(
    const struct evlog_event *event, const char *name, const char **p, size_t *len)
{
	struct json_text found;

	if (!event || !event->line || !name || !p || !len ||
	    !json_top_find((struct json_text){event->line, event->len},
		(struct view){name, strlen(name)}, &found))
		return false;
	*p = found.p;
	*len = found.len;
	return true;
}

int evlog_json_string(const char *p, size_t n, char **buf, size_t *cap, size_t *len)
{
	NEED(p && buf && cap && len, NULL);
	REFUSE(!is_string((struct json_text){p, n}), "it is not a string", NULL);
	struct buf b = {.p = *buf, .cap = *cap};
	json_unescape(&b, (struct json_text){p, n});
	buf_putc(&b, '\0');
	*buf = b.p;
	*cap = b.cap;
	*len = b.len ? b.len - 1 : 0;
	return b.failed ? EVLOG_EIO : 0;
}

int evlog_event_string(const struct evlog_event *event, const char *name, char **buf,
    size_t *cap, size_t *len)
{
	const char *p;
	size_t n;

	NEED(event && name && buf && cap && len, NULL);
	if (!evlog_event_member(event, name, &p, &n) || *p != '"')
		return EVLOG_END;
	return evlog_json_string(p, n, buf, cap, len);
}

int64_t evlog_event_time(const struct evlog_event *event)
{
	struct json_text found;
	const char *p;
	int64_t t;

	if (!evlog_event_member(event, "time", &p, &found.len))
		return EVLOG_TIME_MIN;
	found.p = p;
	return time_of(found, &t) ? t : EVLOG_TIME_MIN;
}

bool leafhash_read(const char *line, size_t len, unsigned char leaf[HASH_SIZE])
{
	static const char name[] = "\"leafhash\":\"";
	const char *hex = line + STAMP_SIZE + sizeof name - 1;
	char again[2 * HASH_SIZE + 1];

	if (len <= STAMP_SIZE + sizeof name + 2 * HASH_SIZE + 1 ||
	    memcmp(line + STAMP_SIZE, name, sizeof name - 1) != 0 ||
	    !hex_read(leaf, hex, HASH_SIZE) || memcmp(hex + 2 * HASH_SIZE, "\",", 2) != 0)
		return false;
	hash_hex(leaf, again); /* lower-case digits only */
	return memcmp(hex, again, 2 * HASH_SIZE) == 0;
}
