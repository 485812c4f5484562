// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the tests of the core share.
 */
#include <linux/highmem.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>

#include "support.h"

const u8 step_insn[3] = { 0x0f, 0x58, 0xc1 };

KUNIT_DEFINE_ACTION_WRAPPER(put_file, fput, struct file *);
KUNIT_DEFINE_ACTION_WRAPPER(unregister, unregister_uprobe, struct uprobe *);

void uprobe_test_write(struct kunit *test, struct file *file, loff_t pos,
		       const void *bytes, size_t n)
{
	KUNIT_ASSERT_EQ(test, kernel_write(file, bytes, n, &pos), (ssize_t)n);
}

/* See the AT_ offsets. */
struct file *uprobe_test_file(struct kunit *test)
{
	static const u8 refused[] = { 0xff, 0x18 };
	static const u8 breakpoint[] = { 0xcc };
	/* More prefixes than an instruction has bytes. */
	static const u8 nonsense[16] = { [0 ... 15] = 0x66 };
	static const u8 cut[] = { 0xc7, 0xc0, 0x00 };
	u8 *nops = kunit_kmalloc(test, FILE_BYTES, GFP_KERNEL);
	struct file *file;

	KUNIT_ASSERT_NOT_NULL(test, nops);
	memset(nops, 0x90, FILE_BYTES);
	file = shmem_file_setup("uprobes-test", FILE_BYTES, VM_NORESERVE);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_file, file), 0);

	uprobe_test_write(test, file, 0, nops, FILE_BYTES);
	uprobe_test_write(test, file, AT_STEP, step_insn, sizeof(step_insn));
	uprobe_test_write(test, file, AT_STEP2, step_insn, sizeof(step_insn));
	uprobe_test_write(test, file, AT_REFUSED, refused, sizeof(refused));
	uprobe_test_write(test, file, AT_BREAKPOINT, breakpoint, sizeof(breakpoint));
	uprobe_test_write(test, file, AT_NONSENSE, nonsense, sizeof(nonsense));
	uprobe_test_write(test, file, AT_CUT, cut, sizeof(cut));
	return file;
}

static int no_handler_runs(struct uprobe *u, struct pt_regs *regs)
{
	return 0;
}

/* Filled in, not registered. If it still is when the test ends: no longer then. */
struct uprobe *uprobe_test_probe(struct kunit *test, struct file *file, loff_t offset)
{
	struct uprobe *u = kunit_kzalloc(test, sizeof(*u), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, u);
	u->inode = file_inode(file);
	u->offset = offset;
	u->handler = no_handler_runs;
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, unregister, u), 0);
	return u;
}

void uprobe_test_register(struct kunit *test, struct uprobe *u)
{
	KUNIT_ASSERT_EQ(test, register_uprobe(u), 0);
	KUNIT_ASSERT_NOT_NULL(test, u->pp);
}

unsigned long uprobe_test_map(struct kunit *test, struct file *file, unsigned long prot,
			      unsigned long flags)
{
	unsigned long addr = kunit_vm_mmap(test, file, 0, FILE_MAPPED, prot, flags, 0);

	KUNIT_ASSERT_NE(test, addr, 0UL);
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_VALUE(addr), "mmap: %ld", addr);
	return addr;
}

/* As a program is mapped. */
unsigned long uprobe_test_map_text(struct kunit *test, struct file *file)
{
	return uprobe_test_map(test, file, PROT_READ | PROT_EXEC, MAP_PRIVATE);
}

/* Memory of the program; the address is that of its end. */
unsigned long uprobe_test_map_stack(struct kunit *test, unsigned long bytes)
{
	unsigned long addr = kunit_vm_mmap(test, NULL, 0, bytes, PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_ANONYMOUS, 0);

	KUNIT_ASSERT_NE(test, addr, 0UL);
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_VALUE(addr), "mmap: %ld", addr);
	return addr + bytes;
}

/* The current thread is at the first instruction of a function, @regs->ip. */
void uprobe_test_enter(struct kunit *test, struct uprobe_thread *t, struct pt_regs *regs)
{
	struct uprobe_site *site;
	int idx;

	idx = srcu_read_lock(&uprobes_srcu);
	site = site_find(t->um, regs->ip);
	if (site && !uretprobe_enter(site, t, regs))
		uretprobe_enter_late(site, t, regs);
	srcu_read_unlock(&uprobes_srcu, idx);
	KUNIT_ASSERT_NOT_NULL(test, site);
}

/* Of the test's thread, which has an mm by now. */
struct uprobe_mm *uprobe_test_um(struct kunit *test)
{
	struct uprobe_mm *um;

	KUNIT_ASSERT_NOT_NULL(test, current->mm);
	um = uprobe_mm_get(current->mm);
	KUNIT_ASSERT_NOT_NULL(test, um);
	KUNIT_ASSERT_PTR_EQ(test, um, uprobe_mm_of(current->mm));
	return um;
}

/* Is a thread getting past it? */
bool uprobe_test_site_named(struct uprobe_mm *um, struct uprobe_site *site)
{
	bool named;

	site->naming = SITE_ASKED;
	uprobe_threads_name_sites(um);
	named = site->naming == SITE_NAMED;
	site->naming = SITE_NOT_ASKED;
	return named;
}

/* The memory itself. What others find there is another matter. */
int uprobe_test_read(unsigned long vaddr, void *buf, int n)
{
	int err;

	mmap_read_lock(current->mm);
	err = text_read(current->mm, vaddr, buf, n);
	mmap_read_unlock(current->mm);
	return err;
}

void uprobe_test_peek(struct kunit *test, unsigned long vaddr, void *buf, int n)
{
	KUNIT_ASSERT_EQ(test, uprobe_test_read(vaddr, buf, n), 0);
}

u8 uprobe_test_byte(struct kunit *test, unsigned long vaddr)
{
	u8 byte = 0;

	uprobe_test_peek(test, vaddr, &byte, 1);
	return byte;
}

/* As a program that changes itself. */
void uprobe_test_poke(struct kunit *test, unsigned long vaddr, const void *bytes, int n)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	struct page *page;
	int i;

	mmap_read_lock(mm);
	for (i = 0; i < n; i++) {
		page = get_user_page_vma_remote(mm, vaddr + i, FOLL_FORCE | FOLL_WRITE, &vma);
		if (IS_ERR(page))
			break;
		memcpy_to_page(page, offset_in_page(vaddr + i), bytes + i, 1);
		set_page_dirty_lock(page);
		put_page(page);
	}
	mmap_read_unlock(mm);
	KUNIT_ASSERT_EQ(test, i, n);
}

/* As a debugger, or anybody else from outside. */
void uprobe_test_others_read(struct kunit *test, unsigned long vaddr, void *buf, int n)
{
	KUNIT_ASSERT_EQ(test, access_remote_vm(current->mm, vaddr, buf, n, FOLL_FORCE), n);
}

void uprobe_test_others_write(struct kunit *test, unsigned long vaddr, const void *bytes, int n)
{
	KUNIT_ASSERT_EQ(test, access_remote_vm(current->mm, vaddr, (void *)bytes, n,
					       FOLL_FORCE | FOLL_WRITE), n);
}

/* Is the page the process's own, not the file's? */
bool uprobe_test_own_page(struct kunit *test, unsigned long vaddr)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	struct page *page;
	bool own;

	mmap_read_lock(mm);
	page = get_user_page_vma_remote(mm, vaddr, FOLL_FORCE, &vma);
	own = !IS_ERR(page) && PageAnon(page);
	if (!IS_ERR(page))
		put_page(page);
	mmap_read_unlock(mm);
	KUNIT_ASSERT_FALSE(test, IS_ERR(page));
	return own;
}

/*
 * The test's thread goes on as if it were another process. Until it is back, a
 * failed assertion would leave the old mm behind: expectations only.
 */
struct mm_struct *uprobe_test_other_mm(struct kunit *test)
{
	struct mm_struct *old = current->mm, *mm = mm_alloc();

	KUNIT_ASSERT_NOT_NULL(test, old);
	KUNIT_ASSERT_NOT_NULL(test, mm);
	mm->task_size = TASK_SIZE;
	arch_pick_mmap_layout(mm, &current->signal->rlim[RLIMIT_STACK]);
	kthread_unuse_mm(old);
	kthread_use_mm(mm);
	return old;
}

/* That process ends. */
void uprobe_test_end_other_mm(struct mm_struct *old)
{
	struct mm_struct *mm = current->mm;

	kthread_unuse_mm(mm);
	mmput(mm);
	kthread_use_mm(old);
}
