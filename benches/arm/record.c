// A library before LiteRT's that prints which networks usher runs, and on which input: `run FILE-SIZE SIDE SIDE SIDE SIDE`.
//
// Linked with LiteRT's library and loaded in its place (USHER_TFLITE names it), it has all of LiteRT's functions; four of them go
// through here first. Networks are told apart by the size of their file. For one thread.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef unsigned status;
typedef void *handle;

enum { MAX_NETWORKS = 1024 };
// What is known of a model or a compiled model. The latest of a handle counts: handles are addresses, and are used again.
static struct known {
  handle what;
  size_t file_size;
  int sides[4];
} known[MAX_NETWORKS];
static size_t count;

static void *real(const char *name) {
  static void *library;
  if (library == NULL) library = dlopen("libLiteRt.so", RTLD_NOW);
  void *function = library != NULL ? dlsym(library, name) : NULL;
  if (function == NULL) {
    fprintf(stderr, "record: no %s: %s\n", name, dlerror());
    abort();
  }
  return function;
}

static void remember(handle what, size_t file_size) {
  if (count == MAX_NETWORKS) {
    fputs("record: too many networks\n", stderr);
    abort();
  }
  known[count++] = (struct known){.what = what, .file_size = file_size};
}

static struct known *find(handle what) {
  for (size_t i = count; i-- > 0;)
    if (known[i].what == what) return &known[i];
  fputs("record: an unknown network\n", stderr);
  abort();
}

status LiteRtCreateModelFromBuffer(handle environment, const void *bytes, size_t size, handle *model) {
  status (*create)(handle, const void *, size_t, handle *) = real(__func__);
  status done = create(environment, bytes, size, model);
  if (done == 0) remember(*model, size);
  return done;
}

status LiteRtCreateCompiledModel(handle environment, handle model, handle options, handle *compiled) {
  status (*create)(handle, handle, handle, handle *) = real(__func__);
  size_t size = find(model)->file_size;
  status done = create(environment, model, options, compiled);
  if (done == 0) remember(*compiled, size);
  return done;
}

status LiteRtCompiledModelResizeInputTensor(handle compiled, size_t signature, size_t input, const int *sides, size_t rank) {
  status (*resize)(handle, size_t, size_t, const int *, size_t) = real(__func__);
  for (size_t i = 0; i < rank && i < 4; i++) find(compiled)->sides[i] = sides[i];
  return resize(compiled, signature, input, sides, rank);
}

status LiteRtRunCompiledModel(handle compiled, size_t signature, size_t inputs, handle *input, size_t outputs, handle *output) {
  status (*run)(handle, size_t, size_t, handle *, size_t, handle *) = real(__func__);
  const struct known *this = find(compiled);
  dprintf(STDOUT_FILENO, "run %zu %d %d %d %d\n", this->file_size, this->sides[0], this->sides[1], this->sides[2], this->sides[3]);
  return run(compiled, signature, inputs, input, outputs, output);
}
