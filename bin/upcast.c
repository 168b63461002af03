/* upcast.c - --upcast and --dead-letters; separate so that tools without them need no
 * Lua. */
#include "cli.h"

static evlog_upcaster *upcaster;
static evlog_dead_letters *letters;

void cli_upcast(struct evlog_selection *sel, const char *path)
{
	evlog_error err;

	if (evlog_upcaster_open(&upcaster, path, NULL, &err) < 0)
		cli_fail(&err);
	sel->json = true;
	sel->map = evlog_upcast;
	sel->map_arg = upcaster;
}

void cli_dead_letters(struct evlog_selection *sel)
{
	evlog_error err;

	if (evlog_dead_letters_new(&letters, sel->map, sel->map_arg, &err) < 0)
		cli_fail(&err);
	sel->map = evlog_dead_letter_unwrap;
	sel->map_arg = letters;
}

void cli_upcast_free(void)
{
	evlog_dead_letters_free(letters);
	evlog_upcaster_close(upcaster);
}
