// The bare calls: runs networks with LiteRT's C API and nothing else, each in a region of its own (plugin.c has the marks).
//
//   bare ROUNDS FILE.tflite:BATCHxROWSxCOLUMNSxCHANNELS...
//
// LiteRT compiles each network for one thread of the CPU. The input is filled once, and a region holds ROUNDS calls of
// LiteRtRunCompiledModel after two that are not counted. The first region is a loop of known length, by which the counting is checked.

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// What is used of LiteRT 2.3's C API; the wheel has no headers.
struct layout {
  uint8_t rank_and_flag;
  int32_t sides[8];
  uint32_t strides[8];
};
struct tensor_type {
  uint32_t element;
  struct layout layout;
};
typedef unsigned status;
typedef void *handle;
enum { CPU = 1, WRITE = 1, MAX_OUTPUTS = 4 };
status LiteRtCreateEnvironment(int, const void *, handle *);
status LiteRtCreateModelFromBuffer(handle environment, const void *, size_t, handle *);
status LiteRtGetModelSignature(handle model, size_t, handle *);
status LiteRtGetNumSignatureOutputs(handle signature, size_t *);
status LiteRtGetSignatureInputTensorByIndex(handle signature, size_t, handle *);
status LiteRtGetSignatureOutputTensorByIndex(handle signature, size_t, handle *);
status LiteRtGetRankedTensorType(handle tensor, struct tensor_type *);
status LiteRtCreateOptions(handle *);
status LiteRtSetOptionsHardwareAccelerators(handle options, int);
status LiteRtCreateOpaqueOptions(const char *, void *, void (*)(void *), handle *);
status LiteRtAddOpaqueOptions(handle options, handle);
status LiteRtCreateCompiledModel(handle environment, handle model, handle options, handle *);
status LiteRtCompiledModelResizeInputTensor(handle compiled, size_t, size_t, const int *, size_t);
status LiteRtGetCompiledModelOutputTensorLayouts(handle compiled, size_t, size_t, struct layout *, bool);
status LiteRtGetCompiledModelInputBufferRequirements(handle compiled, size_t, size_t, handle *);
status LiteRtGetCompiledModelOutputBufferRequirements(handle compiled, size_t, size_t, handle *);
status LiteRtCreateManagedTensorBufferFromRequirements(handle environment, const struct tensor_type *, handle, handle *);
status LiteRtGetTensorBufferSize(handle buffer, size_t *);
status LiteRtLockTensorBuffer(handle buffer, void **, unsigned);
status LiteRtUnlockTensorBuffer(handle buffer);
status LiteRtRunCompiledModel(handle compiled, size_t, size_t, handle *, size_t, handle *);

#define CHECK(call) check(#call, call)
static void check(const char *call, status code) {
  if (code != 0) {
    fprintf(stderr, "bare: status %u of %s\n", code, call);
    exit(1);
  }
}

static void begin(const char *name, unsigned rounds) {
  printf("region %s %u\n", name, rounds);
  fflush(stdout);
  close(-70001);
}

static void end(void) { close(-70002); }

// A million rounds of three instructions, one of them a widening multiply-add.
static void known_loop(void) {
  uint64_t left = 1000000;
  begin("known-loop", 1);
  __asm__ volatile("1: smlal v0.4s, v1.4h, v2.4h\n subs %0, %0, #1\n b.ne 1b" : "+r"(left) : : "v0", "cc");
  end();
}

static void *whole_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
    perror(path);
    exit(1);
  }
  *size = (size_t)ftell(file);
  rewind(file);
  void *bytes = malloc(*size);
  if (bytes == NULL || fread(bytes, 1, *size, file) != *size) {
    perror(path);
    exit(1);
  }
  fclose(file);
  return bytes;
}

static handle one_thread(void) {
  handle options, threads;
  CHECK(LiteRtCreateOptions(&options));
  CHECK(LiteRtSetOptionsHardwareAccelerators(options, CPU));
  CHECK(LiteRtCreateOpaqueOptions("xnnpack", strdup("num_threads = 1\n"), free, &threads));
  CHECK(LiteRtAddOpaqueOptions(options, threads));
  return options;
}

static void network(handle environment, const char *path, const int sides[4], const char *name, unsigned rounds) {
  size_t size, outputs;
  const void *file = whole_file(path, &size);
  handle model, signature, tensor, compiled, needs, input, output[MAX_OUTPUTS];
  CHECK(LiteRtCreateModelFromBuffer(environment, file, size, &model));
  CHECK(LiteRtGetModelSignature(model, 0, &signature));
  CHECK(LiteRtGetNumSignatureOutputs(signature, &outputs));
  if (outputs > MAX_OUTPUTS) {
    fprintf(stderr, "bare: %s has %zu outputs, more than %d\n", path, outputs, MAX_OUTPUTS);
    exit(1);
  }
  CHECK(LiteRtCreateCompiledModel(environment, model, one_thread(), &compiled));
  CHECK(LiteRtCompiledModelResizeInputTensor(compiled, 0, 0, sides, 4));
  struct layout layouts[MAX_OUTPUTS];
  CHECK(LiteRtGetCompiledModelOutputTensorLayouts(compiled, 0, outputs, layouts, true));

  struct tensor_type type;
  CHECK(LiteRtGetSignatureInputTensorByIndex(signature, 0, &tensor));
  CHECK(LiteRtGetRankedTensorType(tensor, &type));
  memcpy(type.layout.sides, sides, 4 * sizeof *sides);
  CHECK(LiteRtGetCompiledModelInputBufferRequirements(compiled, 0, 0, &needs));
  CHECK(LiteRtCreateManagedTensorBufferFromRequirements(environment, &type, needs, &input));
  void *values;
  CHECK(LiteRtGetTensorBufferSize(input, &size));
  CHECK(LiteRtLockTensorBuffer(input, &values, WRITE));
  // Zero as an int8 and as a float.
  memset(values, 0, size);
  CHECK(LiteRtUnlockTensorBuffer(input));
  for (size_t i = 0; i < outputs; i++) {
    CHECK(LiteRtGetSignatureOutputTensorByIndex(signature, i, &tensor));
    CHECK(LiteRtGetRankedTensorType(tensor, &type));
    type.layout = layouts[i];
    CHECK(LiteRtGetCompiledModelOutputBufferRequirements(compiled, 0, i, &needs));
    CHECK(LiteRtCreateManagedTensorBufferFromRequirements(environment, &type, needs, &output[i]));
  }
  for (int warm_up = 0; warm_up < 2; warm_up++) CHECK(LiteRtRunCompiledModel(compiled, 0, 1, &input, outputs, output));
  begin(name, rounds);
  for (unsigned round = 0; round < rounds; round++) CHECK(LiteRtRunCompiledModel(compiled, 0, 1, &input, outputs, output));
  end();
}

int main(int words, char **word) {
  unsigned rounds = words > 1 ? (unsigned)strtoul(word[1], NULL, 10) : 0;
  if (rounds == 0) {
    fputs("bare ROUNDS FILE.tflite:BATCHxROWSxCOLUMNSxCHANNELS...\n", stderr);
    return 2;
  }
  known_loop();
  handle environment;
  CHECK(LiteRtCreateEnvironment(0, NULL, &environment));
  for (int i = 2; i < words; i++) {
    char *path = strdup(word[i]), *colon = strrchr(path, ':');
    int sides[4];
    if (colon == NULL || sscanf(colon + 1, "%dx%dx%dx%d", &sides[0], &sides[1], &sides[2], &sides[3]) != 4) {
      fprintf(stderr, "bare: %s is not FILE:BATCHxROWSxCOLUMNSxCHANNELS\n", word[i]);
      return 2;
    }
    *colon = '\0';
    const char *slash = strrchr(word[i], '/');
    network(environment, path, sides, slash != NULL ? slash + 1 : word[i], rounds);
  }
  return 0;
}
