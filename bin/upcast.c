/* upcast.c - --upcast; separate so that tools without it need no Lua. */
#include "cli.h"

void cli_upcast(struct evlog_selection *sel, const char *path)
{
	evlog_upcaster *u;
	evlog_error err;

	if (evlog_upcaster_open(&u, path, NULL, &err) < 0)
		cli_fail(&err);
	sel->json = true;
	sel->map = evlog_upcast;
	sel->map_arg = u;
}

void cli_upcast_free(struct evlog_selection *sel)
{
	if (sel->map == evlog_upcast)
		evlog_upcaster_close(sel->map_arg);
}
