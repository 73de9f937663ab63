"""The other side of tests/pyzmq.rs: one socket of libzmq, by way of pyzmq, in a process of its own.

    peer.py TYPE bind|connect ENDPOINT COUNT

Prints `ready ENDPOINT` once it is bound or connecting, plays the part that belongs to its type COUNT times, prints
`done`, and ends with status 0. Whatever is not as it must be ends it with a traceback and status 1.
"""

import sys
import time

import zmq

TIMEOUT = 10_000  # milliseconds, for every single call
SIZES = (0, 1, 255, 256, 65_536)
TOPICS = (b"a", b"b" * 254, b"c" * 255, b"d" * 256)


def body(number):
    """The body of message `number`; tests/pyzmq.rs has the same function."""
    return bytes(2 + (number + index) % 251 for index in range(SIZES[number % len(SIZES)]))


def parts(number):
    """Message `number`: its number, an empty part, its body."""
    return [b"%d" % number, b"", body(number)]


def same(received, expected):
    if received != expected:
        sizes = ([len(part) for part in received], [len(part) for part in expected])
        raise AssertionError("received other parts than expected; sizes: %r, %r" % sizes)


def req(socket, count):
    for number in range(count):
        socket.send_multipart(parts(number))
        same(socket.recv_multipart(), [b"reply", *parts(number)])


def rep(socket, count):
    for number in range(count):
        request = socket.recv_multipart()
        same(request, parts(number))
        socket.send_multipart([b"reply", *request])


def push(socket, count):
    for number in range(count):
        socket.send_multipart(parts(number))


def pull(socket, count):
    for number in range(count):
        same(socket.recv_multipart(), parts(number))


def pair(socket, count):
    push(socket, count)
    pull(socket, count)


def dealer(socket, count):
    pair(socket, count)


def router(socket, count):
    """Sends everything back to where it came from."""
    for number in range(count):
        sender, *message = socket.recv_multipart()
        same([sender, *message], [b"dealer of ours", *parts(number)])
        socket.send_multipart([sender, *message])


def publish(socket, count):
    """Every topic in turn, until the subscriber has had enough and closes its end of our standard input."""
    number = 0
    while not finished():
        for topic in TOPICS:
            socket.send_multipart([topic, b"%d" % number])
        number += 1
        time.sleep(0.0005)


def finished():
    poller = zmq.Poller()
    poller.register(sys.stdin.fileno(), zmq.POLLIN)
    return bool(poller.poll(0))


def subscribe(socket, count):
    """Changes its mind COUNT times."""
    change(socket, b"a", True)
    for round_ in range(count):
        topic = TOPICS[1 + round_ % 3]
        change(socket, topic, True)
        while socket.recv_multipart()[0] != topic:
            pass
        change(socket, topic, False)
        # The rest keeps coming; this one stops.
        absent = 0
        while absent < 20:
            absent = 0 if socket.recv_multipart()[0] == topic else absent + 1
    change(socket, b"a", False)
    change(socket, b"the end", True)
    same(socket.recv_multipart(), [b"the end"])


def change(socket, topic, add):
    if socket.type == zmq.SUB:
        socket.setsockopt(zmq.SUBSCRIBE if add else zmq.UNSUBSCRIBE, topic)
    else:
        socket.send((b"\x01" if add else b"\x00") + topic)


def xpub(socket, count):
    """Sees the first subscription to a topic and the last cancellation, and publishes what is subscribed."""
    for number in range(count):
        topic = b"%d " % number + TOPICS[number % len(TOPICS)]
        same(socket.recv_multipart(), [b"\x01" + topic])
        socket.send_multipart([topic, body(number)])
        same(socket.recv_multipart(), [b"\x00" + topic])
    same(socket.recv_multipart(), [b"up", b"stream"])


def xsub(socket, count):
    """The other side of `xpub`."""
    for number in range(count):
        topic = b"%d " % number + TOPICS[number % len(TOPICS)]
        change(socket, topic, True)
        same(socket.recv_multipart(), [topic, body(number)])
        change(socket, topic, False)
    socket.send_multipart([b"up", b"stream"])


PARTS = {
    "REQ": req,
    "REP": rep,
    "PUSH": push,
    "PULL": pull,
    "PAIR": pair,
    "DEALER": dealer,
    "ROUTER": router,
    "PUB": publish,
    "SUB": subscribe,
    "XPUB": xpub,
    "XSUB": xsub,
}


def main():
    kind, way, endpoint, count = sys.argv[1:]
    context = zmq.Context()
    socket = context.socket(getattr(zmq, kind))
    socket.rcvtimeo = socket.sndtimeo = socket.linger = TIMEOUT
    if kind == "DEALER":
        socket.routing_id = b"dealer of theirs"
    if way == "bind":
        socket.bind(endpoint)
        endpoint = socket.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\x00").decode()
    else:
        socket.connect(endpoint)
    print("ready", endpoint, flush=True)
    PARTS[kind](socket, int(count))
    # What was sent goes out first.
    socket.close()
    context.term()
    print("done", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["--version"]:
        print("pyzmq", zmq.__version__, "libzmq", zmq.zmq_version())
    else:
        main()
