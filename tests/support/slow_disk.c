/* A disk that stalls, for LD_PRELOAD: fsync(2) and fdatasync(2) of files whose path contains a given text take longer.
 *
 * The file that SLOW_DISK names holds "MILLISECONDS TEXT", as in "3000 /store/backup.new". While it does not exist, nothing is slowed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void stall(int synced) {
    const char *named = getenv("SLOW_DISK");
    char order[512] = {0}, link[64], path[4096] = {0};
    int file = named ? open(named, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    ssize_t length = read(file, order, sizeof order - 1);
    close(file);
    char *text = length > 0 ? strchr(order, ' ') : NULL;
    if (!text) return;
    text++;
    text[strcspn(text, "\n")] = 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", synced);
    if (readlink(link, path, sizeof path - 1) <= 0 || !strstr(path, text)) return;
    long milliseconds = atol(order);
    struct timespec span = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    nanosleep(&span, NULL);
}

int fsync(int file) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    stall(file);
    return real(file);
}

int fdatasync(int file) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    stall(file);
    return real(file);
}
