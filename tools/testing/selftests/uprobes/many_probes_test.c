// SPDX-License-Identifier: GPL-2.0-only
/*
 * Thousands of probes in one process: every one counts exactly, and when they
 * are gone the text is the file's again.
 */
#include "common.h"

#include <sys/resource.h>

FIXTURE(many) {
	struct codefile file;
	uint8_t *text, *image;
	size_t size;
	struct probe *p;
	int n;
};

FIXTURE_SETUP(many)
{
	struct rlimit files;

	self->n = share_of(2000);
	files.rlim_cur = self->n + 100;
	files.rlim_max = self->n + 100;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	ASSERT_EQ(0, gen_make(&self->file, self->n));
	self->size = self->file.size;
	self->image = malloc(self->size);
	gen_image(self->image, self->size / GEN_SIZE);
	self->text = codefile_map(&self->file, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	ASSERT_NE(MAP_FAILED, self->text);
	self->p = calloc(self->n, sizeof(*self->p));
}

FIXTURE_TEARDOWN(many)
{
	for (int i = 0; i < self->n; i++)
		probe_close(&self->p[i]);
	EXPECT_EQ(0, memcmp(self->text, self->image, self->size));
	EXPECT_EQ(0, smaps_kb(self->text, "Anonymous"));
	for (int i = 0; i < self->n; i++)
		EXPECT_EQ(i + 1, gen_call(self->text, i));
	EXPECT_TRUE(xol_gone(0, 5));
	codefile_drop(&self->file);
}

/* A mixture of what is emulated, what needs a slot, and returns. */
static int attach(struct probe *p, const struct codefile *c, int i)
{
	static const struct { int at, flags; } kinds[] = {
		{ GEN_NOP, 0 }, { GEN_SLOT, 0 }, { GEN_NOP, PROBE_RET }, { GEN_RET, 0 },
	};

	return probe_task(p, c->path, GEN_SIZE * i + kinds[i % 4].at, kinds[i % 4].flags, 0);
}

TEST_F(many, exact_counts)
{
	for (int i = 0; i < self->n; i++)
		ASSERT_EQ(0, attach(&self->p[i], &self->file, i));
	EXPECT_LT(0, smaps_kb(self->text, "Anonymous"));
	for (int i = 0; i < self->n; i++)
		for (int n = 0; n <= i % 3; n++)
			ASSERT_EQ(i + 1, gen_call(self->text, i));
	for (int i = 0; i < self->n; i++)
		ASSERT_EQ(i % 3 + 1, probe_hits(&self->p[i]));
}

/* The file is mapped when all of the probes are there. */
TEST_F(many, before_mapping)
{
	munmap(self->text, self->size);
	for (int i = 0; i < self->n; i++)
		ASSERT_EQ(0, attach(&self->p[i], &self->file, i));
	self->text = codefile_map(&self->file, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	for (int i = 0; i < self->n; i++)
		ASSERT_EQ(i + 1, gen_call(self->text, i));
	for (int i = 0; i < self->n; i++)
		ASSERT_EQ(1, probe_hits(&self->p[i]));
}

/* One instruction, again and again. */
TEST_F(many, cycles)
{
	for (int i = 0, n = share_of(500); i < n; i++) {
		ASSERT_EQ(0, attach(&self->p[0], &self->file, i % 8));
		ASSERT_EQ(i % 8 + 1, gen_call(self->text, i % 8));
		ASSERT_EQ(1, probe_hits(&self->p[0]));
		probe_close(&self->p[0]);
		ASSERT_EQ(i % 8 + 1, gen_call(self->text, i % 8));
	}
}

int main(int argc, char **argv)
{
	return uprobes_test_main(argc, argv);
}
