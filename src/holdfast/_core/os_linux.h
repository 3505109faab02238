/* The one contract for the operating system: everything that the core asks of the kernel.
 *
 * Functions return 0 or an errno value unless they say otherwise; none prints, none exits (but hf_os_die).
 */
#ifndef HF_OS_LINUX_H
#define HF_OS_LINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Identity of a file: what a descriptor number is checked against before it is believed. */
typedef struct {
    uint64_t device, inode;
} hf_os_file;

/* A new anonymous memory file of `bytes`, close-on-exec, sealed against resizing. *what names the call that failed. */
int hf_os_memory_file(const char *name, uint64_t bytes, int *fd, const char **what);
int hf_os_identify(int fd, hf_os_file *out, uint64_t *bytes);
bool hf_os_is(int fd, hf_os_file file);
/* A duplicate at a high number, where programs that close "all" low descriptors seldom look. -1: errno is set. */
int hf_os_duplicate_high(int fd);
/* Whether the file can neither shrink nor grow. */
bool hf_os_is_sealed(int fd);
/* A descriptor for the file behind a mapping, when the program closed ours (wants CAP_CHECKPOINT_RESTORE); -1: not to
 * be had. */
int hf_os_reopen_mapping(const void *address, size_t bytes, hf_os_file file);
/* The same from a process that has the file open; -1: it has not, or may not be asked. */
int hf_os_borrow_descriptor(uint32_t pid, hf_os_file file);
void hf_os_close(int fd);

/* Maps the whole file, shared, 2 MiB aligned (so that large pages fit), left out of core dumps. NULL: *error is set. */
void *hf_os_map(int fd, uint64_t bytes, int *error);
void hf_os_unmap(void *address, uint64_t bytes);
/* Makes sure that these bytes can be written without SIGBUS: the pages exist afterwards. fd may be -1. */
int hf_os_reserve(int fd, void *address, uint64_t offset, uint64_t bytes);
/* Gives the pages back: they read as zero afterwards. */
void hf_os_discard(void *address, uint64_t bytes);
/* Bytes that could be had without swapping everything else out: the machine's and the control group's view, whichever is
 * less. UINT64_MAX: cannot be told. */
uint64_t hf_os_memory_available(void);
/* Asks for large pages under a large block; a wish, not a requirement. */
void hf_os_large_pages(void *address, uint64_t bytes);

/* A lifeline: an OFD lock on byte `slot` of the file, on a file description of its own, kept by a one-page mapping, of
 * the page with the file's byte `offset`: what a child writes first. Through the mapping of the whole file that write
 * would cost it page tables of three levels. */
typedef struct {
    void *page;
    void *at; /* the byte `offset` */
} hf_os_lifeline;
/* 0: taken; EAGAIN: somebody alive has it; else a system error and *what names the call. */
int hf_os_lifeline_take(int fd, uint32_t slot, uint64_t offset, hf_os_lifeline *out, const char **what);
void hf_os_lifeline_drop(hf_os_lifeline *line);
/* From now on children do not inherit it. */
void hf_os_lifeline_keep(hf_os_lifeline *line);
/* 1: somebody has the lock; 0: nobody; -1: cannot be asked. */
int hf_os_lifeline_held(int fd, uint32_t slot);

int hf_os_random(uint8_t *out, size_t bytes);
uint32_t hf_os_pid(void);
_Noreturn void hf_os_die(void);

#endif
