// SPDX-License-Identifier: GPL-2.0-only
/*
 * What cannot be probed is refused with its errno, through the perf PMU and
 * through tracefs, whether or not a process maps the file; nothing is left
 * behind in text or in the kernel's lists.
 */
#include "common.h"

struct bytes {
	const char *what;
	int error;
	uint8_t code[15];
	uint8_t len;
};

#define BYTES(what, error, ...) \
	{ what, error, { __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }) }

/* Each stands at its own place in the file, with nops behind it. */
static const struct bytes refused[] = {
	BYTES("int3", KERNEL_ENOTSUPP, 0xcc),
	BYTES("int3, long form", KERNEL_ENOTSUPP, 0xcd, 0x03),
	BYTES("int1", KERNEL_ENOTSUPP, 0xf1),
	BYTES("far call", KERNEL_ENOTSUPP, 0xff, 0x1b),
#ifndef __x86_64__
	BYTES("far call, direct", KERNEL_ENOTSUPP, 0x9a, 0, 0, 0, 0, 0x23, 0),
#endif
	BYTES("no instruction yet", KERNEL_ENOTSUPP, 0x0f, 0x24, 0xc0),
};

/* What enters the kernel, faults or changes how code runs can be probed. */
static const struct bytes accepted[] = {
	BYTES("int 0x80", 0, 0xcd, 0x80),
	BYTES("sysenter", 0, 0x0f, 0x34),
	BYTES("hlt", 0, 0xf4),
	BYTES("sti", 0, 0xfb),
	BYTES("in", 0, 0xe4, 0x60),
	BYTES("iret", 0, 0xcf),
	BYTES("far return", 0, 0xcb),
	BYTES("far jmp", 0, 0xff, 0x2b),
	BYTES("mov to ss", 0, 0x8e, 0xd0),
	BYTES("pop fs", 0, 0x0f, 0xa1),
#ifdef __x86_64__
	BYTES("syscall", 0, 0x0f, 0x05),
	BYTES("wrfsbase", 0, 0xf3, 0x48, 0x0f, 0xae, 0xd0),
	BYTES("swapgs", 0, 0x0f, 0x01, 0xf8),
#endif
	BYTES("xbegin", 0, 0xc7, 0xf8, 0, 0, 0, 0),
	BYTES("mov cr0", 0, 0x0f, 0x20, 0xc0),
	BYTES("ud2", 0, 0x0f, 0x0b),
};

static const struct bytes undecodable[] = {
	BYTES("sixteen prefixes", ENOEXEC, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
	      0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66),
#ifdef __x86_64__
	BYTES("push es", ENOEXEC, 0x06),
	BYTES("das", ENOEXEC, 0x2f),
#endif
};

#define PLACE(i)	(((i) + 1) * 64UL)
#define ACCEPTED_AT	0x800

/* A two-page file, of which the second page ends within an instruction. */
#define SHORT_AT	(PAGE + 60)

FIXTURE(file) {
	struct codefile file;
	uint8_t image[PAGE + 63];
	unsigned long ino;
};

FIXTURE_SETUP(file)
{
	static const uint8_t mov_imm[] = { 0xc7, 0x05, 1 };
	struct stat st;

	memset(self->image, 0x90, sizeof(self->image));
	code_ident(self->image);
	for (unsigned int i = 0; i < ARRAY_SIZE(refused); i++)
		memcpy(self->image + PLACE(i), refused[i].code, refused[i].len);
	for (unsigned int i = 0; i < ARRAY_SIZE(accepted); i++)
		memcpy(self->image + ACCEPTED_AT + PLACE(i), accepted[i].code, accepted[i].len);
	for (unsigned int i = 0; i < ARRAY_SIZE(undecodable); i++)
		memcpy(self->image + PAGE - PLACE(i), undecodable[i].code, undecodable[i].len);
	memcpy(self->image + SHORT_AT, mov_imm, sizeof(mov_imm));
	ASSERT_EQ(0, codefile_make(&self->file, self->image, sizeof(self->image)));
	ASSERT_EQ(0, fstat(self->file.fd, &st));
	self->ino = st.st_ino;
}

FIXTURE_TEARDOWN(file)
{
	codefile_drop(&self->file);
}

FIXTURE_VARIANT(file) {
	bool mapped;
};

FIXTURE_VARIANT_ADD(file, not_mapped) {
	.mapped = false,
};

FIXTURE_VARIANT_ADD(file, mapped) {
	.mapped = true,
};

/* The same request through tracefs; the errno is that of enabling the event. */
static int try_tracefs(const char *path, uint64_t offset, int flags, uint64_t ref_ctr)
{
	char ref[32] = "";
	int err;

	if (ref_ctr)
		snprintf(ref, sizeof(ref), "(0x%llx)", (unsigned long long)ref_ctr);
	err = trace_add("%c:uprobes/register_test %s:0x%llx%s", flags & PROBE_RET ? 'r' : 'p',
			path, (unsigned long long)offset, ref);
	if (err)
		return err;
	err = trace_enable("register_test", 1);
	if (!err)
		trace_enable("register_test", 0);
	trace_del("register_test");
	return err;
}

static int try_perf(const char *path, uint64_t offset, int flags, uint64_t ref_ctr)
{
	int fd = probe_open(path, offset, flags, ref_ctr, -1, 0);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static bool listed(unsigned long ino, uint64_t offset, const char *list, char *line, size_t size)
{
	char a[32], b[32];

	snprintf(a, sizeof(a), ":%lu ", ino);
	snprintf(b, sizeof(b), " 0x%llx ", (unsigned long long)offset);
	return debugfs_line(list, a, b, line, size);
}

static void check_both(struct __test_metadata *_metadata, int error, const char *what,
		       const char *path, uint64_t offset, int flags, uint64_t ref_ctr)
{
	EXPECT_EQ(-error, try_perf(path, offset, flags, ref_ctr))
		TH_LOG("%s, perf", what);
	EXPECT_EQ(-error, try_tracefs(path, offset, flags, ref_ctr))
		TH_LOG("%s, tracefs", what);
}

TEST_F(file, instructions)
{
	void *text = MAP_FAILED;
	char line[512], hex[8], *bar;

	if (variant->mapped) {
		text = codefile_map(&self->file, PROT_READ | PROT_EXEC, MAP_PRIVATE);
		ASSERT_NE(MAP_FAILED, text);
	}

	for (unsigned int i = 0; i < ARRAY_SIZE(refused); i++) {
		const struct bytes *b = &refused[i];

		check_both(_metadata, b->error, b->what, self->file.path, PLACE(i), 0, 0);
		check_both(_metadata, b->error, b->what, self->file.path, PLACE(i), PROBE_RET, 0);
		if (!have_debugfs())
			continue;
		EXPECT_TRUE(listed(self->ino, PLACE(i), "refused", line, sizeof(line)))
			TH_LOG("%s has no line in debugfs", b->what);
		snprintf(hex, sizeof(hex), "%02x", b->code[0]);
		EXPECT_NE(NULL, strstr(line, hex));
		bar = strchr(line, '|');
		EXPECT_TRUE(bar && strchr(bar + 1, '|'))
			TH_LOG("no word, bytes and sentence in: %s", line);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(undecodable); i++)
		check_both(_metadata, ENOEXEC, undecodable[i].what, self->file.path,
			   PAGE - PLACE(i), 0, 0);
	check_both(_metadata, ENOEXEC, "instruction cut off by the end of the file",
		   self->file.path, SHORT_AT, 0, 0);

	if (variant->mapped) {
		EXPECT_EQ(0, memcmp(text, self->image, sizeof(self->image)))
			TH_LOG("a refused probe changed the text");
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(refused) && have_debugfs(); i++) {
		EXPECT_FALSE(listed(self->ino, PLACE(i), "list", NULL, 0));
		EXPECT_FALSE(listed(self->ino, PLACE(i), "sites", NULL, 0));
	}
}

/* What is in order is accepted: the errors above are not answers to everything. */
TEST_F(file, accepted)
{
	long before = debugfs_stat("probepoints");
	uint8_t *text = NULL;
	int fd;

	if (variant->mapped) {
		text = codefile_map(&self->file, PROT_READ | PROT_EXEC, MAP_PRIVATE);
		ASSERT_NE(MAP_FAILED, text);
	}
	check_both(_metadata, 0, "nop", self->file.path, 16, 0, 0);
	check_both(_metadata, 0, "return from nop", self->file.path, 16, PROBE_RET, 0);
	check_both(_metadata, 0, "last nop of a page", self->file.path, PAGE - 1, 0, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(accepted); i++)
		check_both(_metadata, 0, accepted[i].what, self->file.path,
			   ACCEPTED_AT + PLACE(i), 0, 0);

	fd = probe_open(self->file.path, 16, 0, 0, -1, 0);
	ASSERT_LE(0, fd);
	if (text)
		EXPECT_EQ(0xcc, text[16]);
	if (have_debugfs()) {
		EXPECT_TRUE(listed(self->ino, 16, "list", NULL, 0));
		EXPECT_EQ(variant->mapped, listed(self->ino, 16, "sites", NULL, 0));
	}
	close(fd);
	if (text)
		EXPECT_EQ(0, memcmp(text, self->image, sizeof(self->image)));
	if (have_debugfs()) {
		EXPECT_FALSE(listed(self->ino, 16, "list", NULL, 0));
		EXPECT_FALSE(listed(self->ino, 16, "sites", NULL, 0));
		EXPECT_EQ(before, debugfs_stat("probepoints"));
	}
}

TEST_F(file, offsets)
{
	if (variant->mapped)
		ASSERT_NE(MAP_FAILED, codefile_map(&self->file, PROT_READ | PROT_EXEC,
						   MAP_PRIVATE));
	check_both(_metadata, EINVAL, "past the end", self->file.path, 16 * PAGE, 0, 0);
	check_both(_metadata, EINVAL, "misaligned reference counter", self->file.path, 16, 0, 17);
}

TEST_F(file, other_ref_ctr)
{
	int fd, other;

	if (variant->mapped)
		ASSERT_NE(MAP_FAILED, codefile_map(&self->file, PROT_READ | PROT_EXEC,
						   MAP_PRIVATE));
	fd = probe_open(self->file.path, 16, 0, 0x40, -1, 0);
	ASSERT_LE(0, fd);

	EXPECT_EQ(-EINVAL, try_perf(self->file.path, 16, 0, 0x42));
	EXPECT_EQ(-EINVAL, try_perf(self->file.path, 16, 0, 0));

	other = probe_open(self->file.path, 16, 0, 0x40, -1, 0);
	EXPECT_LE(0, other);
	close(other);
	close(fd);

	/* Nobody holds it any more, so another counter is as good. */
	EXPECT_EQ(0, try_perf(self->file.path, 16, 0, 0x42));
}

TEST(not_a_program)
{
	char dir[] = "/tmp/uprobes-dir-XXXXXX", fifo[64];

	ASSERT_NE(NULL, mkdtemp(dir));
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	ASSERT_EQ(0, mkfifo(fifo, 0600));

	check_both(_metadata, EINVAL, "directory", dir, 0, 0, 0);
	check_both(_metadata, EINVAL, "fifo", fifo, 0, 0, 0);
	check_both(_metadata, EINVAL, "device", "/dev/null", 0, 0, 0);
	check_both(_metadata, EIO, "file of procfs", "/proc/version", 0, 0, 0);
	unlink(fifo);
	check_both(_metadata, ENOENT, "missing file", fifo, 0, 0, 0);
	rmdir(dir);
}

TEST(bad_pointer)
{
	EXPECT_EQ(-EFAULT, probe_open((const char *)8, 0, 0, 0, -1, 0));
}

int main(int argc, char **argv)
{
	return uprobes_test_main(argc, argv);
}
