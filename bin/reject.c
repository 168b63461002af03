/* reject.c - the file for lines that cannot be appended. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <nettle/base64.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <locale.h>
#include <wchar.h>

int cli_reject_open(struct cli_reject *r)
{
	r->fd = open(r->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	return r->fd < 0 ? -1 : 0;
}

/* Writes a JSON string (RFC 8259).  File names may have any bytes: what is not UTF-8
 * becomes U+FFFD. */
static void json_string(FILE *f, const char *s)
{
	mbstate_t state = {0};

	setlocale(LC_CTYPE, "C.UTF-8");
	fputc('"', f);
	for (size_t n; *s; s += n) {
		n = mbrtowc(NULL, s, strlen(s), &state);
		if (n == 0 || n > MB_CUR_MAX) {
			fputs("\\ufffd", f);
			state = (mbstate_t){0};
			n = 1;
		} else if (*s == '"' || *s == '\\') {
			fprintf(f, "\\%c", *s);
		} else if ((unsigned char)*s < 0x20) {
			fprintf(f, "\\u%04x", (unsigned)*s);
		} else {
			fwrite(s, 1, n, f);
		}
	}
	fputc('"', f);
}

int cli_reject(struct cli_reject *r, const evlog_error *why, const char *name,
    const char *line, size_t len)
{
	char *text = malloc(BASE64_ENCODE_RAW_LENGTH(len) + 1);
	char *record = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&record, &size);
	int result = -1;

	if (text && f) {
		base64_encode_raw(text, len, (const uint8_t *)line);
		text[BASE64_ENCODE_RAW_LENGTH(len)] = '\0';
		fputs("{\"input\":", f);
		json_string(f, name);
		fprintf(f,
		    ",\"line\":%" PRIu64 ",\"column\":%" PRIu64 ",\"reason\":", why->line,
		    why->column);
		json_string(f, why->reason);
		fprintf(f, ",\"text\":\"%s\"}\n", text);
	}
	if (f && fclose(f) == 0 && size && record) {
		size_t done = 0;
		while (done < size) {
			ssize_t n = write(r->fd, record + done, size - done);
			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				break;
			done += (size_t)n;
		}
		result = done == size ? 0 : -1;
	}
	free(record);
	free(text);
	r->unsynced = true;
	return result;
}

/* Syncs a file or folder.  What cannot be synced, such as a pipe or a read-only folder,
 * is ignored. */
static int sync_this(int fd)
{
	return fsync(fd) == 0 || errno == EINVAL || errno == EROFS ? 0 : -1;
}

static int sync_name(const char *path)
{
	char *copy = strdup(path);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int r = fd >= 0 ? sync_this(fd) : errno == EACCES ? 0 : -1;

	if (fd >= 0)
		close(fd);
	free(copy);
	return r;
}

int cli_sync(int fd, const char *path)
{
	return sync_this(fd) < 0 ? -1 : sync_name(path);
}

int cli_reject_sync(struct cli_reject *r)
{
	if (!r->unsynced)
		return 0;
	if (cli_sync(r->fd, r->path) < 0)
		return -1;
	r->unsynced = false;
	return 0;
}
