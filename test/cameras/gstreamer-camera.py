#!/usr/bin/python3
"""RTSP cameras on 127.0.0.1, served by GStreamer's RTSP server: a camera that is not ours.

usage: gstreamer-camera.py --cameras N [--port P] [--user NAME --password WORD] CLIP...
       gstreamer-camera.py --launch PIPELINE [--protocols tcp|udp] [--tls CERTIFICATE KEY] ...

Each CLIP is a directory of one access unit per file (%05d.h264, Annex B) and, if there is audio, `audio.aac` (ADTS).
Camera i serves rtsp://127.0.0.1:PORT/cam<i> and loops its clip without a break in the timestamps. The first line on
standard output is `listening on PORT`. With --launch, camera 0 serves that pipeline, whose payloaders are named pay0 and
pay1. With --back-channel, it is an ONVIF camera with a loudspeaker, and writes what it hears (16 bits, 8 kHz) to FILE. With --tls the address begins with rtsps. Port 0 (the default) takes a free one. With a user, digest authentication is asked for.

Needs Debian's python3-gi, gir1.2-gst-rtsp-server-1.0, gstreamer1.0-rtsp, gstreamer1.0-plugins-{base,good,bad}; therefore
it is run by /usr/bin/python3 and not by whatever python3 comes first on the PATH.
"""

import argparse
import glob
import os
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

DIGEST_AUTHENTICATION = 2  # GST_RTSP_AUTH_DIGEST, which the bindings do not name
AUDIO_RATE = 48000
AUDIO_SAMPLES_PER_FRAME = 1024


class Clip:
    def __init__(self, directory):
        paths = sorted(glob.glob(os.path.join(directory, "*.h264")))
        if not paths:
            sys.exit(f"{directory}: expected access units named %05d.h264, found none")
        self.pictures = [read_bytes(path) for path in paths]
        audio = os.path.join(directory, "audio.aac")
        self.audio = split_adts(open(audio, "rb").read()) if os.path.exists(audio) else []


def read_bytes(path):
    with open(path, "rb") as file:
        return GLib.Bytes.new(file.read())


def split_adts(stream):
    frames, offset = [], 0
    while offset + 7 <= len(stream):
        length = ((stream[offset + 3] & 3) << 11) | (stream[offset + 4] << 3) | (stream[offset + 5] >> 5)
        frames.append(GLib.Bytes.new(stream[offset : offset + length]))
        offset += length
    return frames


class Feed:
    """Pushes the same items for ever; item i is presented at exactly i / rate seconds."""

    def __init__(self, source, items, rate_numerator, rate_denominator):
        self.items, self.position = items, 0
        self.numerator, self.denominator = rate_numerator, rate_denominator
        source.connect("need-data", self.push)

    def push(self, source, _byte_count):
        for _ in range(2):
            buffer = Gst.Buffer.new_wrapped_bytes(self.items[self.position % len(self.items)])
            buffer.pts = self.position * Gst.SECOND * self.denominator // self.numerator
            buffer.duration = Gst.SECOND * self.denominator // self.numerator
            self.position += 1
            if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                return


def pipeline(clip, frame_rate):
    video = (
        f'appsrc name=video format=time is-live=true stream-type=0 max-bytes=300000 '
        f'caps="video/x-h264,stream-format=byte-stream,alignment=au,framerate={frame_rate}/1" '
        "! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 mtu=1400 "
    )
    audio = (
        f'appsrc name=audio format=time is-live=true stream-type=0 max-bytes=4000 '
        f'caps="audio/mpeg,mpegversion=4,stream-format=adts,framed=true,rate={AUDIO_RATE},channels=1" '
        "! aacparse ! rtpmp4gpay name=pay1 pt=97 "
    )
    return f"( {video}{audio if clip.audio else ''})"


def hear(codec, file):
    payload, depay, decode = {
        "PCMU": (0, "rtppcmudepay", "mulawdec"),
        "PCMA": (8, "rtppcmadepay", "alawdec"),
    }[codec]
    caps = f"application/x-rtp,media=audio,payload={payload},clock-rate=8000,encoding-name={codec}"
    return (
        f'( capsfilter caps="{caps}" name=depay_backchannel ! {depay} ! {decode} '
        f'! filesink location="{file}" buffer-mode=unbuffered async=false sync=false )'
    )


def make_factory(launch, options):
    if options.back_channel:
        factory = GstRtspServer.RTSPOnvifMediaFactory()
        factory.set_media_gtype(GstRtspServer.RTSPOnvifMedia.__gtype__)
        factory.set_backchannel_launch(hear(options.back_channel, options.heard))
    else:
        factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(launch)
    factory.set_shared(not options.back_channel)
    factory.set_latency(0)
    if options.protocols:
        transport = {"tcp": GstRtsp.RTSPLowerTrans.TCP, "udp": GstRtsp.RTSPLowerTrans.UDP}
        factory.set_protocols(transport[options.protocols])
    if options.user or options.tls:
        role = "user,media.factory.access=true,media.factory.construct=true"
        factory.add_role_from_structure(Gst.Structure.from_string(role)[0])
    return factory


def make_clip_factory(clip, options):
    frame_rate = options.frame_rate
    factory = make_factory(pipeline(clip, frame_rate), options)

    def configure(_factory, media):
        element = media.get_element()
        media.feeds = [Feed(element.get_by_name("video"), clip.pictures, frame_rate, 1)]
        if clip.audio:
            source = element.get_by_name("audio")
            media.feeds.append(Feed(source, clip.audio, AUDIO_RATE, AUDIO_SAMPLES_PER_FRAME))

    factory.connect("media-configure", configure)
    return factory


def authentication(user, password):
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(DIGEST_AUTHENTICATION)
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "user")
    auth.add_digest(user, password, token)
    return auth


def encryption(auth, certificate, key):
    auth.set_tls_certificate(Gio.TlsCertificate.new_from_files(certificate, key))
    return auth


def everybody():
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "user")
    auth.set_default_token(token)
    return auth


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", default="0")
    parser.add_argument("--cameras", type=int, default=1)
    parser.add_argument("--frame-rate", type=int, default=25)
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--launch")
    parser.add_argument("--back-channel", choices=["PCMU", "PCMA"])
    parser.add_argument("--heard", metavar="FILE")
    parser.add_argument("--protocols", choices=["tcp", "udp"])
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"))
    parser.add_argument("clips", nargs="*")
    options = parser.parse_args()

    Gst.init(None)
    server = GstRtspServer.RTSPOnvifServer() if options.back_channel else GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(options.port)
    server.set_backlog(128)
    auth = authentication(options.user, options.password) if options.user else None
    if options.tls:
        auth = encryption(auth or everybody(), *options.tls)
    if auth:
        server.set_auth(auth)
    clips = [Clip(directory) for directory in options.clips]
    mounts = server.get_mount_points()
    if options.launch:
        mounts.add_factory("/cam0", make_factory(options.launch, options))
    for index in range(options.cameras if clips else 0):
        factory = make_clip_factory(clips[index % len(clips)], options)
        mounts.add_factory(f"/cam{index}", factory)
    if server.attach(None) == 0:
        sys.exit(f"cannot listen on 127.0.0.1:{options.port}")
    print(f"listening on {server.get_bound_port()}", flush=True)
    GLib.MainLoop().run()


main()
