// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reference counters (SDT semaphores): a 16-bit counter in the probed file is
 * one higher in each process for each probe that is planted there.
 */
#include "common.h"

/* One file: code on the first page, the counter on the second. */
#define CTR_AT	(PAGE + 0x40)

FIXTURE(counter) {
	struct codefile file;
	uint8_t *text, *data;
	struct probe a, b;
};

static uint8_t *map_text(const struct codefile *c)
{
	return mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, c->fd, 0);
}

static uint8_t *map_data(const struct codefile *c)
{
	return mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, c->fd, PAGE);
}

static int counter_in(const uint8_t *data)
{
	return *(const volatile uint16_t *)(data + CTR_AT - PAGE);
}

FIXTURE_SETUP(counter)
{
	uint8_t image[2 * PAGE] = { };

	gen_image(image, PAGE / GEN_SIZE);
	ASSERT_EQ(0, codefile_make(&self->file, image, sizeof(image)));
	self->text = map_text(&self->file);
	self->data = map_data(&self->file);
	ASSERT_NE(MAP_FAILED, self->text);
	ASSERT_NE(MAP_FAILED, self->data);
	self->a = (struct probe){ };
	self->b = (struct probe){ };
}

FIXTURE_TEARDOWN(counter)
{
	uint16_t in_file;

	probe_close(&self->a);
	probe_close(&self->b);
	EXPECT_EQ(2, pread(self->file.fd, &in_file, 2, CTR_AT));
	EXPECT_EQ(0, in_file);
	codefile_drop(&self->file);
}

static int attach(struct probe *p, const struct codefile *c, uint64_t at)
{
	p->fd[0] = probe_open(c->path, at, 0, CTR_AT, -1, 0);
	p->nr = p->fd[0] >= 0;
	p->event[0] = 0;
	return p->nr ? 0 : p->fd[0];
}

TEST_F(counter, up_and_down)
{
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(0, counter_in(self->data));
		ASSERT_EQ(0, attach(&self->a, &self->file, GEN_NOP));
		EXPECT_EQ(1, counter_in(self->data));
		EXPECT_EQ(1, gen_call(self->text, 0));
		probe_close(&self->a);
	}
	EXPECT_EQ(0, counter_in(self->data));
}

/* Two places count twice, two probes on one place once. */
TEST_F(counter, two_places)
{
	struct probe same = { };

	ASSERT_EQ(0, attach(&self->a, &self->file, GEN_NOP));
	ASSERT_EQ(0, attach(&self->b, &self->file, GEN_SIZE + GEN_NOP));
	EXPECT_EQ(2, counter_in(self->data));
	ASSERT_EQ(0, attach(&same, &self->file, GEN_NOP));
	EXPECT_EQ(2, counter_in(self->data));
	probe_close(&self->a);
	EXPECT_EQ(2, counter_in(self->data));
	probe_close(&same);
	EXPECT_EQ(1, counter_in(self->data));
	probe_close(&self->b);
	EXPECT_EQ(0, counter_in(self->data));
}

TEST_F(counter, mapped_later)
{
	munmap(self->text, PAGE);
	munmap(self->data, PAGE);
	ASSERT_EQ(0, attach(&self->a, &self->file, GEN_NOP));
	self->text = map_text(&self->file);
	self->data = map_data(&self->file);
	EXPECT_EQ(1, counter_in(self->data));
	EXPECT_EQ(1, gen_call(self->text, 0));
	probe_close(&self->a);
	EXPECT_EQ(0, counter_in(self->data));
}

/* The order in which a loader maps the two must not matter. */
TEST_F(counter, data_mapped_first)
{
	munmap(self->text, PAGE);
	munmap(self->data, PAGE);
	ASSERT_EQ(0, attach(&self->a, &self->file, GEN_NOP));
	self->data = map_data(&self->file);
	self->text = map_text(&self->file);
	EXPECT_EQ(1, counter_in(self->data));
	probe_close(&self->a);
	EXPECT_EQ(0, counter_in(self->data));
}

TEST_F(counter, forked)
{
	pid_t pid;

	ASSERT_EQ(0, attach(&self->a, &self->file, GEN_NOP));
	EXPECT_EQ(1, counter_in(self->data));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (counter_in(self->data) != 1)
			_exit(1);
		if (gen_call(self->text, 0) != 1)
			_exit(2);
		_exit(counter_in(self->data) == 1 ? 0 : 3);
	}
	EXPECT_EQ(0, child_status(pid));
	EXPECT_EQ(1, counter_in(self->data));
}

/* The counter in a child goes down too. */
TEST_F(counter, detached_in_child)
{
	int go[2], up[2];
	char byte = 0;
	pid_t pid;

	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(0, pipe(up));
	ASSERT_EQ(0, attach(&self->a, &self->file, GEN_NOP));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		probe_close(&self->a);
		if (write(up[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(10);
		_exit(counter_in(self->data));
	}
	ASSERT_EQ(1, read(up[0], &byte, 1));
	probe_close(&self->a);
	EXPECT_EQ(0, counter_in(self->data));
	ASSERT_EQ(1, write(go[1], &byte, 1));
	EXPECT_EQ(0, child_status(pid));
}

/* The program resets the counter itself: it may not wrap below zero. */
TEST_F(counter, reset_by_program)
{
	ASSERT_EQ(0, attach(&self->a, &self->file, GEN_NOP));
	*(volatile uint16_t *)(self->data + CTR_AT - PAGE) = 0;
	probe_close(&self->a);
	EXPECT_EQ(0, counter_in(self->data));
	EXPECT_EQ(1, gen_call(self->text, 0));
}

int main(int argc, char **argv)
{
	return uprobes_test_main(argc, argv);
}
