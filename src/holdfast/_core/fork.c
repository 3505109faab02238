/* Fork: the child holds what the parent holds, from its first instruction on.
 *
 * The handlers are pthread_atfork's, so forks made by C libraries count too. Prepare takes the process's lock and keeps
 * it until after the fork: the child's memory and the row copied for it are of one moment. Order (each step leaves a
 * sound heap if the process dies after it):
 *   lifeline of the child's slot on a new file description, kept by a mapping that the child inherits;
 *   slot LIVE with its used bit (so scanners read its row);
 *   row copied;
 *   epoch moved: a scan that read the child's row too early sees that, and gives up (partner: scan.c);
 *   fork; the parent unmaps the child's lifeline. If the fork failed, that alone makes the slot dead.
 *
 * The handler cannot raise, so it cannot be allowed to fail: without slot, descriptor or memory the parent's row is ORed
 * into the row of pinned blocks, and without memory even for that nothing is reused any more. The child then has no slot;
 * it takes one when it first allocates or attaches.
 */
#include "process.h"

#include <errno.h>
#include <pthread.h>

static hf_process *watched; /* one process has one heap; pthread_atfork has no context argument */

static void prepare(void) {
    hf_process *p = watched;
    if (!p) return;
    int before = errno;
    hf_i_lock(p);
    p->child_serial = 0;
    if (p->open && p->serial) { /* without a slot, all that this process can reach is pinned already */
        hf_error error = p->error;
        if (!p->lifeline_kept) hf_os_lifeline_keep(&p->lifeline);
        p->lifeline_kept = true;
        int result = hf_i_slot_claim(p, p->serial, &p->child_slot, &p->child_serial, &p->child_lifeline);
        if (result == HF_OK) {
            HF_POINT(fork_lifeline);
            result = hf_i_row_copy(p, p->child_slot);
            if (result != HF_OK) hf_os_lifeline_drop(&p->child_lifeline); /* dead, to be reaped like any other */
        }
        if (result != HF_OK) {
            p->child_serial = 0;
            if (hf_i_row_pin(p) != HF_OK) hf_store64_seq_cst(&p->header->reuse_forbidden_shared, 1);
            HF_POINT(fork_pinned);
            hf_add64_relaxed(&p->header->forks_pinned_shared, 1);
        } else {
            hf_add64_relaxed(&p->header->forks_shared, 1);
        }
        p->error = error;
        HF_POINT(fork_copied);
        hf_add64_seq_cst(&p->header->epoch_shared, 1);
        HF_POINT(fork_prepared);
    }
    errno = before;
}

static void in_parent(void) {
    hf_process *p = watched;
    if (!p) return;
    int before = errno;
    HF_POINT(fork_parent);
    hf_os_lifeline_drop(&p->child_lifeline);
    hf_i_unlock(p);
    errno = before;
}

static void in_child(void) {
    hf_process *p = watched;
    if (!p) return;
    int before = errno;
    p->lifeline = p->child_lifeline; /* the parent's own was not inherited (MADV_DONTFORK) */
    p->child_lifeline.page = NULL;
    if (p->open && p->serial) {
        p->serial = p->child_serial;
        p->slot = p->child_slot;
        p->row = p->serial ? hf_i_row(p, p->slot) : NULL;
        p->lifeline_kept = false; /* most children never fork, and the kernel takes 8 us for it */
        if (p->serial)
            hf_i_card_write(p, p->lifeline.at); /* see os_linux.h: not through p->cards */
        else
            hf_i_holders_forget(p); /* nothing is counted for what is pinned */
        HF_POINT(fork_child);
        hf_i_pools_forget(p);
        p->kept_count = 0;
        p->kept_bytes = 0;
        hf_i_tickets_forget(p);
    }
    hf_store32_relaxed(&p->lock, 0); /* whoever waited for it is a thread of the parent */
    errno = before;
}

int hf_watch_forks(hf_process *p) {
    static bool registered; /* for good: pthread_atfork cannot be undone */
    if (watched == p) return HF_OK;
    if (watched) return hf_i_fail(p, HF_E_SYSTEM, "a second heap in one process", EBUSY, 0, 0);
    int error = registered ? 0 : pthread_atfork(prepare, in_parent, in_child);
    if (error) return hf_i_fail_os(p, "pthread_atfork", error);
    registered = true;
    watched = p;
    return HF_OK;
}

bool hf_fork_was_pinned(const hf_process *p) {
    return p->open && p->serial && !p->child_serial;
}

void hf_i_forks_forget(const hf_process *p) {
    if (watched == p) watched = NULL;
}
