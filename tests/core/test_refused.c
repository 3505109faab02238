/* The kernel says no: to pages, to whole features.
 *
 * A system call filter (seccomp) in a child process makes the calls fail that the core relies on. Memory that is not to be
 * had is an error before anyone touches it, never a SIGBUS, and leaves everything as it was (I5 for a process that is
 * refused instead of killed). A kernel that lacks a feature is told by the name of the feature.
 */
#include "exhaust.h"
#include "heirs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef F_OFD_SETLK
#define F_OFD_SETLK 37
#endif
#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#endif

/* One system call that fails, whatever its arguments or where one of them has a value. */
typedef struct {
    uint32_t call;
    int argument; /* ANY: does not matter */
    uint32_t value;
    uint32_t error;
} refusal;
#define ANY (-1)

/* For the rest of this process's life, and its children's. */
static void refuse(refusal r) {
    uint32_t argument = (uint32_t)(r.argument == ANY ? 0 : r.argument);
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, r.call, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8 * argument), /* little-endian */
        BPF_JUMP(BPF_JMP | (r.argument == ANY ? BPF_JA : BPF_JEQ) | BPF_K, r.argument == ANY ? 0 : r.value, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | r.error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof steps / sizeof steps[0], steps};
    CHECK_IS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    CHECK_IS(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0), 0);
}

/* ---- pages ---------------------------------------------------------------------------------------------------------------- */

/* The ways in which the kernel refuses pages of a memory file: no memory for MADV_POPULATE_WRITE, as it says it for a page
 * that faults; and, where that call is not known, none for fallocate. */
static const refusal no_pages[][2] = {
    {{SYS_madvise, 2, MADV_POPULATE_WRITE, ENOMEM}, {SYS_fallocate, ANY, 0, ENOSPC}},
    {{SYS_madvise, 2, MADV_POPULATE_WRITE, EFAULT}, {SYS_fallocate, ANY, 0, ENOSPC}},
    {{SYS_madvise, 2, MADV_POPULATE_WRITE, EINVAL}, {SYS_fallocate, ANY, 0, ENOSPC}},
    {{SYS_madvise, 2, MADV_POPULATE_WRITE, ENOSYS}, {SYS_fallocate, ANY, 0, ENOMEM}},
};
enum { WAYS = sizeof no_pages / sizeof no_pages[0] };

static void refuse_pages(int way) {
    hf_test_say("where pages are refused in way %d", way);
    for (int i = 0; i < 2; i++) refuse(no_pages[way][i]);
}

static void test_memory_that_is_refused_is_an_error_and_nothing_else(void) {
    held blocks[INHERITED], other;
    scene_open(SMALL_HEAP);
    make_inheritance(blocks);
    for (int way = 0; way < WAYS; way++) {
        pid_t poor = child();
        if (poor == 0) {
            held own = make(SMALLEST); /* from a chunk that it has */
            hf_process *late = hf_process_new(), *newcomer = hf_process_new();
            CHECK_IS(hf_join(late, hf_descriptor(me)), HF_OK);
            scene->letters[0] = send(&own);
            refuse_pages(way);
            uint64_t top = 0;
            for (int i = 0; i < 50; i++) {
                hf_figures before = figures();
                CHECK_IS(try_make(16 * SMALLEST, &other), HF_E_NO_MEMORY); /* of a class that it has no chunk of */
                CHECK_IS(try_make(LARGE, &other), HF_E_NO_MEMORY);
                CHECK(hf_last_error(me)->os_errno == ENOMEM || hf_last_error(me)->os_errno == ENOSPC);
                CHECK_IS(hf_join(newcomer, hf_descriptor(me)), HF_E_NO_MEMORY);
                /* its row has no page yet, so it cannot hold anything */
                CHECK_IS(hf_attach(late, &scene->letters[0].wire, &other.ref), HF_E_NO_MEMORY);
                hf_figures after = figures();
                CHECK_IS(after.blocks, before.blocks);
                CHECK_IS(after.own_blocks, before.own_blocks);
                CHECK_IS(after.tickets_outstanding, before.tickets_outstanding);
                CHECK_IS(after.slots_live, before.slots_live);
                sound();
                if (i == 0) top = hf_load64_seq_cst(&me->header->chunks_top_shared);
                CHECK_IS(hf_load64_seq_cst(&me->header->chunks_top_shared), top); /* failing again takes nothing more */
            }
            intact_many(blocks, INHERITED);
            held more = make(SMALLEST), got = receive(&scene->letters[0]);
            drop(&got);
            drop(&more);
            drop(&own);
            hf_process_delete(late);
            hf_process_delete(newcomer);
            leave();
        }
        ended_well(poor);
        hf_reap(me);
        intact_many(blocks, INHERITED);
        held large = make(LARGE); /* where the other failed, this one does not */
        other = make(16 * SMALLEST);
        drop(&large);
        drop(&other);
    }
    drop_many(blocks, INHERITED);
    as_good_as_new();
    scene_close();
}

static void test_where_not_even_pins_have_memory_nothing_is_reused_any_more(void) {
    held blocks[INHERITED];
    scene_open(SMALL_HEAP);
    pid_t poor = child();
    if (poor == 0) {
        make_inheritance(blocks);
        for (int i = 0; i < INHERITED; i++) scene->letters[i] = (letter){.wire.block = blocks[i].ref.block.at};
        refuse_pages(0);
        pid_t heir = fork(); /* and not child(): it outlives its parent */
        CHECK(heir >= 0);
        if (heir > 0) _exit(0);
        CHECK_IS(hf_serial(me), 0);
        say(READY);
        until(GO, 1);
        intact_many(blocks, INHERITED); /* though no row and no pin says that they are held */
        leave();
    }
    ended_well(poor);
    until(READY, 1);
    CHECK_IS(figures().reuse_forbidden, 1);
    CHECK_IS(figures().forks_pinned, 1);
    CHECK_IS(hf_reap(me), 1);
    held taken[INHERITED];
    for (int i = 0; i < INHERITED; i++)
        taken[i] = (held){.ref.block.at = scene->letters[i].wire.block, .bytes = i < INHERITED - 1 ? SMALLEST : LARGE};
    fill(taken, INHERITED, NULL);
    fill(taken, INHERITED, NULL);
    say(GO);
    collect_orphans();
    scene_close();
}

static void test_a_heap_that_gets_no_page_is_not_made(void) {
    scene_open(SMALL_HEAP);
    for (int way = 0; way < WAYS; way++) {
        pid_t poor = child();
        if (poor == 0) {
            hf_process *p = hf_process_new();
            int next = dup(0);
            close(next);
            refuse_pages(way);
            CHECK_IS(hf_create(p, 0), HF_E_NO_MEMORY);
            CHECK(!hf_is_open(p));
            CHECK_IS(dup(0), next); /* no descriptor is left */
            hf_process_delete(p);
            leave();
        }
        ended_well(poor);
    }
    as_good_as_new();
    scene_close();
}

/* ---- features --------------------------------------------------------------------------------------------------------------- */

static void test_a_kernel_that_lacks_a_feature_is_told_by_its_name(void) {
    static const struct {
        refusal refused;
        const char *what;
    } kernels[] = {
        {{SYS_memfd_create, ANY, 0, ENOSYS}, "memfd_create"},    {{SYS_memfd_create, ANY, 0, EPERM}, "memfd_create"},
        {{SYS_fcntl, 1, F_OFD_SETLK, EINVAL}, "F_OFD_SETLK"},    {{SYS_fcntl, 1, F_OFD_SETLK, EPERM}, "F_OFD_SETLK"},
        {{SYS_fcntl, 1, F_ADD_SEALS, EINVAL}, "F_ADD_SEALS"},    {{SYS_getrandom, ANY, 0, ENOSYS}, "getrandom"},
        {{SYS_openat, ANY, 0, ENOENT}, "open of /proc/self/fd"}, /* /proc is not mounted */
    };
    scene_open(SMALL_HEAP);
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        hf_test_say("without %s", kernels[i].what);
        pid_t old = child();
        if (old == 0) {
            hf_process *p = hf_process_new();
            int next = dup(0);
            close(next);
            refuse(kernels[i].refused);
            for (int again = 0; again < 2; again++) {
                CHECK_IS(hf_create(p, 0), HF_E_UNSUPPORTED);
                CHECK_IS(strcmp(hf_last_error(p)->what, kernels[i].what), 0);
                CHECK_IS(hf_last_error(p)->os_errno, kernels[i].refused.error);
                CHECK(!hf_is_open(p));
                CHECK_IS(dup(0), next);
                close(next);
            }
            hf_process_delete(p);
            leave();
        }
        ended_well(old);
    }
    as_good_as_new();
    scene_close();
}

MAIN(TEST(memory_that_is_refused_is_an_error_and_nothing_else),
     TEST(where_not_even_pins_have_memory_nothing_is_reused_any_more), TEST(a_heap_that_gets_no_page_is_not_made),
     TEST(a_kernel_that_lacks_a_feature_is_told_by_its_name))
