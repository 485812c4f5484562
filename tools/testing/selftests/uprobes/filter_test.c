// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is probed: one task's probes stay out of other processes, and several
 * probes on one instruction do not get in each other's way.
 */
#include "common.h"

FIXTURE(two) {
	struct codefile file;
	uint8_t *text;
	uint8_t image[PAGE];
	pid_t child;
	int ask[2], answer[2];
};

/* A child that says what it sees at the start of the text, and calls it. */
struct answer {
	uint8_t byte;
	int value;
	long anonymous;
	int area;
};

FIXTURE_SETUP(two)
{
	gen_image(self->image, PAGE / GEN_SIZE);
	ASSERT_EQ(0, codefile_make(&self->file, self->image, PAGE));
	self->text = codefile_map(&self->file, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	ASSERT_NE(MAP_FAILED, self->text);
	ASSERT_EQ(0, pipe2(self->ask, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(self->answer, O_CLOEXEC));
	self->child = fork();
	ASSERT_LE(0, self->child);
	if (!self->child) {
		char go;

		close(self->ask[1]);
		while (read(self->ask[0], &go, 1) == 1) {
			struct answer a = { .byte = self->text[GEN_SLOT] };
			struct map m;

			a.anonymous = smaps_kb(self->text, "Anonymous");
			a.value = gen_call(self->text, 0);
			a.area = xol_map(0, &m);
			if (write(self->answer[1], &a, sizeof(a)) != sizeof(a))
				break;
		}
		_exit(0);
	}
	close(self->ask[0]);
	close(self->answer[1]);
}

FIXTURE_TEARDOWN(two)
{
	close(self->ask[1]);
	EXPECT_EQ(0, child_status(self->child));
	EXPECT_EQ(0, memcmp(self->text, self->image, PAGE));
	codefile_drop(&self->file);
}

static struct answer ask(struct __test_metadata *_metadata, const struct _test_data_two *self)
{
	struct answer a = { };

	EXPECT_EQ(1, write(self->ask[1], "", 1));
	EXPECT_EQ(sizeof(a), read(self->answer[0], &a, sizeof(a)));
	EXPECT_EQ(1, a.value);
	return a;
}

TEST_F(two, own_probe_stays_here)
{
	struct probe own;
	struct answer a;

	ASSERT_EQ(0, probe_task(&own, self->file.path, GEN_SLOT, 0, 0));
	EXPECT_EQ(0xcc, self->text[GEN_SLOT]);
	a = ask(_metadata, self);
	EXPECT_EQ(0x6b, a.byte);
	EXPECT_EQ(0, a.anonymous);
	EXPECT_EQ(0, a.area);
	EXPECT_EQ(1, gen_call(self->text, 0));
	EXPECT_EQ(1, probe_hits(&own));
	probe_close(&own);
}

TEST_F(two, childs_probe_stays_there)
{
	struct probe its;
	struct answer a;

	ASSERT_EQ(0, probe_task(&its, self->file.path, GEN_SLOT, 0, self->child));
	EXPECT_EQ(0x6b, self->text[GEN_SLOT]);
	EXPECT_EQ(1, gen_call(self->text, 0));
	EXPECT_EQ(0, probe_hits(&its));
	a = ask(_metadata, self);
	EXPECT_EQ(0xcc, a.byte);
	EXPECT_EQ(1, probe_hits(&its));
	probe_close(&its);
	a = ask(_metadata, self);
	EXPECT_EQ(0x6b, a.byte);
	EXPECT_EQ(0, a.anonymous);
}

/* Planted where it is wanted by either, and taken out where neither does. */
TEST_F(two, wanted_by_two)
{
	struct probe own, its, all;
	struct answer a;

	ASSERT_EQ(0, probe_task(&own, self->file.path, GEN_SLOT, 0, 0));
	ASSERT_EQ(0, probe_task(&its, self->file.path, GEN_SLOT, 0, self->child));
	a = ask(_metadata, self);
	EXPECT_EQ(0xcc, a.byte);
	EXPECT_EQ(1, gen_call(self->text, 0));
	EXPECT_EQ(1, probe_hits(&own));
	EXPECT_EQ(1, probe_hits(&its));

	ASSERT_EQ(0, probe_all(&all, self->file.path, GEN_SLOT, 0));
	a = ask(_metadata, self);
	EXPECT_EQ(1, gen_call(self->text, 0));
	EXPECT_EQ(2, probe_hits(&own));
	EXPECT_EQ(2, probe_hits(&its));
	EXPECT_EQ(2, probe_hits(&all));

	probe_close(&its);
	a = ask(_metadata, self);
	EXPECT_EQ(0xcc, a.byte);
	EXPECT_EQ(3, probe_hits(&all));

	probe_close(&all);
	a = ask(_metadata, self);
	EXPECT_EQ(0x6b, a.byte);
	EXPECT_EQ(0xcc, self->text[GEN_SLOT]);
	EXPECT_EQ(1, gen_call(self->text, 0));
	EXPECT_EQ(3, probe_hits(&own));
	probe_close(&own);
}

TEST_F(two, many_on_one_place)
{
	struct probe p[40], ret;

	for (unsigned int i = 0; i < ARRAY_SIZE(p); i++)
		ASSERT_EQ(0, probe_task(&p[i], self->file.path, GEN_NOP, i & PROBE_RET, 0));
	for (int n = 0; n < 10; n++)
		ASSERT_EQ(1, gen_call(self->text, 0));
	for (unsigned int i = 0; i < ARRAY_SIZE(p); i++)
		EXPECT_EQ(10, probe_hits(&p[i]));
	for (unsigned int i = 0; i < ARRAY_SIZE(p); i += 2)
		probe_close(&p[i]);
	ASSERT_EQ(1, gen_call(self->text, 0));
	for (unsigned int i = 1; i < ARRAY_SIZE(p); i += 2) {
		EXPECT_EQ(11, probe_hits(&p[i]));
		probe_close(&p[i]);
	}
	ASSERT_EQ(0, probe_task(&ret, self->file.path, GEN_NOP, PROBE_RET, 0));
	ASSERT_EQ(1, gen_call(self->text, 0));
	EXPECT_EQ(1, probe_hits(&ret));
	probe_close(&ret);
}

/* A probe that a fork took along is taken out of a child that is not wanted. */
TEST_F(two, forked_from_probed)
{
	struct probe own;
	pid_t pid;

	ASSERT_EQ(0, probe_task(&own, self->file.path, GEN_SLOT, 0, 0));
	EXPECT_EQ(1, gen_call(self->text, 0));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		for (int i = 0; i < 10; i++)
			if (gen_call(self->text, 0) != 1)
				_exit(1);
		_exit(self->text[GEN_SLOT] == 0x6b ? 0 : 2);
	}
	EXPECT_EQ(0, child_status(pid));
	EXPECT_EQ(1, probe_hits(&own));
	probe_close(&own);
}

/* Disabled and enabled again while it is planted. */
TEST_F(two, switched_off_and_on)
{
	struct probe own;

	ASSERT_EQ(0, probe_task(&own, self->file.path, GEN_SLOT, 0, 0));
	EXPECT_EQ(1, gen_call(self->text, 0));
	ASSERT_EQ(0, ioctl(own.fd[0], PERF_EVENT_IOC_DISABLE, 0));
	EXPECT_EQ(1, gen_call(self->text, 0));
	EXPECT_EQ(1, probe_hits(&own));
	ASSERT_EQ(0, ioctl(own.fd[0], PERF_EVENT_IOC_ENABLE, 0));
	EXPECT_EQ(1, gen_call(self->text, 0));
	EXPECT_EQ(2, probe_hits(&own));
	probe_close(&own);
}

int main(int argc, char **argv)
{
	return uprobes_test_main(argc, argv);
}
