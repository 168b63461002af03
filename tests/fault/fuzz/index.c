/* index.c - fuzzes the index of a sealed segment. */
#include "fuzz.h"
#include "base/buf.h"
#include "base/hash.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define INDEX_MAX 8192

static struct {
	unsigned char bytes[INDEX_MAX]; /* the index and the seek table */
	size_t size;
	off_t at;
	int fd;
	unsigned mine; /* events of subject s1 and type T0 */
} sealed;

/* Adds 16 KiB of lines of three types, with few or many subjects. */
static void sealed_add(evlog_writer *w, unsigned i)
{
	char line[600];

	for (unsigned k = 0; k < 30; k++) {
		unsigned subject = i % 3 ? k % 4 : 100 * i + k;
		int n = snprintf(line, sizeof line,
		    "{\"type\":\"T%u\",\"subject\":\"s%u\",\"data\":\"", k % 3, subject);
		for (unsigned j = 0; j < 500; j++) /* compresses badly */
			line[n++] =
			    (char)('A' +
				   hash64(&(unsigned){i * 99999 + k * 600 + j}, 4) % 26);
		memcpy(line + n, "\"}", 2);
		log_add(w, line, (size_t)n + 2);
		sealed.mine += subject == 1 && k % 3 == 0;
	}
}

static void sealed_make(void)
{
	struct evlog_writer_options o = {
	    .size = sizeof o, .no_sync = true, .segment_size = 1};
	char path[128];
	struct stat st;
	evlog_error err;

	if (sealed.size)
		return;
	evlog_writer *w = log_make(&o);
	for (unsigned i = 0; i < 24; i++) /* three blocks */
		sealed_add(w, i);
	log_commit(w);
	log_add(w, "{\"type\":\"n\"}", 12);
	log_commit(w);
	MUST(evlog_writer_seal(w, true, &err) == 0);
	evlog_writer_close(w);
	snprintf(path, sizeof path, "%s/%s", log_dir, SEGMENT);
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

/* Recomputes the checksums of an index: of its table, and of each group of rows. */
static void index_checksums(unsigned char *p, size_t size)
{
	uint64_t blocks = get32(p + 48), bits = get64(p + 56), end = 72 + 48 * blocks;
	uint64_t width = (blocks + 7) / 8, group = 1;

	if (blocks == 0 || bits > UINT32_MAX || end + 8 > size)
		return; /* no valid index, whatever the checksums are */
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

/* Counts the events of subject s1 and type T0 that are found.  They must be in order, and
 * no others may be found. */
static unsigned sealed_read(bool reverse, unsigned threads)
{
	static const char *subject[] = {"s1"}, *type[] = {"T0"};
	const char *path = log_dir;
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

/* A damaged index must not hide an event; one with false content under valid checksums
 * may. */
void fuzz_index(const uint8_t *p, size_t n)
{
	unsigned char bytes[INDEX_MAX];

	sealed_make();
	if (n < 1)
		return;
	unsigned kind = *p;
	memcpy(bytes, sealed.bytes, sealed.size);
	size_t size = bytes_edit(bytes, sealed.size, p + 1, n - 1);
	if (kind & 1 && size >= 72)
		index_checksums(bytes, size);
	MUST(ftruncate(sealed.fd, sealed.at) == 0 &&
	     pwrite(sealed.fd, bytes, size, sealed.at) == (ssize_t)size);
	unsigned found = sealed_read(kind & 2, kind & 4 ? 2 : 1);
	MUST(kind & 1 ? found <= sealed.mine : found == sealed.mine);
}
