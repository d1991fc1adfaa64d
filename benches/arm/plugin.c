// Counts the instructions that an emulated 64-bit ARM program executes between two marks. A plugin of QEMU 7.2 (plugin interface 1).
//
// A program marks the beginning of a region by closing descriptor -70001, its end by closing -70002: neither can exist, so that the
// calls do nothing. For each region a line is written to FILE (`-plugin counting.so,out=FILE`): the number of threads that the
// program has had, and for each of the places in `enum place` the instructions of each `enum kind`.
//
// Instructions are counted block by block, when a block begins. A block that a signal interrupts is counted whole.

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

// What is used of QEMU's interface; Debian has no package with its header.
typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { INLINE_ADD_U64 = 0 };
typedef void (*on_block)(plugin_id, struct qemu_plugin_tb *);
typedef void (*on_thread)(plugin_id, unsigned);
typedef void (*on_call)(plugin_id, unsigned thread, int64_t number, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                        uint64_t, uint64_t);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, on_block);
void qemu_plugin_register_vcpu_init_cb(plugin_id, on_thread);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id, on_call);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int operation, void *, uint64_t);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
void *qemu_plugin_insn_haddr(const struct qemu_plugin_insn *);

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;

enum { CLOSE = 57, BEGIN = -70001, END = -70002 };

enum place { PROGRAM, LITERT, SYSTEM, PLACES };
// All; products of four int8 pairs added to an int32; products of 8 or 16 bits that are widened; float multiply-adds.
enum kind { ALL, DOT, WIDENING, FLOAT, KINDS };

static uint64_t counters[PLACES][KINDS], begun[PLACES][KINDS];
static unsigned threads;
static FILE *out;

// Vector instructions of Armv8.6: the bits that are fixed, and their values.
static const struct {
  enum kind kind;
  uint32_t mask, bits;
} patterns[] = {
    {DOT, 0x9fe0fc00, 0x0e809400},      // SDOT, UDOT
    {DOT, 0x9fc0f400, 0x0f80e000},      // the same by element
    {DOT, 0xbfe0fc00, 0x0e809c00},      // USDOT
    {DOT, 0xdfe0fc00, 0x4e80a400},      // SMMLA, UMMLA
    {WIDENING, 0x9f20fc00, 0x0e208000}, // SMLAL, UMLAL
    {WIDENING, 0x9f20fc00, 0x0e20c000}, // SMULL, UMULL
    {WIDENING, 0x9f00f400, 0x0f002000}, // SMLAL, UMLAL by element
    {WIDENING, 0x9f00f400, 0x0f00a000}, // SMULL, UMULL by element
    {FLOAT, 0xbfa0fc00, 0x0e20cc00},    // FMLA of 32 and 64 bits
    {FLOAT, 0xbf80f400, 0x0f801000},    // the same by element
    {FLOAT, 0xbfe0fc00, 0x0e400c00},    // FMLA of 16 bits
    {FLOAT, 0xbfc0f400, 0x0f001000},    // the same by element
};

static enum kind kind_of(uint32_t instruction) {
  for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
    if ((instruction & patterns[i].mask) == patterns[i].bits) return patterns[i].kind;
  return ALL;
}

// The mapped files. The emulator maps the program's files as they are, so its own list of mappings names them.
static struct mapping {
  uintptr_t from, to;
  enum place place;
} mappings[512];
static size_t mapped;

static enum place place_of_file(const char *path) {
  const char *name = strrchr(path, '/');
  if (name == NULL) return PROGRAM;
  if (strstr(name, "libLiteRt.so") != NULL) return LITERT;
  return strstr(name, ".so") != NULL ? SYSTEM : PROGRAM;
}

static void read_mappings(void) {
  FILE *list = fopen("/proc/self/maps", "r");
  char line[4096];
  mapped = 0;
  while (list != NULL && mapped < sizeof mappings / sizeof *mappings && fgets(line, sizeof line, list) != NULL) {
    struct mapping *mapping = &mappings[mapped];
    int path = 0;
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %*s %*s %*s %n", &mapping->from, &mapping->to, &path) == 2 && path > 0) {
      mapping->place = place_of_file(line + path);
      mapped++;
    }
  }
  if (list != NULL) fclose(list);
}

static const struct mapping *find_mapping(uintptr_t address) {
  for (size_t i = 0; i < mapped; i++)
    if (mappings[i].from <= address && address < mappings[i].to) return &mappings[i];
  return NULL;
}

// Blocks are translated by one thread at a time. The marked regions have one thread; so the counters need no lock.
static void translate(plugin_id id, struct qemu_plugin_tb *block) {
  (void)id;
  size_t length = qemu_plugin_tb_n_insns(block);
  uint64_t found[KINDS] = {[ALL] = length};
  if (length == 0) return;
  for (size_t i = 0; i < length; i++) {
    uint32_t instruction;
    memcpy(&instruction, qemu_plugin_insn_data(qemu_plugin_tb_get_insn(block, i)), sizeof instruction);
    enum kind kind = kind_of(instruction);
    if (kind != ALL) found[kind]++;
  }
  uintptr_t address = (uintptr_t)qemu_plugin_insn_haddr(qemu_plugin_tb_get_insn(block, 0));
  const struct mapping *mapping = find_mapping(address);
  if (mapping == NULL) {
    read_mappings();
    mapping = find_mapping(address);
  }
  enum place place = mapping != NULL ? mapping->place : SYSTEM;
  for (int kind = 0; kind < KINDS; kind++)
    if (found[kind] > 0) qemu_plugin_register_vcpu_tb_exec_inline(block, INLINE_ADD_U64, &counters[place][kind], found[kind]);
}

static void thread_begins(plugin_id id, unsigned thread) {
  (void)id, (void)thread;
  threads++;
}

static void call(plugin_id id, unsigned thread, int64_t number, uint64_t descriptor, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                 uint64_t f, uint64_t g, uint64_t h) {
  (void)id, (void)thread, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
  if (number != CLOSE) return;
  if ((int32_t)descriptor == BEGIN) memcpy(begun, counters, sizeof begun);
  if ((int32_t)descriptor == END) {
    fprintf(out, "%u", threads);
    for (int place = 0; place < PLACES; place++)
      for (int kind = 0; kind < KINDS; kind++) fprintf(out, " %" PRIu64, counters[place][kind] - begun[place][kind]);
    fputc('\n', out);
    fflush(out);
  }
}

EXPORT int qemu_plugin_install(plugin_id id, const void *machine, int words, char **word) {
  (void)machine;
  if (words != 1 || strncmp(word[0], "out=", 4) != 0 || (out = fopen(word[0] + 4, "w")) == NULL) {
    fputs("counting: needs out=FILE, a file that can be written\n", stderr);
    return 1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
  qemu_plugin_register_vcpu_init_cb(id, thread_begins);
  qemu_plugin_register_vcpu_syscall_cb(id, call);
  return 0;
}
