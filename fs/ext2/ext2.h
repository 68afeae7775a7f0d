/*
 * ext2.h - the on-disk format (little-endian, as every machine we run on), and what the file system keeps in memory.
 */
#ifndef EXT2_PRIVATE_H
#define EXT2_PRIVATE_H

#include <drivers/block.h>
#include <fs/fs.h>
#include <kernel/panic.h>

#define EXT2_MAGIC	0xef53
#define EXT2_ROOT_INO	2
#define EXT2_NAME_MAX	255
#define EXT2_DIRECT	12

enum { EXT2_VALID = 1, EXT2_ERRORS = 2 };
enum { EXT2_ON_ERROR_CONTINUE = 1, EXT2_ON_ERROR_RO, EXT2_ON_ERROR_PANIC };	/* ext2_super.errors */
enum { EXT2_INCOMPAT_FILETYPE = 2 };
enum { EXT2_RO_SPARSE_SUPER = 1, EXT2_RO_LARGE_FILE = 2, EXT2_RO_BTREE_DIR = 4 };
enum { EXT2_FL_IMMUTABLE = 0x10, EXT2_FL_APPEND = 0x20, EXT2_FL_INDEX = 0x1000 };

struct ext2_super {
	u32	inodes, blocks, reserved_blocks, free_blocks, free_inodes, first_data_block, log_block_size, log_frag_size;
	u32	blocks_per_group, frags_per_group, inodes_per_group, mtime, wtime;
	u16	mount_count, max_mount_count, magic, state, errors, minor_rev;
	u32	last_check, check_interval, creator_os, rev;
	u16	reserved_uid, reserved_gid;
	u32	first_ino;
	u16	inode_size, group_nr;
	u32	compat, incompat, ro_compat;
	u8	uuid[16];
	char	label[16], last_mounted[64];
	u8	rest[824];
};
static_assert(sizeof(struct ext2_super) == 1024, "as on disk");

struct ext2_group {
	u32	block_bitmap, inode_bitmap, inode_table;
	u16	free_blocks, free_inodes, used_dirs, pad;
	u32	reserved[3];
};
static_assert(sizeof(struct ext2_group) == 32, "as on disk");

struct ext2_raw_inode {
	u16	mode, uid;
	u32	size, atime, ctime, mtime, dtime;
	u16	gid, links;
	u32	blocks, flags, osd1;
	u32	block[15];
	u32	generation, file_acl, size_high, faddr;
	u8	frag, fsize;
	u16	pad, uid_high, gid_high;
	u32	reserved;
};
static_assert(sizeof(struct ext2_raw_inode) == 128, "as on disk");

struct ext2_dirent {
	u32	inode;
	u16	rec_len;
	u8	name_len, type;
	char	name[];
};
#define DIRENT_LEN(n)	ALIGN_UP(8 + (n), 4)

/* ---- the metadata cache: aligned pages of the disk ---- */

struct ext2_chunk {
	u64		index;		/* disk offset / PAGE_SIZE */
	struct page	*page;
	unsigned	refs;
	bool		dirty;
	bool		failed;		/* the last write of it; said once */
	struct list	hash_link, lru;
};

#define CHUNK_BUCKETS	64

struct ext2_sb {
	struct super_block	*sb;
	struct block_device	*bdev;
	struct mutex		lock;		/* LOCK_SLEEP_LEAF: all metadata, this cache included */
	struct list		buckets[CHUNK_BUCKETS];
	struct list		lru;
	unsigned		nr_chunks, nr_dirty, max_chunks;
	struct ext2_chunk	*super_chunk;	/* held */
	struct ext2_super	*es;		/* in it */
	struct ext2_chunk	**group_chunks;	/* held */
	unsigned		nr_groups, nr_group_chunks;
	u32			block_size, block_bits, ptrs, inode_size, first_ino, blocks_per_group, inodes_per_group;
	u32			first_data_block, nr_blocks;
	u32			goal;		/* where the last block was found */
	bool			read_only;	/* nothing is written, not even what an error left to say */
	u16			mount_state;	/* the super block's `state` as it will be when unmounted */
	u8			on_error;	/* EXT2_ON_ERROR_* */
};

struct ext2_inode {
	u32	block[15];
	u32	flags, file_acl, generation;
	u64	sectors;		/* i_blocks */
	bool	is_new;			/* the slot on disk holds an old one's rest */
	struct ext2_swap *swap;		/* in use as a swap area: where its pages are */
};

static inline struct ext2_sb *ext2_sb(const struct super_block *sb)
{
	return sb->priv;
}
static inline struct ext2_inode *ext2_i(const struct inode *i)
{
	return i->priv;
}

/* buffer.c. lock held. */
int ext2_chunk_get(struct ext2_sb *s, u64 offset, bool fresh, struct ext2_chunk **out) must_check;
void ext2_chunk_put(struct ext2_sb *s, struct ext2_chunk *c);
void ext2_chunk_dirty(struct ext2_sb *s, struct ext2_chunk *c);
/* Through to the disk, as far as it takes it: data, whose error is its file's business. */
int ext2_chunk_write_data(struct ext2_sb *s, struct ext2_chunk *c) must_check;
/* A block of metadata: *data points into the chunk. fresh: contents are about to be overwritten, do not read (zeroed). */
int ext2_block_get(struct ext2_sb *s, u32 block, bool fresh, struct ext2_chunk **out, void **data) must_check;
void ext2_block_forget(struct ext2_sb *s, u32 block);	/* it was freed: what is cached of it must never be written */
int ext2_flush_chunks(struct ext2_sb *s) must_check;
void ext2_free_chunks(struct ext2_sb *s);

/* alloc.c. lock held. */
struct ext2_group *ext2_group(struct ext2_sb *s, unsigned g, struct ext2_chunk **c);
int ext2_block_alloc(struct inode *i, u32 goal, u32 *out) must_check;	/* -ENOSPC, -EIO, -ENOMEM */
void ext2_block_free(struct inode *i, u32 block);
int ext2_inode_alloc(struct inode *dir, u32 mode, u32 *ino) must_check;
void ext2_inode_free(struct inode *i);
bool ext2_block_valid(struct ext2_sb *s, u32 block);

/* super.c. The disk or what is on it is wrong: noted in the super block, said, and then as errors= has it. lock held. */
void ext2_error(struct ext2_sb *s, const char *fmt, ...) printf_like(2, 3);

/* inode.c */
extern const struct super_ops ext2_super_ops;
struct inode *ext2_inode_blank(struct super_block *sb) must_check;	/* may sleep, lock not held */
int ext2_iget(struct super_block *sb, u32 ino, struct inode **out) must_check;
int ext2_write_inode(struct inode *i) must_check;	/* takes lock */
int ext2_write_inode_locked(struct inode *i) must_check;
/* Block number of a file block; 0: a hole. create: make it, *fresh says it is new. lock held. */
int ext2_bmap(struct inode *i, u64 index, bool create, u32 *out, bool *fresh) must_check;
void ext2_truncate_blocks(struct inode *i, loff_t size);	/* lock held */
void ext2_set_ops(struct inode *i);
int ext2_setattr(struct inode *i, const struct iattr *a);
void ext2_evict(struct inode *i);

/* swap.c: as struct mapping_ops says. */
int ext2_swap_activate(struct address_space *m, u64 *pages) must_check;
void ext2_swap_deactivate(struct address_space *m);
int ext2_swap_rw(struct address_space *m, u64 page, struct page **pages, unsigned nr, bool write) must_check;
int ext2_swap_discard(struct address_space *m, u64 page, u64 nr) must_check;

/* dir.c. dir's rwsem held; they take lock. */
int ext2_find(struct inode *dir, const struct qstr *name, u32 *ino) must_check;	/* -ENOENT */
int ext2_add_link(struct inode *dir, const struct qstr *name, u32 ino, u32 mode) must_check;
int ext2_remove_link(struct inode *dir, const struct qstr *name) must_check;
int ext2_set_link(struct inode *dir, const struct qstr *name, u32 ino, u32 mode) must_check;	/* points an existing name elsewhere */
int ext2_make_empty(struct inode *dir, u32 parent) must_check;
int ext2_dir_is_empty(struct inode *dir) must_check;	/* 0, -ENOTEMPTY, -EIO */
extern const struct file_ops ext2_dir_fops, ext2_file_fops;
extern const struct inode_ops ext2_dir_iops, ext2_file_iops, ext2_link_iops, ext2_special_iops;
extern const struct mapping_ops ext2_aops;

#endif
