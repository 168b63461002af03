/* archives.c - operands that are a folder of backups, before the log that it is of. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool has_folder(const char *path, const char *name)
{
	char text[4096];
	struct stat st;

	int n = snprintf(text, sizeof text, "%s/%s", path, name);
	return n < (int)sizeof text && lstat(text, &st) == 0 && S_ISDIR(st.st_mode);
}

/* What is not there is reported when it is opened. */
static bool is_file(const char *path)
{
	struct stat st;

	return strcmp(path, "-") == 0 || (stat(path, &st) == 0 && !S_ISDIR(st.st_mode));
}

int cli_archives(char **operand, int n)
{
	static char **joined; /* for as long as the process runs */
	static size_t count;
	int left = 0;

	for (int i = 0; i < n; i++) {
		char *path = operand[i];
		if (has_folder(path, "points") && has_folder(path, "segments")) {
			if (i + 1 == n || is_file(operand[i + 1]))
				cli_usage("%s: a folder of backups: name its log after "
					  "it, or restore it with evrestore",
				    path);
			joined = cli_resize(joined, (count + 1) * sizeof *joined);
			if (asprintf(&joined[count], "%s::%s", path, operand[++i]) < 0) {
				cli_say("out of memory");
				exit(CLI_IO);
			}
			path = joined[count++];
		}
		operand[left++] = path;
	}
	return left;
}
