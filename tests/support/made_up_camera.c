/* A made-up V4L2 camera for one program, loaded before it with LD_PRELOAD: tests/e2e/support/camera.rs builds and plays it.
 *
 * MADE_UP_CAMERA names a folder. The device file is /dev/video77, and it is there while the folder holds a file `device`.
 *
 *   device   the driver's name for the camera, and on the second line the port where it is plugged in
 *   mode     FOURCC WIDTH HEIGHT MILLISECONDS STRIDE: its one format, the time from frame to frame, and bytes a line (0: not padded)
 *   frames   what it plays, a line for a kind of frame; a new file in its place is played from its beginning:
 *              FILE [key=value]…       the bytes of FILE go into the buffer; `-` leaves its content unchanged
 *                used=N                the driver says that it wrote N bytes (else: the file's length)
 *                flags=N               more flags of the buffer, such as 0x40 for a broken one
 *                age=N                 it was taken N milliseconds before it is delivered
 *                stamp=none|zero|future|same|back   the time that the driver reports instead
 *                seq=same|back|jump    the sequence number that it reports instead
 *                times=N               repetitions; the last line is played for ever
 *   log      its acts, a word a line: `open`, `on`, `off`, `line N` (from 1) when it begins a line of frames
 *
 * It answers only the requests of usher's two libraries for V4L2: memory-mapped buffers, one at a time, by one thread.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PATH "/dev/video77"
#define MOST_BUFFERS 8
#define MOST_LINES 64

struct line {
    char *bytes;
    size_t length;
    uint32_t used, flags;
    long age_ms, times;
    char stamp[8], seq[8];
};

static int device = -1;
static struct v4l2_pix_format format;
static long interval_ms = 100;
static unsigned char *memory[MOST_BUFFERS];
static size_t buffer_length;
static uint32_t buffers, queued[MOST_BUFFERS], waiting;
static int streaming;
static struct timespec due;
static struct line lines[MOST_LINES];
static int count, at;
static long played;
static ino_t loaded;
static uint32_t sequence;
static struct timeval last_stamp;

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static const char *in_folder(const char *name) {
    static char path[4096];
    const char *folder = getenv("MADE_UP_CAMERA");
    snprintf(path, sizeof path, "%s/%s", folder ? folder : "/nonexistent", name);
    return path;
}

static int plugged_in(void) {
    struct stat ignored;
    return stat(in_folder("device"), &ignored) == 0;
}

static int is_ours(const char *path) { return getenv("MADE_UP_CAMERA") && path && !strcmp(path, PATH); }

static void note(const char *what, int number) {
    FILE *log = fopen(in_folder("log"), "a");
    if (!log) return;
    if (number) fprintf(log, "%s %d\n", what, number);
    else fprintf(log, "%s\n", what);
    fclose(log);
}

static int fail(int error) {
    errno = error;
    return -1;
}

static void read_mode(void) {
    char fourcc[5] = "YUYV";
    unsigned width = 640, height = 480, stride = 0;
    FILE *file = fopen(in_folder("mode"), "r");
    if (file) {
        if (fscanf(file, "%4s %u %u %ld %u", fourcc, &width, &height, &interval_ms, &stride) < 4) interval_ms = 100;
        fclose(file);
    }
    memset(&format, 0, sizeof format);
    format.pixelformat = v4l2_fourcc(fourcc[0], fourcc[1], fourcc[2], fourcc[3]);
    format.width = width;
    format.height = height;
    format.field = V4L2_FIELD_NONE;
    format.colorspace = V4L2_COLORSPACE_SRGB;
    int packed = format.pixelformat == V4L2_PIX_FMT_YUYV;
    format.bytesperline = !packed ? 0 : stride ? stride : width * 2;
    format.sizeimage = packed ? format.bytesperline * height : width * height * 2;
}

static void read_line(char *text) {
    struct line *line = &lines[count++];
    char *rest, *word = strtok_r(text, " \n", &rest);
    memset(line, 0, sizeof *line);
    line->times = 1;
    FILE *file = strcmp(word, "-") ? fopen(word, "r") : NULL;
    if (file) {
        fseek(file, 0, SEEK_END);
        line->length = (size_t)ftell(file);
        rewind(file);
        line->bytes = malloc(line->length + 1);
        line->length = fread(line->bytes, 1, line->length, file);
        fclose(file);
    }
    line->used = (uint32_t)line->length;
    while ((word = strtok_r(NULL, " \n", &rest))) {
        char *value = strchr(word, '=');
        if (!value) continue;
        *value++ = 0;
        if (!strcmp(word, "used")) line->used = (uint32_t)strtoul(value, NULL, 0);
        if (!strcmp(word, "flags")) line->flags = (uint32_t)strtoul(value, NULL, 0);
        if (!strcmp(word, "age")) line->age_ms = strtol(value, NULL, 0);
        if (!strcmp(word, "times")) line->times = strtol(value, NULL, 0);
        if (!strcmp(word, "stamp")) snprintf(line->stamp, sizeof line->stamp, "%s", value);
        if (!strcmp(word, "seq")) snprintf(line->seq, sizeof line->seq, "%s", value);
    }
}

static void read_frames(void) {
    struct stat now;
    if (stat(in_folder("frames"), &now) != 0 || now.st_ino == loaded) return;
    FILE *file = fopen(in_folder("frames"), "r");
    if (!file) return;
    for (int n = 0; n < count; n++) free(lines[n].bytes);
    loaded = now.st_ino;
    count = at = 0;
    played = 0;
    char text[4096];
    while (count < MOST_LINES && fgets(text, sizeof text, file))
        if (text[0] != '\n') read_line(text);
    fclose(file);
}

static struct timespec monotonic(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now;
}

static long ms_until(struct timespec then) {
    struct timespec now = monotonic();
    return (then.tv_sec - now.tv_sec) * 1000 + (then.tv_nsec - now.tv_nsec) / 1000000;
}

static void add_ms(struct timespec *time, long ms) {
    int64_t ns = (int64_t)time->tv_sec * 1000000000 + time->tv_nsec + (int64_t)ms * 1000000;
    time->tv_sec = ns / 1000000000;
    time->tv_nsec = ns % 1000000000;
}

static void stamp(struct v4l2_buffer *buffer, const struct line *line) {
    struct timespec taken = monotonic();
    add_ms(&taken, !strcmp(line->stamp, "future") ? 3600000 : -line->age_ms);
    struct timeval time = {taken.tv_sec, taken.tv_nsec / 1000};
    if (!strcmp(line->stamp, "zero")) time.tv_sec = time.tv_usec = 0;
    if (!strcmp(line->stamp, "same")) time = last_stamp;
    if (!strcmp(line->stamp, "back")) {
        time = last_stamp;
        time.tv_sec -= 1;
    }
    buffer->flags |= strcmp(line->stamp, "none") ? V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC : V4L2_BUF_FLAG_TIMESTAMP_UNKNOWN;
    last_stamp = time;
    buffer->timestamp = time;
    if (!strcmp(line->seq, "jump")) sequence += 1000;
    else if (!strcmp(line->seq, "back")) sequence -= sequence > 4 ? 5 : 0;
    else if (strcmp(line->seq, "same")) sequence += 1;
    buffer->sequence = sequence;
}

static int dequeue(struct v4l2_buffer *buffer) {
    if (!plugged_in()) return fail(ENODEV);
    if (!streaming || !waiting) return fail(EINVAL);
    if (ms_until(due) > 0) return fail(EAGAIN);
    read_frames();
    if (!count) return fail(EIO);
    if (!played) note("line", at + 1);
    struct line *line = &lines[at];
    uint32_t index = queued[0];
    memmove(queued, queued + 1, --waiting * sizeof *queued);
    buffer->index = index;
    buffer->length = (uint32_t)buffer_length;
    buffer->field = V4L2_FIELD_NONE;
    buffer->bytesused = line->used;
    buffer->flags = line->flags;
    memcpy(memory[index], line->bytes ? line->bytes : "", line->length < buffer_length ? line->length : buffer_length);
    stamp(buffer, line);
    if (++played >= line->times && at + 1 < count) {
        at++;
        played = 0;
    }
    due = monotonic();
    add_ms(&due, interval_ms);
    return 0;
}

static int request(struct v4l2_requestbuffers *asked) {
    for (uint32_t n = 0; n < buffers; n++) munmap(memory[n], buffer_length);
    waiting = 0;
    buffers = asked->count = asked->count > MOST_BUFFERS ? MOST_BUFFERS : asked->count;
    buffer_length = (format.sizeimage + 4095) & ~(size_t)4095;
    if (buffers && ftruncate(device, (off_t)(buffer_length * buffers)) != 0) return -1;
    for (uint32_t n = 0; n < buffers; n++)
        memory[n] = mmap(NULL, buffer_length, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)(n * buffer_length));
    return 0;
}

static int query(struct v4l2_capability *said) {
    char card[32] = "", bus[32] = "";
    FILE *file = fopen(in_folder("device"), "r");
    if (!file) return fail(ENODEV);
    if (!fgets(card, sizeof card, file) || !fgets(bus, sizeof bus, file)) bus[0] = 0;
    fclose(file);
    card[strcspn(card, "\n")] = bus[strcspn(bus, "\n")] = 0;
    memset(said, 0, sizeof *said);
    memcpy(said->driver, "made-up", 8);
    memcpy(said->card, card, sizeof card);
    memcpy(said->bus_info, bus, sizeof bus);
    said->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
    said->capabilities = said->device_caps | V4L2_CAP_DEVICE_CAPS;
    return 0;
}

/* VIDIOC_ENUM_FRAMESIZES and VIDIOC_ENUM_FRAMEINTERVALS: one size, 15 frames a second. */
static int enumerate_size(struct v4l2_frmsizeenum *asked) {
    if (asked->index || asked->pixel_format != format.pixelformat) return fail(EINVAL);
    asked->type = V4L2_FRMSIZE_TYPE_DISCRETE;
    asked->discrete.width = format.width;
    asked->discrete.height = format.height;
    return 0;
}

static int enumerate_interval(struct v4l2_frmivalenum *asked) {
    if (asked->index || asked->pixel_format != format.pixelformat) return fail(EINVAL);
    asked->type = V4L2_FRMIVAL_TYPE_DISCRETE;
    asked->discrete.numerator = 1;
    asked->discrete.denominator = 15;
    return 0;
}

static int control(uint32_t what, void *argument) {
    if (!plugged_in()) return fail(ENODEV);
    switch (what) {
    case (uint32_t)VIDIOC_QUERYCAP: return query(argument);
    case (uint32_t)VIDIOC_ENUM_FMT: {
        struct v4l2_fmtdesc *asked = argument;
        if (asked->index) return fail(EINVAL);
        asked->pixelformat = format.pixelformat;
        return 0;
    }
    case (uint32_t)VIDIOC_ENUM_FRAMESIZES: return enumerate_size(argument);
    case (uint32_t)VIDIOC_ENUM_FRAMEINTERVALS: return enumerate_interval(argument);
    case (uint32_t)VIDIOC_G_FMT:
    case (uint32_t)VIDIOC_S_FMT: ((struct v4l2_format *)argument)->fmt.pix = format; return 0;
    case (uint32_t)VIDIOC_G_PARM:
    case (uint32_t)VIDIOC_S_PARM: {
        struct v4l2_streamparm *asked = argument;
        asked->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
        asked->parm.capture.timeperframe.numerator = 1;
        asked->parm.capture.timeperframe.denominator = 15;
        return 0;
    }
    case (uint32_t)VIDIOC_REQBUFS: return request(argument);
    case (uint32_t)VIDIOC_QUERYBUF: {
        struct v4l2_buffer *asked = argument;
        if (asked->index >= buffers) return fail(EINVAL);
        asked->length = (uint32_t)buffer_length;
        asked->m.offset = (uint32_t)(asked->index * buffer_length);
        return 0;
    }
    case (uint32_t)VIDIOC_QBUF:
        if (waiting >= buffers) return fail(EINVAL);
        queued[waiting++] = ((struct v4l2_buffer *)argument)->index;
        return 0;
    case (uint32_t)VIDIOC_DQBUF: return dequeue(argument);
    case (uint32_t)VIDIOC_STREAMON:
        note("on", 0);
        streaming = 1;
        sequence = 0;
        due = monotonic();
        add_ms(&due, interval_ms);
        return 0;
    case (uint32_t)VIDIOC_STREAMOFF:
        if (streaming) note("off", 0);
        streaming = 0;
        waiting = 0;
        return 0;
    default: return fail(ENOTTY);
    }
}

static int open_device(void) {
    if (!plugged_in()) return fail(ENOENT);
    read_mode();
    note("open", 0);
    streaming = 0;
    waiting = buffers = 0;
    return device = memfd_create("made-up camera", 0);
}

int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0;
    va_end(more);
    if (is_ours(path)) return open_device();
    return ((int (*)(const char *, int, ...))real("open"))(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0;
    va_end(more);
    if (is_ours(path)) return open_device();
    return ((int (*)(const char *, int, ...))real("open64"))(path, flags, mode);
}

int close(int file) {
    if (file == device) device = -1;
    return ((int (*)(int))real("close"))(file);
}

char *realpath(const char *restrict path, char *restrict resolved) {
    if (is_ours(path)) {
        if (!plugged_in()) {
            errno = ENOENT;
            return NULL;
        }
        return resolved ? strcpy(resolved, path) : strdup(path);
    }
    return ((char *(*)(const char *, char *))real("realpath"))(path, resolved);
}

int poll(struct pollfd *asked, nfds_t number, int timeout) {
    if (device < 0 || number != 1 || asked[0].fd != device)
        return ((int (*)(struct pollfd *, nfds_t, int))real("poll"))(asked, number, timeout);
    for (long waited = 0;; waited += 10) {
        if (!plugged_in() || !streaming) {
            asked[0].revents = POLLERR;
            return 1;
        }
        if (waiting && ms_until(due) <= 0) {
            asked[0].revents = POLLIN;
            return 1;
        }
        if (timeout >= 0 && waited >= timeout) return 0;
        struct timespec span = {0, 10000000};
        nanosleep(&span, NULL);
    }
}

long syscall(long number, ...) {
    va_list more;
    va_start(more, number);
    long a = va_arg(more, long), b = va_arg(more, long), c = va_arg(more, long);
    long d = va_arg(more, long), e = va_arg(more, long), f = va_arg(more, long);
    va_end(more);
    if (number == SYS_ioctl && device >= 0 && (int)a == device) return control((uint32_t)b, (void *)c);
    static long (*next)(long, ...);
    if (!next) next = (long (*)(long, ...))real("syscall");
    return next(number, a, b, c, d, e, f);
}
