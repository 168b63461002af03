/* constants.h - what a program defines when it is loaded does not change afterwards. */
#ifndef SCRIPT_CONSTANTS_H
#define SCRIPT_CONSTANTS_H

#include "script/sandbox.h"

/* Makes all that the program can reach unchangeable: tables are read only from now on, in
 * place, and the variables that functions share are listed.  Raises an error for what
 * cannot be made so.  Call it in protected mode. */
void constants_make(lua_State *L);

/* Copies the program's global table `name`, of functions by the type of the events that
 * they are for, to the registry under `key`, since constants_make leaves the program's
 * own one empty.  Returns how many there are; raises an error for anything else. */
size_t constants_handlers(lua_State *L, const char *name, const void *key);

/* Whether all variables are what they were; else gives them back what they were, and the
 * name of one. */
bool constants_kept(struct sandbox *s, const char **name);

/* ---- content.c ---- */

/* A __newindex that refuses. */
int constant_set(lua_State *L);

/* Makes the value on top, which is taken off, the content of tables with the metatable at
 * this index. */
void constants_content_put(lua_State *L, int metatable);

/* Replaces the table at `index` by what has its content, if it is read only. */
void constants_content(lua_State *L, int index);

/* Whether the table at `index` is read only. */
bool constants_are(lua_State *L, int index);

#endif
