/* The bytes of a heap, all of them: from this header alone one can write a reader.
 *
 * A heap is one memory file, mapped whole and shared by every process of a family. Offsets are counted in
 * bytes from the start of the file (I4: nothing in the heap is a pointer). In file order:
 *
 *   header     hf_header, one page
 *   cards      hf_card[slots]                      who sits in each slot
 *   used       hf_a64[slots / 64]                  bit s: row s may have bits
 *   chunks     hf_a64[chunks]                      one entry per 64 KiB of data, see HF_CHUNK_*
 *   meta       hf_a64[granules]                    one per 64 bytes of data, see HF_META_*
 *   rows       (slots + 1) rows of row_bytes       a row: summary words, then hold bits
 *   data       data_bytes                          the blocks
 *
 * Equations:  granules = data_bytes / HF_GRANULE;  chunks = data_bytes / HF_CHUNK_BYTES;
 *   granule of offset o: (o - data_off) / HF_GRANULE;  chunk of granule g: g / HF_CHUNK_GRANULES;
 *   hold bit of (slot s, granule g): word g / 64, bit g % 64 behind row s's summary;
 *   summary bit of (slot s, granule g): bit g / HF_PAGE_BITS: one for each page of hold bits.
 * Row number `slots` is the row of pinned blocks: those that a child inherited that could get no slot.
 * Every page is a hole that reads as zero until it is first needed, and zero is a meaningful state everywhere:
 * a free slot, a free chunk, a block that was never used.
 */
#ifndef HF_LAYOUT_H
#define HF_LAYOUT_H

#include "atomics.h"

#include <stddef.h>

#define HF_LAYOUT_VERSION 1u
#define HF_MAGIC "HOLDFAST"

/* bytes; one cache line: two blocks never share one, so two processes never fight over a line by accident */
#define HF_GRANULE 64u
/* bytes; the page of the machine as far as the layout is concerned (aarch64 kernels with larger pages work: a page
 * of hold bits is a unit of the layout, not of the kernel) */
#define HF_PAGE 4096u

#ifdef HF_TINY
/* Sanitizer builds: so small that refills, walks, evictions and exhaustion happen all the time. */
#define HF_CHUNK_GRANULES 128u
#define HF_SLOTS 512u /* not fewer: a test that does everything leaves hundreds of estates within a grace period */
#define HF_DATA_BYTES_DEFAULT (4ull << 20)
#define HF_SMALL_GRANULES 64u
#else
/* 64 KiB: large enough that claiming one (a system call) is rare, small enough that a process that makes a
 * single value does not cost much */
#define HF_CHUNK_GRANULES 1024u
/* 1,024 live processes are planned for; four times that leaves room for the estates of dead senders. 12 bits. */
#define HF_SLOTS 4096u
/* virtual; pages appear when touched */
#define HF_DATA_BYTES_DEFAULT (64ull << 30)
/* 32 KiB: two blocks a chunk; anything larger is a run of chunks of its own */
#define HF_SMALL_GRANULES 512u
#endif

#define HF_CHUNK_BYTES (HF_CHUNK_GRANULES * HF_GRANULE)
#define HF_CHUNK_WORDS (HF_CHUNK_GRANULES / 64u)
/* hold bits on one page of a row: 32,768 granules, 2 MiB of data */
#define HF_PAGE_BITS (HF_PAGE * 8u)
/* the least data size that is still worth a heap, when the address space is limited */
#define HF_DATA_BYTES_MIN (HF_PAGE_BITS * HF_GRANULE)

_Static_assert(HF_CHUNK_GRANULES % 64 == 0, "a chunk is whole words of hold bits");
_Static_assert(HF_SLOTS % 64 == 0 && HF_SLOTS <= 4096, "a slot number has 12 bits");
_Static_assert(HF_SMALL_GRANULES <= HF_CHUNK_GRANULES, "a small block fits a chunk");

/* ---- an offset, which is not a pointer and not a number either ------------------------------------------------ */
typedef struct {
    uint64_t at; /* bytes from the start of the file; 0 is no block (the header is there) */
} hf_off;

/* ---- slot cards ------------------------------------------------------------------------------------------------ */
/* state of a slot, the low two bits of hf_card.word_shared */
#define HF_SLOT_FREE 0u
#define HF_SLOT_LIVE 1u   /* a process sits here, or one that died and is not reaped yet */
#define HF_SLOT_ESTATE 2u /* its process is dead; the row holds only what its unused tickets stand for */
/* hf_card.word_shared = serial << 2 | state;  serial = generation (20 bits) << 12 | slot (12 bits).
 * A serial names a process of the family: a slot's next process has the next generation. 20 bits wrap after a
 * million processes in one slot. Serial 0 is nobody: generations start at 1. */
#define HF_SERIAL_SLOT_BITS 12u
#define HF_SERIAL_SLOT(serial) ((serial) & ((1u << HF_SERIAL_SLOT_BITS) - 1u))

typedef struct {
    hf_a64 word_shared;       /* serial and state; written only while the slot's lifeline is held */
    hf_a64 joined_ns_shared;  /* CLOCK_BOOTTIME when the process took the slot */
    hf_a64 died_ns_shared;    /* CLOCK_BOOTTIME when somebody noticed its death, 0 before */
    hf_a64 expires_ns_shared; /* ESTATE: end of the grace period, CLOCK_BOOTTIME */
    hf_a32 pid_shared;
    hf_a32 parent_serial_shared; /* who forked it; 0: joined by itself */
    hf_a64 name_shared[4];       /* process name, UTF-8, zero-padded; may be torn if read while it changes */
    hf_a64 reserved[7];
} hf_card;
_Static_assert(sizeof(hf_card) == 128, "two cache lines a card");

/* ---- chunk entries --------------------------------------------------------------------------------------------- */
/* bits 0-2 state; 3-10 size class (SMALL); 11-12 kind (SMALL); 13-31 reserved; 32-63 owner serial
 * HEAD: bits 3-31 length of the run in chunks */
#define HF_CHUNK_FREE 0u
#define HF_CHUNK_SMALL \
    1u /* blocks of one class; `owner` alone allocates here and may scan; owner 0: orphaned, adoptable */
#define HF_CHUNK_HEAD 2u /* first chunk of a large block; its meta word tells whose it is */
#define HF_CHUNK_RUN 3u  /* a further chunk of the HEAD before it or, outside any, claimed by `owner` */
#define HF_KIND_PLAIN 0u
#define HF_KIND_TICKET 1u
#define HF_CHUNK_STATE(e) ((unsigned)((e) & 7u))
#define HF_CHUNK_CLASS(e) ((unsigned)(((e) >> 3) & 0xffu))
#define HF_CHUNK_KIND(e) ((unsigned)(((e) >> 11) & 3u))
#define HF_CHUNK_LENGTH(e) ((uint64_t)(((e) >> 3) & 0x1fffffffu))
#define HF_CHUNK_OWNER(e) ((uint32_t)((e) >> 32))
#define HF_CHUNK_MAKE_SMALL(cls, kind, owner) \
    ((uint64_t)HF_CHUNK_SMALL | (uint64_t)(cls) << 3 | (uint64_t)(kind) << 11 | (uint64_t)(owner) << 32)
#define HF_CHUNK_MAKE_HEAD(n, owner) ((uint64_t)HF_CHUNK_HEAD | (uint64_t)(n) << 3 | (uint64_t)(owner) << 32)
#define HF_CHUNK_MAKE_RUN(owner) ((uint64_t)HF_CHUNK_RUN | (uint64_t)(owner) << 32)

/* ---- meta words: one a granule, meaningful at a block's first granule ------------------------------------------- */
/* bits 0-1 state; bit 2 RESCAN; bits 3-14 tag (slot of the scanner, of who freed a small block, of who has a free large one);
 * bits 15-63 incarnation (49 bits: at ten million reuses a second of one block, 650 days) */
#define HF_META_FREE 0u     /* nobody holds it and nobody can attach */
#define HF_META_LIVE 1u     /* it may be held and attached */
#define HF_META_SCANNING 2u /* somebody is looking whether it is held; an attach vetoes by putting LIVE back */
#define HF_META_RESCAN 4u   /* large blocks: a hold was dropped while the scan ran; the scanner looks again */
#define HF_META_STATE(m) ((unsigned)((m) & 3u))
#define HF_META_TAG(m) ((unsigned)(((m) >> 3) & 0xfffu))
#define HF_META_INCARNATION(m) ((uint64_t)((m) >> 15))
#define HF_META_MAKE(incarnation, tag, state) ((uint64_t)(incarnation) << 15 | (uint64_t)(tag) << 3 | (uint64_t)(state))
#define HF_INCARNATION_MASK ((1ull << 49) - 1u)

/* ---- tickets ---------------------------------------------------------------------------------------------------- */
#define HF_TICKET_UNUSED 0x7469636bull /* "tick"; not a small number, so that a zeroed block is no ticket */
#define HF_TICKET_USED 0x75736564ull   /* "used" */
typedef struct {
    hf_a64 state_shared; /* HF_TICKET_*; the sender writes UNUSED once, a receiver writes USED once */
    hf_a64 target_shared;
    hf_a64 incarnation_shared;
    hf_a64 issued_ns_shared;
} hf_ticket;
_Static_assert(sizeof(hf_ticket) <= HF_GRANULE, "a ticket is one granule");

/* ---- header ------------------------------------------------------------------------------------------------------ */
typedef struct {
    /* written once by the creator, before any other process can map the file */
    char magic[8];
    uint32_t layout_version;
    uint32_t slots;
    uint32_t granule_bytes;
    uint32_t chunk_bytes;
    uint64_t data_bytes;
    uint64_t cards_off, used_off, chunks_off, meta_off, rows_off, row_bytes, data_off, file_bytes;
    uint8_t token[16]; /* random: the family's name, also in the name of the memory file */
    uint64_t created_ns;
    uint32_t creator_pid;
    uint32_t data_bytes_wished_mib; /* what was asked for; more than data_bytes: the address space was limited */
    /* the epoch: moves whenever hold bits were copied from one row to another. Line of its own: scans read it. */
    hf_a64 epoch_shared;
    hf_a64 reuse_forbidden_shared; /* 1: a child runs whose inheritance could not even be pinned; nothing is reused */
    hf_a64 slots_top_shared;       /* slots that were ever used are below; only grows */
    uint8_t pad1[40];
    hf_a64 chunks_top_shared;   /* chunks that were ever used are below; only grows */
    hf_a64 chunks_freed_shared; /* counts chunks that became free or adoptable: unchanged means nothing to find */
    uint8_t pad2[48];
    /* figures for statistics(), never for decisions */
    hf_a64 grace_ns_shared;
    hf_a64 deaths_shared;          /* slots reaped */
    hf_a64 holds_reclaimed_shared; /* hold bits of dead processes that were cleared */
    hf_a64 bytes_reclaimed_shared; /* bytes of the blocks of those bits */
    hf_a64 forks_pinned_shared;    /* forks whose child got no slot */
    hf_a64 forks_shared;           /* forks whose child got one */
    hf_a64 tickets_issued_shared;
    hf_a64 tickets_used_shared;
} hf_header;
_Static_assert(sizeof(hf_header) <= HF_PAGE, "the header is one page");
_Static_assert(offsetof(hf_header, epoch_shared) % 64 == 0, "the epoch starts a cache line");

#endif
