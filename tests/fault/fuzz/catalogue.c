/* catalogue.c - fuzzes the catalogue of a sealed segment. */
#include "fuzz.h"
#include "base/hash.h"
#include "format/catalogue.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CATALOGUE_MAX 65536
#define EVENTS	      600

static struct {
	unsigned char bytes[CATALOGUE_MAX];
	size_t size;
	int fd, dir_fd;
} made;

static void catalogue_make(void)
{
	struct evlog_writer_options o = {
	    .size = sizeof o, .no_sync = true, .segment_size = 1};
	char line[200], path[200];
	evlog_error err;

	if (made.size)
		return;
	evlog_writer *w = log_make(&o);
	for (unsigned i = 1; i <= EVENTS; i++) {
		int n = snprintf(line, sizeof line,
		    "{\"type\":\"T\",\"subject\":\"s%u\",\"id\":\"i%u\"}", i / 2,
		    i % 500);
		log_add(w, line, (size_t)n);
	}
	log_commit(w);
	log_add(w, "{\"type\":\"n\"}", 12);
	log_commit(w);
	MUST(evlog_writer_seal(w, true, &err) == 0);
	evlog_writer_close(w);
	snprintf(path, sizeof path, "%s/%016u-%016u.catalogue", log_dir, 1u, EVENTS);
	made.dir_fd = open(log_dir, O_RDONLY | O_DIRECTORY);
	MUST((made.fd = open(path, O_RDWR)) >= 0 && made.dir_fd >= 0);
	ssize_t n = read(made.fd, made.bytes, CATALOGUE_MAX);
	MUST(n > 0 && n < CATALOGUE_MAX);
	made.size = (size_t)n;
}

/* Recomputes the checksums of the header and of all pages. */
static void checksums(unsigned char *p, size_t size)
{
	size_t header = 72 + 96 * (size_t)get32(p + 32);
	uint32_t pages = get32(p + 68);

	if (get32(p + 32) > CATALOGUE_MOST || header + 8 > size)
		return;
	put32(p + 68, 0);
	uint64_t sum = hash64(p, header), no = 0;
	put32(p + 68, pages);
	put64(p + header, hash64(p, header));
	for (p += header + 8, size -= header + 8; size >= CATALOGUE_PAGE;
	     p += CATALOGUE_PAGE, size -= CATALOGUE_PAGE, no++)
		put64(p + ID_BODY, hash64(p, ID_BODY) + no + sum);
}

/* Counts the events with this id or subject that are found. */
static unsigned found(const char *id, const char *subject)
{
	const char *path = log_dir;
	struct evlog_selection sel;
	struct evlog_lines lines;
	struct evlog_event e;
	evlog_stream *s;
	evlog_error err;
	uint64_t seq = 0;
	unsigned n = 0;

	evlog_selection_init(&sel);
	sel.id = &id;
	sel.subject = &subject;
	sel.ids = id != NULL;
	sel.subjects = subject != NULL;
	int r = evlog_stream_open(&s, &path, 1, &sel, &err);
	while (!r && (r = evlog_stream_next(s, &lines, &err)) == 0)
		while (evlog_lines_take(&lines, &e)) {
			MUST(e.seq > seq && memmem(e.line, e.len, id ? id : subject,
						strlen(id ? id : subject)));
			seq = e.seq;
			n++;
		}
	MUST(r == EVLOG_END);
	evlog_stream_close(s);
	return n;
}

/* Goes over all ids, as a merge does. */
static void walk(void)
{
	struct id_walk w = {0};
	struct catalogue c;
	uint64_t fingerprint, n = 0;
	uint32_t block;
	evlog_error err;

	if (catalogue_open(&c, made.dir_fd, 1, EVENTS, &err))
		return;
	while (id_next(&c, &w, &fingerprint, &block) == 0)
		MUST(block < c.blocks && ++n < UINT32_MAX);
	catalogue_close(&c);
}

/* A damaged catalogue must not hide an event; one with false content under valid
 * checksums may. */
void fuzz_catalogue(const uint8_t *p, size_t n)
{
	unsigned char bytes[CATALOGUE_MAX];

	catalogue_make();
	if (n < 1)
		return;
	bool right = *p & 1;
	memcpy(bytes, made.bytes, made.size);
	size_t size = bytes_edit(bytes, made.size, p + 1, n - 1);
	if (right && size >= 72)
		checksums(bytes, size);
	MUST(ftruncate(made.fd, 0) == 0 &&
	     pwrite(made.fd, bytes, size, 0) == (ssize_t)size);
	walk();
	MUST(found("i77", NULL) <= 2 && found(NULL, "s150") <= 2 &&
	     found("none", NULL) == 0);
	MUST(right || (found("i77", NULL) == 2 && found(NULL, "s150") == 2));
}
