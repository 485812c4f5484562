// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every instruction of the table is executed without and with a probe on it,
 * from the same registers, flags, stack and data; nothing may differ
 * afterwards, and each execution must be one hit.
 */
#include "insn_engine.h"

TEST(in_place)
{
	ASSERT_TRUE(add_table_in_place());
	EXPECT_EQ(0, compare_all(_metadata, 100));
}

/*
 * The same in a file of its own, with each instruction across the end of a
 * page: one byte of it on the first page, then two, and so on.
 */
TEST(across_pages)
{
	size_t size = (insn_table_end - insn_table) * 2 * PAGE;
	struct codefile file;
	uint8_t *image, *text;

	image = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(image, MAP_FAILED);
	memset(image, 0xcc, size);
	code_ident(image);

	for (const struct insn_entry *e = insn_table; e < insn_table_end; e++) {
		int i = e - insn_table, first = 1;
		struct subject *s = &subjects[nr_subjects];

		if (e->len < 2)
			continue;
		nr_subjects++;
		ASSERT_LT(nr_subjects, MAX_INSNS);
		first += i % (e->len - 1);
		s->e = e;
		s->where.offset = (2 * i + 1) * PAGE - first;
		memcpy(image + s->where.offset, (void *)e->block, INSN_BLOCK);
	}
	ASSERT_EQ(0, codefile_make(&file, image, size));
	text = codefile_map(&file, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	ASSERT_NE(text, MAP_FAILED);
	for (int i = 0; i < nr_subjects; i++) {
		subjects[i].code = text + subjects[i].where.offset;
		memcpy(subjects[i].where.path, file.path, sizeof(file.path));
	}
	EXPECT_EQ(0, compare_all(_metadata, 100));
	codefile_drop(&file);
}

/* A handler does what a wrong way past a nop would do. */
TEST(self_test)
{
	ASSERT_TRUE(add_table_in_place());
	compare_spoiled(_metadata, "nop");
}

int main(int argc, char **argv)
{
	return uprobes_test_main(argc, argv);
}
