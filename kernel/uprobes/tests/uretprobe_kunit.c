// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of pending returns: a made-up thread calls and returns on a real
 * stack, in order, out of order, and not at all.
 */
#include <linux/ptrace.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>
#include <linux/wordpart.h>

#include <asm/segment.h>

#include "support.h"

#define WORD		sizeof(unsigned long)
#define STACK_BYTES	(2 * PAGE_SIZE)
#define JIT_BYTES		SZ_64K

/* What the return handlers have seen. */
static struct {
	unsigned long func;
	unsigned long ip;
} seen[8];
static unsigned int nr_seen;

static void note_return(struct uprobe *u, unsigned long func, struct pt_regs *regs)
{
	if (nr_seen < ARRAY_SIZE(seen)) {
		seen[nr_seen].func = func;
		seen[nr_seen].ip = instruction_pointer(regs);
	}
	nr_seen++;
}

static void unregister_itself(struct uprobe *u, unsigned long func, struct pt_regs *regs)
{
	note_return(u, func, regs);
	unregister_uprobe(u);
}

/* Two functions with return probes, a stack, and the thread. */
struct scene {
	struct uprobe *u[2];
	unsigned long func[2];
	struct uprobe_mm *um;
	struct uprobe_thread *t;
	unsigned long stack;	/* its end */
	unsigned long jit;	/* text without a file: by trampoline */
	struct pt_regs regs;
};

/* Each byte of it is behind a call. */
static unsigned long map_jit(struct kunit *test)
{
	unsigned long addr = kunit_vm_mmap(test, NULL, 0, JIT_BYTES,
					   PROT_READ | PROT_WRITE | PROT_EXEC,
					   MAP_PRIVATE | MAP_ANONYMOUS, 0);
	unsigned long i;

	KUNIT_ASSERT_NE(test, addr, 0UL);
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_VALUE(addr), "mmap: %ld", addr);
	for (i = 0; i < JIT_BYTES; i += sizeof(long))
		KUNIT_ASSERT_EQ(test, put_user(REPEAT_BYTE(0xe8),
					       (unsigned long __user *)(addr + i)), 0);
	return addr;
}

static void scene_make(struct kunit *test, struct scene *s)
{
	struct file *file = uprobe_test_file(test);
	unsigned long text = uprobe_test_map_text(test, file);
	int i;

	memset(s, 0, sizeof(*s));
	for (i = 0; i < 2; i++) {
		loff_t offset = i ? AT_STEP : AT_NOP;

		s->u[i] = uprobe_test_probe(test, file, offset);
		s->u[i]->handler = NULL;
		s->u[i]->ret_handler = note_return;
		uprobe_test_register(test, s->u[i]);
		s->func[i] = text + offset;
	}
	s->stack = uprobe_test_map_stack(test, STACK_BYTES);
	s->jit = map_jit(test);
	s->um = uprobe_test_um(test);
	s->t = uprobe_thread_get(s->um);
	KUNIT_ASSERT_NOT_NULL(test, s->t);
	s->regs.cs = __USER_CS;
	s->regs.ss = __USER_DS;
	nr_seen = 0;
	memset(seen, 0, sizeof(seen));
}

/* The function is at its first instruction, its return address at @slot. */
static void enter(struct kunit *test, struct scene *s, int func, unsigned long slot)
{
	s->regs.sp = slot;
	s->regs.ip = s->func[func];
	uprobe_test_enter(test, s->t, &s->regs);
}

static void call(struct kunit *test, struct scene *s, int func, unsigned long slot,
		 unsigned long ret)
{
	KUNIT_ASSERT_EQ(test, put_user(ret, (unsigned long __user *)slot), 0);
	enter(test, s, func, slot);
}

static unsigned long word_at(struct kunit *test, unsigned long slot)
{
	unsigned long word = 0;

	KUNIT_ASSERT_EQ(test, get_user(word, (unsigned long __user *)slot), 0);
	return word;
}

/* The trampoline, after a ret that left the stack pointer at @sp. */
static bool arrive(struct scene *s, unsigned long sp)
{
	bool ours;
	int idx;

	s->regs.sp = sp;
	s->regs.ip = s->um->area.vaddr + UPROBE_SWBP_INSN_SIZE;
	idx = srcu_read_lock(&uprobes_srcu);
	ours = uretprobe_return(s->um, s->t, &s->regs);
	srcu_read_unlock(&uprobes_srcu, idx);
	return ours;
}

static int drops(struct scene *s, int func, enum uprobe_drop why)
{
	return atomic_read(&s->u[func]->pp->drops[why]);
}

static void expect_pending(struct kunit *test, struct scene *s, unsigned int n)
{
	struct return_instance *ri;
	unsigned int listed = 0;

	for (ri = s->t->pub.return_instances; ri; ri = ri->next)
		listed++;
	KUNIT_EXPECT_EQ(test, listed, n);
	KUNIT_EXPECT_EQ(test, s->t->depth, n);
	KUNIT_EXPECT_EQ(test, atomic_read(&s->um->pending), n);
}

/* ---------------------------------------------------------- they return */

static void call_and_return(struct kunit *test)
{
	u64 returns = uprobe_stat_sum(UPROBE_STAT_RETURNS);
	unsigned long slot, trampoline;
	struct scene s;

	scene_make(test, &s);
	slot = s.stack - 64;
	call(test, &s, 0, slot, s.jit + 0x1234);
	trampoline = s.um->area.vaddr;
	KUNIT_ASSERT_NE(test, trampoline, 0UL);
	KUNIT_EXPECT_EQ(test, word_at(test, slot), trampoline);
	expect_pending(test, &s, 1);
	/* What call chains are made of. */
	KUNIT_ASSERT_NOT_NULL(test, current->utask);
	KUNIT_EXPECT_EQ(test, current->utask->return_instances->orig_ret_vaddr, s.jit + 0x1234);
	KUNIT_EXPECT_EQ(test, nr_seen, 0);

	KUNIT_EXPECT_TRUE(test, arrive(&s, slot + WORD));
	KUNIT_EXPECT_EQ(test, s.regs.ip, s.jit + 0x1234);
	KUNIT_EXPECT_EQ(test, s.regs.sp, slot + WORD);
	KUNIT_ASSERT_EQ(test, nr_seen, 1);
	KUNIT_EXPECT_EQ(test, seen[0].func, s.func[0]);
	KUNIT_EXPECT_EQ(test, seen[0].ip, s.jit + 0x1234);
	expect_pending(test, &s, 0);
	KUNIT_EXPECT_EQ(test, uprobe_stat_sum(UPROBE_STAT_RETURNS), returns + 1);
	/* Kept for the next call, as long as there are probes that need it. */
	KUNIT_EXPECT_EQ(test, s.um->area.vaddr, trampoline);
	unregister_uprobe(s.u[0]);
	unregister_uprobe(s.u[1]);
	KUNIT_EXPECT_TRUE(test, wait_for(READ_ONCE(s.um->area.vaddr) == 0));
}

static void nested(struct kunit *test)
{
	struct scene s;
	unsigned int i;

	scene_make(test, &s);
	for (i = 0; i < 6; i++)
		call(test, &s, i % 2, s.stack - 64 - 48 * i, s.jit + 0x1000 + i);
	expect_pending(test, &s, 6);
	while (i--) {
		KUNIT_EXPECT_TRUE(test, arrive(&s, s.stack - 64 - 48 * i + WORD));
		KUNIT_EXPECT_EQ(test, s.regs.ip, s.jit + 0x1000 + i);
		KUNIT_EXPECT_EQ(test, seen[5 - i].func, s.func[i % 2]);
		expect_pending(test, &s, i);
	}
	KUNIT_EXPECT_EQ(test, nr_seen, 6);
}

/* Coroutines: two stacks, left in any order. */
static void two_stacks(struct kunit *test)
{
	unsigned long a, b;
	struct scene s;

	scene_make(test, &s);
	a = s.stack - 64;
	b = s.stack - PAGE_SIZE - 64;
	call(test, &s, 0, a, s.jit + 0xa1);
	call(test, &s, 0, b, s.jit + 0xb1);
	call(test, &s, 1, a - 32, s.jit + 0xa2);
	call(test, &s, 1, b - 32, s.jit + 0xb2);
	KUNIT_EXPECT_TRUE(test, arrive(&s, a - 32 + WORD));
	KUNIT_EXPECT_EQ(test, s.regs.ip, s.jit + 0xa2);
	KUNIT_EXPECT_TRUE(test, arrive(&s, a + WORD));
	KUNIT_EXPECT_EQ(test, s.regs.ip, s.jit + 0xa1);
	KUNIT_EXPECT_TRUE(test, arrive(&s, b - 32 + WORD));
	KUNIT_EXPECT_EQ(test, s.regs.ip, s.jit + 0xb2);
	KUNIT_EXPECT_TRUE(test, arrive(&s, b + WORD));
	KUNIT_EXPECT_EQ(test, s.regs.ip, s.jit + 0xb1);
	expect_pending(test, &s, 0);
	KUNIT_EXPECT_EQ(test, drops(&s, 0, UPROBE_DROP_RETURN), 0);
}

/* The first jumps to the second: one return for both. */
static void tail_call(struct kunit *test)
{
	unsigned long slot;
	struct scene s;

	scene_make(test, &s);
	slot = s.stack - 64;
	call(test, &s, 0, slot, s.jit + 0x1234);
	enter(test, &s, 1, slot);
	expect_pending(test, &s, 2);
	KUNIT_EXPECT_EQ(test, word_at(test, slot), s.um->area.vaddr);
	KUNIT_EXPECT_TRUE(test, arrive(&s, slot + WORD));
	KUNIT_EXPECT_EQ(test, s.regs.ip, s.jit + 0x1234);
	KUNIT_ASSERT_EQ(test, nr_seen, 2);
	KUNIT_EXPECT_EQ(test, seen[0].func, s.func[1]);
	KUNIT_EXPECT_EQ(test, seen[1].func, s.func[0]);
	KUNIT_EXPECT_EQ(test, seen[0].ip, s.jit + 0x1234);
	KUNIT_EXPECT_EQ(test, seen[1].ip, s.jit + 0x1234);
	expect_pending(test, &s, 0);
}

/* ret imm16 takes its arguments along. */
static void return_drops_arguments(struct kunit *test)
{
	unsigned long slot;
	struct scene s;

	scene_make(test, &s);
	slot = s.stack - 256;
	call(test, &s, 0, slot + 128, s.jit + 0x1111);
	call(test, &s, 1, slot, s.jit + 0x2222);
	KUNIT_EXPECT_TRUE(test, arrive(&s, slot + WORD + 40));
	KUNIT_EXPECT_EQ(test, s.regs.ip, s.jit + 0x2222);
	KUNIT_EXPECT_TRUE(test, arrive(&s, slot + 128 + WORD));
	KUNIT_EXPECT_EQ(test, s.regs.ip, s.jit + 0x1111);
	expect_pending(test, &s, 0);
}

/* ----------------------------------------------------- they never return */

/* longjmp(), and the stack is used for the next call. */
static void slot_used_again(struct kunit *test)
{
	unsigned long slot;
	struct scene s;

	scene_make(test, &s);
	slot = s.stack - 64;
	call(test, &s, 0, slot, s.jit + 0x1111);
	enter(test, &s, 0, slot);
	call(test, &s, 1, slot, s.jit + 0x2222);
	KUNIT_EXPECT_EQ(test, drops(&s, 0, UPROBE_DROP_RETURN), 2);
	expect_pending(test, &s, 1);
	KUNIT_EXPECT_TRUE(test, arrive(&s, slot + WORD));
	KUNIT_EXPECT_EQ(test, s.regs.ip, s.jit + 0x2222);
	KUNIT_EXPECT_EQ(test, nr_seen, 1);
	expect_pending(test, &s, 0);
}

/* Those whose place on the stack was overwritten go, the others stay. */
static void swept(struct kunit *test)
{
	unsigned int i, n;
	struct scene s;

	scene_make(test, &s);
	n = s.t->sweep_at;
	KUNIT_ASSERT_LT(test, (n + 1) * WORD, STACK_BYTES);
	for (i = 0; i < n; i++)
		call(test, &s, 0, s.stack - WORD * (i + 1), s.jit + 0x1000 + i);
	expect_pending(test, &s, n);
	KUNIT_EXPECT_EQ(test, drops(&s, 0, UPROBE_DROP_RETURN), 0);
	for (i = 0; i < n; i += 2)
		KUNIT_ASSERT_EQ(test, put_user(0UL, (unsigned long __user *)
					       (s.stack - WORD * (i + 1))), 0);
	call(test, &s, 1, s.stack - WORD * (n + 1), s.jit + 0x2000);
	KUNIT_EXPECT_EQ(test, drops(&s, 0, UPROBE_DROP_RETURN), n / 2);
	expect_pending(test, &s, n - n / 2 + 1);

	KUNIT_EXPECT_TRUE(test, arrive(&s, s.stack - WORD * (n + 1) + WORD));
	KUNIT_EXPECT_EQ(test, s.regs.ip, s.jit + 0x2000);
	for (i = n - 1; i < n; i -= 2) {
		KUNIT_EXPECT_TRUE(test, arrive(&s, s.stack - WORD * (i + 1) + WORD));
		KUNIT_EXPECT_EQ(test, s.regs.ip, s.jit + 0x1000 + i);
	}
	expect_pending(test, &s, 0);
}

static void too_deep(struct kunit *test)
{
	unsigned long slot;
	struct scene s;

	scene_make(test, &s);
	slot = s.stack - 64;
	/* As if there were so many, and all had been found alive a moment ago. */
	s.t->depth = UPROBE_RETURN_LIMIT;
	s.t->sweep_at = UPROBE_RETURN_LIMIT;
	s.t->too_deep = 1;
	call(test, &s, 0, slot, s.jit + 0x1234);
	KUNIT_EXPECT_EQ(test, drops(&s, 0, UPROBE_DROP_DEPTH), 1);
	KUNIT_EXPECT_EQ(test, word_at(test, slot), s.jit + 0x1234);
	s.t->depth = 0;
	expect_pending(test, &s, 0);

	/* When it is time to ask again, none is alive. */
	s.t->depth = UPROBE_RETURN_LIMIT;
	s.t->too_deep = SZ_4K;
	call(test, &s, 0, slot, s.jit + 0x1234);
	KUNIT_EXPECT_EQ(test, drops(&s, 0, UPROBE_DROP_DEPTH), 1);
	expect_pending(test, &s, 1);
}

/* On pages of stack that share a list: as many as it may have, and one more. */
static void too_near(struct kunit *test)
{
	unsigned long at, end, ret = 0, n = 0, slot = 0, last = 0;
	struct scene s;

	scene_make(test, &s);
	end = uprobe_test_map_stack(test, SZ_16M);
	for (at = end - SZ_16M; at < end && n <= RETURN_BUCKET_LIMIT; at += WORD) {
		if (return_bucket_nr(at) != return_bucket_nr(end - 1)) {
			at += PAGE_SIZE - WORD;
			continue;
		}
		ret = s.jit + 0x100 + n++;
		last = slot;
		slot = at;
		call(test, &s, 0, slot, ret);
	}
	KUNIT_ASSERT_EQ(test, n, RETURN_BUCKET_LIMIT + 1UL);
	KUNIT_EXPECT_EQ(test, drops(&s, 0, UPROBE_DROP_DEPTH), 1);
	KUNIT_EXPECT_EQ(test, word_at(test, slot), ret);
	KUNIT_EXPECT_EQ(test, word_at(test, last), s.um->area.vaddr);
	expect_pending(test, &s, RETURN_BUCKET_LIMIT);

	/* Elsewhere there is room: two pages side by side do not share a list. */
	at = s.stack - 64;
	if (return_bucket_nr(at) == return_bucket_nr(end - 1))
		at -= PAGE_SIZE;
	call(test, &s, 0, at, ret);
	KUNIT_EXPECT_EQ(test, drops(&s, 0, UPROBE_DROP_DEPTH), 1);
	expect_pending(test, &s, RETURN_BUCKET_LIMIT + 1);
	uretprobe_undo(s.t, &s.regs);
	expect_pending(test, &s, 0);
	KUNIT_EXPECT_NE(test, word_at(test, last), s.um->area.vaddr);
}

static void bad_stack(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	unsigned long readonly, ret;
	struct scene s;

	scene_make(test, &s);
	enter(test, &s, 0, 0x10);
	KUNIT_EXPECT_EQ(test, drops(&s, 0, UPROBE_DROP_STACK), 1);
	enter(test, &s, 0, -WORD);
	KUNIT_EXPECT_EQ(test, drops(&s, 0, UPROBE_DROP_STACK), 2);
	/* Read, after some time, but not written to. */
	ret = s.jit + 0x1234;
	uprobe_test_write(test, file, 64, (u8 *)&ret, sizeof(ret));
	readonly = kunit_vm_mmap(test, file, 0, PAGE_SIZE, PROT_READ, MAP_PRIVATE, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(readonly));
	enter(test, &s, 0, readonly + 64);
	KUNIT_EXPECT_EQ(test, drops(&s, 0, UPROBE_DROP_STACK), 3);
	KUNIT_EXPECT_EQ(test, word_at(test, readonly + 64), ret);
	/* No return address at all. */
	enter(test, &s, 0, readonly + PAGE_SIZE / 2);
	KUNIT_EXPECT_EQ(test, drops(&s, 0, UPROBE_DROP_STACK), 3);
	KUNIT_EXPECT_EQ(test, drops(&s, 0, UPROBE_DROP_SKIPPED), 1);
	expect_pending(test, &s, 0);
}

/* The program makes up a return of its own. */
static void stray(struct kunit *test)
{
	u64 strays = uprobe_drop_sum(UPROBE_DROP_STRAY);
	unsigned long slot, trampoline;
	struct scene s;

	scene_make(test, &s);
	slot = s.stack - 1024;
	call(test, &s, 0, slot, s.jit + 0x1234);
	trampoline = s.um->area.vaddr;

	/* Its address where no call of ours left it. */
	call(test, &s, 0, slot - 64, trampoline);
	KUNIT_EXPECT_EQ(test, drops(&s, 0, UPROBE_DROP_STRAY), 1);
	KUNIT_EXPECT_EQ(test, word_at(test, slot - 64), trampoline);
	expect_pending(test, &s, 1);

	/* A jump to it, from below all that is pending. */
	KUNIT_EXPECT_FALSE(test, arrive(&s, slot - 64));
	KUNIT_EXPECT_EQ(test, s.regs.ip, trampoline + UPROBE_SWBP_INSN_SIZE);
	KUNIT_EXPECT_EQ(test, nr_seen, 0);
	expect_pending(test, &s, 1);
	KUNIT_EXPECT_EQ(test, uprobe_drop_sum(UPROBE_DROP_STRAY), strays + 2);
}

/* ------------------------------------------------- probes and threads go */

static void unregistered_meanwhile(struct kunit *test)
{
	unsigned long slot;
	struct scene s;

	scene_make(test, &s);
	slot = s.stack - 64;
	call(test, &s, 0, slot, s.jit + 0x1234);
	unregister_uprobe(s.u[0]);
	unregister_uprobe(s.u[1]);
	/* Somebody is still to come there. */
	KUNIT_EXPECT_TRUE(test, wait_for(!READ_ONCE(s.um->reclaiming)));
	KUNIT_EXPECT_EQ(test, word_at(test, slot), READ_ONCE(s.um->area.vaddr));
	KUNIT_EXPECT_TRUE(test, arrive(&s, slot + WORD));
	KUNIT_EXPECT_EQ(test, s.regs.ip, s.jit + 0x1234);
	KUNIT_EXPECT_EQ(test, nr_seen, 0);
	expect_pending(test, &s, 0);
	KUNIT_EXPECT_TRUE(test, wait_for(READ_ONCE(s.um->area.vaddr) == 0));
}

static void unregistered_by_its_handler(struct kunit *test)
{
	unsigned long slot;
	struct scene s;

	scene_make(test, &s);
	unregister_uprobe(s.u[0]);
	s.u[0]->ret_handler = unregister_itself;
	uprobe_test_register(test, s.u[0]);
	slot = s.stack - 64;
	call(test, &s, 0, slot, s.jit + 0x1234);
	KUNIT_EXPECT_TRUE(test, arrive(&s, slot + WORD));
	KUNIT_EXPECT_EQ(test, s.regs.ip, s.jit + 0x1234);
	KUNIT_EXPECT_EQ(test, nr_seen, 1);
	KUNIT_EXPECT_NULL(test, s.u[0]->pp);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, s.func[0]), 0x90);
	uprobe_unregister_sync();
}

static void copied_by_fork(struct kunit *test)
{
	struct uprobe_thread *child;
	struct return_instance *a, *b;
	struct uprobe_mm *um;
	struct mm_struct *old;
	struct scene s;
	unsigned int refs;
	bool ours = false;
	int idx;

	scene_make(test, &s);
	call(test, &s, 0, s.stack - 64, s.jit + 0x1111);
	call(test, &s, 0, s.stack - 128, s.jit + 0x2222);
	enter(test, &s, 1, s.stack - 128);
	refs = refcount_read(&s.u[0]->pp->refs);
	child = kunit_kzalloc(test, sizeof(*child), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, child);
	child->id = s.t->id + 1;
	old = uprobe_test_other_mm(test);
	um = uprobe_mm_get(current->mm);
	KUNIT_EXPECT_NOT_NULL(test, um);
	if (!um)
		goto end;
	child->um = um;
	KUNIT_EXPECT_EQ(test, returns_copy(child, s.t, s.um), 0);
	KUNIT_EXPECT_EQ(test, child->depth, 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&um->pending), 3);
	KUNIT_EXPECT_EQ(test, refcount_read(&s.u[0]->pp->refs), refs + 2);
	a = s.t->pub.return_instances;
	b = child->pub.return_instances;
	for (; a && b; a = a->next, b = b->next) {
		KUNIT_EXPECT_PTR_NE(test, a, b);
		KUNIT_EXPECT_EQ(test, a->orig_ret_vaddr, b->orig_ret_vaddr);
	}
	KUNIT_EXPECT_NULL(test, a);
	KUNIT_EXPECT_NULL(test, b);

	/* It returns in the same order. */
	s.regs.sp = s.stack - 128 + WORD;
	idx = srcu_read_lock(&uprobes_srcu);
	ours = uretprobe_return(um, child, &s.regs);
	srcu_read_unlock(&uprobes_srcu, idx);
	KUNIT_EXPECT_TRUE(test, ours);
	KUNIT_EXPECT_EQ(test, s.regs.ip, s.jit + 0x2222);
	KUNIT_EXPECT_EQ(test, nr_seen, 2);
	KUNIT_EXPECT_EQ(test, seen[0].func, s.func[1]);
	KUNIT_EXPECT_EQ(test, seen[1].func, s.func[0]);

	returns_leave(um, child);
	KUNIT_EXPECT_EQ(test, atomic_read(&um->pending), 0);
	KUNIT_EXPECT_FALSE(test, returns_any(um));
	KUNIT_EXPECT_EQ(test, refcount_read(&s.u[0]->pp->refs), refs);
end:
	uprobe_test_end_other_mm(old);
	expect_pending(test, &s, 3);
}

/* No trampoline can be had: the stack is as it was. */
static void undone(struct kunit *test)
{
	unsigned long a, b;
	struct scene s;

	scene_make(test, &s);
	a = s.stack - 64;
	b = s.stack - 128;
	call(test, &s, 0, a, s.jit + 0x1111);
	call(test, &s, 1, b, s.jit + 0x2222);
	uretprobe_undo(s.t, &s.regs);
	KUNIT_EXPECT_EQ(test, word_at(test, a), s.jit + 0x1111);
	KUNIT_EXPECT_EQ(test, word_at(test, b), s.jit + 0x2222);
	KUNIT_EXPECT_EQ(test, drops(&s, 0, UPROBE_DROP_AREA), 1);
	KUNIT_EXPECT_EQ(test, drops(&s, 1, UPROBE_DROP_AREA), 1);
	expect_pending(test, &s, 0);
}

/* The last one that waited for a return ends: the area goes, the mm goes on. */
static void thread_ends(struct kunit *test)
{
	struct scene s;

	scene_make(test, &s);
	call(test, &s, 0, s.stack - 64, s.jit + 0x1234);
	unregister_uprobe(s.u[0]);
	unregister_uprobe(s.u[1]);
	KUNIT_EXPECT_TRUE(test, wait_for(!READ_ONCE(s.um->reclaiming)));
	KUNIT_EXPECT_NE(test, s.um->area.vaddr, 0UL);
	uprobe_free_utask(current);
	KUNIT_EXPECT_NULL(test, current->utask);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.um->pending), 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&s.um->threads));
	KUNIT_EXPECT_TRUE(test, wait_for(READ_ONCE(s.um->area.vaddr) == 0));
}

static struct kunit_case uretprobe_cases[] = {
	KUNIT_CASE(call_and_return),
	KUNIT_CASE(nested),
	KUNIT_CASE(two_stacks),
	KUNIT_CASE(tail_call),
	KUNIT_CASE(return_drops_arguments),
	KUNIT_CASE(slot_used_again),
	KUNIT_CASE(swept),
	KUNIT_CASE(too_deep),
	KUNIT_CASE(too_near),
	KUNIT_CASE(bad_stack),
	KUNIT_CASE(stray),
	KUNIT_CASE(unregistered_meanwhile),
	KUNIT_CASE(unregistered_by_its_handler),
	KUNIT_CASE(copied_by_fork),
	KUNIT_CASE(undone),
	KUNIT_CASE(thread_ends),
	{ }
};

static struct kunit_suite uretprobe_suite = {
	.name = "uprobes_uretprobe",
	.test_cases = uretprobe_cases,
};

kunit_test_suite(uretprobe_suite);
