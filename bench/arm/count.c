/* A plugin of QEMU's user mode that counts how often each translated block runs.
 *
 * A guest marks a place by the system call 1000, with the number of the mark as its argument. At
 * each mark the plugin writes the blocks that ran since the mark before:
 *
 *   B id address words...   a block that was not written before, with its instructions in hex
 *   M mark total            the instructions since the mark before
 *   C id count              how often a block of them ran
 *
 * The counters are not atomic, so that the guest must run one thread between marks. The
 * declarations are those of version 1 of the plugin interface (QEMU 4.2 to 8.2).
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define MARK 1000

typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
void qemu_plugin_register_vcpu_tb_trans_cb(
    qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(
    struct qemu_plugin_tb *, enum qemu_plugin_op, void *, uint64_t);
void qemu_plugin_register_vcpu_syscall_cb(
    qemu_plugin_id_t, void (*)(qemu_plugin_id_t, unsigned, int64_t, uint64_t, uint64_t, uint64_t,
                               uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));

EXPORT int qemu_plugin_version = 1;

struct block {
    struct block *next;
    uint64_t count, written;
    uint64_t address;
    unsigned id, instructions, bytes;
    bool known;
    unsigned char data[];
};

static struct block *first;
static unsigned blocks;
static FILE *out;

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    unsigned n = qemu_plugin_tb_n_insns(tb), bytes = 0;
    (void)id;
    for (unsigned i = 0; i < n; i++) {
        bytes += 1 + qemu_plugin_insn_size(qemu_plugin_tb_get_insn(tb, i));
    }
    struct block *b = calloc(1, sizeof *b + bytes);
    if (!b) {
        abort();
    }
    b->id = blocks++;
    b->address = qemu_plugin_tb_vaddr(tb);
    b->instructions = n;
    for (unsigned i = 0; i < n; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        unsigned size = qemu_plugin_insn_size(insn);
        b->data[b->bytes++] = size;
        memcpy(b->data + b->bytes, qemu_plugin_insn_data(insn), size);
        b->bytes += size;
    }
    b->next = first;
    first = b;
    qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &b->count, 1);
}

static void describe(const struct block *b)
{
    fprintf(out, "B %u %" PRIx64, b->id, b->address);
    for (unsigned at = 0; at < b->bytes; at += 1 + b->data[at]) {
        fputc(' ', out);
        for (unsigned i = 1; i <= b->data[at]; i++) {
            fprintf(out, "%02x", b->data[at + i]);
        }
    }
    fputc('\n', out);
}

static void mark(uint64_t number)
{
    uint64_t total = 0;
    for (struct block *b = first; b; b = b->next) {
        total += (b->count - b->written) * b->instructions;
        if (number && b->count != b->written && !b->known) {
            describe(b);
            b->known = true;
        }
    }
    fprintf(out, "M %" PRIu64 " %" PRIu64 "\n", number, total);
    for (struct block *b = first; b; b = b->next) {
        if (number && b->count != b->written) {
            fprintf(out, "C %u %" PRIu64 "\n", b->id, b->count - b->written);
        }
        b->written = b->count;
    }
    fflush(out);
}

static void called(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2,
                   uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    (void)id, (void)cpu, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number == MARK) {
        mark(a1);
    }
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    const char *path = argc == 1 ? strchr(argv[0], '=') : NULL;
    (void)info;
    if (!path || strncmp(argv[0], "out=", 4) || !(out = fopen(path + 1, "w"))) {
        fprintf(stderr, "count: expected out=FILE, a file that can be written\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
