/* A made-up V4L2 camera for one program, loaded before it with LD_PRELOAD: tests/e2e/support/camera.rs builds and plays it.
 *
 * MADE_UP_CAMERA names a folder. The device file is /dev/video77, and it is there while the folder holds a file `device`.
 *
 *   device   the driver's name for the camera, and on the second line the port where it is plugged in
 *   mode     FOURCC WIDTH HEIGHT MILLISECONDS STRIDE: the format that it offers at 15 frames a second, the time from frame to frame, and bytes
 *            a line of that format (0: not padded)
 *   habits   what its driver does, a habit a line; the file may be missing:
 *              offers FOURCC WIDTHxHEIGHT RATES            it offers this instead, too; RATES are intervals in seconds: 1/15,2/15
 *              offers FOURCC WxH-WxH/STEP INTERVAL-INTERVAL   all sizes and rates of a range
 *              left FOURCC WIDTHxHEIGHT INTERVAL           the state in which another program left it
 *              keeps FOURCC        it accepts this format, and stays in the one it had
 *              busy                another program streams: it cannot be set
 *              silent formats|sizes|intervals|rates        it does not answer questions about those
 *              control ID LEAST MOST VALUE                 a control, its range and its value; ID in hexadecimal
 *   frames   what it plays, a line for a kind of frame; a new file in its place is played from its beginning:
 *              FILE [key=value]…       the bytes of FILE go into the buffer; `-` leaves its content unchanged
 *                used=N                the driver says that it wrote N bytes (else: the file's length)
 *                flags=N               more flags of the buffer, such as 0x40 for a broken one
 *                age=N                 it was taken N milliseconds before it is delivered
 *                stamp=none|zero|future|same|back   the time that the driver reports instead
 *                seq=same|back|jump    the sequence number that it reports instead
 *                times=N               repetitions; the last line is played for ever
 *   log      its acts, a line each: `open`, `on`, `off`, `line N` (from 1) when it begins a line of frames, `set FOURCC WIDTHxHEIGHT`,
 *            `rate N/D`, `control ID VALUE` when a control is set
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
#define MOST_OFFERS 32
#define MOST_RATES 8
#define MOST_CONTROLS 8

struct line {
    char *bytes;
    size_t length;
    uint32_t used, flags;
    long age_ms, times;
    char stamp[8], seq[8];
};

struct offer {
    uint32_t fourcc, width, height, most_width, most_height, step;
    int rates, ranged;
    struct v4l2_fract intervals[MOST_RATES];
};

struct control {
    uint32_t id;
    int least, most, value;
};

static int device = -1;
static struct v4l2_pix_format format;
static struct v4l2_fract interval;
static struct offer offers[MOST_OFFERS];
static struct control controls[MOST_CONTROLS];
static int offered, controlled;
static uint32_t kept, stride_of, stride;
static int is_busy, no_formats, no_sizes, no_intervals, no_rates;
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

/* The functions that it stands before. They are looked up when it is loaded: libraries that are loaded later start threads which open files while the
 * loader's lock is held, and a look-up needs that lock. */
static struct {
    const char *name;
    void *function;
} replaced[] = {{"open"}, {"open64"}, {"close"}, {"realpath"}, {"poll"}, {"syscall"}};
#define REPLACED (sizeof replaced / sizeof *replaced)

__attribute__((constructor)) static void look_up(void) {
    for (size_t i = 0; i < REPLACED; i++) replaced[i].function = dlsym(RTLD_NEXT, replaced[i].name);
}

static void *real(const char *name) {
    for (size_t i = 0; i < REPLACED; i++) {
        if (!strcmp(replaced[i].name, name)) return replaced[i].function ? replaced[i].function : dlsym(RTLD_NEXT, name);
    }
    return dlsym(RTLD_NEXT, name);
}

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

static uint32_t fourcc_of(const char *text) {
    char four[5] = "    ";
    memcpy(four, text, strlen(text) < 4 ? strlen(text) : 4);
    return v4l2_fourcc(four[0], four[1], four[2], four[3]);
}

static int is_jpeg(uint32_t fourcc) {
    return fourcc == V4L2_PIX_FMT_MJPEG || fourcc == V4L2_PIX_FMT_JPEG || fourcc == V4L2_PIX_FMT_H264;
}

/* Bytes of a pixel in the first plane. */
static uint32_t bytes_of(uint32_t fourcc) {
    switch (fourcc) {
    case V4L2_PIX_FMT_GREY:
    case V4L2_PIX_FMT_NV12:
    case V4L2_PIX_FMT_YUV420: return 1;
    case V4L2_PIX_FMT_RGB24:
    case V4L2_PIX_FMT_BGR24: return 3;
    default: return 2;
    }
}

static void be(uint32_t fourcc, uint32_t width, uint32_t height) {
    memset(&format, 0, sizeof format);
    format.pixelformat = fourcc;
    format.width = width;
    format.height = height;
    format.field = V4L2_FIELD_NONE;
    format.colorspace = V4L2_COLORSPACE_SRGB;
    format.sizeimage = width * height * 2;
    if (is_jpeg(fourcc)) return;
    format.bytesperline = stride && fourcc == stride_of ? stride : width * bytes_of(fourcc);
    int squares = fourcc == V4L2_PIX_FMT_NV12 || fourcc == V4L2_PIX_FMT_YUV420;
    format.sizeimage = format.bytesperline * height * (squares ? 3 : 2) / 2;
}

/* Reads `1/15,2/15` or `1/30-1/5`. */
static void read_rates(struct offer *offer, const char *text) {
    struct v4l2_fract *first = &offer->intervals[0], *last = &offer->intervals[1];
    if (sscanf(text, "%u/%u-%u/%u", &first->numerator, &first->denominator, &last->numerator, &last->denominator) == 4) {
        offer->ranged = 1;
        offer->rates = 1;
        return;
    }
    for (; text && offer->rates < MOST_RATES; text = strchr(text, ',')) {
        text += *text == ',';
        struct v4l2_fract *one = &offer->intervals[offer->rates];
        if (sscanf(text, "%u/%u", &one->numerator, &one->denominator) == 2) offer->rates++;
    }
}

static void read_offer(const char *fourcc, const char *size, const char *rates) {
    if (offered == MOST_OFFERS) return;
    struct offer *offer = &offers[offered++];
    memset(offer, 0, sizeof *offer);
    offer->fourcc = fourcc_of(fourcc);
    int found = sscanf(size, "%ux%u-%ux%u/%u", &offer->width, &offer->height, &offer->most_width, &offer->most_height,
                       &offer->step);
    if (found < 5) offer->step = 0;
    read_rates(offer, rates);
}

static void read_habit(char *line) {
    char word[16] = "", one[16] = "", two[64] = "", three[64] = "";
    unsigned id = 0, width = 0, height = 0;
    int least = 0, most = 0, value = 0;
    sscanf(line, "%15s %15s %63s %63s", word, one, two, three);
    if (!strcmp(word, "offers")) read_offer(one, two, three);
    if (!strcmp(word, "keeps")) kept = fourcc_of(one);
    if (!strcmp(word, "busy")) is_busy = 1;
    if (!strcmp(word, "silent")) {
        no_formats |= !strcmp(one, "formats");
        no_sizes |= !strcmp(one, "sizes");
        no_intervals |= !strcmp(one, "intervals");
        no_rates |= !strcmp(one, "rates");
    }
    if (!strcmp(word, "left") && sscanf(two, "%ux%u", &width, &height) == 2) {
        be(fourcc_of(one), width, height);
        sscanf(three, "%u/%u", &interval.numerator, &interval.denominator);
    }
    if (!strcmp(word, "control") && sscanf(line, "control %x %d %d %d", &id, &least, &most, &value) == 4 &&
        controlled < MOST_CONTROLS)
        controls[controlled++] = (struct control){id, least, most, value};
}

static void read_mode(void) {
    char fourcc[5] = "YUYV";
    unsigned width = 640, height = 480;
    stride = 0;
    FILE *file = fopen(in_folder("mode"), "r");
    if (file) {
        if (fscanf(file, "%4s %u %u %ld %u", fourcc, &width, &height, &interval_ms, &stride) < 4) interval_ms = 100;
        fclose(file);
    }
    offered = 0;
    stride_of = fourcc_of(fourcc);
    kept = 0;
    is_busy = no_formats = no_sizes = no_intervals = no_rates = 0;
    interval = (struct v4l2_fract){1, 15};
    be(stride_of, width, height);
    /* Controls outlive a closing, as those of a real camera do. */
    int known = controlled;
    char text[256];
    file = fopen(in_folder("habits"), "r");
    while (file && fgets(text, sizeof text, file))
        if (!known || strncmp(text, "control", 7)) read_habit(text);
    if (file) fclose(file);
    if (offered) return;
    char size[32];
    snprintf(size, sizeof size, "%ux%u", width, height);
    read_offer(fourcc, size, "1/15");
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

static int fits(const struct offer *offer, uint32_t width, uint32_t height) {
    if (!offer->step) return offer->width == width && offer->height == height;
    return width >= offer->width && width <= offer->most_width && (width - offer->width) % offer->step == 0 &&
           height >= offer->height && height <= offer->most_height && (height - offer->height) % offer->step == 0;
}

static int enumerate_format(struct v4l2_fmtdesc *asked) {
    if (no_formats || asked->type != V4L2_BUF_TYPE_VIDEO_CAPTURE) return fail(EINVAL);
    uint32_t left = asked->index;
    for (int n = 0; n < offered; n++) {
        int again = 0;
        for (int before = 0; before < n; before++) again |= offers[before].fourcc == offers[n].fourcc;
        if (again || left--) continue;
        asked->pixelformat = offers[n].fourcc;
        return 0;
    }
    return fail(EINVAL);
}

static int enumerate_size(struct v4l2_frmsizeenum *asked) {
    if (no_sizes) return fail(ENOTTY);
    uint32_t left = asked->index;
    for (int n = 0; n < offered; n++) {
        const struct offer *offer = &offers[n];
        if (offer->fourcc != asked->pixel_format || left--) continue;
        asked->type = offer->step ? V4L2_FRMSIZE_TYPE_STEPWISE : V4L2_FRMSIZE_TYPE_DISCRETE;
        if (offer->step)
            asked->stepwise = (struct v4l2_frmsize_stepwise){offer->width,  offer->most_width,  offer->step,
                                                             offer->height, offer->most_height, offer->step};
        else
            asked->discrete = (struct v4l2_frmsize_discrete){offer->width, offer->height};
        return 0;
    }
    return fail(EINVAL);
}

static struct offer *offer_of(uint32_t fourcc, uint32_t width, uint32_t height) {
    for (int n = 0; n < offered; n++)
        if (offers[n].fourcc == fourcc && fits(&offers[n], width, height)) return &offers[n];
    return NULL;
}

static int enumerate_interval(struct v4l2_frmivalenum *asked) {
    if (no_intervals) return fail(ENOTTY);
    struct offer *offer = offer_of(asked->pixel_format, asked->width, asked->height);
    if (!offer || asked->index >= (uint32_t)offer->rates) return fail(EINVAL);
    asked->type = offer->ranged ? V4L2_FRMIVAL_TYPE_CONTINUOUS : V4L2_FRMIVAL_TYPE_DISCRETE;
    if (offer->ranged)
        asked->stepwise = (struct v4l2_frmival_stepwise){offer->intervals[0], offer->intervals[1], {1, 1}};
    else
        asked->discrete = offer->intervals[asked->index];
    return 0;
}

/* VIDIOC_S_FMT: what is not offered becomes what is, as drivers do. */
static int set_format(struct v4l2_pix_format *asked) {
    if (is_busy) return fail(EBUSY);
    char what[64];
    snprintf(what, sizeof what, "set %.4s %ux%u", (char *)&asked->pixelformat, asked->width, asked->height);
    note(what, 0);
    if (asked->pixelformat != kept) {
        struct offer *offer = offer_of(asked->pixelformat, asked->width, asked->height);
        if (offer) be(asked->pixelformat, asked->width, asked->height);
        else if (offered) be(offers[0].fourcc, offers[0].width, offers[0].height);
    }
    *asked = format;
    return 0;
}

static double seconds(struct v4l2_fract span) { return (double)span.numerator / span.denominator; }

/* VIDIOC_S_PARM: the offered rate that is nearest. */
static int set_rate(struct v4l2_captureparm *asked) {
    if (no_rates) return fail(ENOTTY);
    struct offer *offer = offer_of(format.pixelformat, format.width, format.height);
    struct v4l2_fract wish = asked->timeperframe;
    if (offer && offer->ranged) interval = wish;
    else if (offer && offer->rates) {
        interval = offer->intervals[0];
        for (int n = 1; n < offer->rates; n++) {
            double off = seconds(offer->intervals[n]) - seconds(wish), best = seconds(interval) - seconds(wish);
            if (off * off < best * best) interval = offer->intervals[n];
        }
    }
    char what[64];
    snprintf(what, sizeof what, "rate %u/%u", interval.numerator, interval.denominator);
    note(what, 0);
    asked->timeperframe = interval;
    return 0;
}

static struct control *control_of(uint32_t id) {
    for (int n = 0; n < controlled; n++)
        if (controls[n].id == id) return &controls[n];
    return NULL;
}

static int query_control(struct v4l2_query_ext_ctrl *asked) {
    uint32_t id = asked->id & V4L2_CTRL_ID_MASK;
    struct control *found = NULL;
    if (asked->id & (V4L2_CTRL_FLAG_NEXT_CTRL | V4L2_CTRL_FLAG_NEXT_COMPOUND)) {
        for (int n = 0; n < controlled; n++)
            if (controls[n].id > id && (!found || controls[n].id < found->id)) found = &controls[n];
    } else {
        found = control_of(id);
    }
    if (!found) return fail(EINVAL);
    memset(asked, 0, sizeof *asked);
    asked->id = found->id;
    asked->type = found->id == V4L2_CID_EXPOSURE_AUTO ? V4L2_CTRL_TYPE_MENU : V4L2_CTRL_TYPE_INTEGER;
    strcpy(asked->name, "made up");
    asked->minimum = found->least;
    asked->maximum = found->most;
    asked->step = 1;
    return 0;
}

static int controls_at_once(struct v4l2_ext_controls *asked, int set) {
    for (uint32_t n = 0; n < asked->count; n++) {
        struct control *found = control_of(asked->controls[n].id);
        if (!found) return fail(EINVAL);
        if (!set) {
            asked->controls[n].value = found->value;
            continue;
        }
        if (asked->controls[n].value < found->least || asked->controls[n].value > found->most) return fail(ERANGE);
        found->value = asked->controls[n].value;
        char what[64];
        snprintf(what, sizeof what, "control %x %d", found->id, found->value);
        note(what, 0);
    }
    return 0;
}

static int control(uint32_t what, void *argument) {
    if (!plugged_in()) return fail(ENODEV);
    switch (what) {
    case (uint32_t)VIDIOC_QUERYCAP: return query(argument);
    case (uint32_t)VIDIOC_ENUM_FMT: return enumerate_format(argument);
    case (uint32_t)VIDIOC_ENUM_FRAMESIZES: return enumerate_size(argument);
    case (uint32_t)VIDIOC_ENUM_FRAMEINTERVALS: return enumerate_interval(argument);
    case (uint32_t)VIDIOC_G_FMT: ((struct v4l2_format *)argument)->fmt.pix = format; return 0;
    case (uint32_t)VIDIOC_S_FMT: return set_format(&((struct v4l2_format *)argument)->fmt.pix);
    case (uint32_t)VIDIOC_G_PARM: {
        struct v4l2_streamparm *asked = argument;
        if (no_rates) return fail(ENOTTY);
        asked->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
        asked->parm.capture.timeperframe = interval;
        return 0;
    }
    case (uint32_t)VIDIOC_S_PARM: return set_rate(&((struct v4l2_streamparm *)argument)->parm.capture);
    case (uint32_t)VIDIOC_QUERY_EXT_CTRL: return query_control(argument);
    case (uint32_t)VIDIOC_QUERYMENU: {
        struct v4l2_querymenu *asked = argument;
        if (!control_of(asked->id)) return fail(EINVAL);
        strcpy((char *)asked->name, "made up");
        return 0;
    }
    case (uint32_t)VIDIOC_G_EXT_CTRLS: return controls_at_once(argument, 0);
    case (uint32_t)VIDIOC_S_EXT_CTRLS: return controls_at_once(argument, 1);
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
