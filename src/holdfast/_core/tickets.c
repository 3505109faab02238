/* Tickets: holds in flight, for blocks that have been pickled and not yet unpickled.
 *
 * A ticket is a block of its own, in a chunk of kind TICKET. Its sender holds ticket and target until it sees that the
 * ticket was used; it looks whenever it issues one, allocates a large block or needs fresh memory. A receiver attaches
 * the target first and marks the ticket used second, so that the target is held without a gap.
 *
 * A message outlives its sender: whoever reaps a dead slot keeps the bits of its unused tickets and their targets (the
 * slot is then an ESTATE) until the grace period is over. Ticket blocks are found by their chunk's kind, so nothing has
 * to be written anywhere at the moment of a death.
 */
#include "process.h"

#include <stdlib.h>
#include <string.h>

static const char magic[4] = {'H', 'F', 'T', '1'};

static hf_ticket *ticket_at(const hf_process *p, hf_off ticket) {
    return (hf_ticket *)hf_at(p, ticket);
}

/* Atomically, unlike other blocks: figures and reapers look at the state of any ticket whose hold bit they see. */
void hf_i_ticket_clear(const hf_process *p, hf_off block) {
    hf_ticket *ticket = ticket_at(p, block);
    hf_store64_relaxed(&ticket->state_shared, 0);
    hf_store64_relaxed(&ticket->target_shared, 0);
    hf_store64_relaxed(&ticket->incarnation_shared, 0);
    hf_store64_relaxed(&ticket->issued_ns_shared, 0);
}

static bool granule_of(const hf_process *p, uint64_t offset, uint64_t *granule) {
    if (offset < p->data_off || (offset - p->data_off) % HF_GRANULE != 0) return false;
    *granule = (offset - p->data_off) / HF_GRANULE;
    return *granule < p->granules;
}

/* ---- the sender ------------------------------------------------------------------------------------------------------------ */

static int issued_room(hf_process *p) {
    if (p->issued_count < p->issued_room) return HF_OK;
    uint64_t room = p->issued_room ? p->issued_room * 2 : 16;
    hf_issued *more = realloc(p->issued, room * sizeof *more);
    if (!more) return hf_i_fail(p, HF_E_NO_MEMORY, "malloc", 0, room * sizeof *more, 0);
    p->issued = more;
    p->issued_room = room;
    return HF_OK;
}

static int issue(hf_process *p, hf_ref ref, uint64_t size, hf_wire *out) {
    int result = hf_i_need_slot(p);
    if (result == HF_OK) result = issued_room(p);
    /* held by this process, or pinned and inherited: in both cases an attach holds it once more */
    if (result == HF_OK) result = hf_i_attach(p, hf_i_granule(p, ref.block), ref.incarnation);
    if (result != HF_OK) return result;
    hf_ref mine;
    result = hf_i_alloc_locked(p, sizeof(hf_ticket), HF_KIND_TICKET, 0, &mine);
    if (result != HF_OK) {
        hf_i_drop_locked(p, ref.block);
        return result;
    }
    hf_ticket *ticket = ticket_at(p, mine.block);
    hf_store64_relaxed(&ticket->target_shared, ref.block.at);
    hf_store64_relaxed(&ticket->incarnation_shared, ref.incarnation);
    hf_store64_relaxed(&ticket->issued_ns_shared, hf_now_ns());
    HF_POINT(issue_half);
    hf_store64_release(&ticket->state_shared, HF_TICKET_UNUSED); /* partner: the acquire loads of the state below */
    p->issued[p->issued_count++] = (hf_issued){mine.block, ref.block};
    hf_add64_relaxed(&p->header->tickets_issued_shared, 1);
    *out = (hf_wire){
        .size_check = sizeof(hf_wire),
        .block = ref.block.at,
        .incarnation = ref.incarnation,
        .size = size,
        .ticket = mine.block.at,
        .ticket_incarnation = mine.incarnation,
        .sender_pid = p->pid,
        .sender_fd = p->fd,
    };
    memcpy(out->magic, magic, sizeof magic);
    memcpy(out->token, p->header->token, sizeof out->token);
    HF_POINT(issue_done);
    return HF_OK;
}

int hf_issue(hf_process *p, hf_ref ref, uint64_t size, hf_wire *out) {
    hf_i_lock(p);
    hf_i_tickets_sweep(p, 4);
    int result = issue(p, ref, size, out);
    hf_i_unlock(p);
    return result;
}

void hf_i_tickets_sweep(hf_process *p, uint64_t at_most) {
    for (uint64_t n = p->issued_count < at_most ? p->issued_count : at_most; n > 0 && p->issued_count > 0; n--) {
        if (p->issued_at >= p->issued_count) p->issued_at = 0;
        hf_issued one = p->issued[p->issued_at];
        if (hf_load64_acquire(&ticket_at(p, one.ticket)->state_shared) != HF_TICKET_USED) {
            p->issued_at++;
            continue;
        }
        p->issued[p->issued_at] = p->issued[--p->issued_count];
        hf_i_drop_locked(p, one.target);
        HF_POINT(sweep_half);
        hf_i_drop_locked(p, one.ticket);
    }
}

void hf_sweep_tickets(hf_process *p) {
    hf_i_lock(p);
    hf_i_tickets_sweep(p, UINT64_MAX);
    hf_i_unlock(p);
}

void hf_i_tickets_forget(hf_process *p) {
    while (p->issued_count) {
        hf_issued one = p->issued[--p->issued_count];
        hf_i_drop_locked(p, one.target);
        hf_i_drop_locked(p, one.ticket);
    }
    p->issued_at = 0;
}

/* ---- the receiver ------------------------------------------------------------------------------------------------------------ */

static void use_ticket(hf_process *p, const hf_wire *wire) {
    uint64_t granule, bytes, entry, unused = HF_TICKET_UNUSED;
    if (wire->ticket == 0 || !granule_of(p, wire->ticket, &granule) || !hf_i_block_at(p, granule, &bytes, &entry))
        return;
    if (HF_CHUNK_STATE(entry) != HF_CHUNK_SMALL || HF_CHUNK_KIND(entry) != HF_KIND_TICKET) return;
    /* gone: used before, or the sender's estate is over; the target is held all the same */
    if (hf_i_attach(p, granule, wire->ticket_incarnation) != HF_OK) return;
    hf_ticket *ticket = ticket_at(p, (hf_off){wire->ticket});
    if (hf_load64_relaxed(&ticket->target_shared) == wire->block &&
        hf_cas64_seq_cst(&ticket->state_shared, &unused, HF_TICKET_USED))
        hf_add64_relaxed(&p->header->tickets_used_shared, 1);
    HF_POINT(attach_ticket_used);
    hf_i_drop_locked(p, (hf_off){wire->ticket});
}

static int attach(hf_process *p, const hf_wire *wire, hf_ref *out) {
    uint64_t granule, bytes, entry;
    if (memcmp(wire->magic, magic, sizeof magic) != 0 || wire->size_check != sizeof *wire)
        return hf_i_fail(p, HF_E_FORGED, "magic", 0, sizeof *wire, wire->size_check);
    if (!p->open) return hf_i_fail(p, HF_E_CLOSED, "heap", 0, 0, 0);
    if (memcmp(wire->token, p->header->token, sizeof wire->token) != 0)
        return hf_i_fail(p, HF_E_FOREIGN, "family", 0, 0, 0);
    if (!granule_of(p, wire->block, &granule))
        return hf_i_fail(p, HF_E_FORGED, "offset", 0, p->header->file_bytes, wire->block);
    int result = hf_i_need_slot(p);
    if (result != HF_OK) return result;
    if (!hf_i_block_at(p, granule, &bytes, &entry)) return hf_i_fail(p, HF_E_STALE, "block", 0, wire->incarnation, 0);
    result = hf_i_attach(p, granule, wire->incarnation);
    if (result != HF_OK) return result;
    /* asked again: only now can it not change */
    if (!hf_i_block_at(p, granule, &bytes, &entry) || wire->size > bytes ||
        (HF_CHUNK_STATE(entry) == HF_CHUNK_SMALL && HF_CHUNK_KIND(entry) == HF_KIND_TICKET)) {
        hf_i_drop_locked(p, (hf_off){wire->block});
        return hf_i_fail(p, HF_E_FORGED, "size", 0, bytes, wire->size);
    }
    use_ticket(p, wire);
    *out = (hf_ref){{wire->block}, wire->incarnation};
    return HF_OK;
}

int hf_attach(hf_process *p, const hf_wire *wire, hf_ref *out) {
    hf_i_lock(p);
    int result = attach(p, wire, out);
    hf_i_unlock(p);
    return result;
}

/* ---- the reaper ------------------------------------------------------------------------------------------------------------------ */

static int compare_granules(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

int hf_i_tickets_of(hf_process *p, uint32_t slot, uint64_t **out, uint64_t *count) {
    hf_a64 *row = hf_i_row(p, slot), *words = hf_i_row_words(p, row);
    uint64_t top = hf_load64_seq_cst(&p->header->chunks_top_shared), room = 0;
    *out = NULL;
    *count = 0;
    for (uint64_t c = 0; c < top; c++) {
        uint64_t e = hf_load64_seq_cst(&p->chunk_table[c]);
        if (HF_CHUNK_STATE(e) == HF_CHUNK_HEAD && HF_CHUNK_LENGTH(e)) c += HF_CHUNK_LENGTH(e) - 1;
        if (HF_CHUNK_STATE(e) != HF_CHUNK_SMALL || HF_CHUNK_KIND(e) != HF_KIND_TICKET) continue;
        uint64_t first = c * HF_CHUNK_GRANULES, page = first / HF_PAGE_BITS;
        if (!(hf_load64_seq_cst(&row[page / 64]) >> (page % 64) & 1u)) continue;
        for (uint64_t w = first / 64; w < first / 64 + HF_CHUNK_WORDS; w++) {
            for (uint64_t bits = hf_load64_seq_cst(&words[w]); bits; bits &= bits - 1) {
                uint64_t granule = w * 64 + (uint64_t)__builtin_ctzll(bits), target;
                hf_ticket *ticket = ticket_at(p, hf_i_off(p, granule));
                if (hf_load64_acquire(&ticket->state_shared) != HF_TICKET_UNUSED) continue;
                if (!granule_of(p, hf_load64_relaxed(&ticket->target_shared), &target)) continue;
                if (*count + 2 > room) {
                    room = room ? room * 2 : 64;
                    uint64_t *more = realloc(*out, room * sizeof *more);
                    if (!more) {
                        free(*out);
                        return HF_E_NO_MEMORY;
                    }
                    *out = more;
                }
                (*out)[(*count)++] = granule;
                (*out)[(*count)++] = target;
            }
        }
    }
    if (*count) qsort(*out, *count, sizeof **out, compare_granules);
    return HF_OK;
}
