// SPDX-License-Identifier: GPL-2.0-only
/*
 * C++ exceptions: data/throw_static and data/throw_dynamic, both of
 * return_throw.cc, with a return probe on every function of theirs; of the
 * dynamic one's libraries, the unwinder among them, on every one they export.
 */
#include "return_engine.h"

FIXTURE(throws) {
	struct program p;
	char dir[1024], path[1100], linker[1100];
};

FIXTURE_VARIANT(throws) {
	bool dynamic;
};

FIXTURE_VARIANT_ADD(throws, static_program) {
	.dynamic = false,
};

FIXTURE_VARIANT_ADD(throws, dynamic_program) {
	.dynamic = true,
};

FIXTURE_SETUP(throws)
{
	static const char * const libraries[] = { "libstdc++.so.6", "libgcc_s.so.1", "libc.so.6" };
	struct program *p = &self->p;
	char path[1100];

	beside_program(self->dir, sizeof(self->dir), "data");
	snprintf(self->linker, sizeof(self->linker), "%s/ld.so", self->dir);
	snprintf(self->path, sizeof(self->path), "%s/throw_%s", self->dir,
		 variant->dynamic ? "dynamic" : "static");
	ASSERT_EQ(0, functions_read(&p->files[p->nr++], self->path, is_called));
	if (!variant->dynamic)
		return;
	for (unsigned int i = 0; i < ARRAY_SIZE(libraries); i++) {
		snprintf(path, sizeof(path), "%s/%s", self->dir, libraries[i]);
		ASSERT_EQ(0, functions_read(&p->files[p->nr++], path, is_called));
	}
}

FIXTURE_TEARDOWN(throws)
{
	for (unsigned int i = 0; i < self->p.nr; i++)
		functions_drop(&self->p.files[i]);
}

static const char * const scenarios[] = {
	"plain", "deep", "rethrown", "nested", "from_a_handler", "in_threads", "other_stack",
	"uncaught",
};

static struct program *throwing(struct _test_data_throws *self, bool dynamic, const char *name)
{
	struct program *p = &self->p;
	int n = 0;

	memset(p->argv, 0, sizeof(p->argv));
	if (dynamic) {
		p->argv[n++] = "ld.so";
		p->argv[n++] = "--library-path";
		p->argv[n++] = self->dir;
		p->argv[n++] = self->path;
	} else {
		p->argv[n++] = "throw";
	}
	p->argv[n++] = "run";
	p->argv[n] = name;
	p->path = dynamic ? self->linker : self->path;
	p->name = name;
	return p;
}

/* All scenarios with the same probes: there are thousands. */
static int throw_differently(struct _test_data_throws *self, bool dynamic, unsigned int kinds)
{
	struct result *plain = calloc(ARRAY_SIZE(scenarios), sizeof(*plain));
	int wrong = 0;

	if (!plain)
		return 1;
	for (unsigned int i = 0; i < ARRAY_SIZE(scenarios); i++)
		wrong += run_plain(throwing(self, dynamic, scenarios[i]), &plain[i]);
	wrong += program_probe(&self->p, kinds, NULL);
	for (unsigned int i = 0; i < ARRAY_SIZE(scenarios); i++)
		wrong += run_compared(throwing(self, dynamic, scenarios[i]), kinds, NULL,
				      &plain[i]);
	program_unprobe(&self->p, kinds);
	free(plain);
	return wrong;
}

TEST_F(throws, returns)
{
	EXPECT_EQ(0, throw_differently(self, variant->dynamic, PROBE_RETURNS));
}

TEST_F(throws, returns_and_entries)
{
	EXPECT_EQ(0, throw_differently(self, variant->dynamic, PROBE_RETURNS | PROBE_ENTRIES));
}

TEST_F(throws, mistakes_are_noticed)
{
	static const struct mistake mistakes[] = {
		{ "leaf", { .how = SPOIL_VALUE } },
		{ "catches", { .how = SPOIL_MISSED } },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(mistakes); i++) {
		int n = differences(throwing(self, variant->dynamic, "plain"), PROBE_RETURNS,
				    &mistakes[i]);

		EXPECT_LT(0, n);
		EXPECT_GT(1000, n);
	}
}

int main(int argc, char **argv)
{
	return return_test_main(argc, argv);
}
