/*
 * fuzz.c - libFuzzer's way into the parts that read what others wrote.  FUZZ names the
 * target that is built.  Beyond "no crash" each says what must hold of what was accepted.
 */
#include "base/hash.h"
#include "event/intake.h"
#include "evlog.h"
#include "json/decimal.h"
#include "json/value.h"
#include "store/segment.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(what)                                                                       \
	do {                                                                             \
		if (!(what))                                                             \
			__builtin_trap();                                                \
	} while (0)

/* A string of the input, up to `end` or the next byte `stop`; *p goes behind it. */
static char *text_take(const uint8_t **p, const uint8_t *end, int stop)
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

/* A file with these bytes, by its path. */
static int file_of(const uint8_t *p, size_t n, char path[64])
{
	int fd = memfd_create("fuzz", 0);

	MUST(fd >= 0 && (n == 0 || write(fd, p, n) == (ssize_t)n) &&
	     lseek(fd, 0, SEEK_SET) == 0);
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

/* A reader's patience with a torn head is not what is tested. */
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

/* ---- JSON: what is valid survives as a tree, canonically, and pretty ---- */

void fuzz_scan(const uint8_t *p, size_t n);
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

/* ---- Events: what is stored is taken back ---- */

void fuzz_event(const uint8_t *p, size_t n);
void fuzz_event(const uint8_t *p, size_t n)
{
	struct evlog_writer_options o = {0}, replica = {.replica = true};
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

/* ---- A log: edits of a good one, the checksums made right again or not ---- */

static struct {
	char dir[64];
	unsigned char segment[8192], head[HEAD_SIZE];
	size_t size;
} base;

static size_t file_read(const char *name, unsigned char *p, size_t n)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", base.dir, name);
	int fd = open(path, O_RDONLY);
	MUST(fd >= 0);
	ssize_t r = read(fd, p, n);
	close(fd);
	return (size_t)r;
}

static void file_write(const char *name, const unsigned char *p, size_t n)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", base.dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	MUST(fd >= 0 && write(fd, p, n) == (ssize_t)n);
	close(fd);
}

static void base_make(void)
{
	static const char line[] = "{\"type\":\"T\",\"subject\":\"s\",\"data\":[1,2,3]}";
	struct evlog_writer_options o = {.no_sync = true};
	struct evlog_ack ack;
	evlog_writer *w;
	evlog_error err;

	if (base.size)
		return;
	snprintf(base.dir, sizeof base.dir, "/dev/shm/evlog-fuzz.%d", (int)getpid());
	MUST(evlog_writer_open(&w, base.dir, &o, &err) == 0);
	for (int i = 0; i < 4; i++) {
		for (int k = 0; k <= i; k++)
			MUST(evlog_writer_add(w, line, sizeof line - 1, "f", 1, &err) ==
			     0);
		MUST(evlog_writer_commit(w, &ack, &err) == 0);
	}
	evlog_writer_close(w);
	base.size =
	    file_read("0000000000000001.ndjson.zst", base.segment, sizeof base.segment);
	MUST(file_read("head", base.head, HEAD_SIZE) == HEAD_SIZE);
}

/* Makes every checksum right of what still looks like a header or a slot. */
static void checksums(unsigned char *p, size_t n, unsigned char *head)
{
	for (size_t at = 0; at + 16 <= n; at++) {
		size_t size = get32(p + at + 4) + 8u;
		if ((memcmp(p + at + 8, "evlogBLK", 8) != 0 &&
			memcmp(p + at + 8, "evlogSEG", 8) != 0) ||
		    size < 32 || size > n - at)
			continue;
		if (p[at + 13] == 'B') {
			size_t packed = get32(p + at + 72);
			if (packed <= n - at - size)
				put64(p + at + 80, hash64(p + at + size, packed));
		}
		put64(p + at + size - 8, hash64(p + at, size - 8));
	}
	for (int i = 0; i < 2; i++, head += HEAD_SLOT)
		put64(head + HEAD_SLOT - 8, hash64(head, HEAD_SLOT - 8));
}

static void log_read(bool reverse, bool salvage)
{
	const char *path = base.dir;
	struct evlog_selection sel;
	struct evlog_lines lines;
	struct evlog_event e;
	evlog_stream *s;
	evlog_error err = {0};
	uint64_t seq = 0;

	evlog_selection_init(&sel);
	sel.reverse = reverse;
	sel.salvage = salvage;
	int r = evlog_stream_open(&s, &path, 1, &sel, &err);
	while (!r && (r = evlog_stream_next(s, &lines, &err)) == 0)
		while (evlog_lines_take(&lines, &e)) {
			MUST(e.seq > 0 && (salvage || reverse || e.seq == seq + 1));
			seq = e.seq;
		}
	MUST(r == EVLOG_END || *err.text);
	evlog_stream_close(s);
}

void fuzz_log(const uint8_t *p, size_t n);
void fuzz_log(const uint8_t *p, size_t n)
{
	struct evlog_writer_options o = {.no_sync = true, .no_create = true};
	static unsigned char segment[16384], head[HEAD_SIZE];
	struct evlog_ack ack;
	evlog_writer *w;
	evlog_error err;

	base_make();
	if (n < 3)
		return;
	unsigned kind = *p++;
	size_t size = base.size;
	memcpy(segment, base.segment, size);
	memcpy(head, base.head, HEAD_SIZE);
	if (kind & 4) {
		n = n - 1 < sizeof segment - size ? n - 1 : sizeof segment - size;
		memcpy(segment + size, p, n); /* a tail */
		size += n;
	} else {
		for (n--; n >= 3; n -= 3, p += 3) {
			size_t at = (size_t)(p[0] | p[1] << 8);
			if (at & 0x8000)
				head[at % HEAD_SIZE] = p[2];
			else if (at < size)
				segment[at] = p[2];
			else
				size = size ? at % size : 0; /* cut */
		}
	}
	if (kind & 1)
		checksums(segment, size, head);
	file_write("0000000000000001.ndjson.zst", segment, size);
	file_write("head", head, kind & 2 ? HEAD_SIZE : (size_t)kind * 16);
	log_read(false, false);
	log_read(true, false);
	log_read(false, true);
	if (evlog_writer_open(&w, base.dir, &o, &err) == 0 &&
	    evlog_writer_add(w, "{\"type\":\"n\"}", 12, "f", 1, &err) == 0 &&
	    evlog_writer_commit(w, &ack, &err) == 0)
		MUST(ack.from && ack.from == ack.to);
	evlog_writer_close(w);
	char command[128];
	snprintf(command, sizeof command, "%s/0000000000000002.ndjson.zst", base.dir);
	unlink(command);
}

/* ---- The index of a sealed segment ---- */

#define SEALED	  "0000000000000001.ndjson.zst"
#define INDEX_MAX 8192

static struct {
	unsigned char bytes[INDEX_MAX]; /* the index, and the seek table */
	size_t size;
	off_t at;
	int fd;
	unsigned mine; /* events of subject s1 and type T0 */
} sealed;

/* 16 KiB of lines, of three types and of a few subjects or of many. */
static void sealed_add(evlog_writer *w, unsigned i)
{
	char line[600];
	evlog_error err;

	for (unsigned k = 0; k < 30; k++) {
		unsigned subject = i % 3 ? k % 4 : 100 * i + k;
		int n = snprintf(line, sizeof line,
		    "{\"type\":\"T%u\",\"subject\":\"s%u\",\"data\":\"", k % 3, subject);
		for (unsigned j = 0; j < 500; j++) /* not dense */
			line[n++] =
			    (char)('A' +
				   hash64(&(unsigned){i * 99999 + k * 600 + j}, 4) % 26);
		memcpy(line + n, "\"}", 2);
		MUST(evlog_writer_add(w, line, (size_t)n + 2, "f", 1, &err) == 0);
		sealed.mine += subject == 1 && k % 3 == 0;
	}
}

static void sealed_make(void)
{
	struct evlog_writer_options o = {.no_sync = true, .segment_size = 1};
	char path[128];
	struct evlog_ack ack;
	struct stat st;
	evlog_writer *w;
	evlog_error err;

	if (sealed.size)
		return;
	snprintf(base.dir, sizeof base.dir, "/dev/shm/evlog-fuzz.%d", (int)getpid());
	MUST(evlog_writer_open(&w, base.dir, &o, &err) == 0);
	for (unsigned i = 0; i < 24; i++) /* three blocks */
		sealed_add(w, i);
	MUST(evlog_writer_commit(w, &ack, &err) == 0);
	MUST(evlog_writer_add(w, "{\"type\":\"n\"}", 12, "f", 1, &err) == 0);
	MUST(evlog_writer_commit(w, &ack, &err) == 0);
	MUST(evlog_writer_seal(w, true, &err) == 0);
	evlog_writer_close(w);
	snprintf(path, sizeof path, "%s/%s", base.dir, SEALED);
	MUST((sealed.fd = open(path, O_RDWR)) >= 0 && fstat(sealed.fd, &st) == 0);
	char *all = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, sealed.fd, 0);
	MUST(all != MAP_FAILED);
	char *tag = memmem(all, (size_t)st.st_size, "evlogIDX", 8);
	MUST(tag);
	sealed.at = tag - 8 - all;
	sealed.size = (size_t)(st.st_size - sealed.at);
	MUST(sealed.size <= INDEX_MAX);
	memcpy(sealed.bytes, tag - 8, sealed.size);
	munmap(all, (size_t)st.st_size);
}

/* Makes the checksums of an index right, of its table and of each group of rows. */
static void index_checksums(unsigned char *p, size_t size)
{
	uint64_t blocks = get32(p + 20), bits = get64(p + 48), end = 56 + 48 * blocks;
	uint64_t width = (blocks + 7) / 8, group = 1;

	if (end + 8 > size)
		return;
	put64(p + end, hash64(p, end));
	while (group < bits && group * width < 512)
		group *= 2;
	unsigned char *rows = p + end + 8;
	for (uint64_t g = 0; rows + group * width + 8 <= p + size; g++) {
		put64(rows + group * width,
		    hash64(rows, group * width) + g + get64(p + end));
		rows += group * width + 8;
	}
}

/* How many events of subject s1 and type T0 are found; in order, and none but they. */
static unsigned sealed_read(bool reverse, unsigned threads)
{
	static const char *subject[] = {"s1"}, *type[] = {"T0"};
	const char *path = base.dir;
	struct evlog_selection sel;
	struct evlog_lines lines;
	struct evlog_event e;
	evlog_stream *s;
	evlog_error err = {0};
	uint64_t seq = 0;
	unsigned n = 0;

	evlog_selection_init(&sel);
	sel.reverse = reverse;
	sel.threads = threads;
	sel.subject = subject;
	sel.type = type;
	sel.subjects = sel.types = 1;
	int r = evlog_stream_open(&s, &path, 1, &sel, &err);
	while (!r && (r = evlog_stream_next(s, &lines, &err)) == 0)
		while (evlog_lines_take(&lines, &e)) {
			MUST(seq == 0 || (reverse ? e.seq < seq : e.seq > seq));
			MUST(memmem(e.line, e.len, "\"T0\",\"subject\":\"s1\"", 19));
			seq = e.seq;
			n++;
		}
	MUST(r == EVLOG_END || *err.text);
	evlog_stream_close(s);
	return n;
}

/* An index that is damaged hides no event; one that lies, under right checksums, may. */
void fuzz_index(const uint8_t *p, size_t n);
void fuzz_index(const uint8_t *p, size_t n)
{
	unsigned char bytes[INDEX_MAX];

	sealed_make();
	if (n < 1)
		return;
	unsigned kind = *p++;
	size_t size = sealed.size;
	memcpy(bytes, sealed.bytes, size);
	for (n--; n >= 3; n -= 3, p += 3) {
		size_t at = (size_t)(p[0] | p[1] << 8) % (sealed.size * 9 / 8);
		if (at < size)
			bytes[at] = p[2];
		else
			size = at % sealed.size; /* cut */
	}
	if (kind & 1 && size >= 56)
		index_checksums(bytes, size);
	MUST(ftruncate(sealed.fd, sealed.at) == 0 &&
	     pwrite(sealed.fd, bytes, size, sealed.at) == (ssize_t)size);
	unsigned found = sealed_read(kind & 2, kind & 4 ? 2 : 1);
	MUST(kind & 1 ? found <= sealed.mine : found == sealed.mine);
}

void fuzz_head(const uint8_t *p, size_t n);
void fuzz_head(const uint8_t *p, size_t n)
{
	unsigned char slots[HEAD_SIZE] = {0};
	enum head_state state;
	struct head h;
	char path[64];
	evlog_error err;

	if (n > 0 && p[0] & 1)
		memcpy(slots, "evlogHD1", 8);
	if (n > 1)
		memcpy(slots + (p[0] & 2 ? 8 : HEAD_SLOT), p + 1,
		    n - 1 < HEAD_SLOT - 8 ? n - 1 : HEAD_SLOT - 8);
	for (int i = 0; i < 2; i++)
		put64(slots + (i + 1) * HEAD_SLOT - 8,
		    hash64(slots + i * HEAD_SLOT, HEAD_SLOT - 8));
	int fd = file_of(slots, HEAD_SIZE, path);
	if (head_read(fd, &h, &state, false, "log", &err) == 0 && state != HEAD_LOST) {
		MUST(h.tree.n <= SEQ_MAX && h.segment && h.durable <= h.committed);
		head_encode(slots, &h);
	}
	close(fd);
}

void fuzz_header(const uint8_t *p, size_t n);
void fuzz_header(const uint8_t *p, size_t n)
{
	unsigned char copy[4096];
	struct segment_header s;
	struct block b;

	if (n < 16 || n > sizeof copy)
		return;
	memcpy(copy, p, n);
	if (p[n - 1] & 1) {
		put32(copy + 4, (uint32_t)n - 8);
		put64(copy + n - 8, hash64(copy, n - 8));
	}
	if (!block_header_read(&b, copy, n)) {
		MUST(b.count && block_last_seq(&b) >= b.first_seq);
	}
	if (!segment_header_decode(&s, copy, n))
		MUST(s.first_seq && s.tree.n + 1 == s.first_seq);
}

/* ---- Grammars ---- */

void fuzz_time(const uint8_t *p, size_t n);
void fuzz_time(const uint8_t *p, size_t n)
{
	char *text = text_take(&p, p + n, '\n'), out[28];
	evlog_error err = {0};
	int64_t t, again;

	if (evlog_time_parse(text, 1700000000000000, &t, &err) == 0) {
		evlog_time_format(t, out);
		if (t >= -62167219200000000 && t < 253402300800000000) {
			MUST(evlog_time_parse(out, 0, &again, &err) == 0 && again == t);
		}
	} else {
		MUST(err.code == EVLOG_EUSAGE && *err.text);
	}
	if (evlog_span_parse(text, &t, &err) == 0)
		MUST(t >= 0);
	free(text);
}

void fuzz_reducer(const uint8_t *p, size_t n);
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

void fuzz_decimal(const uint8_t *p, size_t n);
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

void fuzz_diff(const uint8_t *p, size_t n);
void fuzz_diff(const uint8_t *p, size_t n)
{
	const uint8_t *middle = n ? memchr(p, 0xff, n) : NULL;
	struct evlog_diff d = {.by_id = n && *p == 'i', .max_line = 1 << 20};
	char a[64], b[64];
	evlog_error err = {0};

	size_t first = middle ? (size_t)(middle - p) : n;
	int x = file_of(p, first, a);
	int y = file_of(p + first + (middle != NULL), middle ? n - first - 1 : 0, b);
	int r = evlog_diff(&d, a, b, &err);
	MUST(r == 0 || *err.text);
	struct evlog_diff self = {.max_line = 1 << 20};
	if (r == 0 && lseek(x, 0, SEEK_SET) == 0 && evlog_diff(&self, a, a, &err) == 0)
		MUST(self.only_a + self.only_b + self.changed == 0);
	close(x);
	close(y);
}

void fuzz_input(const uint8_t *p, size_t n);
void fuzz_input(const uint8_t *p, size_t n)
{
	const char *line;
	char path[64];
	evlog_input *in;
	evlog_error err = {0};
	size_t len, lines = 0;

	int fd = file_of(p, n, path);
	int r = evlog_input_open(&in, path, 4096, &err);
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
