// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/uprobes/, for root: what is probed, where it is planted,
 * what was refused and dropped, and why. One line a thing, fields stable.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/kdev_t.h>
#include <linux/mmu_context.h>
#include <linux/sched/mm.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "internal.h"

/* The record for the file's kind of code; where only the other one is accepted, that. */
static const struct arch_uprobe *likely_insn(struct probepoint *pp, int *bits)
{
	bool is64 = IS_ENABLED(CONFIG_X86_64) && READ_ONCE(pp->file->code_bits) != 32;

	if (IS_ENABLED(CONFIG_X86_64) && pp->refusal[is64] != UPROBE_ACCEPTED)
		is64 = !is64;
	*bits = is64 ? 64 : 32;
	return &pp->insn[is64];
}

static void show_insn(struct seq_file *m, const u8 *insn, unsigned int len)
{
	seq_printf(m, "%*ph", len, insn);
}

static void show_point_id(struct seq_file *m, struct probepoint *pp)
{
	const struct probed_file *file = pp->file;

	seq_printf(m, "%x:%02x:%lu %#llx", MAJOR(file->dev), MINOR(file->dev), file->ino,
		   pp->offset);
}

static void show_point(struct seq_file *m, struct probepoint *pp)
{
	const struct arch_uprobe *insn;
	unsigned int uprobes = 0, i;
	const char *sep = "";
	struct uprobe *u;
	int bits, idx;

	insn = likely_insn(pp, &bits);
	idx = srcu_read_lock(&uprobes_srcu);
	list_for_each_entry_srcu(u, &pp->uprobes, node, srcu_read_lock_held(&uprobes_srcu))
		uprobes++;
	srcu_read_unlock(&uprobes_srcu, idx);

	show_point_id(m, pp);
	seq_printf(m, " %d %s %u %d %lu ", bits, arch_uprobe_strategy_name(insn), uprobes,
		   atomic_read(&pp->sites), hits_sum(pp));
	for (i = 0; i < UPROBE_DROPS; i++) {
		int n = atomic_read(&pp->drops[i]);

		if (!n)
			continue;
		seq_printf(m, "%s%s=%d", sep, uprobe_drop_name[i], n);
		sep = ",";
	}
	seq_puts(m, *sep ? " " : "- ");
	show_insn(m, insn->insn, insn->len);
	seq_putc(m, '\n');
}

/* There may be very many: they are not collected in one buffer. */
static void *list_start(struct seq_file *m, loff_t *pos)
{
	struct probepoint_place *place = m->private;

	if (!*pos) {
		*place = (struct probepoint_place){ };
		return SEQ_START_TOKEN;
	}
	return probepoint_at(place);
}

static void list_stop(struct seq_file *m, void *v)
{
	if (v && v != SEQ_START_TOKEN)
		probepoint_put(v);
}

static void *list_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct probepoint_place *place = m->private;

	if (v != SEQ_START_TOKEN)
		place->offset++;
	list_stop(m, v);
	++*pos;
	return probepoint_at(place);
}

static int list_show(struct seq_file *m, void *v)
{
	if (v == SEQ_START_TOKEN)
		seq_puts(m, "# dev:ino offset bits strategy uprobes sites hits drops insn\n");
	else
		show_point(m, v);
	return 0;
}

static const struct seq_operations list_ops = {
	.start	= list_start,
	.next	= list_next,
	.stop	= list_stop,
	.show	= list_show,
};

static int list_open(struct inode *inode, struct file *file)
{
	return seq_open_private(file, &list_ops, sizeof(struct probepoint_place));
}

static const struct file_operations list_fops = {
	.owner		= THIS_MODULE,
	.open		= list_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= seq_release_private,
};

/* A process that uses the mm, or 0. */
static pid_t show_owner(struct seq_file *m, struct mm_struct *mm)
{
	char comm[TASK_COMM_LEN] = "?";
	pid_t pid = 0;
#ifdef CONFIG_MEMCG
	struct task_struct *owner;

	rcu_read_lock();
	owner = rcu_dereference(mm->owner);
	if (owner) {
		pid = task_pid_vnr(owner);
		get_task_comm(comm, owner);
	}
	rcu_read_unlock();
#endif
	seq_printf(m, "%d %s", pid, comm);
	return pid;
}

static void show_sites(struct uprobe_mm *um, void *data)
{
	struct seq_file *m = data;
	struct uprobe_site *site;
	struct rb_node *n;

	for (n = rb_first(&um->index); n; n = rb_next(n)) {
		site = rb_entry(n, struct uprobe_site, node);
		show_owner(m, um->mm);
		seq_printf(m, " %#lx ", site->vaddr);
		show_point_id(m, site->pp);
		seq_printf(m, " %s", site->state == SITE_BARRED ? "barred" :
			   arch_uprobe_strategy_name(site->insn));
		if (site->slot)
			seq_printf(m, " %#lx", site->slot);
		else
			seq_puts(m, " -");
		seq_puts(m, site->returns && retpoint_is(site->pp) ? " return\n" : "\n");
	}
}

static int sites_show(struct seq_file *m, void *v)
{
	seq_puts(m, "# pid comm vaddr dev:ino offset strategy slot return\n");
	uprobe_mm_for_each(show_sites, m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(sites);

static void show_area(struct uprobe_mm *um, void *data)
{
	unsigned long start = um->area.vaddr;
	struct seq_file *m = data;

	if (!start)
		return;
	show_owner(m, um->mm);
	seq_printf(m, " %#lx %#lx %u %u\n", start,
		   start + PAGE_ALIGN(xol_slot_limit() * UPROBE_XOL_SLOT_BYTES),
		   um->area.used, xol_slot_limit() - 1);
}

static int areas_show(struct seq_file *m, void *v)
{
	seq_puts(m, "# pid comm start end used slots\n");
	uprobe_mm_for_each(show_area, m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(areas);

static int refused_show(struct seq_file *m, void *v)
{
	struct refusal_note *notes;
	unsigned int n, i;

	notes = kcalloc(UPROBE_REFUSALS_KEPT, sizeof(*notes), GFP_KERNEL);
	if (!notes)
		return -ENOMEM;
	n = probepoint_refusals(notes);
	seq_puts(m, "# dev:ino offset bits word | insn | sentence\n");
	for (i = 0; i < n; i++) {
		const struct uprobe_reason *reason = arch_uprobe_refusal(notes[i].why);

		seq_printf(m, "%x:%02x:%lu %#llx %d %s | ", MAJOR(notes[i].dev),
			   MINOR(notes[i].dev), notes[i].ino, notes[i].offset,
			   notes[i].is64 ? 64 : 32, reason->word);
		show_insn(m, notes[i].insn, notes[i].len ?: 4);
		seq_printf(m, " | %s\n", reason->text);
	}
	kfree(notes);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(refused);

static int stats_show(struct seq_file *m, void *v)
{
	unsigned int i;

	seq_printf(m, "probepoints %d\n", atomic_read(&probepoints_active));
	for (i = 0; i < UPROBE_STATS; i++)
		seq_printf(m, "%s %llu\n", uprobe_stat_name[i], uprobe_stat_sum(i));
	for (i = 0; i < UPROBE_DROPS; i++)
		seq_printf(m, "drop_%s %llu\n", uprobe_drop_name[i], uprobe_drop_sum(i));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static int __init uprobes_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("uprobes", NULL);

	debugfs_create_file("list", 0400, dir, NULL, &list_fops);
	debugfs_create_file("sites", 0400, dir, NULL, &sites_fops);
	debugfs_create_file("areas", 0400, dir, NULL, &areas_fops);
	debugfs_create_file("refused", 0400, dir, NULL, &refused_fops);
	debugfs_create_file("stats", 0400, dir, NULL, &stats_fops);
	return 0;
}
late_initcall(uprobes_debugfs_init);
