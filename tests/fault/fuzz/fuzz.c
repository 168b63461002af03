/*
 * fuzz.c - libFuzzer's entry to the parts that read what others wrote.  FUZZ names the
 * target to build.  Besides not crashing, each target checks what must hold for accepted
 * input.  This file has JSON, events, grammars and files; log.c, index.c and
 * catalogue.c have the parts of a log.
 */
#include "fuzz.h"
#include "event/intake.h"
#include "json/decimal.h"
#include "json/value.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

char *text_take(const uint8_t **p, const uint8_t *end, int stop)
{
	const uint8_t *at = memchr(*p, stop, (size_t)(end - *p));
	size_t n = (size_t)((at ? at : end) - *p);
	char *text = malloc(n + 1);

	MUST(text);
	memcpy(text, *p, n);
	text[n] = '\0';
	*p += n + (at != NULL);
	return text;
}

size_t bytes_edit(unsigned char *bytes, size_t n, const uint8_t *p, size_t left)
{
	size_t size = n;

	for (; left >= 3; left -= 3, p += 3) {
		size_t at = (size_t)(p[0] | p[1] << 8) % (n * 9 / 8);
		if (at < size)
			bytes[at] = p[2];
		else
			size = at % n; /* cut */
	}
	return size;
}

int file_of(const uint8_t *p, size_t n, char path[64])
{
	int fd = memfd_create("fuzz", 0);

	MUST(fd >= 0 && (n == 0 || write(fd, p, n) == (ssize_t)n) &&
	     lseek(fd, 0, SEEK_SET) == 0);
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

/* Do not spend time retrying to read a torn head. */
int nanosleep(const struct timespec *t, struct timespec *rest)
{
	(void)t;
	(void)rest;
	return 0;
}

static int discard(void *arg, const char *p, size_t n)
{
	struct buf *b = arg;

	if (b && b->len < (1u << 20))
		buf_add(b, p, n);
	return 0;
}

/* ---- JSON: valid text survives as a tree, canonically, and pretty-printed ---- */

void fuzz_scan(const uint8_t *p, size_t n)
{
	struct json_members members = {0};
	struct json_fault fault;
	struct json_text value, again;
	struct buf b = {0}, c = {0};

	if (json_scan((const char *)p, n, JSON_DEPTH, &value, &members, &fault)) {
		struct value *tree = value_parse(value);
		MUST(tree);
		value_write(&b, tree);
		MUST(json_scan(b.p, b.len, JSON_DEPTH, &again, NULL, &fault));
		struct value *twin = value_parse(again);
		bool failed = false;
		MUST(twin && value_equal(tree, twin, &failed) && !failed);
		value_free(twin);
		value_free(tree);
		MUST(value_canonical(&c, value));
		b.len = 0;
		MUST(evlog_json_pretty(value.p, value.len, discard, &b, NULL) == 0);
		MUST(b.len >= (1u << 20) ||
		     json_scan(b.p, b.len, JSON_DEPTH, &again, NULL, &fault));
	} else {
		MUST(fault.offset <= n && fault.reason);
	}
	json_members_free(&members);
	buf_free(&b);
	buf_free(&c);
}

/* ---- Events: what is stored is accepted again ---- */

void fuzz_event(const uint8_t *p, size_t n)
{
	struct evlog_writer_options o = {.size = sizeof o};
	struct evlog_writer_options replica = {.size = sizeof replica, .replica = true};
	struct intake in, back;
	struct intake_event event, same;
	struct buf out = {0}, twin = {0};
	evlog_error err = {0};
	unsigned kind = n ? *p : 0;

	if (n == 0)
		return;
	o.text = kind & 1;
	o.type = kind & 2 ? "T" : NULL;
	o.subject = kind & 4 ? "s" : NULL;
	if (kind & 8 && !o.text) {
		o.type_from = "a.b";
		o.time_from = "t";
		o.id_from = "/i";
		o.subject_from = "s";
	}
	MUST(intake_init(&in, &o, "/x", &err) == 0);
	MUST(intake_init(&back, &replica, "/x", &err) == 0);
	if (intake_line(&in, (const char *)p + 1, n - 1, &out, &event, &err) == 0) {
		MUST(out.len && out.p[out.len - 1] == '\n');
		stamp_write(out.p, 42, 1700000000000000);
		MUST(intake_line(&back, out.p, out.len - 1, &twin, &same, &err) == 0);
		MUST(twin.len == out.len && memcmp(twin.p, out.p, out.len) == 0);
		MUST(same.seq == 42 && same.time == event.time);
	} else {
		MUST(err.code == EVLOG_EDATA && out.len == 0 && *err.reason);
	}
	intake_free(&in);
	intake_free(&back);
	buf_free(&out);
	buf_free(&twin);
}

/* ---- Grammars ---- */

void fuzz_time(const uint8_t *p, size_t n)
{
	char *text = text_take(&p, p + n, '\n'), out[28];
	evlog_error err = {0};
	struct evlog_digits digits;
	int64_t t, again, until;

	if (evlog_time_parse(text, 1700000000000000, EVLOG_SINCE, &t, &digits, &err) ==
	    0) {
		MUST(!digits.n || digits.p[digits.n - 1] != '0');
		MUST(evlog_time_parse(
			 text, 1700000000000000, EVLOG_UNTIL, &until, NULL, &err) == 0 &&
		     until >= t);
		evlog_time_format(t, out);
		if (t >= -62167219200000000 && t < 253402300800000000) {
			MUST(evlog_time_parse(out, 0, EVLOG_SINCE, &again, NULL, &err) ==
				 0 &&
			     again == t);
		}
	} else {
		MUST(err.code == EVLOG_EUSAGE && *err.text);
	}
	if (evlog_span_parse(text, &t, &err) == 0)
		MUST(t >= 0);
	free(text);
}

void fuzz_reducer(const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;
	struct json_text value;
	struct json_fault fault;
	struct buf out = {0};
	evlog_error err = {0};
	evlog_fold *f;

	MUST(evlog_fold_new(&f, &err) == 0);
	for (int i = 0; i < 3 && p < end; i++) {
		char *text = text_take(&p, end, '\n');
		if (i == 2 && *text)
			evlog_fold_key(f, text, &err);
		else if (evlog_fold_is_reducer(text))
			evlog_fold_reducer(f, text, &err);
		free(text);
	}
	while (p < end) {
		char *text = text_take(&p, end, '\n');
		struct evlog_event e = {.line = text, .len = strlen(text)};
		if (json_scan(text, e.len, JSON_DEPTH, &value, NULL, &fault) &&
		    *value.p == '{') {
			e.line = value.p;
			e.len = value.len;
			MUST(evlog_fold_event(f, &e, &err) == 0);
		}
		free(text);
	}
	MUST(evlog_fold_write(f, discard, &out, &err) == 0);
	const char *line = out.len ? out.p : "", *stop = line + out.len;
	while (line < stop && out.len < (1u << 20)) {
		const char *nl = memchr(line, '\n', (size_t)(stop - line));
		MUST(nl && json_scan(line, (size_t)(nl - line), JSON_DEPTH + 2, &value,
			       NULL, &fault));
		line = nl + 1;
	}
	evlog_fold_free(f);
	buf_free(&out);
}

void fuzz_decimal(const uint8_t *p, size_t n)
{
	struct decimal sum = {0}, x = {0}, y = {0};
	const uint8_t *end = p + n;
	struct json_text value;
	struct json_fault fault;
	struct buf out = {0};
	bool failed;

	for (int i = 0; i < 8 && p < end; i++) {
		char *text = text_take(&p, end, ' ');
		if (json_scan(text, strlen(text), 1, &value, NULL, &fault) &&
		    json_type_of(value) == JSON_NUMBER &&
		    decimal_set(&x, value, &failed)) {
			MUST(decimal_add(&sum, &x));
			out.len = 0;
			decimal_write(&out, &x);
			MUST(json_scan(out.p, out.len, 1, &value, NULL, &fault));
			MUST(decimal_set(&y, value, &failed) &&
			     decimal_compare(&x, &y, &failed) == 0);
		}
		free(text);
	}
	out.len = 0;
	if (decimal_is_zero(&x) || n % 3 == 0)
		(void)(decimal_multiply(&sum, &sum, &x, &failed) &&
		       decimal_round(&sum, (unsigned)n));
	else
		MUST(decimal_divide(&sum, &sum, &x));
	decimal_write(&out, &sum);
	MUST(!out.failed && json_scan(out.p, out.len, 1, &value, NULL, &fault));
	decimal_free(&sum);
	decimal_free(&x);
	decimal_free(&y);
	buf_free(&out);
}

/* ---- Files ---- */

void fuzz_diff(const uint8_t *p, size_t n)
{
	const uint8_t *middle = n ? memchr(p, 0xff, n) : NULL;
	struct evlog_diff_options o = {
	    .size = sizeof o, .ignore_stamp = n && *p == 'i', .max_line = 1 << 20};
	struct evlog_diff_options plain = {.size = sizeof plain, .max_line = 1 << 20};
	struct evlog_compared self;
	char a[64], b[64];
	evlog_error err = {0};

	size_t first = middle ? (size_t)(middle - p) : n;
	int x = file_of(p, first, a);
	int y = file_of(p + first + (middle != NULL), middle ? n - first - 1 : 0, b);
	int r = evlog_diff(&o, a, b, NULL, &err);
	MUST(r == 0 || *err.text);
	if (r == 0 && lseek(x, 0, SEEK_SET) == 0 &&
	    evlog_diff(&plain, a, a, &self, &err) == 0)
		MUST(self.only_a + self.only_b + self.changed == 0);
	close(x);
	close(y);
}

void fuzz_input(const uint8_t *p, size_t n)
{
	const char *line;
	char path[64];
	evlog_input *in;
	evlog_error err = {0};
	size_t len, lines = 0;

	int fd = file_of(p, n, path);
	int r = evlog_input_open(&in, path,
	    &(struct evlog_input_options){
		.size = sizeof(struct evlog_input_options), .max_line = 4096},
	    &err);
	while ((r == 0 || (r == EVLOG_EDATA && err.line)) && lines++ < 100000) {
		err.line = 0;
		r = evlog_input_next(in, -1, &line, &len, &err);
		MUST(r != 0 || (len && len <= 4096 && !memchr(line, '\n', len)));
	}
	MUST(r >= 0 || *err.text);
	if (in)
		evlog_input_close(in);
	close(fd);
}

#define CALL(name)  CALL2(name)
#define CALL2(name) fuzz_##name

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CALL(FUZZ)(data, size);
	return 0;
}
