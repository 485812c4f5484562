// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of return sites: what is planted, what counts as a return, what is
 * over, and that everything goes again. A made-up thread calls and returns on a
 * real stack, and the stack stays as it is.
 */
#include <linux/ptrace.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>

#include <asm/segment.h>

#include "support.h"

#define WORD		sizeof(unsigned long)
#define STACK_BYTES	(2 * PAGE_SIZE)

/* Two functions, the second of which releases 16 bytes; two places behind a call. */
#define AT_PLAIN	0x700
#define AT_POPS		0x740
#define AT_BACK		0x780
#define AT_BACK2	0x7c0
#define AT_NO_CALL	0x7f0

static struct {
	unsigned long func;
	unsigned long ip;
} seen[8];
static unsigned int nr_seen, nr_hits;

static void note_return(struct uprobe *u, unsigned long func, struct pt_regs *regs)
{
	if (nr_seen < ARRAY_SIZE(seen)) {
		seen[nr_seen].func = func;
		seen[nr_seen].ip = instruction_pointer(regs);
	}
	nr_seen++;
}

static int note_hit(struct uprobe *u, struct pt_regs *regs)
{
	nr_hits++;
	return 0;
}

struct scene {
	struct file *file;
	struct uprobe *u[2];
	unsigned long text;
	unsigned long func[2];
	unsigned long back;
	unsigned long back2;
	struct uprobe_mm *um;
	struct uprobe_thread *t;
	unsigned long stack;	/* its end */
	struct pt_regs regs;
};

static void scene_make(struct kunit *test, struct scene *s)
{
	static const u8 plain[] = { 0x90, 0xc3 }, pops[] = { 0x90, 0xc2, 0x10, 0x00 };
	static const u8 call[] = { 0xe8, 0, 0, 0, 0 }, call_ax[] = { 0xff, 0xd0 };
	int i;

	memset(s, 0, sizeof(*s));
	s->file = uprobe_test_file(test);
	uprobe_test_write(test, s->file, AT_PLAIN, plain, sizeof(plain));
	uprobe_test_write(test, s->file, AT_POPS, pops, sizeof(pops));
	uprobe_test_write(test, s->file, AT_BACK - sizeof(call), call, sizeof(call));
	uprobe_test_write(test, s->file, AT_BACK2 - sizeof(call_ax), call_ax, sizeof(call_ax));
	s->text = uprobe_test_map_text(test, s->file);
	for (i = 0; i < 2; i++) {
		s->u[i] = uprobe_test_probe(test, s->file, i ? AT_POPS : AT_PLAIN);
		s->u[i]->handler = NULL;
		s->u[i]->ret_handler = note_return;
		uprobe_test_register(test, s->u[i]);
		s->func[i] = s->text + s->u[i]->offset;
	}
	s->back = s->text + AT_BACK;
	s->back2 = s->text + AT_BACK2;
	s->stack = uprobe_test_map_stack(test, STACK_BYTES);
	s->um = uprobe_test_um(test);
	s->t = uprobe_thread_get(s->um);
	KUNIT_ASSERT_NOT_NULL(test, s->t);
	s->regs.cs = __USER_CS;
	s->regs.ss = __USER_DS;
	nr_seen = 0;
	nr_hits = 0;
	memset(seen, 0, sizeof(seen));
}

static void enter(struct kunit *test, struct scene *s, int func, unsigned long slot)
{
	s->regs.sp = slot;
	s->regs.ip = s->func[func];
	uprobe_test_enter(test, s->t, &s->regs);
}

static void poke_word(struct kunit *test, unsigned long slot, unsigned long word)
{
	KUNIT_ASSERT_EQ(test, put_user(word, (unsigned long __user *)slot), 0);
}

static unsigned long word_at(struct kunit *test, unsigned long slot)
{
	unsigned long word = 0;

	KUNIT_ASSERT_EQ(test, get_user(word, (unsigned long __user *)slot), 0);
	return word;
}

static void call(struct kunit *test, struct scene *s, int func, unsigned long slot,
		 unsigned long ret)
{
	poke_word(test, slot, ret);
	enter(test, s, func, slot);
	KUNIT_EXPECT_EQ(test, word_at(test, slot), ret);
}

/* At @ret, with this stack pointer: how many handlers were called? */
static unsigned int arrive(struct kunit *test, struct scene *s, unsigned long ret,
			   unsigned long sp)
{
	unsigned int before = nr_seen;
	struct uprobe_site *site;
	int idx;

	s->regs.sp = sp;
	s->regs.ip = ret;
	idx = srcu_read_lock(&uprobes_srcu);
	site = site_find(s->um, ret);
	if (site && retpoint_is(site->pp))
		uretprobe_arrive(site, s->t, &s->regs);
	srcu_read_unlock(&uprobes_srcu, idx);
	KUNIT_EXPECT_NOT_NULL(test, site);
	return nr_seen - before;
}

static int drops(struct scene *s, int func)
{
	return atomic_read(&s->u[func]->pp->drops[UPROBE_DROP_RETURN]);
}

static bool has_probes(struct file *file)
{
	struct probed_file *pf = probed_file_find(file_inode(file));

	if (pf)
		probed_file_put(pf);
	return pf;
}

/* ------------------------------------------------------- they come and go */

static void planted_and_gone(struct kunit *test)
{
	unsigned long slot;
	struct scene s;

	scene_make(test, &s);
	slot = s.stack - 64;
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, s.back), 0x90);
	call(test, &s, 0, slot, s.back);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, s.back), UPROBE_SWBP_INSN);
	/* Neither an area nor anything that call chains need. */
	KUNIT_EXPECT_EQ(test, s.um->area.vaddr, 0UL);
	KUNIT_EXPECT_NULL(test, s.t->pub.return_instances);
	KUNIT_EXPECT_EQ(test, s.t->depth, 1);

	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back, slot + WORD), 1);
	KUNIT_EXPECT_EQ(test, seen[0].func, s.func[0]);
	KUNIT_EXPECT_EQ(test, seen[0].ip, s.back);
	KUNIT_EXPECT_EQ(test, s.t->depth, 0);
	/* Once for each call. */
	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back, slot + WORD), 0);
	KUNIT_EXPECT_EQ(test, drops(&s, 0), 0);

	unregister_uprobe(s.u[1]);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, s.back), UPROBE_SWBP_INSN);
	unregister_uprobe(s.u[0]);
	KUNIT_EXPECT_TRUE(test, wait_for(uprobe_test_byte(test, s.back) == 0x90));
	KUNIT_EXPECT_TRUE(test, wait_for(!has_probes(s.file)));
}

/* Two functions return to one place, which stays for the second. */
static void shared_place(struct kunit *test)
{
	unsigned long slot;
	struct scene s;

	scene_make(test, &s);
	slot = s.stack - 64;
	call(test, &s, 0, slot, s.back2);
	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back2, slot + WORD), 1);
	call(test, &s, 1, slot, s.back2);
	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back2, slot + WORD + 16), 1);
	unregister_uprobe(s.u[0]);
	call(test, &s, 1, slot, s.back2);
	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back2, slot + WORD + 16), 1);
	/* And may be used again. */
	uprobe_test_register(test, s.u[0]);
	call(test, &s, 0, slot, s.back2);
	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back2, slot + WORD), 1);
	unregister_uprobe(s.u[1]);
	unregister_uprobe(s.u[0]);
	KUNIT_EXPECT_TRUE(test, wait_for(uprobe_test_byte(test, s.back2) == 0x90));
}

static struct uprobe *probe_back(struct kunit *test, struct scene *s)
{
	struct uprobe *u = uprobe_test_probe(test, s->file, AT_BACK);

	u->handler = note_hit;
	uprobe_test_register(test, u);
	return u;
}

/* A probe on the place that is returned to: which of the two goes first? */
static void probe_goes_first(struct kunit *test)
{
	struct uprobe *u;
	struct scene s;

	scene_make(test, &s);
	call(test, &s, 0, s.stack - 64, s.back);
	u = probe_back(test, &s);
	KUNIT_EXPECT_PTR_EQ(test, u->pp, site_find(s.um, s.back)->pp);
	unregister_uprobe(u);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, s.back), UPROBE_SWBP_INSN);
	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back, s.stack - 64 + WORD), 1);
	unregister_uprobe(s.u[0]);
	KUNIT_EXPECT_TRUE(test, wait_for(uprobe_test_byte(test, s.back) == 0x90));
}

static void function_goes_first(struct kunit *test)
{
	struct uprobe *u;
	struct scene s;

	scene_make(test, &s);
	u = probe_back(test, &s);
	call(test, &s, 0, s.stack - 64, s.back);
	KUNIT_EXPECT_TRUE(test, retpoint_is(u->pp));
	unregister_uprobe(s.u[0]);
	KUNIT_EXPECT_FALSE(test, retpoint_is(u->pp));
	KUNIT_EXPECT_TRUE(test, wait_for(list_empty_careful(&u->pp->return_node)));
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, s.back), UPROBE_SWBP_INSN);
	unregister_uprobe(u);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, s.back), 0x90);
}

/* The last process that had it: nobody keeps the file. */
static void unmapped(struct kunit *test)
{
	struct probepoint *pp;
	struct scene s;

	scene_make(test, &s);
	call(test, &s, 0, s.stack - 64, s.back);
	pp = site_find(s.um, s.back)->pp;
	refcount_inc(&pp->refs);
	KUNIT_EXPECT_EQ(test, vm_munmap(s.text, FILE_MAPPED), 0);
	KUNIT_EXPECT_TRUE(test, wait_for(!atomic_read(&pp->sites)));
	retpoint_tidy_later();
	KUNIT_EXPECT_TRUE(test, wait_for(!retpoint_is(pp)));
	KUNIT_EXPECT_TRUE(test, wait_for(list_empty_careful(&pp->return_node)));
	probepoint_put(pp);
}

/* Text that was given back to the file. */
static void planted_again(struct kunit *test)
{
	struct scene s;

	scene_make(test, &s);
	call(test, &s, 0, s.stack - 64, s.back);
	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back, s.stack - 64 + WORD), 1);
	mmap_write_lock(current->mm);
	zap_page_range_single(vma_lookup(current->mm, s.back), s.back & PAGE_MASK, PAGE_SIZE,
			      NULL);
	mmap_write_unlock(current->mm);
	sites_mark_stale(s.um, s.text, s.text + FILE_MAPPED);
	call(test, &s, 0, s.stack - 64, s.back);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, s.back), UPROBE_SWBP_INSN);
	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back, s.stack - 64 + WORD), 1);
}

/* Not behind a call: a trampoline, and the text is left alone. */
static void no_place(struct kunit *test)
{
	unsigned long slot, ret;
	struct scene s;

	scene_make(test, &s);
	slot = s.stack - 64;
	/* Not a return address at all. */
	ret = s.text + AT_NO_CALL;
	poke_word(test, slot, ret);
	enter(test, &s, 0, slot);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, ret), 0x90);
	KUNIT_EXPECT_EQ(test, s.um->area.vaddr, 0UL);
	KUNIT_EXPECT_EQ(test, word_at(test, slot), ret);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.u[0]->pp->drops[UPROBE_DROP_SKIPPED]), 1);
	KUNIT_EXPECT_FALSE(test, returns_unfit(s.um->returns, ret));
}

/* ------------------------------------------------------------- too many places */

#define FEW_PLACES	16
#define MANY_PLACES	24
#define AT_MANY(i)	(0x800 + 16 * (i))

/* At the trampoline, with this stack pointer. */
static unsigned int arrive_by_trampoline(struct scene *s, unsigned long sp)
{
	unsigned int before = nr_seen;
	int idx;

	s->regs.sp = sp;
	s->regs.ip = s->um->area.vaddr + UPROBE_SWBP_INSN_SIZE;
	idx = srcu_read_lock(&uprobes_srcu);
	uretprobe_return(s->um, s->t, &s->regs);
	srcu_read_unlock(&uprobes_srcu, idx);
	return nr_seen - before;
}

/* A function returns to each of the places in @text. How many have a site? */
static unsigned int return_to_many(struct kunit *test, struct scene *s, unsigned long text)
{
	unsigned long slot = s->stack - 64, ret;
	unsigned int i, n = 0;

	for (i = 0; i < MANY_PLACES; i++) {
		ret = text + AT_MANY(i);
		poke_word(test, slot, ret);
		enter(test, s, 0, slot);
		if (uprobe_test_byte(test, ret) == UPROBE_SWBP_INSN) {
			n++;
			KUNIT_EXPECT_EQ(test, word_at(test, slot), ret);
			KUNIT_EXPECT_EQ(test, arrive(test, s, ret, slot + WORD), 1);
		} else {
			KUNIT_EXPECT_EQ(test, word_at(test, slot), s->um->area.vaddr);
			KUNIT_EXPECT_EQ(test, arrive_by_trampoline(s, slot + WORD), 1);
			KUNIT_EXPECT_EQ(test, s->regs.ip, ret);
		}
	}
	KUNIT_EXPECT_FALSE(test, returns_any(s->um));
	return n;
}

static void restore_limit(void *limit)
{
	WRITE_ONCE(retpoint_limit, (unsigned long)limit);
}

/* Where there is no site for want of room the trampoline is used, until there is room. */
static void too_many_places(struct kunit *test)
{
	static const u8 call[] = { 0xe8, 0, 0, 0, 0 };
	void *limit = (void *)(unsigned long)retpoint_limit;
	unsigned int i, n, again;
	struct scene s;

	scene_make(test, &s);
	for (i = 0; i < MANY_PLACES; i++)
		uprobe_test_write(test, s.file, AT_MANY(i) - sizeof(call), call, sizeof(call));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, restore_limit, limit), 0);
	WRITE_ONCE(retpoint_limit, FEW_PLACES);
	n = return_to_many(test, &s, s.text);
	/* Some may have been in use by others, who have gone. */
	KUNIT_EXPECT_GT(test, n, 0);
	KUNIT_EXPECT_LE(test, n, FEW_PLACES);
	/* Those with a site keep it. */
	KUNIT_EXPECT_EQ(test, return_to_many(test, &s, s.text), n);
	KUNIT_EXPECT_EQ(test, nr_seen, 2 * MANY_PLACES);

	unregister_uprobe(s.u[0]);
	unregister_uprobe(s.u[1]);
	KUNIT_EXPECT_TRUE(test, wait_for(!has_probes(s.file)));
	for (i = 0; i < MANY_PLACES; i++)
		KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, s.text + AT_MANY(i)), 0x90);

	/* At addresses of which nothing is known */
	uprobe_test_register(test, s.u[0]);
	again = return_to_many(test, &s, uprobe_test_map_text(test, s.file));
	KUNIT_EXPECT_GE(test, again, n);
	KUNIT_EXPECT_LE(test, again, FEW_PLACES);
}

/* -------------------------------------------------- is it the return, or not */

static void other_stack_pointer(struct kunit *test)
{
	unsigned long slot;
	struct scene s;

	scene_make(test, &s);
	slot = s.stack - 256;
	call(test, &s, 0, slot, s.back);
	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back, slot), 0);
	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back, slot + 2 * WORD), 0);
	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back, slot + WORD + 16), 0);
	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back, slot + WORD), 1);

	KUNIT_EXPECT_EQ(test, s.u[1]->pp->pops[IS_ENABLED(CONFIG_X86_64)], 16);
	call(test, &s, 1, slot, s.back);
	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back, slot + WORD + 8), 0);
	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back, slot + WORD + 16), 1);
}

static void tail_call(struct kunit *test)
{
	unsigned long slot;
	struct scene s;

	scene_make(test, &s);
	slot = s.stack - 64;
	call(test, &s, 0, slot, s.back);
	enter(test, &s, 1, slot);
	KUNIT_EXPECT_EQ(test, s.t->depth, 2);
	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back, slot + WORD), 2);
	KUNIT_EXPECT_EQ(test, seen[0].func, s.func[1]);
	KUNIT_EXPECT_EQ(test, seen[1].func, s.func[0]);
	KUNIT_EXPECT_EQ(test, drops(&s, 0) + drops(&s, 1), 0);
}

/* longjmp(), and the same call once more, or another one. */
static void called_again(struct kunit *test)
{
	unsigned long slot;
	struct scene s;

	scene_make(test, &s);
	slot = s.stack - 64;
	call(test, &s, 0, slot, s.back);
	enter(test, &s, 1, slot);
	call(test, &s, 0, slot, s.back);
	KUNIT_EXPECT_EQ(test, drops(&s, 0), 1);
	KUNIT_EXPECT_EQ(test, drops(&s, 1), 1);
	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back, slot + WORD), 1);

	call(test, &s, 0, slot, s.back);
	call(test, &s, 1, slot, s.back2);
	KUNIT_EXPECT_EQ(test, drops(&s, 0), 2);
	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back, slot + WORD), 0);
	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back2, slot + WORD + 16), 1);
	KUNIT_EXPECT_EQ(test, s.t->depth, 0);
}

/* An exception: its landing pad has called something, and jumps to the place. */
static void landing_pad(struct kunit *test)
{
	unsigned long slot;
	struct scene s;

	scene_make(test, &s);
	slot = s.stack - 64;
	call(test, &s, 0, slot, s.back);
	poke_word(test, slot, s.back2);
	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back, slot + WORD), 0);
	KUNIT_EXPECT_EQ(test, drops(&s, 0), 1);
	KUNIT_EXPECT_FALSE(test, returns_any(s.um));
}

/* Deep, on two stacks, and left crosswise by another thread. */
static void another_thread(struct kunit *test)
{
	struct uprobe_thread *other = kunit_kzalloc(test, sizeof(*other), GFP_KERNEL);
	unsigned long a, b;
	unsigned int i;
	struct scene s;

	KUNIT_ASSERT_NOT_NULL(test, other);
	scene_make(test, &s);
	other->um = s.um;
	other->id = s.t->id + 1;
	a = s.stack - PAGE_SIZE - 64;
	b = s.stack - 64;
	for (i = 0; i < 50; i++) {
		call(test, &s, 0, a - 32 * i, s.back);
		call(test, &s, 0, b - 32 * i, s.back);
	}
	KUNIT_EXPECT_EQ(test, s.t->depth, 100);
	s.t = other;
	while (i--)
		KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back, b - 32 * i + WORD), 1);
	for (i = 50; i--;)
		KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back, a - 32 * i + WORD), 1);
	KUNIT_EXPECT_FALSE(test, returns_any(s.um));
	returns_leave(s.um, other);
}

/* On its parent's stack, and the parent returns as well. */
static void vfork_child(struct kunit *test)
{
	struct uprobe_thread *child = kunit_kzalloc(test, sizeof(*child), GFP_KERNEL), *parent;
	unsigned long slot;
	struct scene s;

	KUNIT_ASSERT_NOT_NULL(test, child);
	scene_make(test, &s);
	slot = s.stack - 64;
	call(test, &s, 0, slot, s.back);
	parent = s.t;
	child->um = s.um;
	child->id = parent->id + 1;
	child->vfork = child->id;
	child->sweep_at = parent->sweep_at;
	s.t = child;
	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back, slot + WORD), 1);
	/* It calls on from there, and ends in the middle of it. */
	call(test, &s, 0, slot, s.back2);
	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back2, slot + WORD), 1);
	call(test, &s, 0, slot, s.back2);
	returns_leave(s.um, child);
	KUNIT_EXPECT_EQ(test, drops(&s, 0), 0);

	/* The C library has put it back. */
	poke_word(test, slot, s.back);
	s.t = parent;
	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back2, slot + WORD), 0);
	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back, slot + WORD), 1);
	KUNIT_EXPECT_FALSE(test, returns_any(s.um));
}

/* What longjmp() left is found when there is twice as much as before. */
static void swept(struct kunit *test)
{
	unsigned int i, n;
	struct scene s;

	scene_make(test, &s);
	n = s.t->sweep_at;
	for (i = 0; i < n; i++)
		call(test, &s, 0, s.stack - WORD * (i + 1), s.back);
	for (i = 0; i < n; i++)
		poke_word(test, s.stack - WORD * (i + 1), 0);
	/* Of a stack that is not there any more as well. */
	KUNIT_EXPECT_EQ(test, vm_munmap(s.stack - PAGE_SIZE, PAGE_SIZE), 0);
	call(test, &s, 0, s.stack - PAGE_SIZE - 64, s.back);
	KUNIT_EXPECT_EQ(test, drops(&s, 0), n);
	KUNIT_EXPECT_EQ(test, s.t->depth, 1);
	KUNIT_EXPECT_EQ(test, arrive(test, &s, s.back, s.stack - PAGE_SIZE - 64 + WORD), 1);
}

/* ------------------------------------------------------------ the x86 half */

static void calls(struct kunit *test)
{
	static const struct {
		u8 bytes[UPROBE_CALL_BYTES];
		bool call;
	} t[] = {
		{ { 0x90, 0x90, 0xe8, 1, 2, 3, 4 }, true },
		{ { 0x90, 0xe8, 1, 2, 3, 4, 0x90 }, false },
		{ { 0x90, 0x90, 0xe9, 1, 2, 3, 4 }, false },
		{ { 0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0xd0 }, true },		/* *%rax */
		{ { 0x90, 0x90, 0x90, 0x90, 0x41, 0xff, 0xd4 }, true },		/* *%r12 */
		{ { 0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0xe0 }, false },	/* jmp */
		{ { 0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0x10 }, true },		/* *(%rax) */
		{ { 0x90, 0x90, 0x90, 0x90, 0xff, 0x50, 0x08 }, true },		/* *8(%rax) */
		{ { 0x90, 0x90, 0x90, 0x90, 0xff, 0x14, 0x24 }, true },		/* *(%rsp) */
		{ { 0x90, 0x90, 0x90, 0xff, 0x54, 0x24, 0x08 }, true },		/* *8(%rsp) */
		{ { 0x90, 0xff, 0x15, 1, 2, 3, 4 }, true },			/* *disp32 */
		{ { 0x90, 0xff, 0x90, 1, 2, 3, 4 }, true },		/* *disp32(%rax) */
		{ { 0xff, 0x14, 0xc5, 1, 2, 3, 4 }, true },		/* *disp32(,%rax,8) */
		{ { 0xff, 0x94, 0x24, 1, 2, 3, 4 }, true },		/* *disp32(%rsp) */
		{ { 0x90, 0x90, 0x90, 0x90, 0xff, 0x15, 0x08 }, false },	/* cut off */
		{ { 0x90, 0xff, 0x18, 0x90, 0x90, 0x90, 0x90 }, false },	/* far */
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++)
		KUNIT_EXPECT_EQ_MSG(test, arch_uretprobe_call_before(t[i].bytes, 7), t[i].call,
				    "%*ph", 7, t[i].bytes);
	/* At the start of a file. */
	KUNIT_EXPECT_FALSE(test, arch_uretprobe_call_before(t[0].bytes + 2, 0));
	KUNIT_EXPECT_FALSE(test, arch_uretprobe_call_before(t[0].bytes + 2, 4));
	KUNIT_EXPECT_TRUE(test, arch_uretprobe_call_before(t[0].bytes + 2, 5));
}

static void releases(struct kunit *test)
{
	/* mov $0xc2, %al; ret $12; ret $8 */
	static const u8 some[] = { 0xb0, 0xc2, 0xc2, 0x0c, 0x00, 0xc2, 0x08, 0x00 };
	/* repz ret; ret $8 */
	static const u8 none[] = { 0xf3, 0xc3, 0xc2, 0x08, 0x00 };
	int is64;

	for (is64 = 0; is64 < 2; is64++) {
		KUNIT_EXPECT_EQ(test, arch_uretprobe_pops(some, sizeof(some), is64), 12);
		KUNIT_EXPECT_EQ(test, arch_uretprobe_pops(none, sizeof(none), is64), 0);
		KUNIT_EXPECT_EQ(test, arch_uretprobe_pops(some, 4, is64), 0);
		KUNIT_EXPECT_EQ(test, arch_uretprobe_pops(some, 0, is64), 0);
	}
}

static struct kunit_case retpoint_cases[] = {
	KUNIT_CASE(planted_and_gone),
	KUNIT_CASE(shared_place),
	KUNIT_CASE(probe_goes_first),
	KUNIT_CASE(function_goes_first),
	KUNIT_CASE(unmapped),
	KUNIT_CASE(planted_again),
	KUNIT_CASE(no_place),
	KUNIT_CASE(too_many_places),
	KUNIT_CASE(other_stack_pointer),
	KUNIT_CASE(tail_call),
	KUNIT_CASE(called_again),
	KUNIT_CASE(landing_pad),
	KUNIT_CASE(another_thread),
	KUNIT_CASE(vfork_child),
	KUNIT_CASE(swept),
	KUNIT_CASE(calls),
	KUNIT_CASE(releases),
	{ }
};

static struct kunit_suite retpoint_suite = {
	.name = "uprobes_retpoint",
	.test_cases = retpoint_cases,
};

kunit_test_suite(retpoint_suite);
