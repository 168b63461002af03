# evlog - an event store for the shell.
#
#   make quickstart   install what is missing, build, and show the main job
#   make              build everything into build/
#                     (STATIC=1: the tools contain the libraries, except for the C library,
#                     and start faster)
#   make check        install what is missing, build, test
#                     (SAN=1: with ASan and UBSan, SAN=thread: ThreadSanitizer;
#                     ONLY=evcat.bats: one file; EVLOG_SLOW=1: the slow tests too)
#   make coverage     test with gcov; fails below LINES and BRANCHES, in percent
#   make lint         formatting, layers, static analysis, scripts, manuals
#   make model        check the protocol with spin
#   make ports        build with clang, with musl, and without Linux's own calls
#   make fuzz         fuzz each target for SECONDS (30)
#   make torture      run the whole fault harness for LENGTH half hours (1)
#   make bench          measure, as ratios to peers in the same run
#                       (EVENTS=1000000 RUNS=5 ONLY=fold GROW=10000000 PLOT=growth.svg)
#   make bench-peers    install those peers
#   make pictures     make README's pictures again
#   make install      install into $(DESTDIR)$(PREFIX), the library into $(DESTDIR)$(LIBDIR),
#                     the program that unpacks archives into $(DESTDIR)$(LIBEXECDIR)
#   make uninstall    remove it again
#   make dist         make a tarball of what is committed

VERSION := $(shell sed -n 's/^\#define EVLOG_VERSION "\(.*\)"/\1/p' lib/evlog.h)
PREFIX   = /usr/local
LIBDIR   = $(PREFIX)/lib
LIBEXECDIR = $(PREFIX)/libexec
PKG_CONFIG ?= pkg-config
BUILD    = build$(if $(SAN),/$(if $(filter thread,$(SAN)),tsan,san))

# A folder includes only those before it in this list (make lint checks that).  unpack/
# is not part of the library.
LAYERS   = base json event input format recover read write script sink fold replay due trace run diff backup
TOOLS    = evappend evcat evreplay evrun evdue evfold evdiff evtrace evfork evbackup evrestore
SHARED   = cli archives values reject upcast cases receivers
SHELLS   = bash zsh fish
LINKED   = libzstd zlib nettle libxxhash libtommath lua5.4 sqlite3
UNPACKS  = libarchive liblzma liblz4
PACKAGES = $(LINKED) $(UNPACKS)

SOURCES  = $(sort $(wildcard $(LAYERS:%=lib/%/*.c)))
OBJECTS  = $(SOURCES:%.c=$(BUILD)/%.o)
MANUALS  = $(sort $(wildcard man/*.[1-8]))

# With sanitizers gcc warns about impossible cases, fewer of them at -O1.
CFLAGS  ?= $(if $(SAN),-O1,-O3) -g
WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
           -Wpointer-arith -Wwrite-strings
# expands to the option if the compiler accepts it
takes    = $(shell echo 'int x;' | $(CC) -Werror $(1) -x c -c -o /dev/null - 2>/dev/null && echo $(1))
HARDENED := -fstack-protector-strong -fno-common $(call takes,-fstack-clash-protection) \
            $(call takes,-fcf-protection)
ifdef SAN
SANITIZE = $(if $(filter thread,$(SAN)),-fsanitize=thread,-fsanitize=address,undefined \
           -fno-sanitize-recover=undefined) -fno-omit-frame-pointer -Wno-maybe-uninitialized
else
HARDENED += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif
ifdef CI
WARNINGS += -Werror
endif

OBJCOPY ?= objcopy

# Computed on demand, so that make deps can run first.
PKG_CFLAGS = $(shell $(PKG_CONFIG) --cflags $(PACKAGES))
PKG_FLAGS  = $(shell $(PKG_CONFIG) --libs $(LINKED))
PKG_LIBS   = $(if $(STATIC),$(PKG_FLAGS:-l%=-l:lib%.a),$(PKG_FLAGS)) -lm
COMPILE    = $(CC) -std=c11 -D_GNU_SOURCE -Ilib $(WARNINGS) $(HARDENED) $(SANITIZE) \
             $(PKG_CFLAGS) $(DEFINES) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c
QUIETLY    = $(MAKE) --no-print-directory -s -j$(shell nproc 2>/dev/null || echo 2)
RELRO      = -Wl,-z,relro,-z,now -Wl,--as-needed

all: tools library completions

tools: $(TOOLS:%=$(BUILD)/%) $(BUILD)/evlog-unpack
library: $(BUILD)/libevlog.a $(BUILD)/libevlog.so.0 $(BUILD)/evlog.pc
completions: $(foreach s,$(SHELLS),$(TOOLS:%=$(BUILD)/completions/$(s)/%))

# Each tool is linked with what it uses: not all of them with Lua.
$(BUILD)/bin/cli.a: $(SHARED:%=$(BUILD)/bin/%.o)
	$(AR) rcs $@ $^

$(TOOLS:%=$(BUILD)/%): $(BUILD)/%: $(BUILD)/bin/%.o $(BUILD)/bin/cli.a $(BUILD)/objects.a
	$(CC) $(SANITIZE) -pie $(RELRO) $(LDFLAGS) -o $@ $^ $(LUA) $(PKG_LIBS)

# evappend often runs for a single event, so it must start fast.  Lua, which only --check
# needs, becomes a part of it where there is such a library.
$(BUILD)/evappend: LUA = $(wildcard $(shell $(PKG_CONFIG) --variable=libdir lua5.4)/liblua5.4.a)

# What reads hostile bytes by other libraries is a program of its own.
UNPACK_C = $(filter-out %/main.c,$(sort $(wildcard lib/unpack/*.c)))
UNPACK   = $(UNPACK_C:%.c=$(BUILD)/%.o)
UNPACK_LIBS = $(shell $(PKG_CONFIG) --libs $(UNPACKS)) -lbz2
$(BUILD)/evlog-unpack: $(BUILD)/lib/unpack/main.o $(UNPACK) $(BUILD)/objects.a
	$(CC) $(SANITIZE) -pie $(RELRO) $(LDFLAGS) -o $@ $^ $(UNPACK_LIBS) $(PKG_LIBS)

# Built again where it is to be installed elsewhere.
$(BUILD)/libexecdir: FORCE
	@mkdir -p $(@D)
	@echo '$(LIBEXECDIR)' | cmp -s - $@ || echo '$(LIBEXECDIR)' >$@
%/lib/input/helper.o: DEFINES = -DLIBEXECDIR='"$(LIBEXECDIR)"'
$(BUILD)/lib/input/helper.o $(BUILD)/pic/lib/input/helper.o: $(BUILD)/libexecdir

# What only C can reach; and callers that break the rules.
$(BUILD)/unit $(BUILD)/misuse: $(BUILD)/%: $(BUILD)/tests/%.o $(BUILD)/objects.a
	$(CC) $(SANITIZE) -pie $(RELRO) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

# Damages files and checks what is read from them.
$(BUILD)/flips: $(BUILD)/tests/flips.o $(BUILD)/tests/unpacked.o $(UNPACK) $(BUILD)/objects.a
	$(CC) $(SANITIZE) -pie $(RELRO) $(LDFLAGS) -o $@ $^ $(UNPACK_LIBS) $(PKG_LIBS)

# Preloaded, makes any call or allocation fail; not with a sanitizer, which preloads too.
FAULTS   = $(if $(SAN),,$(BUILD)/fault-shim.so) $(BUILD)/fault-probe $(BUILD)/fault-rot
$(BUILD)/fault-shim.so: tests/fault/shim.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE $(WARNINGS) -O2 -U_FORTIFY_SOURCE -fPIC -shared -o $@ $<

$(BUILD)/fault-%: $(BUILD)/tests/fault/%.o $(BUILD)/objects.a
	$(CC) $(SANITIZE) -pie $(RELRO) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

# libFuzzer's targets, on objects built for them: make fuzz SECONDS=60 (for each).
FUZZERS  = scan event log index catalogue head header time reducer decimal diff input
SECONDS  = 30
LENGTH   = 1
FUZZED   = $(filter-out %/helper.o,$(SOURCES:%.c=$(BUILD)/fuzz/%.o)) $(UNPACK_C:%.c=$(BUILD)/fuzz/%.o)
FUZZING  = -fsanitize=address,undefined -fno-sanitize-recover=undefined
$(BUILD)/fuzz/lib/%.o: lib/%.c
	@mkdir -p $(@D)
	clang -std=c11 -D_GNU_SOURCE -Ilib $(PKG_CFLAGS) -O1 -g -fsanitize=fuzzer-no-link $(FUZZING) -MMD -MP -c -o $@ $<
$(FUZZERS:%=$(BUILD)/fuzz/%): $(BUILD)/fuzz/%: $(wildcard tests/fault/fuzz/*.c) tests/unpacked.c $(FUZZED) tests/fault/fuzz/fuzz.h
	clang -std=c11 -D_GNU_SOURCE -Ilib $(PKG_CFLAGS) -O1 -g -fsanitize=fuzzer $(FUZZING) -DFUZZ=$* -o $@ $(filter-out %.h,$^) $(UNPACK_LIBS) $(PKG_LIBS)

# Each implementation of the scanner; NEON if a cross compiler and qemu are installed.
SCANNERS = $(BUILD)/scan $(BUILD)/scan-portable $(if $(SAN),,$(if $(shell \
           command -v aarch64-linux-gnu-gcc && command -v qemu-aarch64),$(BUILD)/scan-neon))
SCANNER  = tests/scan.c lib/json/scan.c lib/json/walk.c lib/base/buf.c
scanners: $(SCANNERS)

$(BUILD)/scan: $(SCANNER) $(wildcard lib/*/*.h)
	@mkdir -p $(@D)
	$(filter-out -MMD -MP -c,$(COMPILE)) -o $@ $(SCANNER)
$(BUILD)/scan-portable: $(SCANNER) $(wildcard lib/*/*.h)
	@mkdir -p $(@D)
	$(filter-out -MMD -MP -c,$(COMPILE)) -DJSON_PORTABLE -o $@ $(SCANNER)
$(BUILD)/scan-neon: $(SCANNER) $(wildcard lib/*/*.h)
	@mkdir -p $(@D)
	aarch64-linux-gnu-gcc -static -std=c11 -D_GNU_SOURCE -Ilib $(CFLAGS) -o $@ $(SCANNER)

# For the tools and the tests, which take from it what they use.
$(BUILD)/objects.a: $(OBJECTS)
	rm -f $@
	$(AR) rcs $@ $^

# For others: a single object that exports only the public names.
$(BUILD)/libevlog.a: $(OBJECTS)
	rm -f $@
	$(LD) -r -o $(BUILD)/evlog.o $^
	$(OBJCOPY) --wildcard --keep-global-symbol='evlog_*' $(BUILD)/evlog.o
	$(AR) rcs $@ $(BUILD)/evlog.o

$(BUILD)/libevlog.so.0: $(SOURCES:%.c=$(BUILD)/pic/%.o)
	$(CC) $(SANITIZE) -shared -Wl,-soname,libevlog.so.0 $(RELRO) $(LDFLAGS) \
	    -Wl,--version-script=lib/evlog.map -o $@ $^ $(PKG_LIBS)

$(BUILD)/evlog.pc: Makefile
	@mkdir -p $(@D)
	printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$${prefix}/lib' \
	    'includedir=$${prefix}/include' '' 'Name: evlog' \
	    'Description: an event store for the shell' 'Version: $(VERSION)' \
	    'Libs: -L$${libdir} -levlog' 'Libs.private: $(PKG_LIBS) -lpthread' \
	    'Cflags: -I$${includedir}' >$@

$(BUILD)/pic/%.o: %.c
	@mkdir -p $(@D)
	$(COMPILE) -fPIC -o $@ $<

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(COMPILE) -fPIE -o $@ $<

define COMPLETION
$(BUILD)/completions/$(1)/%: $(BUILD)/% bin/completions.awk
	@mkdir -p $$(@D)
	$$< --help | awk -v tool=$$* -v shell=$(1) -f bin/completions.awk >$$@
endef
$(foreach s,$(SHELLS),$(eval $(call COMPLETION,$(s))))

deps:
	@.ci/deps build

quickstart: deps
	@$(QUIETLY) tools
	@PATH="$(CURDIR)/$(BUILD):$$PATH" samples/orders/quickstart

check:
	@.ci/deps test
	@$(QUIETLY) all $(BUILD)/unit $(BUILD)/misuse $(BUILD)/flips scanners $(FAULTS)
	@EVLOG_BUILD=$(CURDIR)/$(BUILD) SAN=$(SAN) tests/run $(ONLY)

# Built without optimisation, so that a line is a line, and with a helper that is not
# confined.  gnu11 lets gcov see fork and exec, and write down what a child has run before
# it becomes another program.  Killed processes are not counted.
LINES    = 96.0
BRANCHES = 86.5
coverage:
	@.ci/deps test
	rm -rf build/coverage
	@$(QUIETLY) CFLAGS='-std=gnu11 -O0 -g --coverage' LDFLAGS=--coverage \
	    CPPFLAGS='-DUNCONFINED -DCOVERAGE' BUILD=build/coverage tools library completions \
	    build/coverage/unit build/coverage/misuse build/coverage/flips build/coverage/fault-shim.so \
	    build/coverage/fault-probe build/coverage/fault-rot
	@$(QUIETLY) BUILD=build/coverage scanners
	@EVLOG_BUILD=$(CURDIR)/build/coverage COVERAGE=1 tests/run $(ONLY)
	@tests/coverage build/coverage $(LINES) $(BRANCHES)

fuzz:
	@.ci/deps fuzz
	@$(QUIETLY) $(FUZZERS:%=$(BUILD)/fuzz/%)
	@tests/fault/fuzz/run $(BUILD)/fuzz $(SECONDS) $(FUZZERS)

torture:
	@.ci/deps test
	@.ci/deps fuzz
	@$(QUIETLY) all $(BUILD)/flips $(FAULTS) $(FUZZERS:%=$(BUILD)/fuzz/%)
	@EVLOG_BUILD=$(CURDIR)/$(BUILD) tests/fault/torture $(LENGTH)

bench: deps
	@command -v python3 >/dev/null || { echo "It needs python3: make bench-peers"; exit 1; }
	@$(QUIETLY) tools
	@EVLOG_BUILD=$(CURDIR)/$(BUILD) tests/bench/run $(if $(EVENTS),--events $(EVENTS)) \
	    $(if $(RUNS),--runs $(RUNS)) $(if $(GROW),--grow $(GROW)) \
	    $(if $(PLOT),--plot '$(PLOT)') $(if $(ONLY),--only '$(ONLY)')

bench-peers:
	@.ci/deps bench
	@if command -v npm >/dev/null; then npm install --prefix $(BUILD)/duckdb @duckdb/node-api; \
	    else echo "DuckDB is installed by npm, which is not there"; fi

# They show what the tools print and what BENCH.md says; a test compares them.
pictures: deps
	@$(QUIETLY) tools
	@PATH="$(CURDIR)/$(BUILD):$$PATH" man/pictures/make

# Another compiler, another C library, another system, other languages: no warnings from
# any.  There are no libraries for musl here, so that it only compiles; the build without
# Linux's own calls runs the laws of pipes.
MUSL     = musl-gcc $(patsubst %,-idirafter %,/usr/include $(wildcard /usr/include/*-linux-gnu))
HEADER   = -Ilib -Wall -Wextra -pedantic -Werror -fsyntax-only -
ports:
	@.ci/deps ports
	echo '#include "evlog.h"' | $(CC) -x c -std=c99 $(HEADER)
	echo '#include "evlog.h"' | $(CXX) -x c++ -std=c++11 $(HEADER)
	$(QUIETLY) CI=1 CC=clang BUILD=build/clang objects
	for f in $(FUZZERS); do \
	    clang -std=c11 -D_GNU_SOURCE -Ilib $(PKG_CFLAGS) $(WARNINGS) -Werror -DFUZZ=$$f -fsyntax-only tests/fault/fuzz/*.c || exit 1; done
	$(QUIETLY) CI=1 CC='$(MUSL)' BUILD=build/musl objects
	$(QUIETLY) CI=1 CPPFLAGS=-DEVLOG_PORTABLE BUILD=build/portable tools build/portable/unit build/portable/misuse
	EVLOG_BUILD=$(CURDIR)/build/portable tests/run pipes.bats unit.bats

objects: $(OBJECTS) $(UNPACK) $(BUILD)/lib/unpack/main.o $(TOOLS:%=$(BUILD)/bin/%.o) $(SHARED:%=$(BUILD)/bin/%.o)

# The protocol of commits, recovery and reading, for every fault up to a bound.
model:
	@.ci/deps model
	tests/model/run

lint:
	@.ci/deps lint
	clang-format --dry-run -Werror examples/*.c lib/*.h lib/*/*.[ch] bin/*.[ch] tests/*.c tests/fault/*.c tests/fault/*/*.[ch] tests/bench/peers/*.c
	@$(QUIETLY) objects
	tests/layers $(BUILD) $(LAYERS)
	tests/commands
	cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --force -Ilib \
	    --enable=warning,portability --suppress=missingIncludeSystem lib bin
	shellcheck .ci/run .ci/deps tests/run tests/layers tests/commands tests/golden/make tests/golden/say tests/fault/torture \
	    tests/fault/fuzz/run tests/model/run man/examples \
	    samples/story.bash samples/orders/quickstart samples/orders/readmodel \
	    samples/orders/broker samples/orders/mediator \
	    samples/commands/commands samples/commands/handle.sh samples/bank/bank \
	    samples/bank/transfer samples/bank/transfer.sh samples/recovery/recovery samples/failover/failover samples/failover/produce.sh samples/failover/orders.sh samples/registration/registration samples/registration/register.sh samples/reminders/reminders samples/users/users samples/whatif/whatif \
	    samples/cleanroom/cleanroom samples/merchants/merchants
	mandoc -T lint -W warning $(MANUALS)

SHARE    = $(DESTDIR)$(PREFIX)/share
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(PREFIX)/include \
	    $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions \
	    $(SHARE)/fish/vendor_completions.d
	install -m 755 $(TOOLS:%=$(BUILD)/%) $(DESTDIR)$(PREFIX)/bin
	install -D -m 755 $(BUILD)/evlog-unpack $(DESTDIR)$(LIBEXECDIR)/evlog-unpack
	install -m 644 lib/evlog.h $(DESTDIR)$(PREFIX)/include
	install -m 644 $(BUILD)/libevlog.a $(DESTDIR)$(LIBDIR)
	install -m 755 $(BUILD)/libevlog.so.0 $(DESTDIR)$(LIBDIR)
	ln -sf libevlog.so.0 $(DESTDIR)$(LIBDIR)/libevlog.so
	sed 's|^prefix=.*|prefix=$(PREFIX)|; s|^libdir=.*|libdir=$(LIBDIR)|' $(BUILD)/evlog.pc \
	    >$(DESTDIR)$(LIBDIR)/pkgconfig/evlog.pc
	for page in $(MANUALS); do \
	    install -D -m 644 $$page $(SHARE)/man/man$${page##*.}/$${page##*/} || exit 1; done
	for tool in $(TOOLS); do \
	    install -m 644 $(BUILD)/completions/bash/$$tool $(SHARE)/bash-completion/completions/$$tool && \
	    install -m 644 $(BUILD)/completions/zsh/$$tool $(SHARE)/zsh/site-functions/_$$tool && \
	    install -m 644 $(BUILD)/completions/fish/$$tool \
	        $(SHARE)/fish/vendor_completions.d/$$tool.fish || exit 1; done

# Removes what install has put there, and nothing else.
uninstall:
	rm -f $(TOOLS:%=$(DESTDIR)$(PREFIX)/bin/%) $(DESTDIR)$(PREFIX)/include/evlog.h \
	    $(DESTDIR)$(LIBEXECDIR)/evlog-unpack \
	    $(patsubst %,$(DESTDIR)$(LIBDIR)/%,libevlog.a libevlog.so.0 libevlog.so pkgconfig/evlog.pc) \
	    $(TOOLS:%=$(SHARE)/bash-completion/completions/%) \
	    $(TOOLS:%=$(SHARE)/zsh/site-functions/_%) \
	    $(TOOLS:%=$(SHARE)/fish/vendor_completions.d/%.fish) \
	    $(foreach page,$(MANUALS),$(SHARE)/man/man$(subst .,,$(suffix $(page)))/$(notdir $(page)))

dist:
	@mkdir -p build
	git archive --prefix=evlog-$(VERSION)/ -o build/evlog-$(VERSION).tar.gz HEAD

clean:
	rm -rf build

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.PHONY: FORCE all tools scanners library objects completions deps quickstart check coverage model ports fuzz torture bench bench-peers pictures lint install uninstall dist clean
.DELETE_ON_ERROR:
.SECONDARY:
