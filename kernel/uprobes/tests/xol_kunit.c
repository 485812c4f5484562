// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the XOL area and its slots: where it is and what may be done to
 * it, who gets which slot, and when it goes.
 */
#include <linux/dcache.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>

#include "support.h"

/* An mm with some text in it, and a probepoint that needs slots. */
struct place {
	struct file *file;
	unsigned long text;
	struct uprobe *u;
	struct uprobe_mm *um;
};

static struct place place_make(struct kunit *test)
{
	struct place p = { .file = uprobe_test_file(test) };

	p.text = uprobe_test_map_text(test, p.file);
	p.u = uprobe_test_probe(test, p.file, AT_STEP);
	uprobe_test_register(test, p.u);
	p.um = uprobe_test_um(test);
	KUNIT_ASSERT_TRUE(test, insn_needs_slot(&p.u->pp->insn[IS_ENABLED(CONFIG_X86_64)]));
	return p;
}

static struct uprobe_site *site_nr(struct kunit *test, struct place *p, unsigned int i)
{
	struct uprobe_site *site;

	mutex_lock(&p->um->lock);
	site = site_add(p->um, p->u->pp, 0x10000 + 16UL * i);
	mutex_unlock(&p->um->lock);
	KUNIT_ASSERT_NOT_NULL(test, site);
	return site;
}

/* For a thread that nobody else sees */
static unsigned long slot_get(struct uprobe_site *site)
{
	struct uprobe_thread t = {};

	return xol_slot_get(site, &t);
}

static struct uprobe_site *site_with_slot(struct kunit *test, struct place *p, unsigned int i)
{
	struct uprobe_site *site = site_nr(test, p, i);
	unsigned long slot = slot_get(site);

	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(slot));
	KUNIT_ASSERT_NE(test, slot, 0UL);
	KUNIT_ASSERT_EQ(test, slot, site->slot);
	return site;
}

static void retire(struct uprobe_site *site)
{
	mutex_lock(&site->um->lock);
	site_retire(site);
	mutex_unlock(&site->um->lock);
}

static unsigned long highest_end(void)
{
	VMA_ITERATOR(vmi, current->mm, ULONG_MAX);
	struct vm_area_struct *vma;
	unsigned long end;

	mmap_read_lock(current->mm);
	vma = vma_prev(&vmi);
	end = vma ? vma->vm_end : 0;
	mmap_read_unlock(current->mm);
	return end;
}

/* ------------------------------------------------------------------ area */

static void above_the_highest(struct kunit *test)
{
	struct place p = place_make(test);
	unsigned long end = highest_end();
	u64 areas = uprobe_stat_sum(UPROBE_STAT_AREAS);
	unsigned long vaddr;

	KUNIT_ASSERT_EQ(test, xol_area_make(p.um, 0), 0);
	vaddr = p.um->area.vaddr;
	KUNIT_EXPECT_EQ(test, vaddr, end + PAGE_SIZE);
	KUNIT_EXPECT_LE(test, highest_end(), DEFAULT_MAP_WINDOW);
	KUNIT_EXPECT_EQ(test, uprobe_get_trampoline_vaddr(), vaddr);
	KUNIT_EXPECT_EQ(test, uprobe_stat_sum(UPROBE_STAT_AREAS), areas + 1);

	/* There is one. */
	KUNIT_EXPECT_EQ(test, xol_area_make(p.um, 0), 0);
	KUNIT_EXPECT_EQ(test, p.um->area.vaddr, vaddr);
	KUNIT_EXPECT_EQ(test, uprobe_stat_sum(UPROBE_STAT_AREAS), areas + 1);
}

static void no_room_above(struct kunit *test)
{
	struct place p = place_make(test);
	unsigned long top = min_t(unsigned long, TASK_SIZE, DEFAULT_MAP_WINDOW) - PAGE_SIZE;
	struct vm_area_struct *vma;

	KUNIT_ASSERT_EQ(test, vm_mmap(NULL, top, PAGE_SIZE, PROT_READ, MAP_PRIVATE |
				      MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, 0), top);
	KUNIT_ASSERT_EQ(test, xol_area_make(p.um, 0), 0);
	KUNIT_EXPECT_LT(test, p.um->area.vaddr, top);
	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, p.um->area.vaddr);
	KUNIT_EXPECT_TRUE(test, vma && vma->vm_start == p.um->area.vaddr);
	KUNIT_EXPECT_TRUE(test, vma && vma->vm_file == p.um->area.file);
	/* Not where the stack grows. */
	KUNIT_EXPECT_TRUE(test, vma && vma->vm_end <= current->mm->mmap_base);
	mmap_read_unlock(current->mm);
}

static void at_an_address(struct kunit *test)
{
	struct place p = place_make(test);
	unsigned long at = p.text - (64UL << 20);

	/* Taken: no area, and nothing left of the attempt. */
	KUNIT_EXPECT_LT(test, xol_area_make(p.um, p.text), 0);
	KUNIT_EXPECT_EQ(test, p.um->area.vaddr, 0UL);
	KUNIT_EXPECT_NULL(test, p.um->area.file);
	KUNIT_EXPECT_EQ(test, p.um->area.nr_pages, 0);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, p.text + AT_STEP), UPROBE_SWBP_INSN);

	KUNIT_EXPECT_EQ(test, xol_area_make(p.um, at), 0);
	KUNIT_EXPECT_EQ(test, p.um->area.vaddr, at);
}

static void flags_and_name(struct kunit *test)
{
	struct place p = place_make(test);
	struct vm_area_struct *vma;
	unsigned long flags = 0;
	char buf[64] = "", *name = buf;

	KUNIT_ASSERT_EQ(test, xol_area_make(p.um, 0), 0);
	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, p.um->area.vaddr);
	if (vma) {
		flags = vma->vm_flags;
		name = d_path(&vma->vm_file->f_path, buf, sizeof(buf));
	}
	mmap_read_unlock(current->mm);
	KUNIT_ASSERT_NOT_NULL(test, vma);
	KUNIT_EXPECT_EQ(test, flags & (VM_READ | VM_EXEC), VM_READ | VM_EXEC);
	KUNIT_EXPECT_EQ(test, flags & (VM_WRITE | VM_MAYWRITE | VM_SHARED | VM_MAYSHARE), 0UL);
	KUNIT_EXPECT_TRUE(test, flags & VM_DONTCOPY);
	KUNIT_EXPECT_TRUE(test, flags & VM_DONTEXPAND);
	KUNIT_EXPECT_TRUE(test, flags & VM_DONTDUMP);
#ifdef VM_SEALED
	KUNIT_EXPECT_TRUE(test, flags & VM_SEALED);
#endif
	KUNIT_EXPECT_STREQ(test, name, "[uprobes]");
}

/* Not by the ways that reach read-only memory, and not through the file. */
static void nobody_writes(struct kunit *test)
{
	struct place p = place_make(test);
	static const u8 nop = 0x90;
	unsigned long vaddr;
	loff_t pos = 0;

	KUNIT_ASSERT_EQ(test, xol_area_make(p.um, 0), 0);
	vaddr = p.um->area.vaddr;
	KUNIT_EXPECT_EQ(test, access_remote_vm(current->mm, vaddr, (void *)&nop, 1,
					       FOLL_FORCE | FOLL_WRITE), 0);
	KUNIT_EXPECT_NE(test, copy_to_user((void __user *)vaddr, &nop, 1), 0UL);
	KUNIT_EXPECT_LT(test, kernel_write(p.um->area.file, &nop, 1, &pos), (ssize_t)0);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, vaddr), UPROBE_SWBP_INSN);
}

#ifdef VM_SEALED

static void nobody_unmaps(struct kunit *test)
{
	struct place p = place_make(test);
	unsigned long vaddr;

	KUNIT_ASSERT_EQ(test, xol_area_make(p.um, 0), 0);
	vaddr = p.um->area.vaddr;
	KUNIT_EXPECT_EQ(test, vm_munmap(vaddr, PAGE_SIZE), -EPERM);
	KUNIT_EXPECT_EQ(test, (long)vm_mmap(NULL, vaddr, PAGE_SIZE, PROT_READ, MAP_PRIVATE |
					    MAP_ANONYMOUS | MAP_FIXED, 0), -EPERM);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, vaddr), UPROBE_SWBP_INSN);
}

#else

/* Nothing keeps the program from it: then no thread may be sent there. */
static void unmapping_is_noticed(struct kunit *test)
{
	struct place p = place_make(test);
	struct uprobe_site *site = site_with_slot(test, &p, 0);
	unsigned long vaddr = p.um->area.vaddr;

	KUNIT_EXPECT_TRUE(test, xol_area_intact(p.um, site->slot, site->insn));
	KUNIT_EXPECT_EQ(test, vm_munmap(vaddr, PAGE_SIZE), 0);
	KUNIT_EXPECT_FALSE(test, xol_area_intact(p.um, site->slot, site->insn));
	KUNIT_EXPECT_EQ(test, vm_mmap(NULL, vaddr, PAGE_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE |
				      MAP_ANONYMOUS | MAP_FIXED, 0), vaddr);
	KUNIT_EXPECT_FALSE(test, xol_area_intact(p.um, site->slot, site->insn));
}

#endif

static void trampoline_is_int3(struct kunit *test)
{
	struct place p = place_make(test);
	u8 *page = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_ASSERT_EQ(test, xol_area_make(p.um, 0), 0);
	uprobe_test_peek(test, p.um->area.vaddr, page, PAGE_SIZE);
	/* Not only there: whoever jumps into what is not in use traps at once. */
	KUNIT_EXPECT_NULL(test, memchr_inv(page, UPROBE_SWBP_INSN, PAGE_SIZE));
}

/* ----------------------------------------------------------------- slots */

static void slot_holds_the_copy(struct kunit *test)
{
	struct place p = place_make(test);
	u8 image[UPROBE_XOL_SLOT_BYTES], is[UPROBE_XOL_SLOT_BYTES];
	struct uprobe_site *site = site_with_slot(test, &p, 0);
	struct uprobe_thread t = {};

	arch_uprobe_slot_image(site->insn, site->vaddr, site->slot, image);
	uprobe_test_peek(test, site->slot, is, sizeof(is));
	KUNIT_EXPECT_MEMEQ(test, is, image, sizeof(is));
	KUNIT_EXPECT_MEMEQ(test, is, step_insn, sizeof(step_insn));
	KUNIT_EXPECT_NE(test, site->slot, p.um->area.vaddr);
	KUNIT_EXPECT_EQ(test, p.um->area.used, 1);
	/* Asked again: the same. */
	KUNIT_EXPECT_EQ(test, slot_get(site), site->slot);
	/* Named before anybody could steal it. */
	KUNIT_EXPECT_EQ(test, xol_slot_get(site, &t), site->slot);
	KUNIT_EXPECT_EQ(test, t.slot, site->slot);
	KUNIT_EXPECT_EQ(test, p.um->area.used, 1);
}

static void each_has_its_own(struct kunit *test)
{
	const unsigned int n = 3 * XOL_SLOTS_PER_PAGE;
	struct place p = place_make(test);
	unsigned long *taken;
	unsigned int i;

	if (xol_slot_limit() <= n)
		kunit_skip(test, "the limit is set lower");
	taken = kunit_kcalloc(test, BITS_TO_LONGS(n + 1), sizeof(long), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, taken);
	for (i = 0; i < n; i++) {
		unsigned long slot = site_with_slot(test, &p, i)->slot - p.um->area.vaddr;

		KUNIT_ASSERT_EQ(test, slot % UPROBE_XOL_SLOT_BYTES, 0UL);
		slot /= UPROBE_XOL_SLOT_BYTES;
		/* The lowest that are free, and 0 is the trampoline. */
		KUNIT_ASSERT_GE(test, slot, 1UL);
		KUNIT_ASSERT_LE(test, slot, (unsigned long)n);
		KUNIT_ASSERT_FALSE(test, test_and_set_bit(slot, taken));
	}
	KUNIT_EXPECT_EQ(test, p.um->area.used, n);
	KUNIT_EXPECT_EQ(test, p.um->area.nr_pages, 4);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, p.um->area.vaddr), UPROBE_SWBP_INSN);
}

/* What a site gave back, another one gets, with its own instruction in it. */
static void given_back_and_reused(struct kunit *test)
{
	static const u8 mulps[] = { 0x0f, 0x59, 0xc1 };
	struct place p = place_make(test);
	struct uprobe *other = uprobe_test_probe(test, p.file, AT_NEXT_PAGE);
	struct uprobe_site *a, *b, *c;
	unsigned long slot;
	u8 is[sizeof(mulps)];

	uprobe_test_write(test, p.file, AT_NEXT_PAGE, mulps, sizeof(mulps));
	uprobe_test_register(test, other);
	a = site_with_slot(test, &p, 0);
	b = site_with_slot(test, &p, 1);
	slot = a->slot;
	retire(a);
	KUNIT_ASSERT_TRUE(test, wait_for(READ_ONCE(p.um->area.used) == 1));
	KUNIT_EXPECT_NE(test, b->slot, slot);

	mutex_lock(&p.um->lock);
	c = site_find(p.um, p.text + AT_NEXT_PAGE);
	mutex_unlock(&p.um->lock);
	KUNIT_ASSERT_NOT_NULL(test, c);
	KUNIT_EXPECT_EQ(test, slot_get(c), slot);
	uprobe_test_peek(test, slot, is, sizeof(is));
	KUNIT_EXPECT_MEMEQ(test, is, mulps, sizeof(mulps));
}

/* ----------------------------------------------------------------- limit */

#define AGE(n)	((unsigned long)(n) << 12)

/* Every slot there can be has an owner. */
static struct uprobe_site **fill(struct kunit *test, struct place *p, unsigned int *n)
{
	unsigned long now = xol_clock();
	struct uprobe_site **sites;
	unsigned int i;

	/* A full area takes long to fill. */
	*n = min_t(unsigned int, xol_slot_limit(), 32 * XOL_SLOTS_PER_PAGE) - 1;
	if (*n < 32)
		kunit_skip(test, "the limit is set lower");
	KUNIT_ASSERT_EQ(test, xol_area_make(p->um, 0), 0);
	p->um->area.limit = *n + 1;
	sites = kunit_kcalloc(test, *n, sizeof(*sites), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, sites);
	for (i = 0; i < *n; i++) {
		sites[i] = site_with_slot(test, p, i);
		/* In some order that is not that of the slots. */
		sites[i]->last_hit = now - AGE(100 + (i * 7919UL) % *n);
	}
	KUNIT_ASSERT_EQ(test, p->um->area.used, *n);
	return sites;
}

static struct uprobe_site *oldest(struct uprobe_site **sites, unsigned int n, unsigned long now)
{
	struct uprobe_site *found = NULL;
	unsigned int i;

	for (i = 0; i < n; i++)
		if (sites[i]->slot && (!found || now - sites[i]->last_hit > now - found->last_hit))
			found = sites[i];
	return found;
}

static void oldest_is_stolen(struct kunit *test)
{
	struct place p = place_make(test);
	u64 steals = uprobe_stat_sum(UPROBE_STAT_STEALS);
	struct uprobe_site **sites;
	unsigned int n, i;

	sites = fill(test, &p, &n);
	KUNIT_EXPECT_EQ(test, uprobe_stat_sum(UPROBE_STAT_STEALS), steals);
	for (i = 0; i < 5; i++) {
		struct uprobe_site *victim = oldest(sites, n, xol_clock());
		unsigned long slot = victim->slot;
		struct uprobe_site *site = site_with_slot(test, &p, n + i);

		KUNIT_EXPECT_EQ(test, site->slot, slot);
		KUNIT_EXPECT_EQ(test, victim->slot, 0UL);
		site->last_hit = xol_clock();
	}
	KUNIT_EXPECT_EQ(test, uprobe_stat_sum(UPROBE_STAT_STEALS), steals + 5);
	KUNIT_EXPECT_EQ(test, p.um->area.used, n);
}

static struct uprobe_thread *fake_thread(struct kunit *test, struct uprobe_mm *um,
					 unsigned long slot)
{
	struct uprobe_thread *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	t->um = um;
	t->task = current;
	t->slot = slot;
	spin_lock(&um->threads_lock);
	list_add(&t->link, &um->threads);
	spin_unlock(&um->threads_lock);
	return t;
}

static void end_fake_threads(struct uprobe_mm *um)
{
	spin_lock(&um->threads_lock);
	while (!list_empty(&um->threads))
		list_del(um->threads.next);
	spin_unlock(&um->threads_lock);
}

/*
 * A boosted thread names its slot until somebody looks: its ip, here that of a
 * kernel thread, is nowhere near it. Not so one of which it is not known yet
 * whether it goes there, or one that steps.
 */
static void boosted_names_are_taken_away(struct kunit *test)
{
	struct place p = place_make(test);
	struct uprobe_site *site = site_with_slot(test, &p, 0);
	struct uprobe_thread *t = fake_thread(test, p.um, site->slot);
	struct uprobe_thread *stays = fake_thread(test, p.um, 0);

	t->site = site;
	mutex_lock(&p.um->lock);
	KUNIT_EXPECT_TRUE(test, uprobe_threads_name_slot(p.um, site->slot));
	t->state = THREAD_STEPS;
	KUNIT_EXPECT_TRUE(test, uprobe_threads_name_slot(p.um, site->slot));
	KUNIT_EXPECT_TRUE(test, uprobe_test_site_named(p.um, site));
	KUNIT_EXPECT_EQ(test, t->slot, site->slot);

	t->state = THREAD_BOOSTED;
	KUNIT_EXPECT_FALSE(test, uprobe_threads_name_slot(p.um, site->slot));
	KUNIT_EXPECT_EQ(test, t->slot, 0UL);
	KUNIT_EXPECT_FALSE(test, uprobe_test_site_named(p.um, site));
	KUNIT_EXPECT_NULL(test, t->site);

	t->slot = site->slot;
	t->site = site;
	KUNIT_EXPECT_FALSE(test, uprobe_test_site_named(p.um, site));
	KUNIT_EXPECT_EQ(test, t->slot, 0UL);

	/* One that stays there keeps nobody behind it from being looked at. */
	t->slot = site->slot;
	t->site = site;
	stays->site = site;
	stays->state = THREAD_STEPS;
	KUNIT_EXPECT_PTR_EQ(test, list_next_entry(stays, link), t);
	KUNIT_EXPECT_TRUE(test, uprobe_test_site_named(p.um, site));
	KUNIT_EXPECT_NULL(test, t->site);
	mutex_unlock(&p.um->lock);
	end_fake_threads(p.um);
}

/* However many of the oldest have a thread in them: the next one is taken. */
static void busy_slots_are_passed_over(struct kunit *test)
{
	struct uprobe_site **sites, *busy[12], *victim, *thief;
	unsigned long now, slots[12], slot;
	struct place p = place_make(test);
	unsigned int n, i;

	sites = fill(test, &p, &n);
	thief = site_nr(test, &p, n);
	now = xol_clock();
	for (i = 0; i < ARRAY_SIZE(busy); i++) {
		busy[i] = oldest(sites, n, now);
		slots[i] = busy[i]->slot;
		/* Out of the way of the next look. */
		busy[i]->slot = 0;
		fake_thread(test, p.um, slots[i]);
	}
	victim = oldest(sites, n, now);
	slot = victim->slot;
	for (i = 0; i < ARRAY_SIZE(busy); i++)
		busy[i]->slot = slots[i];

	KUNIT_EXPECT_EQ(test, slot_get(thief), slot);
	KUNIT_EXPECT_EQ(test, victim->slot, 0UL);
	for (i = 0; i < ARRAY_SIZE(busy); i++)
		KUNIT_EXPECT_EQ(test, busy[i]->slot, slots[i]);
	end_fake_threads(p.um);
}

static void all_busy(struct kunit *test)
{
	struct uprobe_site **sites, *thief;
	struct place p = place_make(test);
	unsigned int n, i;

	sites = fill(test, &p, &n);
	thief = site_nr(test, &p, n);
	/* One page is enough to look at: the other slots are not for stealing. */
	mutex_lock(&p.um->lock);
	for (i = 1; i < p.um->area.nr_pages; i++)
		memset(p.um->area.pages[i]->owner, 0, sizeof(p.um->area.pages[i]->owner));
	mutex_unlock(&p.um->lock);
	n = min_t(unsigned int, n, XOL_SLOTS_PER_PAGE - 1);
	for (i = 0; i < n; i++)
		fake_thread(test, p.um, sites[i]->slot);
	KUNIT_EXPECT_EQ(test, slot_get(thief), 0UL);
	KUNIT_EXPECT_EQ(test, thief->slot, 0UL);
	for (i = 0; i < n; i++)
		KUNIT_EXPECT_NE(test, sites[i]->slot, 0UL);
	end_fake_threads(p.um);
	KUNIT_EXPECT_NE(test, slot_get(thief), 0UL);
}

/* Another CPU hits, or its clock is ahead, after ours was read. */
static void hit_in_the_future_is_not_old(struct kunit *test)
{
	struct place p = place_make(test);
	struct uprobe_site **sites, *victim, *young;
	unsigned int n;

	sites = fill(test, &p, &n);
	victim = oldest(sites, n, xol_clock());
	young = sites[n / 2] == victim ? sites[n / 2 + 1] : sites[n / 2];
	young->last_hit = xol_clock() + (1UL << 30);
	site_with_slot(test, &p, n);
	KUNIT_EXPECT_NE(test, young->slot, 0UL);
	KUNIT_EXPECT_EQ(test, victim->slot, 0UL);
}

/* Who has just got a slot is not the next to lose it. */
static void new_owner_is_not_old(struct kunit *test)
{
	struct place p = place_make(test);
	struct uprobe_site *first;
	unsigned int n;

	fill(test, &p, &n);
	first = site_with_slot(test, &p, n);
	site_with_slot(test, &p, n + 1);
	KUNIT_EXPECT_NE(test, first->slot, 0UL);
}

/* ------------------------------------------------------------ when it goes */

static bool mapped(unsigned long vaddr)
{
	bool there;

	mmap_read_lock(current->mm);
	there = vma_lookup(current->mm, vaddr);
	mmap_read_unlock(current->mm);
	return there;
}

/* Slots or not: as long as there is a probe that may need one. */
static void goes_with_the_last_probe(struct kunit *test)
{
	struct place p = place_make(test);
	struct uprobe_site *a = site_with_slot(test, &p, 0), *b = site_with_slot(test, &p, 1);
	unsigned long vaddr = p.um->area.vaddr;

	retire(a);
	KUNIT_ASSERT_TRUE(test, wait_for(READ_ONCE(p.um->area.used) == 1));
	retire(b);
	KUNIT_ASSERT_TRUE(test, wait_for(READ_ONCE(p.um->area.used) == 0));
	KUNIT_ASSERT_TRUE(test, wait_for(!READ_ONCE(p.um->reclaiming)));
	KUNIT_EXPECT_TRUE(test, mapped(vaddr));
	KUNIT_EXPECT_EQ(test, p.um->area.vaddr, vaddr);

	unregister_uprobe(p.u);
	KUNIT_EXPECT_TRUE(test, wait_for(READ_ONCE(p.um->area.vaddr) == 0));
	KUNIT_EXPECT_TRUE(test, wait_for(!mapped(vaddr)));
	KUNIT_EXPECT_TRUE(test, wait_for(!READ_ONCE(p.um->area.file)));
	KUNIT_EXPECT_EQ(test, uprobe_get_trampoline_vaddr(), UPROBE_NO_TRAMPOLINE_VADDR);

	/* And comes again when it is needed again. */
	uprobe_test_register(test, p.u);
	site_with_slot(test, &p, 2);
	KUNIT_EXPECT_TRUE(test, mapped(p.um->area.vaddr));
}

/* Its address is on somebody's stack: not while a return is waited for. */
static void stays_for_pending_returns(struct kunit *test)
{
	struct place p = place_make(test);
	unsigned long vaddr;
	bool dropped;

	KUNIT_ASSERT_EQ(test, xol_area_make(p.um, 0), 0);
	vaddr = p.um->area.vaddr;
	atomic_inc(&p.um->pending);
	mmap_write_lock(current->mm);
	mutex_lock(&p.um->lock);
	dropped = xol_area_drop(p.um);
	mutex_unlock(&p.um->lock);
	mmap_write_unlock(current->mm);
	KUNIT_EXPECT_FALSE(test, dropped);
	KUNIT_EXPECT_EQ(test, p.um->area.vaddr, vaddr);
	KUNIT_EXPECT_TRUE(test, mapped(vaddr));

	atomic_dec(&p.um->pending);
	mmap_write_lock(current->mm);
	mutex_lock(&p.um->lock);
	dropped = xol_area_drop(p.um);
	mutex_unlock(&p.um->lock);
	mmap_write_unlock(current->mm);
	KUNIT_EXPECT_TRUE(test, dropped);
	KUNIT_EXPECT_EQ(test, p.um->area.vaddr, 0UL);
	KUNIT_EXPECT_FALSE(test, mapped(vaddr));
}

static struct kunit_case xol_cases[] = {
	KUNIT_CASE(above_the_highest),
	KUNIT_CASE(no_room_above),
	KUNIT_CASE(at_an_address),
	KUNIT_CASE(flags_and_name),
	KUNIT_CASE(nobody_writes),
#ifdef VM_SEALED
	KUNIT_CASE(nobody_unmaps),
#else
	KUNIT_CASE(unmapping_is_noticed),
#endif
	KUNIT_CASE(trampoline_is_int3),
	KUNIT_CASE(slot_holds_the_copy),
	KUNIT_CASE(each_has_its_own),
	KUNIT_CASE(given_back_and_reused),
	KUNIT_CASE_SLOW(oldest_is_stolen),
	KUNIT_CASE(boosted_names_are_taken_away),
	KUNIT_CASE_SLOW(busy_slots_are_passed_over),
	KUNIT_CASE_SLOW(all_busy),
	KUNIT_CASE_SLOW(hit_in_the_future_is_not_old),
	KUNIT_CASE_SLOW(new_owner_is_not_old),
	KUNIT_CASE(goes_with_the_last_probe),
	KUNIT_CASE(stays_for_pending_returns),
	{ }
};

static struct kunit_suite xol_suite = {
	.name = "uprobes_xol",
	.test_cases = xol_cases,
};

kunit_test_suite(xol_suite);
