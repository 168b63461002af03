/* luafloat.c - doubles as shortest text, and as a whole number over a power of ten. */
#include "script/lua.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double tens[] = {1, 10, 100, 1e3, 1e4, 1e5, 1e6};

/* Both numbers are exact, so their quotient is the double nearest to the decimal. */
bool lua_float_split(lua_Number v, int64_t *whole, unsigned *places)
{
	for (unsigned n = 0; n < sizeof tens / sizeof *tens; n++) {
		double w = rint(v * tens[n]);
		if (!(fabs(w) < 1e15))
			return false;
		if (w / tens[n] == v) {
			*whole = (int64_t)w;
			*places = n;
			return true;
		}
	}
	return false;
}

bool lua_float_write(lua_Number v, char text[40])
{
	if (!isfinite(v))
		return false;
	for (int digits = DBL_DIG; digits <= DBL_DIG + 2; digits++) {
		snprintf(text, 40, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	if (!strpbrk(text, ".e"))
		strcat(text, ".0"); /* it must not become an integer */
	return true;
}
