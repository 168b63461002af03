/* cases.c - evfold --test: runs the tests of a program, and prints their results as TAP.
 */
#include "cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void tell(void *arg, uint64_t line, const char *name, const char *wrong)
{
	uint64_t *n = arg;
	char text[80];

	snprintf(text, sizeof text, "%s %" PRIu64 " - ", wrong ? "not ok" : "ok", ++*n);
	cli_outs(text);
	snprintf(text, sizeof text, "line %" PRIu64, line);
	if (*name)
		cli_out_safe(name, strlen(name), "");
	else
		cli_outs(text);
	cli_outs("\n");
	if (!wrong)
		return;
	cli_outs("# ");
	cli_outs(text);
	cli_outs(": ");
	/* a line: of Lua's messages, some have several */
	for (const char *p = wrong; *p;) {
		size_t n_plain = strcspn(p, "\n");
		cli_out_safe(p, n_plain, "");
		p += n_plain;
		if (*p && *++p)
			cli_outs("\n# ");
	}
	cli_outs("\n");
}

int cli_fold_test(const char *file, const struct evlog_fold_test_options *given)
{
	struct evlog_fold_test_options o = *given;
	struct evlog_fold_tested done;
	evlog_error err;
	uint64_t n = 0;
	char plan[40];

	o.tell = tell;
	o.arg = &n;
	int r = evlog_fold_test(file, &o, &done, &err);
	snprintf(plan, sizeof plan, "1..%" PRIu64 "\n", n);
	if (r == 0)
		cli_outs(plan);
	cli_flush();
	if (r < 0)
		cli_say("%s", err.text);
	else if (done.failed && !cli.quiet)
		cli_say("%" PRIu64 " of %" PRIu64 " case%s failed", done.failed, n,
		    cli_plural(n));
	return r < 0 ? cli_status(r) : done.failed ? CLI_NO : CLI_OK;
}
