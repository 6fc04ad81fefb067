"""An ONVIF device on 127.0.0.1 that is not ours: PyPI's `ipycam` answers for it, in ONVIF and in WS-Discovery.

usage: onvif-camera.py RTSP_PORT RTSP_PATH [USER PASSWORD]

The stream that it names is rtsp://127.0.0.1:RTSP_PORT/RTSP_PATH. The first line on standard output is `listening on PORT`.
Needs a Python with ipycam 1.3 (and numpy, opencv-python-headless, which its package imports).
"""

import http.server
import sys
from types import SimpleNamespace

from ipycam import CameraConfig, IPCameraHTTPHandler, ONVIFService, PTZController, WSDiscoveryServer

rtsp_port, rtsp_path, *credentials = sys.argv[1:]
config = CameraConfig()
config.local_ip = "127.0.0.1"
config.rtsp_port = int(rtsp_port)
config.main_stream_name = rtsp_path
config.sub_stream_name = rtsp_path
if credentials:
    config.username, config.password = credentials
ptz = PTZController()
service = ONVIFService(config, ptz)
IPCameraHTTPHandler.camera = SimpleNamespace(config=config, onvif=service, ptz=ptz)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), IPCameraHTTPHandler)
config.onvif_port = server.server_address[1]
WSDiscoveryServer(service).start()
print(f"listening on {config.onvif_port}", flush=True)
server.serve_forever()
