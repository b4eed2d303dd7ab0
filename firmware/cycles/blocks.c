/* A QEMU plugin that counts how often a program runs each block of code and how often it leaves the block by a jump.
 *
 * `denselet bench --cycles` and `denselet profile --cycles` build and load it, and model the cycles of each block
 * (host-trainer/src/board/cortex_m4.rs).
 *
 *   cc -O2 -shared -fPIC -o blocks.so blocks.c
 *   qemu-system-arm ... -plugin blocks.so,out=FILE,mark=ADDRESS[,mark=ADDRESS...] -kernel ELF
 *
 * When the program reaches a marked address, the plugin writes the counts and starts from zero:
 *
 *   mark ADDRESS                          the mark at which counting started, in hexadecimal; 0 for the start of the program
 *   START END TIMES JUMPS                 a block: its addresses in hexadecimal, its runs, and the runs that ended with a jump
 *   end                                   the program has ended, and the output is complete
 *
 * The prototypes are those of the first version of QEMU's plugin interface, which later versions keep. They are repeated
 * here because not all distributions ship the header.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*translated)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, void (*entered)(unsigned, void *),
                                          int flags, void *data);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*ended)(qemu_plugin_id_t, void *), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);

#define EXPORT __attribute__((visibility("default")))

EXPORT int qemu_plugin_version = 1;

/* Code without a jump inside, as the emulator translates it. */
struct block {
    uint64_t start, end;
    uint64_t times, jumps;
    int is_mark;
    struct block *next;
};

enum { MARKS = 8 };

static uint64_t marks[MARKS];
static int mark_count;
static FILE *out;
static struct block *blocks;   /* all blocks, the newest first */
static struct block *last;     /* the block that runs now */
static uint64_t since;         /* the mark at which counting started */

static void write_counts(void) {
    fprintf(out, "mark %" PRIx64 "\n", since);
    for (struct block *b = blocks; b; b = b->next) {
        if (b->times)
            fprintf(out, "%" PRIx64 " %" PRIx64 " %" PRIu64 " %" PRIu64 "\n", b->start, b->end, b->times, b->jumps);
        b->times = b->jumps = 0;
    }
}

static void on_entered(unsigned cpu, void *data) {
    struct block *b = data;
    (void)cpu;
    if (last && last->end != b->start)
        last->jumps++;
    if (b->is_mark) {
        write_counts();
        since = b->start;
    }
    b->times++;
    last = b;
}

/* Returns the bytes of a Thumb instruction. QEMU 7.2 reports too many for the last instruction of a block if the next one
 * crosses the end of a page. */
static int thumb_len(const struct qemu_plugin_insn *insn) {
    const unsigned char *bytes = qemu_plugin_insn_data(insn);
    return bytes[1] >> 3 >= 0x1d ? 4 : 2;
}

static void on_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    size_t count = qemu_plugin_tb_n_insns(tb);
    struct block *b = calloc(1, sizeof *b);
    (void)id;
    if (!b || !count)
        return;
    struct qemu_plugin_insn *end = qemu_plugin_tb_get_insn(tb, count - 1);
    b->start = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0));
    b->end = qemu_plugin_insn_vaddr(end) + thumb_len(end);
    for (int i = 0; i < mark_count; i++)
        b->is_mark |= marks[i] == b->start;
    b->next = blocks;
    blocks = b;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_entered, 0, b);
}

static void on_ended(qemu_plugin_id_t id, void *data) {
    (void)id;
    (void)data;
    write_counts();
    fputs("end\n", out);
    fclose(out);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv) {
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "out=", 4) && !out)
            out = fopen(argv[i] + 4, "w");
        else if (!strncmp(argv[i], "mark=", 5) && mark_count < MARKS)
            marks[mark_count++] = strtoull(argv[i] + 5, NULL, 0);
        else
            return 1;
    }
    if (!out) {
        fputs("blocks: no file to write to\n", stderr);
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
    qemu_plugin_register_atexit_cb(id, on_ended, NULL);
    return 0;
}
