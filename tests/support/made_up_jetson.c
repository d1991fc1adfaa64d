/* A plugin for GStreamer with the elements of a Jetson, by their names, pads and memory as NVIDIA's "Accelerated GStreamer" guide gives them:

     nvarguscamerasrc  a camera module; shows the NV12 picture in $MADE_UP_JETSON/picture.nv12, and fails for every sensor but 0
     nvv4l2decoder     decodes H.264 "in hardware"
     nvvidconv         copies out of NVIDIA's memory

   Nothing here is NVIDIA's: what travels is ordinary memory that is called memory:NVMM. The last bit of a pixel changes with each picture, as
   a lens would have it. */

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/base/gstbasetransform.h>
#include <gst/base/gstpushsrc.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#define PACKAGE "usher's tests"
#define NVMM "memory:NVMM"
#define IN_NVMM "video/x-raw(" NVMM "), format=NV12, width=[16,4096], height=[16,4096], framerate=[0/1,240/1]"

/* The camera module. */

typedef struct {
  GstPushSrc parent;
  gint sensor;
  GstVideoInfo info;
  guint shown;
} Argus;
typedef GstPushSrcClass ArgusClass;
G_DEFINE_TYPE(Argus, argus, GST_TYPE_PUSH_SRC)

static GstStaticPadTemplate argus_pad = GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(IN_NVMM));

static void argus_set(GObject *object, guint id, const GValue *value, GParamSpec *spec) {
  ((Argus *)object)->sensor = g_value_get_int(value);
}

static gboolean argus_set_caps(GstBaseSrc *source, GstCaps *caps) {
  return gst_video_info_from_caps(&((Argus *)source)->info, caps);
}

static GstFlowReturn argus_create(GstPushSrc *source, GstBuffer **buffer) {
  Argus *self = (Argus *)source;
  if (self->sensor != 0) {
    GST_ELEMENT_ERROR(self, RESOURCE, NOT_FOUND, ("Invalid camera device specified %d specified.", self->sensor), (NULL));
    return GST_FLOW_ERROR;
  }
  g_usleep(G_USEC_PER_SEC * GST_VIDEO_INFO_FPS_D(&self->info) / GST_VIDEO_INFO_FPS_N(&self->info));
  gchar *path = g_build_filename(g_getenv("MADE_UP_JETSON"), "picture.nv12", NULL);
  gchar *picture = NULL;
  gsize length = 0;
  gboolean read = g_file_get_contents(path, &picture, &length, NULL);
  g_free(path);
  if (!read || length != GST_VIDEO_INFO_SIZE(&self->info)) {
    g_free(picture);
    GST_ELEMENT_ERROR(self, RESOURCE, READ, ("No picture of this size."), (NULL));
    return GST_FLOW_ERROR;
  }
  picture[self->shown++ % GST_VIDEO_INFO_WIDTH(&self->info)] ^= 1;
  *buffer = gst_buffer_new_wrapped(picture, length);
  return GST_FLOW_OK;
}

static void argus_class_init(ArgusClass *class) {
  GstElementClass *element = GST_ELEMENT_CLASS(class);
  G_OBJECT_CLASS(class)->set_property = argus_set;
  g_object_class_install_property(
      G_OBJECT_CLASS(class), 1,
      g_param_spec_int("sensor-id", "sensor-id", "Which sensor", 0, 255, 0, G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS));
  gst_element_class_add_static_pad_template(element, &argus_pad);
  gst_element_class_set_static_metadata(element, "Camera source", "Video/Capture", "A made-up camera module", PACKAGE);
  GST_BASE_SRC_CLASS(class)->set_caps = argus_set_caps;
  GST_PUSH_SRC_CLASS(class)->create = argus_create;
}

static void argus_init(Argus *self) {
  gst_base_src_set_live(GST_BASE_SRC(self), TRUE);
  gst_base_src_set_format(GST_BASE_SRC(self), GST_FORMAT_TIME);
  gst_base_src_set_do_timestamp(GST_BASE_SRC(self), TRUE);
}

/* The copier. */

typedef GstBaseTransform Copier;
typedef GstBaseTransformClass CopierClass;
G_DEFINE_TYPE(Copier, copier, GST_TYPE_BASE_TRANSFORM)

static GstStaticPadTemplate copier_in = GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(IN_NVMM));
static GstStaticPadTemplate copier_out =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-raw, format=NV12"));

static GstCaps *copier_transform_caps(GstBaseTransform *self, GstPadDirection side, GstCaps *caps, GstCaps *filter) {
  GstCaps *other = gst_caps_copy(caps);
  for (guint i = 0; i < gst_caps_get_size(other); i++)
    gst_caps_set_features(other, i, side == GST_PAD_SRC ? gst_caps_features_new(NVMM, NULL) : NULL);
  if (filter) {
    GstCaps *wanted = gst_caps_intersect_full(filter, other, GST_CAPS_INTERSECT_FIRST);
    gst_caps_unref(other);
    return wanted;
  }
  return other;
}

static GstFlowReturn copier_transform(GstBaseTransform *self, GstBuffer *buffer) {
  return GST_FLOW_OK;
}

static void copier_class_init(CopierClass *class) {
  GstElementClass *element = GST_ELEMENT_CLASS(class);
  gst_element_class_add_static_pad_template(element, &copier_in);
  gst_element_class_add_static_pad_template(element, &copier_out);
  gst_element_class_set_static_metadata(element, "Converter", "Filter/Converter/Video/Scaler", "A made-up copier", PACKAGE);
  class->transform_caps = copier_transform_caps;
  class->transform_ip = copier_transform;
}

static void copier_init(Copier *self) {
  gst_base_transform_set_in_place(self, TRUE);
}

/* The decoder. What decodes in it stays out of the pipeline's sight, as a chip would. */

typedef struct {
  GstElement parent;
  GstPad *out;
  GstElement *chip, *chip_in, *chip_out;
} Decoder;
typedef GstElementClass DecoderClass;
G_DEFINE_TYPE(Decoder, decoder, GST_TYPE_ELEMENT)

static GstStaticPadTemplate decoder_in = GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
                                                                 GST_STATIC_CAPS("video/x-h264, stream-format=byte-stream, alignment=au"));
static GstStaticPadTemplate decoder_out = GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(IN_NVMM));

static GstFlowReturn decoder_chain(GstPad *pad, GstObject *object, GstBuffer *buffer) {
  Decoder *self = (Decoder *)object;
  GstFlowReturn flow = gst_app_src_push_buffer(GST_APP_SRC(self->chip_in), buffer);
  GstSample *sample;
  while (flow == GST_FLOW_OK && (sample = gst_app_sink_try_pull_sample(GST_APP_SINK(self->chip_out), 20 * GST_MSECOND))) {
    GstCaps *caps = gst_caps_copy(gst_sample_get_caps(sample)), *before = gst_pad_get_current_caps(self->out);
    gst_caps_set_features(caps, 0, gst_caps_features_new(NVMM, NULL));
    if (!before || !gst_caps_is_equal(before, caps))
      gst_pad_push_event(self->out, gst_event_new_caps(caps));
    gst_caps_replace(&before, NULL);
    gst_caps_unref(caps);
    flow = gst_pad_push(self->out, gst_buffer_ref(gst_sample_get_buffer(sample)));
    gst_sample_unref(sample);
  }
  return flow;
}

static gboolean decoder_event(GstPad *pad, GstObject *object, GstEvent *event) {
  if (GST_EVENT_TYPE(event) != GST_EVENT_CAPS)
    return gst_pad_event_default(pad, object, event);
  GstCaps *caps;
  gst_event_parse_caps(event, &caps);
  gst_app_src_set_caps(GST_APP_SRC(((Decoder *)object)->chip_in), caps);
  gst_event_unref(event);
  return TRUE;
}

static GstStateChangeReturn decoder_change(GstElement *element, GstStateChange change) {
  Decoder *self = (Decoder *)element;
  if (change == GST_STATE_CHANGE_READY_TO_PAUSED)
    gst_element_set_state(self->chip, GST_STATE_PLAYING);
  GstStateChangeReturn changed = GST_ELEMENT_CLASS(decoder_parent_class)->change_state(element, change);
  if (change == GST_STATE_CHANGE_PAUSED_TO_READY)
    gst_element_set_state(self->chip, GST_STATE_NULL);
  return changed;
}

static void decoder_dispose(GObject *object) {
  Decoder *self = (Decoder *)object;
  gst_clear_object(&self->chip_in);
  gst_clear_object(&self->chip_out);
  gst_clear_object(&self->chip);
  G_OBJECT_CLASS(decoder_parent_class)->dispose(object);
}

static void decoder_class_init(DecoderClass *class) {
  gst_element_class_add_static_pad_template(class, &decoder_in);
  gst_element_class_add_static_pad_template(class, &decoder_out);
  gst_element_class_set_static_metadata(class, "Decoder", "Codec/Decoder/Video", "A made-up decoder", PACKAGE);
  class->change_state = decoder_change;
  G_OBJECT_CLASS(class)->dispose = decoder_dispose;
}

static void decoder_init(Decoder *self) {
  GstPad *in = gst_pad_new_from_static_template(&decoder_in, "sink");
  gst_pad_set_chain_function(in, decoder_chain);
  gst_pad_set_event_function(in, decoder_event);
  gst_element_add_pad(GST_ELEMENT(self), in);
  self->out = gst_pad_new_from_static_template(&decoder_out, "src");
  gst_element_add_pad(GST_ELEMENT(self), self->out);
  self->chip = gst_parse_launch("appsrc name=in format=time is-live=true ! h264parse ! avdec_h264 ! videoconvert ! "
                                "video/x-raw,format=NV12 ! appsink name=out sync=false",
                                NULL);
  self->chip_in = gst_bin_get_by_name(GST_BIN(self->chip), "in");
  self->chip_out = gst_bin_get_by_name(GST_BIN(self->chip), "out");
}

static gboolean start(GstPlugin *plugin) {
  return gst_element_register(plugin, "nvarguscamerasrc", GST_RANK_PRIMARY, argus_get_type()) &&
         gst_element_register(plugin, "nvvidconv", GST_RANK_PRIMARY, copier_get_type()) &&
         gst_element_register(plugin, "nvv4l2decoder", GST_RANK_PRIMARY + 11, decoder_get_type());
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, madeupjetson, "A made-up Jetson", start, "1", "MIT/X11", PACKAGE,
                  "https://gstreamer.freedesktop.org/")
