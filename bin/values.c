/* values.c - parses the values of options: numbers, sizes, spans, tables. */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

uint64_t cli_number(const char *option, const char *text, uint64_t min, uint64_t max)
{
	char *end;

	errno = 0;
	unsigned long long v = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || errno || v < min || v > max)
		cli_usage("--%s %s: must be a whole number from %" PRIu64 " to %" PRIu64,
		    option, text, min, max);
	return v;
}

uint64_t cli_size(const char *option, const char *text, uint64_t max)
{
	static const char units[] = "KMG";
	char *end;

	errno = 0;
	unsigned long long v = strtoull(text, &end, 10);
	bool good = isdigit((unsigned char)*text) && !errno;
	const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
	const char *rest = unit ? end + 1 : end;
	good = good && (!*rest || (unit && (!strcmp(rest, "B") || !strcmp(rest, "iB"))));
	if (!good || v == 0 || v > max >> shift)
		cli_usage(
		    "--%s %s: must be a size such as 65536, 64K or 1M, up to %" PRIu64
		    " bytes",
		    option, text, max);
	return v << shift;
}

double cli_real(const char *option, const char *text)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end || !(v >= 0) || v > 1e9)
		cli_usage("--%s %s: must be a number from 0 to 1e9", option, text);
	return v;
}

int64_t cli_span(const char *option, const char *text)
{
	int64_t us;
	evlog_error err;

	if (evlog_span_parse(text, &us, &err) < 0)
		cli_usage("--%s %s", option, err.text);
	return us;
}

char *cli_table(const char *option, const char *text, const char **table)
{
	if (strncmp(text, "sqlite:", 7) != 0)
		return NULL;
	char *file = strcpy(cli_resize(NULL, strlen(text)), text + 7);
	char *colon = strrchr(file, ':');

	*table = "state";
	if (colon && !strpbrk(colon, "/.")) {
		*colon = '\0';
		*table = colon + 1;
	}
	if (!**table || !*file)
		cli_usage(
		    "--%s %s: write sqlite:FILE or sqlite:FILE:TABLE", option, text);
	return file;
}
