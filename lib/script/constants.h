/* constants.h - makes everything that a program defines at load time constant. */
#ifndef SCRIPT_CONSTANTS_H
#define SCRIPT_CONSTANTS_H

#include "script/sandbox.h"

/* Makes everything that the program can reach constant: tables become read-only in place,
 * and the variables that functions share are listed.  Raises an error for what cannot be
 * locked; call it in protected mode. */
void constants_make(lua_State *L);

/* Copies the program's global table `name`, of functions by event type, to the registry
 * under `key`, since constants_make empties the program's own.  Returns the number of
 * functions; raises an error if the table has anything else. */
size_t constants_handlers(lua_State *L, const char *name, const void *key);

/* Whether all shared variables still have their values.  If not, restores them, and *name
 * is one that had changed. */
bool constants_kept(struct sandbox *s, const char **name);

/* ---- content.c ---- */

/* A __newindex that always fails. */
int constant_set(lua_State *L);

/* Pops a table and makes it the content of tables that have the metatable at this
 * index. */
void constants_content_put(lua_State *L, int metatable);

/* If the table at `index` is read-only, replaces it there by its content. */
void constants_content(lua_State *L, int index);

/* Whether the table at `index` is read-only. */
bool constants_are(lua_State *L, int index);

#endif
