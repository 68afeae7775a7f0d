/*
 * files_report.c - /proc/ledger/files: every file that has pages in memory, mapped by somebody or not, named.
 *
 * WHY      the page cache is the largest part of most machines' memory, and nobody says which files it is; a file that is
 *          deleted, or was never named (memfd), holds memory that no directory shows.
 * HOW      names come from the trees of cached names of all file systems and, for files in no tree, from whoever has them
 *          open or mapped. A file found twice (an overlay shows the pages of the layer below) stands once, by the visible name.
 *          First all are collected with references, as many as have room; then they are counted and named without locks.
 * LOCKS    dcache_lock for the trees, the cache's for open files; nothing is allocated under either.
 */
#include "internal.h"
#include <lib/sort.h>
#include <lib/text.h>
#include <mm/ledger.h>

#define MOST	2048

struct found {
	struct address_space	*mapping;
	struct dentry		*dentry;	/* a reference; it keeps the inode, and that the mapping */
	struct file		*file;		/* instead: a reference to an open file that no tree names */
	bool			visible;	/* its file system is the root's */
};

struct search {
	struct found	*list;
	unsigned	nr;
	unsigned long	not_kept;		/* pages of files that had no room */
};

static bool has_room(struct search *s, const struct address_space *m)
{
	if (!m || !m->nr_pages)
		return false;
	if (s->nr < MOST)
		return true;
	s->not_kept += m->nr_pages;
	return false;
}

static struct dentry *first_child(struct dentry *d)
{
	return list_empty(&d->children) ? NULL : list_entry(d->children.next, struct dentry, sibling);
}

/* The dentry after d in its tree below root, parents first. dcache_lock held. */
static struct dentry *next_in_tree(struct dentry *root, struct dentry *d)
{
	struct dentry *next = first_child(d);

	while (!next && d != root) {
		next = d->sibling.next == &d->parent->children ? NULL : list_entry(d->sibling.next, struct dentry, sibling);
		d = d->parent;
	}
	return next;
}

static void search_tree(struct super_block *sb, void *arg)
{
	struct search *s = arg;
	bool visible = current->fs && sb == current->fs->root.dentry->sb;

	if (!sb->root)
		return;
	spin_lock(&dcache_lock);
	for (struct dentry *d = sb->root; d; d = next_in_tree(sb->root, d))
		if (d->inode && has_room(s, d->inode->mapping))
			s->list[s->nr++] = (struct found){ d->inode->mapping, dentry_get(d), NULL, visible };
	spin_unlock(&dcache_lock);
}

static void search_open(struct file *f, void *arg)
{
	struct search *s = arg;
	struct dentry *d = f->path.dentry;

	if (!d || !(d->flags & DCACHE_UNLINKED) || !f->mapping || !f->mapping->nr_pages)
		return;
	if (has_room(s, f->mapping) && atomic_inc_not_zero(&f->refs))
		s->list[s->nr++] = (struct found){ f->mapping, NULL, f, false };
}

/* Copies of one mapping side by side, the one to show first. */
static int order(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->mapping != y->mapping)
		return x->mapping < y->mapping ? -1 : 1;
	return y->visible - x->visible;
}

static const char *kind_of(const struct found *f)
{
	if (f->mapping->account != ACCT_SHMEM)
		return "cache";
	if (!f->file)
		return "tmpfs";
	return f->file->path.dentry->parent == f->file->path.dentry ? "memfd" : "tmpfs";
}

/* "file KIND STATE PAGES MAPPED DIRTY OWNER PATH" */
static void print(struct text *out, const struct found *f, char *buf)
{
	struct dentry *d = f->file ? f->file->path.dentry : f->dentry;
	struct mapping_census c;
	const char *name;

	ledger_mapping_census(f->mapping, &c);
	if (!c.pages)
		return;
	name = dentry_path_anywhere(d, buf, PATH_MAX_BYTES);
	text_printf(out, "file %s %s %lu %lu %lu ", kind_of(f), d->flags & DCACHE_UNLINKED ? "deleted" : "linked", c.pages, c.mapped,
		    c.dirty);
	if (c.owner_pid) {
		text_puts_escaped(out, c.owner[0] ? c.owner : "?", " \t\n\\");
		text_printf(out, "[%d] ", c.owner_pid);
	} else {
		text_puts(out, "- ");
	}
	text_puts_escaped(out, name && *name ? name : "?", "\n\\");
	text_putc(out, '\n');
}

/* The text of /proc/ledger/files. */
int files_report(struct text *out)
{
	struct search s = { kvmalloc(MOST * sizeof(*s.list), GFP_KERNEL | GFP_NOACCOUNT), 0, 0 };
	char *buf = kmalloc(PATH_MAX_BYTES, GFP_KERNEL);

	if (!s.list || !buf) {
		kvfree(s.list);
		kfree(buf);
		return -ENOMEM;
	}
	sb_for_each(search_tree, &s);
	file_for_each_open(search_open, &s);
	sort(s.list, s.nr, sizeof(*s.list), order);
	text_printf(out, "not_kept %lu\n", s.not_kept);
	for (unsigned i = 0; i < s.nr; i++) {
		if (!i || s.list[i].mapping != s.list[i - 1].mapping)
			print(out, &s.list[i], buf);
	}
	for (unsigned i = 0; i < s.nr; i++) {
		if (s.list[i].file)
			file_put(s.list[i].file);
		else
			dentry_put(s.list[i].dentry);
	}
	kvfree(s.list);
	kfree(buf);
	return out->cut ? -ENOMEM : 0;
}
