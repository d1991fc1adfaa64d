"""A camera on the network: an RTSP server of GStreamer that shows what a test writes down.

    rtsp_server.py FOLDER CODEC [user=NAME] [password=WORD] [certificate=PEM] [udp] [audio] [faint] [port=N] [fps=N]

CODEC is h264, h265 or jpeg. FOLDER/scene has the path of a JPEG and the size WIDTHxHEIGHT at which it is shown; it is read again for each frame. While
FOLDER/freeze exists, the picture stays the same to the bit; while FOLDER/stall exists, no frame is sent. The server writes its port to FOLDER/port.

Each picture has a clock burned in: 32 squares of 16 by 16 pixels at the top, the bits of the milliseconds since 1970, most significant first, white for
one. The same bits are at the left edge, half way down, in squares of 8 by 8 pixels: a lens never shows the same twice. With `faint`, those are of
nearly one grey, and there is no clock at the top, so that nothing seems to move. FOLDER/log gets a line `SCENE MILLISECONDS` when a scene is shown
for the first time. While FOLDER/hang exists, the picture stays the same and the clock at the top goes on, as a camera's writing does.
"""

import os
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

Gst.init(None)

folder, codec = sys.argv[1:3]
options = dict((word.split("=", 1) + [""])[:2] for word in sys.argv[3:])
fps = int(options.get("fps", "15"))
at = lambda name: os.path.join(folder, name)

ENCODERS = {
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 bitrate=4000 ! rtph264pay name=pay0 pt=96 config-interval=1",
    "h265": "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=30 bitrate=4000 ! rtph265pay name=pay0 pt=96 config-interval=1",
    "jpeg": "jpegenc quality=90 ! rtpjpegpay name=pay0 pt=26",
}
SQUARE = 16
BITS = 32


def decode(path, width, height):
    """The picture as I420."""
    pipeline = Gst.parse_launch(
        f'filesrc location="{path}" ! jpegdec ! videoconvert ! videoscale ! '
        f"video/x-raw,format=I420,width={width},height={height} ! appsink name=out sync=false"
    )
    pipeline.set_state(Gst.State.PLAYING)
    sample = pipeline.get_by_name("out").emit("pull-sample")
    buffer = sample.get_buffer()
    data = bytearray(buffer.extract_dup(0, buffer.get_size()))
    pipeline.set_state(Gst.State.NULL)
    return data


def burn(picture, size, milliseconds, hangs):
    width, height = size
    bits = [(milliseconds >> (BITS - 1 - bit)) & 1 for bit in range(BITS)]
    faint = "faint" in options
    if not faint:
        row = b"".join((b"\xeb" if bit else b"\x10") * SQUARE for bit in bits)
        for line in range(SQUARE):
            picture[line * width : line * width + len(row)] = row
    if not hangs:
        one, zero = (b"\x7e", b"\x76") if faint else (b"\xa0", b"\x50")
        for number, bit in enumerate(bits):
            left, top = number % 2 * 8, height // 2 + number // 2 * 8
            for line in range(top, top + 8):
                picture[line * width + left : line * width + left + 8] = (one if bit else zero) * 8


class Scene:
    """What the camera sees."""

    def __init__(self):
        self.text = None
        self.picture = bytearray()
        self.size = (0, 0)

    def frame(self):
        text = open(at("scene")).read().strip()
        frozen, hangs = os.path.exists(at("freeze")), os.path.exists(at("hang"))
        changed = text != self.text
        now = int(time.time() * 1000)
        if changed:
            path, size = text.rsplit(" ", 1)
            self.size = tuple(int(side) for side in size.split("x"))
            self.picture = decode(path, *self.size)
            self.text = text
        if changed or not frozen:
            now = int(time.time() * 1000)
            burn(self.picture, self.size, now & 0xFFFFFFFF, hangs and not changed)
        if changed:
            with open(at("log"), "a") as log:
                log.write(f"{text.rsplit(' ', 1)[0]} {now}\n")
        return bytes(self.picture), self.size


class Factory(GstRtspServer.RTSPMediaFactory):
    def __init__(self):
        super().__init__()
        self.set_shared(True)
        if "udp" in options:
            self.set_protocols(GstRtsp.RTSPLowerTrans.UDP)

    def do_create_element(self, url):
        if "audio" in options:
            return Gst.parse_launch("( audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay0 pt=8 )")
        text = f"( appsrc name=scene is-live=true format=time do-timestamp=true block=true max-buffers=1 ! queue max-size-buffers=1 ! {ENCODERS[codec]} )"
        return Gst.parse_launch(text)

    def do_configure(self, media):
        GstRtspServer.RTSPMediaFactory.do_configure(self, media)
        source = media.get_element().get_by_name_recurse_up("scene") if "audio" not in options else None
        if source is None:
            return
        running = threading.Event()
        media.connect("unprepared", lambda _: running.set())
        threading.Thread(target=feed, args=(source, running), daemon=True).start()


def feed(source, ended):
    scene, due, size = Scene(), time.monotonic(), None
    while not ended.is_set():
        due = max(due + 1 / fps, time.monotonic() - 1)
        time.sleep(max(0, due - time.monotonic()))
        if os.path.exists(at("stall")):
            continue
        picture, now = scene.frame()
        if now != size:
            size = now
            source.set_property(
                "caps",
                Gst.Caps.from_string(f"video/x-raw,format=I420,width={size[0]},height={size[1]},framerate={fps}/1"),
            )
        if source.emit("push-buffer", Gst.Buffer.new_wrapped(picture)) != Gst.FlowReturn.OK:
            return


server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(options.get("port", "0"))
factory = Factory()
if "password" in options or "certificate" in options:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    if "password" in options:
        auth.set_supported_methods(2)  # digest
        auth.add_digest(options["user"], options["password"], token)
    else:
        auth.set_default_token(token)
    if "certificate" in options:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(options["certificate"]))
    server.set_auth(auth)
    roles = Gst.Structure.new_from_string("user,media.factory.access=(boolean)true,media.factory.construct=(boolean)true;")
    factory.add_role_from_structure(roles)
server.get_mount_points().add_factory("/sub", factory)
server.attach(None)
with open(at("port.unfinished"), "w") as file:
    file.write(str(server.get_bound_port()))
os.rename(at("port.unfinished"), at("port"))
GLib.MainLoop().run()
