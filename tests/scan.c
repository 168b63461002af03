/*
 * scan.c - the JSON scanner alone, for json.bats.  It depends only on the scanner and its
 * buffer, so that it can be built for each implementation of the scanner.
 *
 *
 *   scan kind            which implementation this is
 *   scan check FILE...   "yes FILE" or "no FILE OFFSET REASON" for each file
 *   scan lines FILE      how many of its lines are JSON texts
 *   scan self            compares the fast loops with plain ones
 *   scan speed FILE      GB/s over its lines
 */
#include "json/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static char *file_read(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	char *p = NULL;

	if (!f || fseek(f, 0, SEEK_END) < 0)
		exit(2);
	*len = (size_t)ftell(f);
	rewind(f);
	p = malloc(*len + 1);
	if (!p || fread(p, 1, *len, f) != *len)
		exit(2);
	fclose(f);
	return p;
}

/* Scans a copy in an allocation of exactly its size, so that a sanitizer notices any
 * overrun. */
static bool scan_exact(const char *p, size_t len, struct json_fault *fault)
{
	struct json_members members = {0};
	struct json_text value;
	char *copy = malloc(len ? len : 1);

	if (!copy)
		exit(2);
	memcpy(copy, p, len);
	bool good = json_scan(copy, len, JSON_DEPTH, &value, &members, fault);
	if (good) {
		struct json_walk w;
		struct json_member m;
		size_t n = 0;
		json_walk_begin(&w, value);
		while (w.object && json_walk_next(&w, &m)) {
			if (n >= members.n || m.value.p != members.at[n].value.p ||
			    m.value.len != members.at[n].value.len ||
			    m.key.p != members.at[n].key.p)
				exit(3);
			n++;
		}
		if (n != members.n)
			exit(3);
	}
	json_members_free(&members);
	free(copy);
	return good;
}

static void check(int n, char **files)
{
	for (int i = 0; i < n; i++) {
		struct json_fault fault;
		size_t len;
		char *p = file_read(files[i], &len);
		if (scan_exact(p, len, &fault))
			printf("yes %s\n", files[i]);
		else
			printf("no %s %zu %s\n", files[i], fault.offset, fault.reason);
		free(p);
	}
}

static size_t lines(const char *p, size_t len)
{
	struct json_members members = {0};
	struct json_text value;
	struct json_fault fault;
	size_t good = 0;

	for (const char *end = p + len; p < end;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		if (!nl)
			nl = end;
		good +=
		    json_scan(p, (size_t)(nl - p), JSON_DEPTH, &value, &members, &fault);
		p = nl + 1;
	}
	json_members_free(&members);
	return good;
}

static bool is_special(unsigned char c)
{
	return c == '"' || c == '\\' || c < 0x20 || c > 0x7f;
}

/* Tries every byte at every position of strings up to 70 bytes long. */
static void self(void)
{
	char text[80];
	size_t cases = 0;

	for (size_t len = 0; len < 70; len++)
		for (size_t at = 0; at <= len; at++)
			for (int c = 0; c < 256; c++) {
				memset(text, 'a' + (int)(at % 20), sizeof text);
				if (at < len)
					text[at] = (char)c;
				size_t want =
				    at < len && is_special((unsigned char)c) ? at : len;
				if ((size_t)(json_plain_end(text, text + len) - text) !=
				    want) {
					printf("byte %d at %zu of %zu\n", c, at, len);
					exit(1);
				}
				cases++;
			}
	/* of two hits, the first counts */
	for (int a = 0; a < 256; a++)
		for (int b = 0; b < 256; b++) {
			memset(text, 'x', sizeof text);
			text[3] = (char)a;
			text[5] = (char)b;
			size_t want = is_special((unsigned char)a)   ? 3
				      : is_special((unsigned char)b) ? 5
								     : 32;
			if ((size_t)(json_plain_end(text, text + 32) - text) != want) {
				printf("bytes %d %d\n", a, b);
				exit(1);
			}
			cases++;
		}
	printf("%zu cases\n", cases);
}

static unsigned chance(uint64_t *random, unsigned n)
{
	*random = *random * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (unsigned)(*random >> 33) % n;
}

/* Adds a random container, full of strings that look like its end. */
static void nested(struct buf *b, uint64_t *random, int depth)
{
	static const char *const scalars[] = {"1", "\"\"", "\"{\"", "\"]]]]\"",
	    "\"a longer text, with } and [ in it, than fits in a few bytes\"", "[]",
	    "\"\\\"}\"", "\"\\\\\""};
	bool object = chance(random, 2);
	unsigned kinds = chance(random, 2) ? 6 : 8; /* 6: none that contain a backslash */

	buf_putc(b, object ? '{' : '[');
	for (unsigned i = 0, n = chance(random, 6); i < n; i++) {
		buf_puts(b, i ? "," : "");
		buf_puts(b, object ? "\"{\":" : "");
		if (depth && chance(random, 3) == 0)
			nested(b, random, depth - 1);
		else
			buf_puts(b, scalars[chance(random, kinds)]);
	}
	buf_putc(b, object ? '}' : ']');
}

/* Skipping a container must end exactly where it ends. */
static void walks(void)
{
	struct buf b = {0};
	struct json_fault fault;
	uint64_t random = 1;
	size_t longest = 0;

	for (int i = 0; i < 100000; i++) {
		b.len = 0;
		buf_puts(&b, "{\"a\":");
		nested(&b, &random, 9);
		buf_puts(&b, ",\"b\":{}}");
		if (b.failed || !scan_exact(b.p, b.len, &fault))
			exit(4);
		longest = b.len > longest ? b.len : longest;
	}
	buf_free(&b);
	printf("walks of up to %zu bytes\n", longest);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	size_t len;

	if (argc == 2 && strcmp(argv[1], "kind") == 0) {
		puts(json_scan_kind());
	} else if (argc > 2 && strcmp(argv[1], "check") == 0) {
		check(argc - 2, argv + 2);
	} else if (argc == 2 && strcmp(argv[1], "self") == 0) {
		self();
		walks();
	} else if (argc == 3 && strcmp(argv[1], "lines") == 0) {
		char *p = file_read(argv[2], &len);
		printf("%zu\n", lines(p, len));
		free(p);
	} else if (argc == 3 && strcmp(argv[1], "speed") == 0) {
		char *p = file_read(argv[2], &len);
		double best = 1e9;
		for (int i = 0; i < 7; i++) {
			double start = seconds();
			lines(p, len);
			double took = seconds() - start;
			best = took < best ? took : best;
		}
		printf("%s %.2f GB/s\n", json_scan_kind(), (double)len / best / 1e9);
		free(p);
	} else {
		return 64;
	}
	return 0;
}
