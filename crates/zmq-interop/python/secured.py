"""The other side of tests/security: a DEALER of libzmq, by way of pyzmq, with security.

    secured.py JSON

Prints `ready ENDPOINT` once it is bound or connecting, then does its part:
  echo     sends everything back, until its standard input ends
  refused  waits until the monitor tells that its handshake failed, and prints `failed EVENT VALUE`
and ends with status 0. Whatever is not as it must be ends it with a traceback and status 1.

    secured.py --create DIRECTORY NAME     writes a certificate, as pyzmq writes it
    secured.py --load FILE                 prints the keys in a certificate, as pyzmq reads it
"""

import json
import sys

import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator
from zmq.utils.monitor import recv_monitor_message

TIMEOUT = 10_000  # milliseconds


def secure(socket, how):
    """Sets the options of the mechanism; a server also starts whoever judges."""
    mechanism, server = how["mechanism"], how["server"]
    if mechanism == "PLAIN":
        if server:
            socket.plain_server = True
        else:
            socket.plain_username = how["username"].encode()
            socket.plain_password = how["password"].encode()
    elif mechanism == "CURVE":
        socket.curve_publickey = how["public"].encode()
        socket.curve_secretkey = how["secret"].encode()
        if server:
            socket.curve_server = True
        else:
            socket.curve_serverkey = how["server_key"].encode()
    if server:
        socket.zap_domain = b"global"


def judge(context, how):
    authenticator = ThreadAuthenticator(context)
    authenticator.start()
    if how["mechanism"] == "PLAIN":
        authenticator.configure_plain(domain="global", passwords={how["username"]: how["password"]})
    elif how["mechanism"] == "CURVE":
        authenticator.configure_curve(domain="global", location=how["allowed"])
    elif how.get("denied"):
        authenticator.deny("127.0.0.1")
    else:
        authenticator.allow("127.0.0.1")
    return authenticator


def echo(socket, _):
    poller = zmq.Poller()
    poller.register(socket, zmq.POLLIN)
    poller.register(sys.stdin.fileno(), zmq.POLLIN)
    while True:
        ready = dict(poller.poll())
        if socket in ready:
            socket.send_multipart(socket.recv_multipart())
        elif ready:
            return


def refused(_, monitor):
    while monitor.poll(TIMEOUT):
        event = recv_monitor_message(monitor)
        if event["event"] in (
            zmq.EVENT_HANDSHAKE_FAILED_AUTH,
            zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL,
            zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL,
        ):
            print("failed", zmq.Event(event["event"]).name, event["value"], flush=True)
            return
    raise AssertionError("no failed handshake")


def main():
    how = json.loads(sys.argv[1])
    context = zmq.Context()
    authenticator = judge(context, how) if how["server"] else None
    socket = context.socket(zmq.DEALER)
    socket.rcvtimeo = socket.sndtimeo = TIMEOUT
    socket.linger = 0
    secure(socket, how)
    monitor = socket.get_monitor_socket()
    endpoint = how["endpoint"]
    if how["way"] == "bind":
        socket.bind(endpoint)
        endpoint = socket.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\x00").decode()
    else:
        socket.connect(endpoint)
    print("ready", endpoint, flush=True)
    {"echo": echo, "refused": refused}[how["part"]](socket, monitor)
    socket.disable_monitor()
    monitor.close()
    socket.close()
    if authenticator:
        authenticator.stop()
    context.term()
    print("done", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "--create":
        print(*zmq.auth.create_certificates(sys.argv[2], sys.argv[3], {"name": "somebody"}))
    elif sys.argv[1] == "--load":
        print(*(key.decode() for key in zmq.auth.load_certificate(sys.argv[2]) if key))
    else:
        main()
