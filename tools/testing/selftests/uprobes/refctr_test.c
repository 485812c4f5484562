// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reference counters (SDT semaphores): a 16-bit counter in the probed file is
 * one higher in each process for each probe that is planted there.
 */
#include "common.h"

#include <sys/prctl.h>

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

/* Its text goes elsewhere, and the probe with it: still one. */
static int moves_its_text(const struct _test_data_counter *self, bool hit_before)
{
	uint8_t *to = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (hit_before && gen_call(self->text, 0) != 1)
		return 1;
	if (mremap(self->text, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
		return 2;
	for (int i = 0; i < 10; i++) {
		if (gen_call(to, 0) != 1)
			return 3;
		if (counter_in(self->data) != 1)
			return 4;
		/* What was at the old place is looked after meanwhile. */
		usleep(20000);
	}
	return 0;
}

TEST_F(counter, moved_in_child)
{
	ASSERT_EQ(0, attach(&self->a, &self->file, GEN_NOP));
	for (int hit = 0; hit < 2; hit++) {
		pid_t pid = fork();

		if (!pid)
			_exit(moves_its_text(self, hit));
		EXPECT_EQ(0, child_status(pid));
	}
	probe_close(&self->a);
	EXPECT_EQ(0, counter_in(self->data));
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

/* ---- functions return to a place that has a counter ---- */

/* Behind the functions is one that calls another, and the place it returns to. */
#define CALLER_AT	(PAGE - 64)
#define BACK		(CALLER_AT + CALL_BYTES)

static const uint8_t caller[] = {
#ifdef __x86_64__
	/* sub $8, %rsp; call *%rdi; nop; add $8, %rsp; ret */
#define CALL_BYTES	6
	0x48, 0x83, 0xec, 0x08, 0xff, 0xd7, 0x90, 0x48, 0x83, 0xc4, 0x08, 0xc3,
#else
	/* sub $12, %esp; call *16(%esp); nop; add $12, %esp; ret */
#define CALL_BYTES	7
	0x83, 0xec, 0x0c, 0xff, 0x54, 0x24, 0x10, 0x90, 0x83, 0xc4, 0x0c, 0xc3,
#endif
};

static bool fork_in_it;

static __attribute__((noinline, noclone)) long comes_back(void)
{
	return fork_in_it ? fork() : 7;
}

static long call_back(const uint8_t *text)
{
	return ((long (*)(const void *))(unsigned long)(text + CALLER_AT))(comes_back);
}

/* Breakpoints that nobody returns to any more are taken out a little later. */
static bool taken_out(const uint8_t *text)
{
	for (int i = 0; i < 1000; i++) {
		if (*(const volatile uint8_t *)(text + BACK) == 0x90)
			return true;
		usleep(20000);
	}
	return false;
}

static int attach_to(struct probe *p, const struct codefile *c, uint64_t at, pid_t pid)
{
	p->fd[0] = probe_open(c->path, at, 0, CTR_AT, pid, -1);
	p->nr = p->fd[0] >= 0;
	p->event[0] = 0;
	return p->nr ? 0 : p->fd[0];
}

/* A process that does nothing, for as long as this one is there */
static pid_t start_idle(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == parent)
		pause();
	_exit(0);
}

FIXTURE(returned_to) {
	struct codefile file;
	uint8_t *text, *data;
	pid_t idle;
	struct probe function;	/* its returns */
	struct probe back;	/* where it returns to; in another process */
	struct probe near;	/* of all, with the same counter */
	int up[2], down[2];	/* from the child, to the child */
};

FIXTURE_SETUP(returned_to)
{
	uint8_t image[2 * PAGE] = { };

	gen_image(image, PAGE / GEN_SIZE);
	memcpy(image + CALLER_AT, caller, sizeof(caller));
	ASSERT_EQ(0, codefile_make(&self->file, image, sizeof(image)));
	self->text = map_text(&self->file);
	self->data = map_data(&self->file);
	ASSERT_NE(MAP_FAILED, self->text);
	ASSERT_NE(MAP_FAILED, self->data);
	self->function = (struct probe){ };
	self->back = (struct probe){ };
	self->near = (struct probe){ };
	fork_in_it = false;
	self->idle = start_idle();
	ASSERT_LE(0, self->idle);
	ASSERT_EQ(0, pipe(self->up));
	ASSERT_EQ(0, pipe(self->down));
	ASSERT_EQ(0, attach_to(&self->back, &self->file, BACK, self->idle));
	ASSERT_EQ(0, attach(&self->near, &self->file, GEN_NOP));
	ASSERT_EQ(1, counter_in(self->data));
	ASSERT_EQ(0, probe_addr_all(&self->function, comes_back, PROBE_RET));
}

FIXTURE_TEARDOWN(returned_to)
{
	probe_close(&self->function);
	EXPECT_TRUE(taken_out(self->text));
	probe_close(&self->back);
	probe_close(&self->near);
	EXPECT_EQ(0, counter_in(self->data));
	kill(self->idle, SIGKILL);
	waitpid(self->idle, NULL, 0);
	codefile_drop(&self->file);
}

/* The breakpoint that is there for a return counts when somebody wants its hits. */
TEST_F(returned_to, without_a_probe)
{
	struct probe own;

	EXPECT_EQ(7, call_back(self->text));
	EXPECT_EQ(0xcc, self->text[BACK]);
	EXPECT_EQ(1, counter_in(self->data));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, attach_to(&own, &self->file, BACK, 0));
		EXPECT_EQ(2, counter_in(self->data));
		EXPECT_EQ(7, call_back(self->text));
		EXPECT_EQ(1, probe_hits(&own));
		probe_close(&own);
		EXPECT_EQ(1, counter_in(self->data));
		EXPECT_EQ(7, call_back(self->text));
		EXPECT_EQ(1, counter_in(self->data));
	}
	EXPECT_EQ(7, probe_hits(&self->function));
}

/* ---- and a child of fork() does ---- */

static bool say(int fd)
{
	return write(fd, "", 1) == 1;
}

static bool hear(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 1;
}

/* The parent's probes are not to stay because the child has the descriptors. */
static void forget(struct probe *p)
{
	while (p->nr > 0)
		close(p->fd[--p->nr]);
}

/*
 * It has returned. One count is for @near; there may be up to @most, as nobody knows
 * whether the parent had counted what came with fork().
 */
static void be_child(struct _test_data_returned_to *self, int most)
{
	int n;

	forget(&self->function);
	forget(&self->back);
	forget(&self->near);
	n = counter_in(self->data);
	if (self->text[BACK] != 0xcc || n < 1 || n > most)
		_exit(10 + n);
	if (!say(self->up[1]) || !hear(self->down[0]))
		_exit(1);
	/* The function has no probe any more. */
	if (!taken_out(self->text))
		_exit(2);
	n = counter_in(self->data);
	if (n < 1 || n > most)
		_exit(20 + n);
	if (!say(self->up[1]) || !hear(self->down[0]))
		_exit(3);
	/* Nor has anything else. */
	n = counter_in(self->data);
	_exit(n < most ? 0 : 30 + n);
}

static void be_parent(struct __test_metadata *_metadata, struct _test_data_returned_to *self,
		      pid_t child, uint64_t returns)
{
	int n = counter_in(self->data);

	/* A child that ends too early says why. */
	close(self->up[1]);
	if (!hear(self->up[0]))
		goto end;
	EXPECT_EQ(returns, probe_hits(&self->function));
	probe_close(&self->function);
	ASSERT_TRUE(say(self->down[1]));
	if (!hear(self->up[0]))
		goto end;
	EXPECT_EQ(n, counter_in(self->data));
	probe_close(&self->near);
	EXPECT_EQ(n - 1, counter_in(self->data));
	ASSERT_TRUE(say(self->down[1]));
end:
	EXPECT_EQ(0, child_status(child));
}

TEST_F(returned_to, forked_in_the_function)
{
	pid_t pid;

	EXPECT_EQ(7, call_back(self->text));
	fork_in_it = true;
	pid = call_back(self->text);
	ASSERT_LE(0, pid);
	if (!pid)
		be_child(self, 1);
	EXPECT_EQ(1, counter_in(self->data));
	be_parent(_metadata, self, pid, 3);
}

/* The parent has a probe there, and the child has not. */
TEST_F(returned_to, parents_probe)
{
	struct probe own;
	pid_t pid;

	ASSERT_EQ(0, attach_to(&own, &self->file, BACK, 0));
	EXPECT_EQ(2, counter_in(self->data));
	EXPECT_EQ(7, call_back(self->text));
	fork_in_it = true;
	pid = call_back(self->text);
	ASSERT_LE(0, pid);
	if (!pid) {
		forget(&own);
		be_child(self, 2);
	}
	be_parent(_metadata, self, pid, 3);
	EXPECT_EQ(2, probe_hits(&own));
	probe_close(&own);
}

/* The first one to return there is the child. */
TEST_F(returned_to, child_is_first)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		if (call_back(self->text) != 7)
			_exit(4);
		be_child(self, 1);
	}
	be_parent(_metadata, self, pid, 1);
	EXPECT_EQ(0x90, self->text[BACK]);
}

int main(int argc, char **argv)
{
	return uprobes_test_main(argc, argv);
}
