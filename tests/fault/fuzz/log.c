/* log.c - fuzzes segments and heads: edits valid ones, with or without correcting
 * checksums. */
#include "fuzz.h"
#include "base/hash.h"
#include "event/stamp.h"
#include "format/segment.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

char log_dir[64];

evlog_writer *log_make(const struct evlog_writer_options *o)
{
	evlog_writer *w;
	evlog_error err;

	snprintf(log_dir, sizeof log_dir, "/dev/shm/evlog-fuzz.%d", (int)getpid());
	MUST(evlog_writer_open(&w, log_dir, o, &err) == 0);
	return w;
}

void log_add(evlog_writer *w, const char *line, size_t len)
{
	evlog_error err;

	MUST(evlog_writer_add(w, line, len, "f", 1, &err) == 0);
}

void log_commit(evlog_writer *w)
{
	struct evlog_ack ack;
	evlog_error err;

	MUST(evlog_writer_commit(w, &ack, &err) == 0);
}

/* ---- A log of one segment ---- */

static struct {
	unsigned char segment[8192], head[HEAD_SIZE];
	size_t size;
} base;

static size_t file_read(const char *name, unsigned char *p, size_t n)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", log_dir, name);
	int fd = open(path, O_RDONLY);
	MUST(fd >= 0);
	ssize_t r = read(fd, p, n);
	close(fd);
	return (size_t)r;
}

static void file_write(const char *name, const unsigned char *p, size_t n)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", log_dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	MUST(fd >= 0 && write(fd, p, n) == (ssize_t)n);
	close(fd);
}

static void base_make(void)
{
	static const char line[] = "{\"type\":\"T\",\"subject\":\"s\",\"data\":[1,2,3]}";
	struct evlog_writer_options o = {.size = sizeof o, .no_sync = true};

	if (base.size)
		return;
	evlog_writer *w = log_make(&o);
	for (int i = 0; i < 4; i++) {
		for (int k = 0; k <= i; k++)
			log_add(w, line, sizeof line - 1);
		log_commit(w);
	}
	evlog_writer_close(w);
	base.size = file_read(SEGMENT, base.segment, sizeof base.segment);
	MUST(file_read("head", base.head, HEAD_SIZE) == HEAD_SIZE);
}

/* Corrects every checksum of what still looks like a header or a slot. */
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
	const char *path = log_dir;
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

void fuzz_log(const uint8_t *p, size_t n)
{
	struct evlog_writer_options o = {
	    .size = sizeof o, .no_sync = true, .no_create = true};
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
	file_write(SEGMENT, segment, size);
	file_write("head", head, kind & 2 ? HEAD_SIZE : (size_t)kind * 16);
	log_read(false, false);
	log_read(true, false);
	log_read(false, true);
	if (evlog_writer_open(&w, log_dir, &o, &err) == 0 &&
	    evlog_writer_add(w, "{\"type\":\"n\"}", 12, "f", 1, &err) == 0 &&
	    evlog_writer_commit(w, &ack, &err) == 0)
		MUST(ack.from && ack.from == ack.to);
	evlog_writer_close(w);
	char command[128];
	snprintf(command, sizeof command, "%s/0000000000000002.ndjson.zst", log_dir);
	unlink(command);
}

/* ---- Head and headers alone ---- */

void fuzz_head(const uint8_t *p, size_t n)
{
	unsigned char slots[HEAD_SIZE] = {0};
	enum head_state state;
	struct head h;
	char path[64];
	evlog_error err;

	if (n > 0 && p[0] & 1)
		memcpy(slots, p[0] & 4 ? "evlogHD1" : "evlogHD2", 8);
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
