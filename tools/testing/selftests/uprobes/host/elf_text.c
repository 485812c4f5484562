// SPDX-License-Identifier: GPL-2.0-only
/* See elf_text.h. What is no ELF file for x86 ends the program. */
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elf_text.h"
#include "internal.h"

struct section {
	unsigned long vaddr;
	size_t offset, size;
	bool executed, frames;
};

/* A function, [from, to), as .eh_frame has it */
struct range {
	unsigned long from, to;
};

static struct section *sections;
static unsigned int n_sections;
static struct range *ranges;
static size_t n_ranges, max_ranges;

void zydis_init(ZydisDecoder *dec, bool is64)
{
	if (is64)
		ZydisDecoderInit(dec, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	else
		ZydisDecoderInit(dec, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
}

/* ------------------------------------------------------------------ */
/* Sections							      */
/* ------------------------------------------------------------------ */

static void add_section(const struct elf_text *t, const char *name, unsigned long vaddr,
			size_t offset, size_t size, bool executed)
{
	bool frames = !strcmp(name, ".eh_frame");

	if (offset > t->size || size > t->size - offset)
		errx(2, "%s: a section is not in the file", t->name);
	if (!executed && !frames)
		return;
	sections = reallocarray(sections, n_sections + 1, sizeof(*sections));
	sections[n_sections++] = (struct section){ vaddr, offset, size, executed, frames };
}

/* The same fields in two sizes */
static Elf64_Ehdr file_header(const struct elf_text *t)
{
	const Elf32_Ehdr *small = (const void *)t->bytes;

	if (t->is64)
		return *(const Elf64_Ehdr *)t->bytes;
	return (Elf64_Ehdr){
		.e_machine = small->e_machine,
		.e_shoff = small->e_shoff,
		.e_shnum = small->e_shnum,
		.e_shentsize = small->e_shentsize,
		.e_shstrndx = small->e_shstrndx,
	};
}

static Elf64_Shdr section_header(const struct elf_text *t, const Elf64_Ehdr *eh, unsigned int i)
{
	const u8 *at = t->bytes + eh->e_shoff + i * eh->e_shentsize;
	const Elf32_Shdr *small = (const void *)at;

	if (t->is64)
		return *(const Elf64_Shdr *)at;
	return (Elf64_Shdr){
		.sh_name = small->sh_name,
		.sh_type = small->sh_type,
		.sh_flags = small->sh_flags,
		.sh_addr = small->sh_addr,
		.sh_offset = small->sh_offset,
		.sh_size = small->sh_size,
	};
}

static void read_sections(struct elf_text *t)
{
	Elf64_Ehdr eh = file_header(t);
	size_t size = t->is64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
	const char *names;
	unsigned int i;

	n_sections = 0;
	if (eh.e_machine != (t->is64 ? EM_X86_64 : EM_386))
		errx(2, "%s: not for x86", t->name);
	if (!eh.e_shoff || eh.e_shentsize != size || eh.e_shoff > t->size ||
	    eh.e_shstrndx >= eh.e_shnum || eh.e_shnum * size > t->size - eh.e_shoff)
		errx(2, "%s: no section headers", t->name);
	names = (const char *)t->bytes + section_header(t, &eh, eh.e_shstrndx).sh_offset;
	for (i = 0; i < eh.e_shnum; i++) {
		Elf64_Shdr sh = section_header(t, &eh, i);

		if ((sh.sh_flags & SHF_ALLOC) && sh.sh_type != SHT_NOBITS)
			add_section(t, names + sh.sh_name, sh.sh_addr, sh.sh_offset, sh.sh_size,
				    sh.sh_flags & SHF_EXECINSTR);
	}
}

/* ------------------------------------------------------------------ */
/* .eh_frame							      */
/* ------------------------------------------------------------------ */

/* What is left to read of a section, and the address of the next byte */
struct cursor {
	const u8 *p, *end;
	unsigned long vaddr;
	bool is64, bad;
};

static u64 get(struct cursor *c, unsigned int n)
{
	u64 val = 0;

	if (c->end - c->p < n) {
		c->bad = true;
		return 0;
	}
	memcpy(&val, c->p, n);
	c->p += n;
	c->vaddr += n;
	return val;
}

static void skip_leb128(struct cursor *c)
{
	while (!c->bad && (get(c, 1) & 0x80))
		;
}

/* A pointer in one of the encodings that DW_EH_PE_* names */
static u64 get_pointer(struct cursor *c, u8 enc, bool relative)
{
	unsigned long here = c->vaddr;
	u64 val;

	switch (enc & 0xf) {
	case 0x0:
		val = get(c, c->is64 ? 8 : 4);
		break;
	case 0x2:
		val = get(c, 2);
		break;
	case 0xa:
		val = (s16)get(c, 2);
		break;
	case 0x3:
		val = get(c, 4);
		break;
	case 0xb:
		val = (s32)get(c, 4);
		break;
	case 0x4:
	case 0xc:
		val = get(c, 8);
		break;
	default:
		c->bad = true;
		return 0;
	}
	if (relative && (enc & 0x70) == 0x10)
		val += here;
	return c->is64 ? val : (u32)val;
}

/* The encoding of the addresses of those functions that use this CIE */
static u8 cie_encoding(struct cursor c)
{
	const char *aug;
	u8 version, enc = 0;

	get(&c, 8);
	version = get(&c, 1);
	aug = (const char *)c.p;
	while (get(&c, 1) && !c.bad)
		;
	skip_leb128(&c);
	skip_leb128(&c);
	if (version == 1)
		get(&c, 1);
	else
		skip_leb128(&c);
	if (c.bad || *aug != 'z')
		return 0;
	skip_leb128(&c);
	while (*++aug && !c.bad) {
		switch (*aug) {
		case 'R':
			enc = get(&c, 1);
			break;
		case 'L':
			get(&c, 1);
			break;
		case 'P':
			get_pointer(&c, get(&c, 1), false);
			break;
		}
	}
	return enc;
}

static void add_range(unsigned long from, unsigned long size)
{
	if (!from || !size)
		return;
	if (n_ranges == max_ranges) {
		max_ranges = max_ranges * 2 + 1024;
		ranges = reallocarray(ranges, max_ranges, sizeof(*ranges));
	}
	ranges[n_ranges++] = (struct range){ from, from + size };
}

static void read_frames(const struct elf_text *t, const struct section *s)
{
	const u8 *start = t->bytes + s->offset;
	struct cursor c = { start, start + s->size, s->vaddr, t->is64, false };

	while (c.end - c.p >= 8) {
		struct cursor entry = c;
		u32 length = get(&c, 4), id;
		const u8 *id_at = c.p;
		unsigned long from;
		u8 enc;

		if (!length || length > c.end - c.p)
			return;
		id = get(&c, 4);
		if (id) {
			struct cursor cie = entry;

			if (id > id_at - start)
				return;
			cie.p = id_at - id;
			cie.vaddr = s->vaddr + (cie.p - start);
			enc = cie_encoding(cie);
			from = get_pointer(&c, enc, true);
			add_range(from, get_pointer(&c, enc, false));
		}
		c = entry;
		c.p += 4 + length;
		c.vaddr += 4 + length;
	}
}

static int by_start(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return (x->from > y->from) - (x->from < y->from);
}

/* ------------------------------------------------------------------ */
/* Instructions							      */
/* ------------------------------------------------------------------ */

/* Can all of [offset, end) be decoded? The last instruction may reach to @limit. */
static bool all_code(const struct elf_text *t, const ZydisDecoder *dec, size_t offset,
		     size_t end, size_t limit)
{
	ZydisDecodedInstruction z;

	for (; offset < end; offset += z.length)
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(dec, ZYAN_NULL, t->bytes + offset,
								limit - offset, &z)))
			return false;
	return true;
}

/* Returns where it stopped: @to, or the end of the instruction that is there. */
static unsigned long walk_piece(struct elf_text *t, each_insn fn, const struct section *s,
				unsigned long from, unsigned long to, bool covered)
{
	size_t offset = s->offset + (from - s->vaddr), end = s->offset + (to - s->vaddr);
	size_t limit = s->offset + s->size;
	ZydisDecoder dec;

	zydis_init(&dec, t->is64);
	if (!covered && !all_code(t, &dec, offset, end, limit)) {
		t->data += to - from;
		return to;
	}
	while (offset < end) {
		const u8 *bytes = t->bytes + offset;
		size_t left = t->size - offset;

		if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&dec, bytes, limit - offset, &t->z,
							 t->ops))) {
			t->data++;
			offset++;
			continue;
		}
		t->offset = offset;
		t->vaddr = s->vaddr + (offset - s->offset);
		if (bytes[0] == UPROBE_SWBP_INSN)
			t->padding++;
		else
			fn(t, bytes, left < MAX_UINSN_BYTES ? left : MAX_UINSN_BYTES);
		offset += t->z.length;
	}
	return s->vaddr + (offset - s->offset);
}

static void walk_section(struct elf_text *t, each_insn fn, const struct section *s)
{
	unsigned long at = s->vaddr, end = s->vaddr + s->size;
	bool any = false;
	size_t i;

	for (i = 0; i < n_ranges; i++) {
		const struct range *r = &ranges[i];

		if (r->to <= at || r->from < s->vaddr || r->to > end)
			continue;
		any = true;
		if (r->from > at)
			at = walk_piece(t, fn, s, at, r->from, false);
		if (r->to > at)
			at = walk_piece(t, fn, s, at, r->to, true);
	}
	if (at < end)
		walk_piece(t, fn, s, at, end, !any);
}

static void open_file(struct elf_text *t, const char *name)
{
	struct stat st;
	int fd = open(name, O_RDONLY);

	memset(t, 0, sizeof(*t));
	t->name = name;
	if (fd < 0 || fstat(fd, &st))
		err(2, "%s", name);
	t->size = st.st_size;
	if (t->size < sizeof(Elf64_Ehdr))
		errx(2, "%s: not an ELF file", name);
	t->bytes = mmap(NULL, t->size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (t->bytes == MAP_FAILED)
		err(2, "%s", name);
	close(fd);
	if (memcmp(t->bytes, ELFMAG, SELFMAG))
		errx(2, "%s: not an ELF file", name);
	t->is64 = t->bytes[EI_CLASS] == ELFCLASS64;
}

/**
 * elf_walk() - call a function for each instruction of a file
 * @t: where to say what and where
 * @name: the file
 * @fn: to call, in the order of addresses in each section
 */
void elf_walk(struct elf_text *t, const char *name, each_insn fn)
{
	unsigned int i;

	open_file(t, name);
	read_sections(t);
	n_ranges = 0;
	for (i = 0; i < n_sections; i++)
		if (sections[i].frames)
			read_frames(t, &sections[i]);
	qsort(ranges, n_ranges, sizeof(*ranges), by_start);
	for (i = 0; i < n_sections; i++)
		if (sections[i].executed)
			walk_section(t, fn, &sections[i]);
	munmap(t->bytes, t->size);
}
